#!/usr/bin/env python3
"""How long messages take under load, and the slowest of them; how fast messages of each size go; for nanomsg, NNG, libzmq and us.

First each library's own maximal rate is measured, then the latency at a share of it, all interleaved. A complete run writes its
section of bench/README.md, load.svg and sizes.svg; a partial one only prints.
"""

import argparse
import pathlib
import re
import statistics
from dataclasses import dataclass

import chart
from programs import Programs
from report import HERE, conditions, markdown, number, plain, write_section

IMPLS = ("genuine", "nng", "zmq", "ours")
TRANSPORTS = ("tcp", "ipc", "inproc")
SIZES = (128, 1024, 8192, 65536, 1 << 20, 4 << 20)
LOADS = (0.1, 0.3, 0.5, 0.7, 0.9)
QUANTILES = ("us", "p99", "p999", "worst")


@dataclass(frozen=True)
class Load:
    """Latencies at a share of the most messages or requests a second that this very command manages: of what the fastest of
    the others manages, for all the same, or, to be drawn, each of its own."""

    title: str
    command: str
    share: float
    drawn: str = ""  # the picture it is a point of

    @property
    def name(self):
        return f"{self.title}, {self.share:.0%}" + (" of its own" if self.drawn else "")


def size_text(size):
    return f"{size >> 20} MiB" if size >= 1 << 20 else f"{size >> 10} KiB" if size >= 1024 else f"{size} B"


def one_way(transport, size):
    form = " form=msg" if size >= 65536 else ""
    return f"oneway transport={transport} size={size}{form}"


def loads():
    for transport in TRANSPORTS:
        for share in (0.1, 0.5, 0.9):
            yield Load(f"{transport}, 128 B", f"load transport={transport} size=128", share)
    for transport in TRANSPORTS:
        for size in (65536, 4 << 20):
            yield Load(f"{transport}, {size_text(size)}", f"load transport={transport} size={size}", 0.5)
    for n in (1, 8, 64):
        yield Load(f"PUB to {n} over tcp, 128 B", f"load pattern=pub size=128 n={n}", 0.5)
    for n in (1, 8, 64):
        yield Load(f"REQ/REP over tcp, {n} clients, 128 B", f"load pattern=req size=128 n={n}", 0.5)
    for transport in TRANSPORTS:
        for share in LOADS:
            yield Load(f"{transport}, 128 B", f"load transport={transport} size=128", share, transport)


def parse_arguments():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--only", metavar="REGEX", help="loads whose name matches")
    p.add_argument("--rounds", type=int, default=3, help="default %(default)s")
    p.add_argument("--time", type=float, default=0.5, help="seconds a measurement, default %(default)s")
    p.add_argument("--lib", type=pathlib.Path, metavar="DIR", help="where our libnanomsg.so is; default: build it")
    return p.parse_args()


# ---- Measuring -----------------------------------------------------------------------------------------------------


def rounds_of(programs, command, args, rates=None, share=1.0):
    """{impl: [numbers of a run, ...]} of all implementations in turn; with `rates` each at a share of its own."""
    runs = {i: [] for i in IMPLS}
    for impl in [i for _ in range(args.rounds) for i in IMPLS]:
        if rates is not None and impl not in rates:
            continue
        rate = f" rate={max(rates[impl] * share, 1):.0f}" if rates is not None else ""
        values = programs.measure(impl, f"{command} time={args.time:g}{rate}")
        if values:
            runs[impl].append(values)
    return {i: r for i, r in runs.items() if r}


def medians(runs, key):
    return {i: statistics.median(r[key] for r in rs) for i, rs in runs.items()}


def most(programs, command, args):
    """As many messages as each sends at most; of PUB every subscriber's are counted."""
    got = medians(rounds_of(programs, f"{command} rate=1e12", args), "got")
    subscribers = re.search(r"pattern=pub .*\bn=(\d+)", command)
    return {i: r / int(subscribers.group(1)) for i, r in got.items()} if subscribers else got


def measure(wanted, sizes, args):
    with Programs(IMPLS, args.lib) as programs:
        tops, by_size, tails = {}, {}, {}
        for command in dict.fromkeys(load.command for load in wanted):
            print(command, flush=True)
            tops[command] = most(programs, command, args)
        for transport, size in sizes:
            command = one_way(transport, size)
            print(command, flush=True)
            by_size[transport, size] = medians(rounds_of(programs, command, args), "rate")
        for load in wanted:
            print(load.name, flush=True)
            rates = tops[load.command]
            if not load.drawn:
                rates = dict.fromkeys(IMPLS, max(rates[i] for i in IMPLS if i in rates and i != "ours"))
            runs = rounds_of(programs, load.command, args, rates, load.share)
            tails[load] = {i: {q: medians(runs, q)[i] for q in QUANTILES} | {"rate": rates[i] * load.share} for i in runs}
    return by_size, tails


# ---- Writing -------------------------------------------------------------------------------------------------------


HEAD = ["", "nanomsg", "NNG", "libzmq", "**ours**", "ours ÷ best peer: median, p99, worst"]


def table_line(load, found):
    def cell(impl):
        return " · ".join(number(found[impl][q], "") for q in QUANTILES) if impl in found else "–"

    def against(quantile):
        peers = [v[quantile] for i, v in found.items() if i != "ours"]
        return f"{found['ours'][quantile] / min(peers):.2f}" if peers and "ours" in found else "–"

    rate = next(iter(found.values()))["rate"]
    return [f"{load.name}: {number(rate, '/s')}", *(cell(i) for i in IMPLS), ", ".join(against(q) for q in ("us", "p99", "worst"))]


def latency_chart(tails):
    """A picture for each transport, a curve for each library: 99 % of messages take no longer, at that many a second."""
    return chart.curves("99 % of messages arrive within", "messages a second", "µs", [
        (transport, {i: [(found[i]["rate"], found[i]["p99"]) for load, found in tails.items()
                         if load.drawn == transport and i in found] for i in IMPLS})
        for transport in TRANSPORTS])


def size_chart(by_size):
    return chart.curves("Messages of each size, one way", "bytes a message", "messages a second", [
        (transport, {i: [(size, by_size[transport, size][i]) for size in SIZES if i in by_size[transport, size]] for i in IMPLS})
        for transport in TRANSPORTS])


def main():
    args = parse_arguments()
    wanted = [load for load in loads() if not args.only or re.search(args.only, load.name)]
    sizes = [] if args.only else [(t, s) for t in TRANSPORTS for s in SIZES]
    by_size, tails = measure(wanted, sizes, args)
    lines = [table_line(load, found) for load, found in tails.items() if not load.drawn]
    print(plain(HEAD, lines))
    if not args.only:
        text = (conditions(args, "full run") + "All send the same number of messages (requests) a second: the share named of what the "
                "fastest of the others manages at most. In each cell: the median, p99, p99.9 and the worst, in µs.\n\n" + markdown(HEAD, lines)
                + "\n![p99 against load](load.svg)\n\n![Rate against size](sizes.svg)\n")
        write_section("tails", text)
        (HERE / "load.svg").write_text(latency_chart(tails))
        (HERE / "sizes.svg").write_text(size_chart(by_size))


if __name__ == "__main__":
    main()
