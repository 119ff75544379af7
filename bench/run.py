#!/usr/bin/env python3
"""Runs the benchmarks of all implementations interleaved and prints the table of medians and ratios.

A complete run also writes bench/README.md (between its markers) and bench/results.svg; a partial one only prints.
"""

import argparse
import datetime
import os
import pathlib
import re
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile

import chart
from rows import PEERS, ROWS

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
BUILD = ROOT / "build" / "bench"
UNSUPPORTED = 77
TIME_LIMIT = 60

# Implementation: source file, library, header that proves the development package, that package.
IMPLEMENTATIONS = {
    "raw": ("raw.c", None, None, None),
    "rawspin": ("raw.c", None, None, None),
    "genuine": ("nn.c", "nanomsg", "/usr/include/nanomsg/nn.h", "libnanomsg-dev"),
    "nng": ("nng.c", "nng", "/usr/include/nng/nng.h", "libnng-dev"),
    "zmq": ("zmq.c", "zmq", "/usr/include/zmq.h", "libzmq3-dev"),
    "ours": ("nn.c", "nanomsg", None, None),
}


def parse_arguments():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--quick", action="store_true", help="the main rows, three short rounds, about two minutes")
    p.add_argument("--only", metavar="REGEX", help="rows whose name or title matches")
    p.add_argument("--rounds", type=int, help="default 5, with --quick 3")
    p.add_argument("--time", type=float, help="seconds a measurement, default 0.5, with --quick 0.25")
    p.add_argument("--impl", default=",".join(IMPLEMENTATIONS), help="default %(default)s")
    p.add_argument("--lib", type=pathlib.Path, metavar="DIR", help="where our libnanomsg.so is; default: build it")
    p.add_argument("--list", action="store_true", help="print the names of the rows")
    p.add_argument("--write", action="store_true", help="write README.md and results.svg also after a partial run")
    args = p.parse_args()
    args.impl = args.impl.split(",")
    if "raw" in args.impl and "rawspin" not in args.impl:
        args.impl.append("rawspin")
    unknown = set(args.impl) - set(IMPLEMENTATIONS)
    if unknown:
        p.error(f"unknown implementation: {', '.join(sorted(unknown))}")
    args.impl = [i for i in IMPLEMENTATIONS if i in args.impl]
    args.rounds = args.rounds or (3 if args.quick else 5)
    args.time = args.time or (0.25 if args.quick else 0.5)
    return args


def choose_rows(args):
    if args.only:
        wanted = re.compile(args.only)
        named = [r for r in ROWS if wanted.search(r.name)]
        return named or [r for r in ROWS if wanted.search(r.title) and not r.only_named]
    return [r for r in ROWS if not r.only_named and (r.quick or not args.quick)]


# ---- Building ------------------------------------------------------------------------------------------------------


def run_or_exit(command, **more):
    print("+", shlex.join(map(str, command)), file=sys.stderr)
    if subprocess.run(command, **more).returncode:
        sys.exit(f"failed: {shlex.join(map(str, command))}")


def install_peers(impls):
    missing = [pkg for i in impls for (_, _, header, pkg) in [IMPLEMENTATIONS[i]] if header and not os.path.exists(header)]
    if not missing:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        sys.exit(f"missing: {' '.join(missing)}. Install them, or leave their implementations out with --impl.")
    run_or_exit(["apt-get", "update", "-q"])
    run_or_exit(["apt-get", "install", "-y", "-q", "--no-install-recommends", *missing])


def our_library(args):
    if args.lib:
        directory = args.lib.resolve()
    else:
        run_or_exit(["cargo", "build", "--release"], cwd=ROOT)
        directory = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve() / "release"
    if not (directory / "libnanomsg.so").exists():
        sys.exit(f"no libnanomsg.so in {directory}")
    return directory


def build(impl, lib_dir):
    """Compiles one program and returns its path."""
    source, library, _, _ = IMPLEMENTATIONS[impl]
    program = BUILD / impl
    command = ["cc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread"]
    if impl == "ours":
        # Ours against our headers; without them any nanomsg's do.
        if (ROOT / "include" / "nanomsg" / "nn.h").exists():
            command += ["-I", ROOT / "include"]
        command += ["-L", lib_dir]
    command += [HERE / "bench.c", HERE / source, "-o", program]
    if library:
        command.append(f"-l{library}")
    run_or_exit(command)
    return program


