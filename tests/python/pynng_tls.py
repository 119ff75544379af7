"""Every pattern between our library and NNG (PyPI's pynng), through TLS: pynng_tls.py SCHEME DIRECTORY.
The directory has cert.pem, which is for localhost, and its key.pem. Each side binds once."""
import ctypes
import os
import socket
import sys
import time

import pynng

SCHEME, DIRECTORY = sys.argv[1:]
LIB = ctypes.CDLL("libnanomsg.so", use_errno=True)
AF_SP = 1
NN_TLS, NN_TLS_CERT_FILE, NN_TLS_KEY_FILE, NN_TLS_CA_FILE = -19794, 2, 4, 6
NN_SNDTIMEO, NN_RCVTIMEO = 4, 5
PATIENCE = 20000
# (pynng fails on empty messages, whoever sends them.)
SIZES = 1, 5, 70000, 900000


def path(name):
    return os.path.join(DIRECTORY, name)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Ours:
    def __init__(self, protocol):
        self.handle = self.call("nn_socket", AF_SP, protocol)
        for option, name in (NN_TLS_CERT_FILE, "cert.pem"), (NN_TLS_KEY_FILE, "key.pem"), (NN_TLS_CA_FILE, "cert.pem"):
            self.set(NN_TLS, option, path(name).encode())
        for option in NN_SNDTIMEO, NN_RCVTIMEO:
            self.set(0, option, PATIENCE.to_bytes(4, sys.byteorder))

    @staticmethod
    def call(name, *args):
        result = getattr(LIB, name)(*args)
        if result < 0:
            raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")
        return result

    def set(self, level, option, value):
        self.call("nn_setsockopt", self.handle, level, option, value, ctypes.c_size_t(len(value)))

    def subscribe(self):
        self.set(33, 1, b"")

    def bind(self, url):
        self.call("nn_bind", self.handle, url.encode())

    def connect(self, url):
        self.call("nn_connect", self.handle, url.encode())

    def wait_for_peer(self):
        self.call("nnx_wait_peers", self.handle, 1, PATIENCE)

    def send(self, body):
        self.call("nn_send", self.handle, body, ctypes.c_size_t(len(body)), 0)

    def recv(self):
        room = ctypes.create_string_buffer(1 << 20)
        length = self.call("nn_recv", self.handle, room, ctypes.c_size_t(len(room)), 0)
        return room.raw[:length]


class Theirs:
    def __init__(self, kind):
        self.socket = kind(recv_timeout=PATIENCE, send_timeout=PATIENCE)

    def subscribe(self):
        self.socket.subscribe(b"")

    def bind(self, url):
        with open(path("cert.pem")) as cert, open(path("key.pem")) as key:
            self.socket.tls_config = pynng.TLSConfig(
                pynng.TLSConfig.MODE_SERVER, own_cert_string=cert.read(), own_key_string=key.read()
            )
        self.socket.listen(url)

    def connect(self, url):
        with open(path("cert.pem")) as cert:
            self.socket.tls_config = pynng.TLSConfig(
                pynng.TLSConfig.MODE_CLIENT, server_name="localhost", ca_string=cert.read()
            )
        self.socket.dial(url, block=False)

    def wait_for_peer(self):
        deadline = time.monotonic() + PATIENCE / 1000
        while not self.socket.pipes:
            assert time.monotonic() < deadline, "nobody comes"
            time.sleep(0.002)

    def send(self, body):
        self.socket.send(body)

    def recv(self):
        return self.socket.recv()


# Name, protocol and class of who speaks first, of the other, and whether that one answers.
PATTERNS = [
    ("pair", 16, pynng.Pair0, 16, pynng.Pair0, True),
    ("pipeline", 80, pynng.Push0, 81, pynng.Pull0, False),
    ("pubsub", 32, pynng.Pub0, 33, pynng.Sub0, False),
    ("reqrep", 48, pynng.Req0, 49, pynng.Rep0, True),
    ("survey", 98, pynng.Surveyor0, 99, pynng.Respondent0, True),
    ("bus", 112, pynng.Bus0, 112, pynng.Bus0, True),
]


def converse(first, second, answers):
    for size in SIZES:
        body = bytes(at % 251 for at in range(size))
        first.send(body)
        assert second.recv() == body, f"{size} bytes"
        if answers:
            second.send(body + b"!")
            assert first.recv() == body + b"!", f"{size} bytes back"


def main():
    for name, *kinds, answers in PATTERNS:
        for we_speak_first in True, False:
            for first_binds in True, False:
                ours, theirs = (0, 3) if we_speak_first else (2, 1)
                url = f"{SCHEME}://localhost:{free_port()}"
                sides = [Ours(kinds[ours]), Theirs(kinds[theirs])]
                first, second = sides if we_speak_first else sides[::-1]
                if name == "pubsub":
                    second.subscribe()
                bound, connected = (first, second) if first_binds else (second, first)
                bound.bind(url)
                connected.connect(url)
                for side in sides:
                    side.wait_for_peer()
                try:
                    converse(first, second, answers)
                except Exception as error:
                    raise AssertionError(f"{name}, {we_speak_first=}, {first_binds=}") from error
                kept.extend(sides)
    print("ok", flush=True)


kept = []
main()
# NNG 1.11 crashes now and then when a wss connection closes, also one between its own sockets; so none does.
os._exit(0)
