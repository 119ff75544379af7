"""The binding from PyPI (package nanomsg) at work: every pattern, options, timeouts, errors.

    python binding.py cpy|ctypes DIRECTORY PORT
"""

import errno
import select
import sys
import threading

import nanomsg_wrappers

nanomsg_wrappers.set_wrapper_choice(sys.argv[1])

import nanomsg
from nanomsg import BUS, PAIR, PUB, PULL, PUSH, REP, REQ, RESPONDENT, SUB, SURVEYOR, Socket

ADDRESSES = ["inproc://binding", f"ipc://{sys.argv[2]}/binding", f"tcp://127.0.0.1:{sys.argv[3]}"]
if sys.argv[1] == "ctypes":  # this half of the binding takes bytes only
    ADDRESSES = [address.encode() for address in ADDRESSES]
BODIES = [b"", b"x", bytes(range(256)), b"y" * 65536, b"z" * (1 << 20)]
PATIENCE_MS = 10000


def opened(*protocols):
    sockets = [Socket(protocol) for protocol in protocols]
    for s in sockets:
        s.send_timeout = s.recv_timeout = PATIENCE_MS
    return sockets


def attached(address, bound, *connectors):
    """Connections are made in the background; only these patterns care, for they do not wait for their peers."""
    bound.bind(address)
    for s in connectors:
        s.connect(address)
    for s, count in [(bound, len(connectors))] + [(s, 1) for s in connectors]:
        for _ in range(PATIENCE_MS):
            if statistic(s, nanomsg.STAT_CURRENT_CONNECTIONS) == count:
                break
            select.select([], [], [], 0.001)
        else:
            raise AssertionError("no connection")


def statistic(s, which):
    # The binding has the constants, but not the function.
    import ctypes

    function = ctypes.CDLL("libnanomsg.so.5").nn_get_statistic
    function.restype = ctypes.c_uint64
    return function(s.fd, which)


def received(s, body):
    got = bytes(s.recv())
    assert got == body, (len(got), len(body))


def pair(address):
    with Socket(PAIR) as a, Socket(PAIR) as b:
        a.bind(address)
        b.connect(address)
        for body in BODIES:
            sender = threading.Thread(target=a.send, args=(body,))
            sender.start()
            received(b, body)
            sender.join()
        b.send(b"back")
        received(a, b"back")


def pipeline(address):
    push, pull = opened(PUSH, PULL)
    with push, pull:
        push.connect(address)
        pull.bind(address)
        for i in range(100):
            push.send(b"%d" % i)
        for i in range(100):
            received(pull, b"%d" % i)


def pubsub(address):
    pub, sub = opened(PUB, SUB)
    with pub, sub:
        sub.set_string_option(SUB, nanomsg.SUB_SUBSCRIBE, b"b")
        attached(address, pub, sub)
        for body in (b"a unwanted", b"b wanted"):
            pub.send(body)
        received(sub, b"b wanted")


def reqrep(address):
    req, rep = opened(REQ, REP)
    with req, rep:
        rep.bind(address)
        req.connect(address)
        for body in BODIES[:-1]:  # with its id the largest would exceed the default limit
            req.send(body)
            received(rep, body)
            rep.send(body + b"!")
            received(req, body + b"!")


def survey(address):
    surveyor, one, two = opened(SURVEYOR, RESPONDENT, RESPONDENT)
    with surveyor, one, two:
        surveyor.set_int_option(SURVEYOR, nanomsg.SURVEYOR_DEADLINE, PATIENCE_MS)
        attached(address, surveyor, one, two)
        surveyor.send(b"who")
        for s, name in (one, b"one"), (two, b"two"):
            received(s, b"who")
            s.send(name)
        assert sorted(bytes(surveyor.recv()) for _ in range(2)) == [b"one", b"two"]


def bus(address):
    center, one, two = opened(BUS, BUS, BUS)
    with center, one, two:
        attached(address, center, one, two)
        center.send(b"hello")
        received(one, b"hello")
        received(two, b"hello")
        one.send(b"back")
        received(center, b"back")


def readiness(address):
    a, b = opened(PAIR, PAIR)
    with a, b:
        attached(address, a, b)
        assert select.select([a.recv_fd], [], [], 0) == ([], [], [])
        b.send(b"x")
        assert select.select([a.recv_fd], [], [], 10)[0] == [a.recv_fd]
        received(a, b"x")
        assert select.select([a.send_fd], [], [], 10)[0] == [a.send_fd]


def failures(address):
    def fails(code, call, *args):
        try:
            call(*args)
        except nanomsg.NanoMsgAPIError as error:
            assert error.errno == code, error
        else:
            raise AssertionError("no error")

    with Socket(PAIR) as s, Socket(PAIR) as other:
        s.recv_timeout = 50
        fails(errno.ETIMEDOUT, s.recv)
        fails(errno.EAGAIN, s.recv, None, nanomsg.DONTWAIT)
        s.bind(address)
        fails(errno.EADDRINUSE, other.bind, address)
        fails(errno.EINVAL, other.bind, address[:3])
    with Socket(REP) as s:
        fails(nanomsg.EFSM, s.send, b"x")
    with Socket(PULL) as s:
        fails(errno.ENOTSUP, s.send, b"x")


def options():
    with Socket(PAIR) as s:
        for name in ("linger", "reconnect_interval", "reconnect_interval_max"):
            setattr(s, name, 1234)
            # The genuine library ignores NN_LINGER and reads 0.
            assert getattr(s, name) == 1234 or (name == "linger" and s.linger == 0), name


for address in ADDRESSES:
    for pattern in (pair, pipeline, pubsub, reqrep, survey, bus, readiness, failures):
        try:
            pattern(address)
        except BaseException:
            print(f"in {pattern.__name__} over {address}", file=sys.stderr)
            raise
options()
print("ok")