def build_pump():
    """rustls by itself, which is "raw" for rows over TLS."""
    run_or_exit(["cargo", "build", "--release", "--example", "tls_pump"], cwd=ROOT)
    return pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release" / "examples" / "tls_pump"


def is_secure(command):
    return "transport=tls" in command


# ---- Measuring -----------------------------------------------------------------------------------------------------


def environment(impl, lib_dir, tmp):
    env = {k: v for k, v in os.environ.items() if k not in ("LD_LIBRARY_PATH", "BENCH_SPIN")}
    env["TMPDIR"] = tmp
    env.update({f"BENCH_{name}": f"{tmp}/{name}" for name in ("CERT", "KEY", "CERT_AND_KEY")})
    if impl == "ours":
        env["LD_LIBRARY_PATH"] = str(lib_dir)
    if impl == "rawspin":
        env["BENCH_SPIN"] = "1"
    return env


def make_certificate(directory):
    run_or_exit(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                 "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost",
                 "-addext", "basicConstraints=critical,CA:FALSE", "-keyout", directory / "KEY", "-out", directory / "CERT"],
                stderr=subprocess.DEVNULL)
    (directory / "CERT_AND_KEY").write_text((directory / "CERT").read_text() + (directory / "KEY").read_text())


def check_origin(impl, origin, lib_dir):
    """A number of one library must never be taken for one of another."""
    is_ours = lib_dir is not None and pathlib.Path(origin).resolve().is_relative_to(lib_dir)
    if (impl == "ours") != is_ours:
        sys.exit(f"{impl} ran on {origin}")


def measure(impl, program, command, env, lib_dir):
    """One run: its numbers by name, {} where there is nothing to measure, None when it failed."""
    pipe = subprocess.PIPE
    process = subprocess.Popen([program, *command.split()], env=env, text=True, stdout=pipe, stderr=pipe)
    try:
        out, err = process.communicate(timeout=TIME_LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()  # its peers die with it
        process.communicate()
        print(f"  {impl} {command}: no end within {TIME_LIMIT} s", file=sys.stderr)
        return None
    if process.returncode == UNSUPPORTED:
        return {}
    if process.returncode:
        print(f"  {impl} {command}: status {process.returncode}: {err.strip()}", file=sys.stderr)
        return None
    values = dict(pair.split("=", 1) for pair in out.split())
    check_origin(impl, values.pop("lib"), lib_dir)
    values.pop("scenario")
    return {k: float(v) for k, v in values.items()}


def wanted_by(row, impls):
    return [i for i in impls if i not in row.skip and (i != "rawspin" or row.spin)]


def measure_all(rows, args, programs, lib_dir, tmp):
    """{command: {impl: [numbers of a run, ...]}}; rows with one command share its runs."""
    results = {}
    for command in dict.fromkeys(r.command for r in rows):
        sharing = [r for r in rows if r.command == command]
        seconds = args.time * max(r.window for r in sharing)
        rounds = max(min(r.rounds, args.rounds) for r in sharing)
        runs = results[command] = {i: [] for i in args.impl if any(i in wanted_by(r, [i]) for r in sharing)}
        print(f"{command} ({', '.join(runs)})", file=sys.stderr, flush=True)
        running = set(runs)
        for impl in [i for _ in range(rounds) for i in runs]:
            if impl not in running:
                continue
            program = programs["pump" if impl == "raw" and is_secure(command) else impl]
            env = environment(impl, lib_dir, tmp)
            values = measure(impl, program, f"{command} time={seconds:g}", env, lib_dir)
            if values:
                runs[impl].append(values)
            else:
                running.discard(impl)  # it will not do better in the next round
    return results


# ---- Judging -------------------------------------------------------------------------------------------------------


def medians(row, results):
    found = {}
    for impl in wanted_by(row, results[row.command]):
        values = [run[row.metric] for run in results[row.command][impl]]
        if values:
            found[impl] = statistics.median(values)
    return found


def best_peer(row, values):
    peers = [values[p] for p in PEERS if p in values]
    return (min if row.lower else max)(peers) if peers else None


def reference(goal, row, values, table):
    if goal.against is None:
        return 1
    if goal.against == "peer":
        return best_peer(row, values)
    if goal.against.startswith("ours:"):
        return table.get(goal.against[5:], {}).get("ours")
    return values.get(goal.against)


def goal_text(goal, row):
    sign = "≤" if row.lower else "≥"
    if goal.against is None:
        return f"{sign} {number(goal.factor, row.unit)}"
    against = {"peer": "best peer", "rawspin": "raw spinning"}.get(goal.against, goal.against)
    against = against.replace("ours:", "ours at ")
    return f"{sign} {against}" if goal.factor == 1 else f"{sign} {goal.factor:g} × {against}"


def verdict(goal, row, values, table):
    """True, False, or None where something to compare with is missing."""
    base = reference(goal, row, values, table)
    if "ours" not in values or base is None:
        return None
    return values["ours"] <= goal.factor * base if row.lower else values["ours"] >= goal.factor * base


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


HEAD = ["", "raw", "nanomsg", "NNG", "libzmq", "**ours**", "ours ÷ raw", "ours ÷ best peer", "goal", "met"]


def table_line(row, values, table):
    def cell(impl):
        return number(values[impl], row.unit) if impl in values else "–"

    raw = cell("raw") + (f", spinning {cell('rawspin')}" if "rawspin" in values else "")
    ours = values.get("ours")
    verdicts = [verdict(g, row, values, table) for g in row.goals]
    met = "–" if not verdicts or None in verdicts else "yes" if all(verdicts) else "**no**"
    goals = " and ".join(goal_text(g, row) for g in row.goals) or "–"
    return [row.title, raw, cell("genuine"), cell("nng"), cell("zmq"), cell("ours"), ratio(ours, values.get("raw")),
            ratio(ours, best_peer(row, values)), goals, met]


def markdown(rows, table):
    lines = [HEAD, ["---"] * len(HEAD)] + [table_line(r, table[r.name], table) for r in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def plain(rows, table):
    lines = [[c.replace("*", "") for c in line] for line in [HEAD] + [table_line(r, table[r.name], table) for r in rows]]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEAD))]
    return "\n".join("  ".join(c.ljust(w) if i in (0, 8) else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths)))
                     for line in lines)


