"""The rows of bench/README.md that make sense in Python, through this package and others, in one run: a table of times and ratios.

    python bench/compare.py [ROUNDS [ROW …]]

A row that does not exist, as "?", has those printed that do.
Packages that are not installed are left out: pynng, pyzmq, and PyPI's nanomsg, which is a binding of the libnanomsg of the system.
Figures are microseconds a message (of round trips: one there and back), medians of the rounds; compare within one run only.
"""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
import os
import socket
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import dataclass

#: How long what is measured by the clock runs, in seconds.
WINDOW = 0.7
MANY = 8
PATIENCE = 30

_numbers = itertools.count()


def free_address(transport):
    if transport == "ipc":
        return f"ipc://{tempfile.gettempdir()}/millrace-compare-{os.getpid()}-{next(_numbers)}"
    if transport == "inproc":
        return f"inproc://compare-{next(_numbers)}"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{probe.getsockname()[1]}"


class Millrace:
    name = "millrace"

    def open(self, pattern, address, binds):
        import millrace

        cls = getattr(millrace, pattern.capitalize())
        more = {"subscribe": ""} if pattern == "sub" else {}
        return cls(**{"bind" if binds else "connect": address}, recv_max_size=-1, **more)

    aopen = open

    def send_all(self, s, body, count):
        for _ in range(count):
            s.send(body)

    def recv_some(self, s, most):
        s.recv()
        return 1


