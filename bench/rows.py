"""The table: every row says what is run, which number of it counts, and what we want of it."""

from dataclasses import dataclass

PEERS = ("genuine", "zmq", "nng")


@dataclass(frozen=True)
class Goal:
    """`ours` against `factor` times something: an implementation, "peer" (the best of the peers), "ours:ROW" (another row
    of our own), or None (the factor is the limit itself). A row that is better when lower has a ceiling, any other a
    floor."""

    factor: float
    against: str | None


@dataclass(frozen=True)
class Row:
    name: str
    title: str
    command: str
    metric: str = "rate"
    unit: str = "/s"
    lower: bool = False
    goals: tuple = ()
    quick: bool = False
    spin: bool = False  # also against raw sockets that spin before they sleep
    rounds: int = 1000  # at most so many, for rows that take long
    window: float = 1  # times the usual length: spinning pays only once both sides have fallen into step
    skip: tuple = ()  # implementations of which this row makes no sense
    only_named: bool = False  # part of no full run, only of --only


def latency(name, title, command, *goals, **more):
    return Row(name, title, command, "us", "µs", True, goals, **more)


def rate(name, title, command, *goals, **more):
    return Row(name, title, command, "rate", "/s", False, goals, **more)


AHEAD = Goal(1, "peer")

ROWS = [
    # The goals that the project has set itself.
    latency("rt-tcp", "tcp round trip, 64 B, one core", "roundtrip pin=one", Goal(1.12, "raw"), quick=True),
    latency("rt-ipc", "ipc round trip, 64 B, one core", "roundtrip transport=ipc pin=one", Goal(1.15, "raw"), quick=True),
    rate("ow-tls-64-each", "tls+tcp one way, 64 B; rustls: a record each", "oneway transport=tls+tcp each=1", Goal(0.85, "raw"), AHEAD),
    rate("ow-tls-1k-each", "tls+tcp one way, 1 KiB; rustls: a record each", "oneway transport=tls+tcp size=1024 each=1",
         Goal(0.85, "raw"), AHEAD),
    rate("ow-tls-64", "tls+tcp one way, 64 B; rustls: 64 KiB at once", "oneway transport=tls+tcp", Goal(0.85, "raw"), AHEAD),
    rate("ow-tls-1k", "tls+tcp one way, 1 KiB; rustls: 64 KiB at once", "oneway transport=tls+tcp size=1024", Goal(0.85, "raw"), AHEAD),
    rate("ow-tls-64k", "tls+tcp one way, 64 KiB", "oneway transport=tls+tcp size=65536 form=msg", Goal(0.85, "raw"), AHEAD),
    rate("ow-tls-1m", "tls+tcp one way, 1 MiB", "oneway transport=tls+tcp size=1048576 form=msg", Goal(0.85, "raw"), AHEAD),
    latency("rt-tls", "tls+tcp round trip, 64 B", "roundtrip transport=tls+tcp", Goal(1.18, "raw"), AHEAD, window=3),
    latency("rt-tcp-free", "tcp round trip, 64 B, unpinned", "roundtrip",
            Goal(1.2, "rawspin"), Goal(0.2, "peer"), quick=True, spin=True, window=3),
    latency("rt-ipc-free", "ipc round trip, 64 B, unpinned", "roundtrip transport=ipc",
            Goal(1.3, "rawspin"), quick=True, spin=True, window=3),
    latency("rt-inproc", "inproc round trip, two threads, one core", "roundtrip transport=inproc pin=one",
            Goal(1.15, "raw"), quick=True),
    latency("rt-req", "tcp REQ/REP round trip, one core", "roundtrip pattern=req pin=one", Goal(1.3, "raw"), quick=True),
    rate("ow-tcp-64", "tcp one way, 64 B", "oneway", Goal(0.4, "raw"), Goal(4.5, "zmq"), quick=True),
    rate("ow-ipc-64", "ipc one way, 64 B", "oneway transport=ipc", Goal(0.4, "raw"), Goal(4.5, "zmq"), quick=True),
    rate("ow-tcp-1k", "tcp one way, 1 KiB", "oneway size=1024", Goal(0.7, "raw"), Goal(3, "peer"), quick=True),
    rate("ow-tcp-64k", "tcp one way, 64 KiB", "oneway size=65536 form=msg", Goal(0.9, "raw"), quick=True),
    rate("ow-tcp-1m", "tcp one way, 1 MiB", "oneway size=1048576 form=msg", Goal(0.9, "raw"), quick=True),
    rate("ow-ipc-64k", "ipc one way, 64 KiB", "oneway transport=ipc size=65536 form=msg", Goal(0.9, "raw"), quick=True),
    rate("ow-ipc-1m", "ipc one way, 1 MiB", "oneway transport=ipc size=1048576 form=msg", Goal(0.9, "raw"), quick=True),
    rate("ow-inproc-64", "inproc one way, 64 B", "oneway transport=inproc", Goal(2.5, "zmq"), quick=True),
    rate("ow-inproc-64k", "inproc one way, 64 KiB handed over", "oneway transport=inproc size=65536 form=msg",
         Goal(1.2, "zmq"), quick=True),
    rate("ow-inproc-1m", "inproc one way, 1 MiB handed over", "oneway transport=inproc size=1048576 form=msg",
         Goal(1, "zmq"), quick=True),
    rate("pub-8", "PUB to 8 SUBs over tcp, delivered", "pubsub n=8", Goal(0.4, "raw"), quick=True),
    Row("pub-8-loss", "PUB to 8 SUBs, share lost of 100,000/s published", "pubsub n=8 rate=100000", "loss", "", True,
        (Goal(0, None),), quick=True, skip=("raw",)),
    Row("cpu-tcp-64", "CPU seconds per million messages, tcp one way 64 B", "oneway", "cpu_s_per_m", "s", True,
        (Goal(0.13, None),), quick=True),
    Row("idle-1k", "resident bytes per idle tcp connection (1,000)", "idle n=1000", "bytes", "B", True,
        (Goal(1024, None),), quick=True, skip=("raw",)),

    # What else a user may ask.
    latency("rt-tcp-two", "tcp round trip, 64 B, two cores", "roundtrip pin=two", Goal(1.2, "rawspin"), AHEAD, spin=True, window=3),
    latency("rt-ipc-two", "ipc round trip, 64 B, two cores", "roundtrip transport=ipc pin=two", Goal(1.3, "rawspin"), AHEAD, spin=True, window=3),
    latency("rt-inproc-free", "inproc round trip, unpinned", "roundtrip transport=inproc", AHEAD, spin=True, window=3),
    Row("rt-tcp-busy", "tcp round trip, four more busy processes (mean)", "roundtrip busy=4", "mean", "µs", True,
        (AHEAD,), spin=True, window=3),
    Row("rt-tcp-cpu", "CPU time per tcp round trip, unpinned", "roundtrip", "cpu_us", "µs", True, (Goal(1.1, "raw"), AHEAD), spin=True,
        window=3),
    rate("ow-tcp-64k-copy", "tcp one way, 64 KiB, from and to the caller's buffer", "oneway size=65536", AHEAD),
    rate("ow-tcp-1m-copy", "tcp one way, 1 MiB, from and to the caller's buffer", "oneway size=1048576", AHEAD),
    rate("ow-ipc-1k", "ipc one way, 1 KiB", "oneway transport=ipc size=1024", AHEAD),
    rate("ow-inproc-1k", "inproc one way, 1 KiB", "oneway transport=inproc size=1024", Goal(1.5, "zmq")),
    rate("ow-inproc-64k-copy", "inproc one way, 64 KiB, copied", "oneway transport=inproc size=65536", AHEAD),
    rate("pub-64", "PUB to 64 SUBs over tcp, delivered", "pubsub n=64", Goal(8e6, None), AHEAD, window=4),
    Row("pub-8-flood", "PUB to 8 SUBs, share lost at full speed", "pubsub n=8", "loss", "", True),
    Row("pub-64-flood", "PUB to 64 SUBs, share lost at full speed", "pubsub n=64", "loss", "", True),
    rate("fan-in", "100 PUSH sockets into one PULL over tcp", "oneway n=100", Goal(4, "zmq")),
    rate("subs-1", "SUB with 1 subscription", "subscriptions n=1", AHEAD, skip=("raw",)),
    rate("subs-10k", "SUB with 10,000 subscriptions", "subscriptions n=10000",
         AHEAD, Goal(0.85, "ours:subs-1"), skip=("raw",)),
    rate("req-1", "REQ/REP over tcp, 1 requester", "requesters n=1", AHEAD),
    rate("req-8", "REQ/REP over tcp, 8 requesters", "requesters n=8", AHEAD),
    rate("req-64", "REQ/REP over tcp, 64 requesters", "requesters n=64", Goal(0.9, "raw"), AHEAD),
    rate("thr-own-1", "1 thread on its own inproc sockets", "threads transport=inproc pattern=own n=1", Goal(2, "zmq")),
    rate("thr-own-2", "2 threads, each on its own sockets", "threads transport=inproc pattern=own n=2",
         Goal(2, "zmq"), Goal(1.8, "ours:thr-own-1")),
    rate("thr-own-4", "4 threads, each on its own sockets", "threads transport=inproc pattern=own n=4", Goal(2, "zmq")),
    rate("thr-one-2", "2 threads on one pair of sockets", "threads transport=inproc pattern=one n=2", AHEAD),
    rate("thr-one-4", "4 threads on one pair of sockets", "threads transport=inproc pattern=one n=4", AHEAD),
    Row("idle-1k-time", "time to establish 1,000 connections", "idle n=1000", "establish_ms", "ms", True, (Goal(60, None),),
        skip=("raw",)),
    Row("idle-10k", "resident bytes per idle tcp connection (10,000)", "idle n=10000", "bytes", "B", True,
        (Goal(1024, None),), rounds=1, skip=("raw",)),
    Row("idle-10k-time", "time to establish 10,000 connections", "idle n=10000", "establish_ms", "ms", True, (AHEAD,),
        rounds=1, skip=("raw",)),
    latency("fair", "tcp round trip while another socket streams", "fairness", AHEAD),
    Row("fair-p99", "tcp round trip while another socket streams, p99", "fairness", "p99", "µs", True, (AHEAD,)),
    Row("fair-rate", "tcp stream while another socket plays ping-pong", "fairness", goals=(AHEAD,)),
    latency("poll-1", "send, poll over 1 socket, receive (tcp, one thread)", "polling n=1", Goal(1.3, "raw"), AHEAD),
    latency("poll-10", "send, poll over 10 sockets, receive", "polling n=10", AHEAD),
    latency("poll-200", "send, poll over 200 sockets, receive", "polling n=200", AHEAD),
    latency("rcvfd", "tcp round trip, receiving by epoll on the descriptor", "roundtrip wait=epoll", AHEAD),
    latency("paced", "latency at 1,000 messages/s over tcp", "paced rate=1000", AHEAD),
    Row("paced-p99", "latency at 1,000 messages/s over tcp, p99", "paced rate=1000", "p99", "µs", True, (AHEAD,)),
    Row("paced-p999", "latency at 1,000 messages/s over tcp, p99.9", "paced rate=1000", "p999", "µs", True, (AHEAD,),
        window=12),
    Row("paced-worst", "latency at 1,000 messages/s over tcp, the worst", "paced rate=1000", "worst", "µs", True, (AHEAD,),
        window=12),
    Row("paced-cpu", "CPU seconds a second at 1,000 messages/s", "paced rate=1000", "cpu_s_per_s", "s", True, (AHEAD,)),

    # The first goals, for a look of their own: --only foundation
    latency("foundation-rt", "PAIR ping-pong over tcp, 64 B, one core", "roundtrip pin=one", Goal(1.6, "raw"),
            skip=("zmq", "nng"), only_named=True),
    rate("foundation-ow", "PUSH to PULL over tcp, 64 B", "oneway", Goal(10, "genuine"), skip=("raw", "zmq", "nng"),
         only_named=True),
    Row("foundation-idle", "resident bytes per idle tcp connection (1,000)", "idle n=1000", "bytes", "B", True,
        (Goal(4096, None),), skip=("raw", "zmq", "nng"), only_named=True),
]
