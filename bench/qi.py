#!/usr/bin/env python3
"""Our object bus against the genuine libqi, interleaved; prints medians and ratios. bench/README.md says what is measured.

libqi comes as PyPI's `qi`, into a virtual environment in build/bench unless --python names one that has it.
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
REQUIREMENT = "qi==3.1.5"
PROGRAM = "qi_bench"
TIME_LIMIT = 90
BURST = 400
SUBSCRIBERS = 50

# Key, title, service, arguments. Pairs are client, server.
CALLS = [
    ("add", "call round trip, add(1, 2)", "Bench", ["1", "2"]),
    ("machineId", "call round trip, directory's machineId()", "ServiceDirectory", []),
]
# Key, title, unit, whether more is better.
EVENTS = [
    ("events", f"events delivered to {SUBSCRIBERS} subscribers", "/s", True),
    ("cpu", "server's CPU time per event delivered", "µs", False),
]
PAIRS = [("libqi", "libqi"), ("ours", "libqi"), ("libqi", "ours"), ("ours", "ours")]


def parse_arguments():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--quick", action="store_true", help="three rounds of short windows, about a minute")
    p.add_argument("--rounds", type=int, help="default 5, with --quick 3")
    p.add_argument("--time", type=float, help="seconds a window, default 1, with --quick 0.4")
    p.add_argument("--python", type=pathlib.Path, help="a Python that has the package qi")
    p.add_argument("--program", type=pathlib.Path, help="our side; default: build it")
    p.add_argument("--static", type=pathlib.Path, help="the same as one static file, to be weighed; default: build it")
    args = p.parse_args()
    args.rounds = args.rounds or (3 if args.quick else 5)
    args.time = args.time or (0.4 if args.quick else 1.0)
    return args


def run_or_exit(command, **more):
    print("+", *command, file=sys.stderr)
    if subprocess.run(command, **more).returncode:
        sys.exit(f"failed: {' '.join(map(str, command))}")


def libqi_python():
    directory = ROOT / "build" / "bench" / "python-qi"
    python = directory / "bin" / "python"
    if not python.exists() or subprocess.run([python, "-c", "import qi"]).returncode:
        run_or_exit([sys.executable, "-m", "venv", "--clear", directory])
        run_or_exit([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", REQUIREMENT])
    return python


def our_program():
    return built("release")


def our_static_program():
    """With the C library in it: one file without requirements, as a program is put on a device."""
    host = subprocess.run(["rustc", "--print", "host-tuple"], text=True, stdout=subprocess.PIPE).stdout.strip()
    # The target is named so that the flags are not for macros and build scripts as well.
    return built(f"{host}/release", CARGO_BUILD_TARGET=host, RUSTFLAGS="-C target-feature=+crt-static")


def built(where, **environment):
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
    run_or_exit(["cargo", "build", "--release", "--example", PROGRAM], cwd=ROOT, env={**os.environ, **environment})
    return target / where / "examples" / PROGRAM


class DidNotStart(SystemExit):
    """A program has ended without an answer; what it said."""


class Program:
    """A process of one side; its answers are lines with "= ", because libqi logs to standard output, too."""

    def __init__(self, bench, side, *words):
        pipe = subprocess.PIPE
        command = [*bench.sides[side], *map(str, words)]
        self.process = subprocess.Popen(command, env=bench.env, text=True, stdin=pipe, stdout=pipe, stderr=bench.log)
        self.name, self.log = f"{side} {' '.join(map(str, words))}", bench.log
        self.timer = threading.Timer(TIME_LIMIT, self.process.kill)
        self.timer.start()

    def answer(self):
        for line in self.process.stdout:
            if line.startswith("= "):
                return line[2:].strip()
        self.log.flush()
        said = pathlib.Path(self.log.name).read_text(errors="replace").splitlines()[-10:]
        raise DidNotStart("\n".join([f"failed: {self.name}", *said]))

    def memory(self):
        """Resident kilobytes: all, and without pages of files."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        fields = dict(line.split(":", 1) for line in status.splitlines())
        return [int(fields[name].split()[0]) for name in ("VmRSS", "RssAnon")]

    def cpu(self):
        """Seconds of processor time so far."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.timer.cancel()


class Bench:
    def __init__(self, args, directory):
        python, program = args.python or libqi_python(), args.program or our_program()
        static = args.static or our_static_program()
        self.sides = {"libqi": [python, HERE / "qi" / "peer.py"], "ours": [program], "static": [static]}
        self.env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "XDG_CONFIG_HOME": directory, "QI_LOG_LEVEL": "2"}
        self.log = open(pathlib.Path(directory) / "log", "w")
        self.time, self.figures, self.python = args.time, {}, python

    def note(self, key, value):
        self.figures.setdefault(key, []).append(value)

    def client(self, side, *words):
        with Program(self, side, *words) as client:
            return [float(word) for word in client.answer().split()]

    def serve(self, side):
        return Program(self, side, "serve", "tcp://127.0.0.1:0")

    def one_round(self):
        for name, _, service, arguments in CALLS:
            for client, server in PAIRS:
                with self.serve(server) as program:
                    words = ["call", program.answer(), service, name, self.time, *arguments]
                    self.note((name, client, server), self.client(client, *words)[0])
        for client, server in PAIRS:
            with self.serve(server) as program:
                words = ["events", program.answer(), SUBSCRIBERS, BURST, self.time]
                before = program.cpu()
                rate, delivered = self.client(client, *words)
                self.note(("events", client, server), rate)
                self.note(("cpu", client, server), (program.cpu() - before) / delivered * 1e6)
        for server in self.sides:
            self.weigh(server)
        bare = subprocess.run(
            [self.python, "-c", "print(open('/proc/self/status').read())"], text=True, stdout=subprocess.PIPE
        )
        fields = dict(line.split(":", 1) for line in bare.stdout.splitlines() if ":" in line)
        self.note("bare", int(fields["VmRSS"].split()[0]))

    def weigh(self, server):
        with self.serve(server) as program:
            url = program.answer()
            before = program.memory()
            with Program(self, "ours", "clients", url, SUBSCRIBERS) as clients:
                clients.answer()
                after = program.memory()
        for name, old, new in zip(("all", "anonymous"), before, after):
            self.note((name, "idle", server), old)
            self.note((name, "connected", server), new)
            self.note((name, "growth", server), new - old)

    def table(self):
        """Lines: title, libqi's figure, ours, how many times better ours is."""
        median = {key: statistics.median(values) for key, values in self.figures.items()}

        def line(title, their, our, unit, is_rate=False):
            better = our / their if is_rate else their / our
            digits = 1 if min(their, our) < 50 else 0
            return f"| {title} | {their:,.{digits}f} {unit} | {our:,.{digits}f} {unit} | {better:.1f} |"

        yield "| | libqi | ours | times better |"
        yield "| --- | --- | --- | --- |"
        compared = [("both sides", "libqi", "ours"), ("server, our client", "ours", "ours")]
        compared.append(("server, libqi's client", "libqi", "libqi"))
        for name, title, _, _ in CALLS:
            for what, theirs, ours in compared:
                yield line(f"{title}: {what}", median[name, theirs, "libqi"], median[name, ours, "ours"], "µs")
        for key, title, unit, is_rate in EVENTS:
            for what, theirs, ours in compared:
                yield line(f"{title}: {what}", median[key, theirs, "libqi"], median[key, ours, "ours"], unit, is_rate)
        their, bare = median["all", "connected", "libqi"], median["bare"]
        for side, what in [("static", "one static file"), ("ours", "with shared libraries")]:
            our = median["all", "connected", side]
            yield line(f"server with {SUBSCRIBERS} clients, {what}: resident (RSS)", their, our, "kB")
            yield line(f"the same less a bare Python ({bare:,.0f} kB)", their - bare, our, "kB")
        their, our = median["anonymous", "connected", "libqi"], median["anonymous", "connected", "ours"]
        yield line("without pages of files (RssAnon)", their, our, "kB")
        for kind, name in [("all", "RSS"), ("anonymous", "RssAnon")]:
            their, our = median[kind, "growth", "libqi"], median[kind, "growth", "ours"]
            yield line(f"growth by {SUBSCRIBERS} clients, {name}", their, max(our, 1), "kB")


def main():
    args = parse_arguments()
    with tempfile.TemporaryDirectory() as directory:
        bench = Bench(args, directory)
        for number in range(args.rounds):
            print(f"round {number + 1} of {args.rounds}", file=sys.stderr)
            bench.one_round()
        print(f"medians of {args.rounds} interleaved rounds, {args.time} s a window\n")
        print("\n".join(bench.table()))
        print("\nlowest and highest:", file=sys.stderr)
        for key, values in bench.figures.items():
            name = key if isinstance(key, str) else ", ".join(key)
            print(f"  {name}: {min(values):.1f} to {max(values):.1f}", file=sys.stderr)


if __name__ == "__main__":
    main()
