#!/usr/bin/env python3
"""Runs the benchmarks of all implementations interleaved and prints the table of medians and ratios.

A complete run also writes bench/README.md (between its markers) and bench/results.svg; a partial one only prints.
"""

import argparse
import pathlib
import re
import statistics
import sys

import chart
from programs import IMPLEMENTATIONS, Programs, is_secure
from report import HERE, conditions, markdown, number, plain, ratio, write_section
from rows import PEERS, ROWS


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


# ---- Measuring -----------------------------------------------------------------------------------------------------


def wanted_by(row, impls):
    return [i for i in impls if i not in row.skip and (i != "rawspin" or row.spin)]


def measure_all(rows, args, programs):
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
            values = programs.measure(impl, f"{command} time={seconds:g}")
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


def lines_of(rows, table):
    return [table_line(r, table[r.name], table) for r in rows]


# ---- Writing -------------------------------------------------------------------------------------------------------


def write_report(rows, table, args):
    kind = "quick run" if args.quick else "full run"
    write_section("results", conditions(args, kind) + "\n" + markdown(HEAD, lines_of(rows, table))
                  + "\n![Speed against the limit](results.svg)\n")
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
    pump = "raw" in args.impl and any(is_secure(r.command) for r in rows)
    with Programs(args.impl, args.lib, pump) as programs:
        results = measure_all(rows, args, programs)
    table = {r.name: medians(r, results) for r in rows}
    print(plain(HEAD, lines_of(rows, table), left=(0, 8)))
    complete = not args.only and set(args.impl) >= set(IMPLEMENTATIONS)
    if args.write or complete:
        write_report(rows, table, args)


if __name__ == "__main__":
    main()
