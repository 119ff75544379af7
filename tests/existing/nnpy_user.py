"""PyPI's nnpy at work, unmodified: patterns, options, subscriptions, errors, raw sockets.   python nnpy_user.py DIRECTORY PORT"""

import sys
import threading

import nnpy

ADDRESSES = ["inproc://nnpy", f"ipc://{sys.argv[1]}/nnpy", f"tcp://127.0.0.1:{sys.argv[2]}"]
BODIES = [b"", b"x", bytes(range(256)), b"y" * 65536, b"z" * (1 << 19)]


def opened(*protocols, domain=nnpy.AF_SP):
    sockets = [nnpy.Socket(domain, protocol) for protocol in protocols]
    for s in sockets:
        s.setsockopt(nnpy.SOL_SOCKET, nnpy.RCVTIMEO, 20000)
        s.setsockopt(nnpy.SOL_SOCKET, nnpy.SNDTIMEO, 20000)
    return sockets


def joined(address, bound, *connectors):
    endpoint = bound.bind(address)
    for s in connectors:
        s.connect(address)
        while s.get_statistic(nnpy.STAT_CURRENT_CONNECTIONS) < 1:
            pass
    while bound.get_statistic(nnpy.STAT_CURRENT_CONNECTIONS) < len(connectors):
        pass
    return endpoint


def sent(sender, receiver, body):
    thread = threading.Thread(target=sender.send, args=(body,))
    thread.start()
    assert bytes(receiver.recv()) == body
    thread.join()


for address in ADDRESSES:
    for first, second, answers in [
        (nnpy.PAIR, nnpy.PAIR, True),
        (nnpy.PULL, nnpy.PUSH, False),
        (nnpy.REP, nnpy.REQ, True),
        (nnpy.RESPONDENT, nnpy.SURVEYOR, True),
        (nnpy.BUS, nnpy.BUS, True),
        (nnpy.SUB, nnpy.PUB, False),
    ]:
        a, b = opened(first, second)
        if first == nnpy.SUB:
            a.setsockopt(nnpy.SUB, nnpy.SUB_SUBSCRIBE, b"")
        joined(address, a, b)
        for body in BODIES:
            sent(b, a, body)
            if answers:
                sent(a, b, body[::-1])
        a.close()
        b.close()

(sub, pub) = opened(nnpy.SUB, nnpy.PUB)
sub.setsockopt(nnpy.SUB, nnpy.SUB_SUBSCRIBE, b"a")
joined("inproc://topics", pub, sub)
for text in [b"b1", b"a1", b"c", b"a2"]:
    pub.send(text)
assert [bytes(sub.recv()), bytes(sub.recv())] == [b"a1", b"a2"]
assert sub.getsockopt(nnpy.SOL_SOCKET, nnpy.RCVTIMEO) == 20000

(alone,) = opened(nnpy.PULL)
try:
    alone.recv(nnpy.DONTWAIT)
except nnpy.NNError as error:
    assert error.error_no == nnpy.EAGAIN, error
else:
    raise AssertionError("nothing was received")
try:
    alone.bind("fax://1")
except nnpy.NNError as error:
    assert error.error_no == nnpy.EPROTONOSUPPORT, error
else:
    raise AssertionError("there is no such transport")
print("ok")
