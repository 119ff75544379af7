"""The peer of the conformance list for Python (see README.md)."""

import sys

import millrace

TIMES = {
    *("linger", "send_timeout", "recv_timeout", "reconnect_interval", "reconnect_interval_max", "resend_interval", "deadline"),
    *("connect_timeout", "keepalive", "tcp_user_timeout"),
}
NAMES = {"tcp_no_delay": "tcp_nodelay"}
FLAGS = {"ipv4_only", "tcp_no_delay", "ws_text", "spin", "coalesce", "recv_peer", "tls_insecure_no_verification"}
TEXTS = {"accept_from", "bind_device", "tls_server_name", "tls_ca", "tls_key", "tls_ca_file", "tls_cert_file", "tls_key_file"}


def body(size, seed):
    period = bytes((seed + 7 * i) % 251 for i in range(251))
    return (period * (size // 251 + 1))[:size]


def run(sockets, name, command, *arguments):
    if command == "open":
        sockets[name] = getattr(millrace, arguments[0].capitalize())()
        return ""
    if command == "context":
        sockets[name] = sockets[arguments[0]].context()
        return ""
    socket = sockets[name]
    if command == "bind":
        return socket.bind(arguments[0]).address
    if command == "connect":
        socket.connect(arguments[0])
    elif command == "subscribe":
        socket.subscribe("")
    elif command == "send":
        socket.send(body(*map(int, arguments)))
    elif command == "recv":
        message = socket.recv()
        if message != body(*map(int, arguments)):
            raise ValueError(f"{len(message)} bytes")
    elif command == "connections":
        return str(socket.statistics["current_connections"])
    elif command == "set":
        option, value = arguments
        if option not in TEXTS:
            value = int(value)
        if option in TIMES:
            value = None if value < 0 else value / 1000
        elif option in FLAGS:
            value = bool(value)
        setattr(socket, NAMES.get(option, option), value)
    elif command == "get":
        option = arguments[0]
        value = getattr(socket, NAMES.get(option, option))
        if option in TEXTS:
            return value
        return str(-1 if value is None else round(value * 1000) if option in TIMES else int(value))
    elif command == "close":
        socket.close()
    return ""


def main():
    sockets = {}
    for line in sys.stdin:
        try:
            answer = f"ok {run(sockets, *line.split())}".strip()
        except ValueError as error:
            answer = f"wrong {error}"
        except OSError as error:
            answer = f"error {error.errno}"
        print(answer, flush=True)


main()