# ---- Writing -------------------------------------------------------------------------------------------------------


def version(package):
    out = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True)
    return f"{package} {out.stdout}" if out.returncode == 0 else package


def conditions(args):
    packages = ", ".join(version(pkg) for *_, pkg in IMPLEMENTATIONS.values() if pkg)
    kind = "quick run" if args.quick else "full run"
    return (f"{datetime.date.today().isoformat()}, {os.cpu_count()} cores, Linux {os.uname().release.split('-')[0]}; "
            f"{kind}, medians of {args.rounds} interleaved rounds of {args.time:g} s a measurement. {packages}.\n")


def write_report(rows, table, args):
    readme = HERE / "README.md"
    report = conditions(args) + "\n" + markdown(rows, table) + "\n![Speed against the limit](results.svg)\n"
    begin, end = "<!-- results -->\n", "<!-- /results -->"
    text = readme.read_text()
    if begin not in text or end not in text:
        sys.exit(f"{readme} has lost its markers")
    readme.write_text(text[: text.index(begin) + len(begin)] + report + text[text.index(end):])
    (HERE / "results.svg").write_text(chart.svg(rows, table, verdict, reference))


def main():
    args = parse_arguments()
    rows = choose_rows(args)
    if not rows:
        sys.exit("no row matches")
    if args.list:
        print("\n".join(f"{r.name:20} {r.title}" for r in rows))
        return
    needed = {i for r in rows for i in wanted_by(r, args.impl)}
    args.impl = [i for i in args.impl if i in needed]
    BUILD.mkdir(parents=True, exist_ok=True)
    install_peers(args.impl)
    lib_dir = our_library(args) if "ours" in args.impl else None
    programs = {impl: build(impl, lib_dir) for impl in args.impl}
    if "raw" in args.impl and any(is_secure(r.command) for r in rows):
        programs["pump"] = build_pump()
    with tempfile.TemporaryDirectory(prefix="bench-") as tmp:
        make_certificate(pathlib.Path(tmp))
        results = measure_all(rows, args, programs, lib_dir, tmp)
    table = {r.name: medians(r, results) for r in rows}
    print(plain(rows, table))
    complete = not args.only and set(args.impl) >= set(IMPLEMENTATIONS)
    if args.write or complete:
        write_report(rows, table, args)


if __name__ == "__main__":
    main()
