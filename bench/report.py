"""How results are written down: numbers, tables, the sections of README.md."""

import datetime
import os
import pathlib
import subprocess
import sys

from programs import IMPLEMENTATIONS

HERE = pathlib.Path(__file__).resolve().parent


def number(value, unit):
    if unit in ("/s", "B"):
        for limit, letter in ((1e6, "M"), (1e3, "k")):
            if value >= 10 * limit or (value >= limit and unit == "/s"):
                return f"{value / limit:.3g} {letter}{unit}"
    text = f"{value:.0f}" if value >= 100 else f"{value:.3g}"
    return f"{text} {unit}".strip()


def ratio(a, b):
    if a is None or not b:
        return "–"
    return f"{a / b:.2f}" if a > b / 10 else f"{a / b:.2g}"


def markdown(head, lines):
    lines = [head, ["---"] * len(head)] + lines
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def plain(head, lines, left=(0,)):
    lines = [[c.replace("*", "") for c in line] for line in [head] + lines]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return "\n".join("  ".join(c.ljust(w) if i in left else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths)))
                     for line in lines)


def version(package):
    out = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True)
    return f"{package} {out.stdout}" if out.returncode == 0 else package


def conditions(args, kind):
    packages = ", ".join(version(pkg) for *_, pkg in IMPLEMENTATIONS.values() if pkg)
    return (f"{datetime.date.today().isoformat()}, {os.cpu_count()} cores, Linux {os.uname().release.split('-')[0]}; "
            f"{kind}, medians of {args.rounds} interleaved rounds of {args.time:g} s a measurement. {packages}.\n")


def write_section(name, text):
    """Puts the text between the section's markers."""
    readme = HERE / "README.md"
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    whole = readme.read_text()
    if begin not in whole or end not in whole:
        sys.exit(f"{readme} has lost its markers of {name}")
    readme.write_text(whole[: whole.index(begin) + len(begin)] + text + whole[whole.index(end):])
