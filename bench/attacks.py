#!/usr/bin/env python3
"""What a bystander and a server feel while one client misbehaves: our object bus and the genuine libqi; prints a table.

The attackers and the bystander speak the protocol by themselves, so they are the same for both servers. libqi comes as for bench/qi.py.
"""

import argparse
import importlib.util
import json
import multiprocessing
import os
import pathlib
import socket
import struct
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
specification = importlib.util.spec_from_file_location("qi_bench", HERE / "qi.py")
qi_bench = importlib.util.module_from_spec(specification)
specification.loader.exec_module(qi_bench)

HEAD = struct.Struct("<IIIHBBIII")
MAGIC = 0x42ADDE42
CALL, REPLY, ERROR, POST = 1, 2, 3, 4
MAIN = 1
REGISTER, META = 0, 2
PATIENCE = 10
SLEEPERS = 16
MIB = 1 << 20


def message(identity, service, action, payload=b"", ty=CALL, size=None):
    size = len(payload) if size is None else size
    return HEAD.pack(MAGIC, identity, size, 0, ty, 0, service, 0 if service == 0 else MAIN, action) + payload


class Client:
    """A connection that is let in, and knows the service Bench."""

    def __init__(self, address):
        host, port = address.rsplit("/", 1)[1].split(":")
        self.socket = socket.create_connection((host, int(port)), timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.identity = 1
        self.call(0, 8, struct.pack("<I", 0))

    def exactly(self, count):
        got = bytearray()
        while len(got) < count:
            piece = self.socket.recv(min(count - len(got), 1 << 20))
            if not piece:
                raise ConnectionError("closed by the server")
            got += piece
        return bytes(got)

    def next(self):
        _, identity, size, _, ty, _, _, _, _ = HEAD.unpack(self.exactly(HEAD.size))
        return identity, ty, self.exactly(size)

    def call(self, service, action, payload=b""):
        self.identity += 1
        self.socket.sendall(message(self.identity, service, action, payload))
        while True:
            identity, ty, answer = self.next()
            if identity == self.identity and ty in (REPLY, ERROR):
                if ty == ERROR:
                    raise RuntimeError(answer[9:].decode(errors="replace"))
                return answer

    def know(self, name="Bench"):
        """The service's id, and those of its methods and signals."""
        wanted = name.encode()
        info = self.call(1, 100, struct.pack("<I", len(wanted)) + wanted)
        self.service = struct.unpack_from("<I", info, 4 + len(wanted))[0]
        text = self.call(self.service, META, struct.pack("<I", 0))
        at = 0

        def number():
            nonlocal at
            at += 4
            return struct.unpack_from("<I", text, at - 4)[0]

        def words():
            nonlocal at
            length = number()
            at += length
            return text[at - length : at].decode()

        self.members = {}
        for _ in range(number()):
            number()
            uid, _, name, _, _ = number(), words(), words(), words(), words()
            for _ in range(number()):
                words(), words()
            words()
            self.members.setdefault(name, uid)
        for _ in range(number()):
            number()
            uid, name, _ = number(), words(), words()
            self.members["signal " + name] = uid
        return self

    def register(self, signal, link):
        payload = struct.pack("<IIQ", self.service, self.members["signal " + signal], link)
        self.identity += 1
        self.socket.sendall(message(self.identity, self.service, REGISTER, payload))


def swallow(client):
    def read():
        buffer = bytearray(1 << 20)
        while client.socket.recv_into(buffer):
            pass

    client.socket.settimeout(None)
    threading.Thread(target=read, daemon=True).start()


def flooding(client, action, payload=b"", ty=CALL):
    one = b"".join(message(1000 + number, client.service, action, payload, ty) for number in range(2000))
    client.socket.settimeout(None)
    while True:
        client.socket.sendall(one)


# Each of these is a process; it says "ready" by the event and goes on until it is killed.


def flood(address, ready):
    client = Client(address).know()
    swallow(client)
    ready.set()
    flooding(client, client.members["add"], struct.pack("<ii", 1, 2))


def flood_and_not_read(address, ready):
    client = Client(address).know()
    ready.set()
    flooding(client, client.members["add"], struct.pack("<ii", 1, 2))


def slow_calls(address, ready):
    client = Client(address).know()
    swallow(client)
    burst = b"".join(message(1000 + n, client.service, client.members["work"], struct.pack("<i", 200)) for n in range(2048))
    ready.set()
    while True:
        client.socket.sendall(burst)
        time.sleep(0.1)


def sleepers(address, ready):
    clients = [Client(address).know(f"Sleeper{number}") for number in range(SLEEPERS)]
    ready.set()
    for client in clients:
        client.socket.sendall(message(1000, client.service, client.members["nap"], struct.pack("<i", 60_000)))
    time.sleep(3600)


def registrations(address, ready):
    client = Client(address).know()
    swallow(client)
    for link in range(1, 65_537):
        client.register("fired", link)
    time.sleep(1)
    ready.set()
    time.sleep(3600)


def unfinished(address, ready):
    clients = [Client(address).know() for _ in range(20)]
    part = bytes(47_900_000)
    senders = []
    for client in clients:
        client.socket.sendall(message(1000, client.service, client.members["add"], b"", size=48_000_000))
        client.socket.settimeout(None)
        senders.append(threading.Thread(target=client.socket.sendall, args=(part,), daemon=True))
        senders[-1].start()
    for sender in senders:
        sender.join(10)
    ready.set()
    time.sleep(3600)


def fillers(address, ready):
    """Unfinished messages, each on a connection of its own, as large as the server still takes them."""
    there = []
    for mib in (45, 45, 45, 30, 20, 15, 10, 8, 6, 4, 3, 2, 2, 1, 1, 1, 0.5, 0.5, 0.3, 0.3, 0.2, 0.2, 0.1, 0.1):
        size = int(mib * MIB)
        try:
            client = Client(address).know()
        except OSError:
            continue  # no room for another connection
        client.socket.settimeout(2)
        try:
            client.socket.sendall(message(1000, client.service, client.members["add"], b"", size=size) + bytes(size - 1))
        except OSError:
            pass
        there.append(client)
    ready.set()
    time.sleep(3600)


def dynamics(address, ready):
    """A method that looks into a list of a million dynamics: 6 MB on the wire, many times as much decoded."""
    signature = b"[m]"
    payload = struct.pack("<I", len(signature)) + signature + struct.pack("<I", 1_000_000) + b"\1\0\0\0b\1" * 1_000_000
    clients = [Client(address).know() for _ in range(4)]

    def calls(client):
        client.socket.settimeout(None)
        while True:
            try:
                client.call(client.service, client.members["count"], payload)
            except RuntimeError:
                pass  # no memory for it now

    ready.set()
    for client in clients:
        threading.Thread(target=calls, args=(client,), daemon=True).start()
    time.sleep(3600)


def connections(address, ready):
    there = [Client(address) for _ in range(400)]
    ready.set()
    time.sleep(3600 if there else 0)


def blind_subscribers(address, ready):
    clients = [Client(address).know() for _ in range(20)]
    for client in clients:
        client.register("image", 1)
    ready.set()
    caller = Client(address).know()
    while True:
        caller.call(caller.service, caller.members["shoot"], struct.pack("<i", MIB))
        time.sleep(0.02)


def unread_echoes(address, ready):
    clients = [Client(address).know() for _ in range(30)]
    payload = struct.pack("<I", 8_000_000) + b"x" * 8_000_000

    def calls(client):
        client.socket.settimeout(None)
        # libqi keeps all of it.
        for number in range(1000, 1004):
            client.socket.sendall(message(number, client.service, client.members["echo"], payload))

    for client in clients:
        threading.Thread(target=calls, args=(client,), daemon=True).start()
    time.sleep(3)
    ready.set()
    time.sleep(3600)


def posters(address, ready):
    clients = [Client(address).know() for _ in range(20)]
    for client in clients:
        arguments = (client, client.members["add"], struct.pack("<ii", 1, 2), POST)
        threading.Thread(target=flooding, args=arguments, daemon=True).start()
    ready.set()
    time.sleep(3600)


def hit_and_run(address, ready):
    """Each leaves a call of 1 ms and goes; 300 are there at a time."""
    first = Client(address).know()
    call = message(1000, first.service, first.members["work"], struct.pack("<i", 1000))
    there = []
    while True:
        try:
            client = Client(address)
            client.socket.sendall(call)
            there.append(client)
        except OSError:
            pass  # no room for another one now
        if len(there) >= 300:
            ready.set()
            there.pop(0).socket.close()


ATTACKS = [
    ("nothing", None, "add"),
    ("calls without a pause", flood, "add"),
    ("the same, and no answer is read", flood_and_not_read, "add"),
    ("2,048 calls of 0.2 ms each, for the bystander's object", slow_calls, "add"),
    ("16 methods that sleep for a minute, of as many other objects", sleepers, "add"),
    ("65,536 registrations for a signal that the bystander's call emits", registrations, "fire"),
    ("20 messages of 48 MB, all but the last bytes", unfinished, "add"),
    ("24 connections that fill what memory is left, one after the other", fillers, "add"),
    ("4 connections, each a list of 1,000,000 dynamics at a time", dynamics, "add"),
    ("400 connections", connections, "add"),
    ("20 subscribers to images of 1 MiB that do not read", blind_subscribers, "add"),
    ("30 connections that call four times with 8 MB and do not read the answers", unread_echoes, "add"),
    ("20 connections that post to the bystander's object without a pause", posters, "add"),
    ("300 clients at a time that leave a call of 1 ms for the bystander's object and go", hit_and_run, "add"),
]


def resident(process):
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(dict(line.split(":", 1) for line in status.splitlines())["VmRSS"].split()[0]) / 1024


def feel(address, method, seconds, watch):
    """The bystander's times in ms, one call after the other with a pause of a millisecond."""
    client = Client(address).know()
    arguments = struct.pack("<ii", 1, 2) if method == "add" else struct.pack("<i", 1)
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        begun = time.perf_counter()
        client.call(client.service, client.members[method], arguments)
        times.append((time.perf_counter() - begun) * 1e3)
        watch()
        time.sleep(0.001)
    return sorted(times)


def suffer(bench, side, attack, method, seconds):
    with qi_bench.Program(bench, side, "serve", "tcp://127.0.0.1:0", SLEEPERS) as server:
        address = server.answer()
        Client(address).know().call(1, 101)
        peak = resident(server.process)

        def watch():
            nonlocal peak
            peak = max(peak, resident(server.process))

        attacker = None
        if attack:
            ready = multiprocessing.Event()
            attacker = multiprocessing.Process(target=attack, args=(address, ready), daemon=True)
            attacker.start()
            ready.wait(60)
            time.sleep(0.3)
            watch()
        try:
            times = feel(address, method, seconds, watch)
            felt = [times[len(times) // 2], times[len(times) * 99 // 100]]
        except (OSError, RuntimeError) as error:
            print(f"{side}: {error}", file=sys.stderr)
            felt = None
        watch()
        if attacker:
            attacker.kill()
            attacker.join()
        time.sleep(2)
        return felt, peak, resident(server.process)


def row(title, results):
    cells = []
    for result in results:
        if result is None:
            cells += [""] * 4
            continue
        felt, peak, after = result
        cells += [f"{felt[0]:.2f}", f"{felt[1]:.1f}"] if felt else ["none", "none"]
        cells += [f"{peak:.0f}", f"{after:.0f}"]
    return f"| {title} | " + " | ".join(cells) + " |"


class Results:
    """By title and side; in a file, if there is one, as soon as they are there."""

    def __init__(self, path):
        self.path, self.all = path, {}
        if path and path.exists():
            self.all = json.loads(path.read_text())

    def get(self, title, side):
        return self.all.get(title, {}).get(side)

    def add(self, title, side, result):
        self.all.setdefault(title, {})[side] = result
        if self.path:
            # Whatever ends this, the file is whole.
            beside = self.path.with_name(self.path.name + ".new")
            beside.write_text(json.dumps(self.all, indent=1))
            beside.replace(self.path)


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--time", type=float, default=4.0, help="seconds that the bystander calls, default 4")
    p.add_argument("--only", type=int, action="append", help="the attack of this number, from 0; may be repeated")
    p.add_argument("--keep", type=pathlib.Path, help="a file for the results: what is there already is not measured again")
    p.add_argument("--table", action="store_true", help="measure nothing, print what --keep has")
    p.add_argument("--side", choices=["libqi", "ours"], action="append", help="default: both")
    p.add_argument("--python", type=pathlib.Path, help="a Python that has the package qi")
    p.add_argument("--program", type=pathlib.Path, help="our side; default: build it")
    args = p.parse_args()
    args.static = pathlib.Path("/bin/true")
    sides = args.side or ["libqi", "ours"]
    results = Results(args.keep)
    with tempfile.TemporaryDirectory() as directory:
        bench = None if args.table else qi_bench.Bench(args, directory)
        each = "p50, ms | p99, ms | peak, MiB | after, MiB"
        print("| one client's attack | " + " | ".join(f"{side}: {each}" for side in sides) + " |")
        print("|---|" + "---|" * 4 * len(sides))
        for number, (title, attack, method) in enumerate(ATTACKS):
            if args.only is not None and number not in args.only:
                continue
            for side in sides:
                if bench and results.get(title, side) is None:
                    try:
                        results.add(title, side, suffer(bench, side, attack, method, args.time))
                    except (OSError, qi_bench.DidNotStart) as error:
                        print(f"{side}, {title}: {error}", file=sys.stderr)
            print(row(title, [results.get(title, side) for side in sides]), flush=True)


if __name__ == "__main__":
    main()
