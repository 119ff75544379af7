"""Small messages over tcp between two processes, through this package and others, in one run: rates and ratios.

    python bench/compare.py [ROUNDS]

Rows: a ping-pong of 64 bytes, one way 64 bytes (one call each, and in lists where there are such), asyncio ping-pong, and one
way 1 MiB. Packages that are not installed are left out. Figures are medians; compare within one run only.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import socket
import statistics
import sys
import time

PING_PONGS = 5000
SMALL = 100_000
LARGE = 300
BODY = b"x" * 64
MIB = b"y" * (1 << 20)


def free_address():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{probe.getsockname()[1]}"


class Millrace:
    name = "millrace"

    def pair(self, address, binds):
        import millrace

        return millrace.Pair(**{"bind" if binds else "connect": address}, recv_max_size=-1)

    def apair(self, address, binds):
        return self.pair(address, binds)

    def send_all(self, s, body, count):
        for _ in range(count):
            s.send(body)

    def recv_all(self, s, count):
        for _ in range(count):
            s.recv()


class MillraceMany(Millrace):
    name = "millrace, in lists"

    def send_all(self, s, body, count):
        batch = [body] * min(count, 1000)
        for _ in range(count // len(batch)):
            s.send_many(batch)

    def recv_all(self, s, count):
        while count > 0:
            count -= len(s.recv_many(1000))


class MillraceViews(Millrace):
    name = "millrace, not copied"

    def recv_all(self, s, count):
        for _ in range(count):
            s.recv(copy=False)


class Pynng:
    name = "pynng"

    def pair(self, address, binds):
        import pynng

        s = pynng.Pair0(send_buffer_size=128, recv_buffer_size=128)
        s.recv_max_size = 0
        s.listen(address) if binds else s.dial(address, block=True)
        return s

    apair = pair
    send_all = Millrace.send_all
    recv_all = Millrace.recv_all


class Pyzmq:
    name = "pyzmq"

    def pair(self, address, binds):
        import zmq

        s = zmq.Context.instance().socket(zmq.PAIR)
        s.bind(address) if binds else s.connect(address)
        return s

    def apair(self, address, binds):
        import zmq.asyncio

        s = zmq.asyncio.Context.instance().socket(zmq.PAIR)
        s.bind(address) if binds else s.connect(address)
        return s

    send_all = Millrace.send_all
    recv_all = Millrace.recv_all


class PyzmqViews(Pyzmq):
    name = "pyzmq, not copied"

    def send_all(self, s, body, count):
        for _ in range(count):
            s.send(body, copy=False)

    def recv_all(self, s, count):
        for _ in range(count):
            s.recv(copy=False)


def other_end(peer, row, address, ready):
    if row == "asyncio":
        asyncio.run(async_echo(peer, address, ready))
        return
    s = peer.pair(address, True)
    ready.set()
    if row == "ping-pong":
        for _ in range(PING_PONGS + 10):
            s.send(s.recv())
    else:
        s.send(s.recv())
        peer.recv_all(s, SMALL if row == "64 B" else LARGE)
        s.send(b"done")
    s.recv()


async def async_echo(peer, address, ready):
    s = peer.apair(address, True)
    recv, send = (getattr(s, name, None) for name in ("arecv", "asend"))
    ready.set()
    for _ in range(PING_PONGS + 10):
        await (send or s.send)(await (recv or s.recv)())
    await (recv or s.recv)()


async def async_ping(peer, address):
    s = peer.apair(address, False)
    recv, send = (getattr(s, name, None) or getattr(s, name[1:]) for name in ("arecv", "asend"))

    async def rounds(count):
        for _ in range(count):
            await send(BODY)
            await recv()

    await rounds(10)
    start = time.perf_counter()
    await rounds(PING_PONGS)
    spent = time.perf_counter() - start
    await send(b"end")
    return spent / PING_PONGS * 1e6


def measure(peer, row):
    address = free_address()
    ready = multiprocessing.Event()
    process = multiprocessing.Process(target=other_end, args=(peer, row, address, ready), daemon=True)
    process.start()
    ready.wait(10)
    try:
        if row == "asyncio":
            return asyncio.run(async_ping(peer, address))
        s = peer.pair(address, False)
        if row == "ping-pong":
            for _ in range(10):
                s.send(BODY), s.recv()
            start = time.perf_counter()
            for _ in range(PING_PONGS):
                s.send(BODY)
                s.recv()
            spent = (time.perf_counter() - start) / PING_PONGS * 1e6
        else:
            s.send(BODY), s.recv()
            count = SMALL if row == "64 B" else LARGE
            start = time.perf_counter()
            peer.send_all(s, BODY if row == "64 B" else MIB, count)
            s.recv()
            spent = (time.perf_counter() - start) / count * 1e6
        s.send(b"end")
        return spent
    finally:
        process.join(5)
        process.kill()


ROWS = {
    "ping-pong": [Millrace, Pynng, Pyzmq],
    "asyncio": [Millrace, Pynng, Pyzmq],
    "64 B": [Millrace, MillraceMany, Pynng, Pyzmq],
    "1 MiB": [Millrace, MillraceViews, Pynng, Pyzmq, PyzmqViews],
}


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    multiprocessing.set_start_method("spawn")
    print(f"microseconds a message (ping-pong: a round trip), medians of {rounds}\n")
    for row, peers in ROWS.items():
        times = {peer.name: [] for peer in peers}
        for _ in range(rounds):
            for peer in peers:
                try:
                    times[peer.name].append(measure(peer(), row))
                except ImportError:
                    pass
        medians = {name: statistics.median(all) for name, all in times.items() if all}
        others = [value for name, value in medians.items() if not name.startswith("millrace")]
        print(f"{row}:")
        for name, value in medians.items():
            ratio = f"   {value / min(others):.2f} x the best other" if others and name.startswith("millrace") else ""
            print(f"    {name:24} {value:10.2f}{ratio}")


if __name__ == "__main__":
    main()