class MillraceMany(Millrace):
    name = "millrace, in lists"

    def send_all(self, s, body, count):
        batch = [body] * min(count, 1000)
        for _ in range(count // len(batch)):
            s.send_many(batch)

    def recv_some(self, s, most):
        return len(s.recv_many(min(most, 1000)))


class MillraceViews(Millrace):
    name = "millrace, not copied"

    def recv_some(self, s, most):
        s.recv(copy=False)
        return 1


class Pynng(Millrace):
    name = "pynng"

    def open(self, pattern, address, binds):
        import pynng

        buffers = {"pair": {"send_buffer_size": 128, "recv_buffer_size": 128}}
        s = getattr(pynng, pattern.capitalize() + "0")(**buffers.get(pattern, {}))
        s.recv_max_size = 0
        if pattern == "sub":
            s.subscribe(b"")
        s.listen(address) if binds else s.dial(address, block=True)
        return s

    aopen = open


class Pyzmq(Millrace):
    name = "pyzmq"

    def open(self, pattern, address, binds, context=None):
        import zmq

        s = (context or zmq.Context.instance()).socket(getattr(zmq, pattern.upper()))
        if pattern == "sub":
            s.setsockopt(zmq.SUBSCRIBE, b"")
        s.bind(address) if binds else s.connect(address)
        return s

    def aopen(self, pattern, address, binds):
        import zmq.asyncio

        return self.open(pattern, address, binds, zmq.asyncio.Context.instance())


class PyzmqViews(Pyzmq):
    name = "pyzmq, not copied"

    def send_all(self, s, body, count):
        for _ in range(count):
            s.send(body, copy=False)

    def recv_some(self, s, most):
        s.recv(copy=False)
        return 1


class Nanomsg(Millrace):
    name = "nanomsg"

    def open(self, pattern, address, binds):
        import nanomsg

        s = nanomsg.Socket(getattr(nanomsg, pattern.upper()))
        s.set_int_option(nanomsg.SOL_SOCKET, nanomsg.RCVMAXSIZE, -1)
        if pattern == "sub":
            s.set_string_option(nanomsg.SUB, nanomsg.SUB_SUBSCRIBE, b"")
        s.bind(address) if binds else s.connect(address)
        return s


@dataclass(frozen=True)
class Row:
    title: str
    kind: str
    transport: str = "tcp"
    size: int = 64
    count: int = 5000
    patterns: tuple = ("pair", "pair")
    peers: tuple = (Millrace, Pynng, Pyzmq, Nanomsg)


IN_LISTS = (Millrace, MillraceMany, Pynng, Pyzmq, Nanomsg)
VIEWS = (Millrace, MillraceViews, Pynng, Pyzmq, PyzmqViews, Nanomsg)
ASYNC = (Millrace, Pynng, Pyzmq)

ROWS = {
    "rt-tcp": Row("tcp round trip, 64 B", "round trip"),
    "rt-ipc": Row("ipc round trip, 64 B", "round trip", "ipc"),
    "rt-inproc": Row("inproc round trip, two threads", "round trip", "inproc"),
    "rt-req": Row("tcp REQ/REP round trip", "round trip", patterns=("req", "rep")),
    "rt-async": Row("tcp round trip, 64 B, asyncio", "asyncio", peers=ASYNC),
    "ow-tcp-64": Row("tcp one way, 64 B", "one way", count=100_000, peers=IN_LISTS),
    "ow-ipc-64": Row("ipc one way, 64 B", "one way", "ipc", count=100_000, peers=IN_LISTS),
    "ow-inproc-64": Row("inproc one way, 64 B", "one way", "inproc", count=50_000, peers=IN_LISTS),
    "ow-tcp-1k": Row("tcp one way, 1 KiB", "one way", size=1024, count=50_000, peers=IN_LISTS),
    "ow-tcp-64k": Row("tcp one way, 64 KiB", "one way", size=65536, count=5000, peers=VIEWS),
    "ow-tcp-1m": Row("tcp one way, 1 MiB", "one way", size=1 << 20, count=300, peers=VIEWS),
    "ow-ipc-1m": Row("ipc one way, 1 MiB", "one way", "ipc", size=1 << 20, count=300, peers=VIEWS),
    "pub-8": Row("PUB to 8 SUBs over tcp, delivered", "publish", patterns=("pub", "sub"), peers=IN_LISTS),
    "fan-in-8": Row("8 PUSHs to one PULL over tcp", "fan in", patterns=("push", "pull"), peers=IN_LISTS),
}


def recv_all(peer, s, count):
    while count > 0:
        count -= peer.recv_some(s, count)


def other_end(peer, row, address, ready):
    """Binds, and does its part of what the row is about."""
    if row.kind == "asyncio":
        asyncio.run(async_echo(peer, row, address, ready))
        return
    s = peer.open(row.patterns[1], address, True)
    ready.set()
    if row.kind == "round trip":
        for _ in range(row.count + 10):
            s.send(s.recv())
    else:
        s.send(s.recv())
        recv_all(peer, s, row.count)
        s.send(b"done")
    # Until the other is done, too.
    s.recv()
    if row.patterns[1] == "rep":
        s.send(b"end")


async def async_echo(peer, row, address, ready):
    s = peer.aopen("pair", address, True)
    recv, send = (getattr(s, name, None) for name in ("arecv", "asend"))
    ready.set()
    for _ in range(row.count + 10):
        await (send or s.send)(await (recv or s.recv)())
    await (recv or s.recv)()


async def async_ping(peer, row, address):
    s = peer.aopen("pair", address, False)
    recv, send = (getattr(s, name, None) or getattr(s, name[1:]) for name in ("arecv", "asend"))

    async def rounds(count):
        for _ in range(count):
            await send(b"x" * row.size)
            await recv()

    await rounds(10)
    start = time.perf_counter()
    await rounds(row.count)
    spent = time.perf_counter() - start
    await send(b"end")
    return spent / row.count * 1e6


def between_two(peer, row):
    address = free_address(row.transport)
    ready = (threading if row.transport == "inproc" else multiprocessing).Event()
    start = threading.Thread if row.transport == "inproc" else multiprocessing.Process
    other = start(target=other_end, args=(peer, row, address, ready), daemon=True)
    other.start()
    if not ready.wait(PATIENCE):
        raise RuntimeError(f"{peer.name}: the other end has not begun")
    try:
        if row.kind == "asyncio":
            return asyncio.run(async_ping(peer, row, address))
        s = peer.open(row.patterns[0], address, False)
        body = b"x" * row.size
        if row.kind == "round trip":
            for _ in range(10):
                s.send(body), s.recv()
            begun = time.perf_counter()
            for _ in range(row.count):
                s.send(body)
                s.recv()
        else:
            s.send(body), s.recv()
            begun = time.perf_counter()
            peer.send_all(s, body, row.count)
            s.recv()
        spent = (time.perf_counter() - begun) / row.count * 1e6
        s.send(b"end")
        return spent
    finally:
        other.join(5)
        if row.transport != "inproc":
            other.kill()


def receive_until(peer, s, stop):
    """How many messages come, and in how many seconds, from the first one until the end."""
    got, begun = 0, None
    while not stop.is_set():
        got += peer.recv_some(s, 1000)
        begun = begun or time.perf_counter()
    return got, time.perf_counter() - begun


def one_of_many(peer, row, address, ready, stop, results):
    if row.kind == "publish":
        s = peer.open("sub", address, False)
        ready.release()
        results.put(receive_until(peer, s, stop))
        return
    s = peer.open("push", address, False)
    ready.release()
    while not stop.is_set():
        peer.send_all(s, b"x" * row.size, 1000)


def among_many(peer, row):
    address = free_address(row.transport)
    ready, stop, results = multiprocessing.Semaphore(0), multiprocessing.Event(), multiprocessing.Queue()
    s = peer.open("pub" if row.kind == "publish" else "pull", address, True)
    arguments = (peer, row, address, ready, stop, results)
    others = [multiprocessing.Process(target=one_of_many, args=arguments, daemon=True) for _ in range(MANY)]
    for other in others:
        other.start()
    try:
        for _ in others:
            if not ready.acquire(timeout=PATIENCE):
                raise RuntimeError(f"{peer.name}: one has not begun")
        if row.kind == "fan in":
            # All are there when all have sent something; their connections take a moment.
            threading.Timer(WINDOW, stop.set).start()
            got, spent = receive_until(peer, s, stop)
            return spent / got * 1e6
        threading.Timer(WINDOW, stop.set).start()
        ending = time.perf_counter() + WINDOW + 2
        finished = []
        while len(finished) < MANY and time.perf_counter() < ending:
            # They look whether it is over when something comes.
            peer.send_all(s, b"x" * row.size, 100)
            while not results.empty():
                finished.append(results.get())
        return 1e6 / sum(got / spent for got, spent in finished)
    finally:
        for other in others:
            other.kill()
            other.join(5)


def measure(peer, row):
    return among_many(peer, row) if row.kind in ("publish", "fan in") else between_two(peer, row)


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    unknown = [name for name in sys.argv[2:] if name not in ROWS]
    if unknown:
        sys.exit(f"no row is called {', '.join(unknown)}; there are {', '.join(ROWS)}")
    rows = [ROWS[name] for name in sys.argv[2:]] or list(ROWS.values())
    multiprocessing.set_start_method("spawn")
    names = [peer.name for peer in (Millrace, MillraceMany, MillraceViews, Pynng, Pyzmq, PyzmqViews, Nanomsg)]
    print(f"| | {' | '.join(names)} | ratio to the best other |\n|{'---|' * (len(names) + 2)}", flush=True)
    for row in rows:
        times = {}
        for _ in range(rounds):
            for peer in row.peers:
                try:
                    times.setdefault(peer.name, []).append(measure(peer(), row))
                except ImportError:
                    pass
        medians = {name: statistics.median(all) for name, all in times.items()}
        others = [value for name, value in medians.items() if not name.startswith("millrace")]
        ratios = [
            f"{name[10:]}{' ' if name[10:] else ''}{value / min(others):.2f}"
            for name, value in medians.items()
            if others and name.startswith("millrace")
        ]
        cells = [f"{medians[name]:.3g}" if name in medians else "" for name in names]
        print(f"| {row.title} | {' | '.join(cells)} | {'; '.join(ratios)} |", flush=True)


if __name__ == "__main__":
    main()
