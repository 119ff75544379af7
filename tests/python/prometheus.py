"""What nnx_metrics writes, read by PyPI's prometheus_client: prometheus.py HOW DIRECTORY PORT."""
import ctypes
import sys

from prometheus_client.parser import text_string_to_metric_families

NAME = 'a "name"\\ of\ntwo lines'
AF_SP, NN_PUSH, NN_PULL, NN_SOCKET_NAME = 1, 80, 81, 15
lib = ctypes.CDLL("libnanomsg.so", use_errno=True)


def check(result):
    assert result >= 0, ctypes.get_errno()
    return result


def metrics():
    size = check(lib.nnx_metrics(None, ctypes.c_size_t(0)))
    room = ctypes.create_string_buffer(size + 1000)
    check(lib.nnx_metrics(room, ctypes.c_size_t(len(room))))
    return {family.name: family for family in text_string_to_metric_families(room.value.decode())}


pull, push = (check(lib.nn_socket(AF_SP, protocol)) for protocol in (NN_PULL, NN_PUSH))
check(lib.nn_setsockopt(push, 0, NN_SOCKET_NAME, NAME.encode(), ctypes.c_size_t(len(NAME))))
address = f"tcp://127.0.0.1:{sys.argv[3]}".encode()
check(lib.nn_bind(pull, address))
check(lib.nn_connect(push, address))
for size in 3, 4:
    check(lib.nn_send(push, b"x" * size, ctypes.c_size_t(size), 0))
    check(lib.nn_recv(pull, ctypes.create_string_buffer(9), ctypes.c_size_t(9), 0))

families = metrics()
for name, family in families.items():
    assert name.startswith("millrace_") and family.documentation, name
    assert family.type in ("counter", "gauge"), family.type
    assert (family.type == "counter") == all(sample.name.endswith("_total") for sample in family.samples), name
    assert {sample.labels["socket"] for sample in family.samples} == {str(pull), str(push)}, name


def value(name, of):
    (sample,) = (s for s in families[name].samples if s.labels["socket"] == str(of))
    return sample


assert value("millrace_sent_messages", push).value == 2
assert value("millrace_sent_bytes", push).value == 7
assert value("millrace_received_bytes", pull).value == 7
assert value("millrace_connections", push).value == 1
assert value("millrace_connections", push).labels["name"] == NAME
assert value("millrace_connections", pull).labels["protocol"] == "PULL"
check(lib.nn_close(push))
check(lib.nn_close(pull))
assert not any(family.samples for family in metrics().values())
print("ok")
