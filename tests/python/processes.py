"""Processes made by multiprocessing use the library that their parent uses already, by way of ctypes.

    python3 processes.py fork|spawn DIRECTORY PORT

A child may use the library afresh, knows none of the parent's sockets, and does not disturb them. A spawned child shares
nothing with its parent, so that what is asserted here holds for it on any implementation; a forked one must not differ.
"""

import ctypes
import errno
import multiprocessing
import os
import sys
import threading

AF_SP, PAIR, PUSH, PULL, REQ, REP = 1, 16, 80, 81, 48, 49
SOL_SOCKET, SNDTIMEO, RCVTIMEO = 0, 4, 5
BROKEN_CONNECTIONS, CURRENT_CONNECTIONS = 104, 201
PATIENCE_MS = 10000

nn = ctypes.CDLL("libnanomsg.so.5")
nn.nn_get_statistic.restype = ctypes.c_uint64


class Failure(OSError):
    pass


def check(result):
    if result < 0:
        code = nn.nn_errno()
        raise Failure(code, os.strerror(code))
    return result


def open_socket(protocol):
    s = check(nn.nn_socket(AF_SP, protocol))
    timeout = ctypes.c_int(PATIENCE_MS)
    for option in (SNDTIMEO, RCVTIMEO):
        check(nn.nn_setsockopt(s, SOL_SOCKET, option, ctypes.byref(timeout), ctypes.sizeof(timeout)))
    return s


def bind(protocol, address):
    s = open_socket(protocol)
    check(nn.nn_bind(s, address.encode()))
    return s


def connect(protocol, address):
    s = open_socket(protocol)
    check(nn.nn_connect(s, address.encode()))
    return s


def send(s, text):
    check(nn.nn_send(s, text, ctypes.c_size_t(len(text)), 0))


def recv(s):
    buffer = ctypes.create_string_buffer(1000)
    size = check(nn.nn_recv(s, buffer, ctypes.c_size_t(len(buffer)), 0))
    return buffer.raw[:size]


def close(*sockets):
    for s in sockets:
        check(nn.nn_close(s))


def converse(address):
    """Both ends in this process."""
    a = bind(PAIR, address)
    b = connect(PAIR, address)
    send(b, b"there")
    assert recv(a) == b"there"
    send(a, b"and back")
    assert recv(b) == b"and back"
    close(a, b)


def assert_unknown(handles):
    for s in handles:
        calls = [lambda: send(s, b"x"), lambda: recv(s), lambda: close(s), lambda: check(nn.nn_bind(s, b"inproc://x"))]
        for call in calls:
            try:
                call()
            except Failure as failure:
                assert failure.errno == errno.EBADF, failure
            else:
                raise AssertionError(f"handle {s} of the parent is known")


def child(handles, directory, requests, generations):
    assert_unknown(handles)
    for transport in ("inproc", "ipc"):
        converse(f"{transport}://{directory}/{os.getpid()}")
    req = connect(REQ, requests)
    send(req, b"from a child")
    assert recv(req) == b"from a child, answered"
    if generations > 1:
        run(child, ([req], directory, requests, generations - 1))
    close(req)
    open_socket(PULL)  # left open: the process may end all the same


def pusher(address, number):
    s = connect(PUSH, address)
    send(s, b"%d" % number)
    close(s)


def start(target, args):
    process = context.Process(target=target, args=args)
    process.start()
    return process


def run(target, args):
    finish(start(target, args))


def finish(process):
    process.join(60)
    if process.exitcode is None:
        process.kill()
    assert process.exitcode == 0, f"child: {process.exitcode}"


def main(directory):
    # What the parent holds while it forks: connected pairs with a message on its way, and a thread blocked in a receive.
    pairs = []
    for transport in ("inproc", "ipc"):
        address = f"{transport}://{directory}/parent"
        pairs.append((bind(PAIR, address), connect(PAIR, address)))
    for a, b in pairs:
        send(a, b"before")
    requests = f"ipc://{directory}/requests"
    rep = bind(REP, requests)

    def answer(count):
        for _ in range(count):
            send(rep, recv(rep) + b", answered")

    handles = [s for pair in pairs for s in pair] + [rep]
    for generations in (1, 1, 2):
        server = threading.Thread(target=answer, args=(generations,))
        server.start()
        run(child, (handles, directory, requests, generations))
        server.join()

    for a, b in pairs:
        assert nn.nn_get_statistic(a, CURRENT_CONNECTIONS) == 1
        assert nn.nn_get_statistic(a, BROKEN_CONNECTIONS) == 0
        assert recv(b) == b"before"
        send(b, b"after")
        assert recv(a) == b"after"

    # Several at once, each gone as soon as it has sent. (The genuine library would lose some of these over ipc.)
    results = f"tcp://127.0.0.1:{sys.argv[3]}"
    pull = bind(PULL, results)
    children = [start(pusher, (results, number)) for number in range(10)]
    assert sorted(int(recv(pull)) for _ in children) == list(range(10))
    for process in children:
        finish(process)
    close(pull, rep, *(s for pair in pairs for s in pair))
    converse(f"ipc://{directory}/again")


if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    main(sys.argv[2])
    print("ok")
else:  # a spawned child imports this file
    context = multiprocessing.get_context("spawn")
