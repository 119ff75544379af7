import array
import errno
import gc
import inspect
import pathlib
import threading
import time

import pytest

import millrace
from millrace._options import Option

PATTERNS = [
    (millrace.Pair, millrace.Pair, True),
    (millrace.Push, millrace.Pull, False),
    (millrace.Req, millrace.Rep, True),
    (millrace.Surveyor, millrace.Respondent, True),
    (millrace.Bus, millrace.Bus, True),
    (millrace.Pub, millrace.Sub, False),
]


def connected(one, other, address):
    b = other(bind=address, recv_timeout=10, send_timeout=10)
    a = one(connect=address, recv_timeout=10, send_timeout=10)
    if other is millrace.Sub:
        b.subscribe("")
    wait_for_peer(a)
    wait_for_peer(b)
    return a, b


def wait_for_peer(socket):
    end = time.monotonic() + 10
    while socket.statistics["current_connections"] == 0:
        assert time.monotonic() < end, "no connection"
        time.sleep(0.001)


@pytest.mark.parametrize("scheme", ["inproc", "ipc"])
@pytest.mark.parametrize("one, other, answers", PATTERNS)
def test_patterns(one, other, answers, scheme, address, ipc):
    a, b = connected(one, other, address if scheme == "inproc" else ipc)
    with a, b:
        for body in (b"", b"x", b"y" * 1000, b"z" * 100_000):
            a.send(body)
            assert b.recv() == body
            if answers:
                b.send(body + b"!")
                assert a.recv() == body + b"!"


def test_bodies_are_anything_with_the_buffer_protocol(address):
    a, b = connected(millrace.Pair, millrace.Pair, address)
    with a, b:
        for body in (bytearray(b"abc"), memoryview(b"abc"), array.array("B", b"abc")):
            a.send(body)
            assert b.recv() == b"abc"
        a.send(array.array("i", [1, 2]))
        assert len(b.recv()) == 8
        with pytest.raises(TypeError, match="encode"):
            a.send("text")
        with pytest.raises(TypeError):
            a.send(5)


@pytest.mark.parametrize("size", [0, 5, 1000, 1_000_000])
def test_a_view_outlives_its_socket(address, size):
    a, b = connected(millrace.Pair, millrace.Pair, address)
    with a, b:
        a.send(bytes(size))
        view = b.recv(copy=False)
    del a, b
    gc.collect()
    assert isinstance(view, memoryview) and view.readonly and len(view) == size
    part = view[1:3]
    del view
    assert bytes(part) == bytes(size)[1:3]


@pytest.mark.parametrize("size", [0, 5, 512, 513, 100_000])
def test_all_that_receives_gives_views_if_they_are_wanted(address, size):
    a, b = connected(millrace.Pair, millrace.Pair, address)
    with a, b:
        for body in (bytes(size), b"end"):
            a.send(body)
        views = b.recv_many(2, copy=False)
        views += [] if len(views) == 2 else [b.recv(copy=False)]
        assert all(isinstance(view, memoryview) and view.readonly for view in views)
        assert [bytes(view) for view in views] == [bytes(size), b"end"]
        a.send(b"last")
        view = None
        while view is None:
            view = b.try_recv(copy=False)
        assert isinstance(view, memoryview) and view == b"last"
        assert b.try_recv(copy=False) is None
        assert b.recv_many(block=False, copy=False) == []


def test_a_stream_of_all_sizes_comes_as_it_was(address):
    """Small messages in the midst of a stream take a shorter way than others."""
    sizes = [0, 1, 511, 512, 513, 5000, 64] * 300
    a, b = connected(millrace.Push, millrace.Pull, address)

    def send():
        for number, size in enumerate(sizes):
            a.send(bytes([number % 251]) * size)

    with a, b:
        sending = threading.Thread(target=send)
        sending.start()
        got = []
        while len(got) < len(sizes):
            got += b.recv_many(7) if len(got) % 2 else [b.recv()]
        sending.join()
    assert got == [bytes([number % 251]) * size for number, size in enumerate(sizes)]


def test_a_descriptor_that_is_none_is_not_a_closed_socket():
    with millrace.Pair() as pair:
        for attempt in (pair.connect, pair.bind):
            with pytest.raises(OSError, match="fd://999: there is no such descriptor") as caught:
                attempt("fd://999")
            assert caught.value.errno == errno.EBADF and not isinstance(caught.value, millrace.Closed)
    with pytest.raises(millrace.Closed):
        pair.connect("fd://999")


def test_an_option_says_what_it_takes():
    with millrace.Pair() as pair:
        for name in ("tls_ca", "tls_cert"):
            for wrong in ("", "nonsense"):
                with pytest.raises(millrace.Error, match=f"{name}: Invalid argument .*PEM") as caught:
                    setattr(pair, name, wrong)
                assert caught.value.errno == errno.EINVAL
        with pytest.raises(millrace.Error, match="PEM") as caught:
            pair.tls_key = "the secret"
        assert "the secret" not in str(caught.value)


def test_receiving_into_memory_of_ones_own(address):
    a, b = connected(millrace.Pair, millrace.Pair, address)
    with a, b:
        room = bytearray(4)
        a.send(b"ab")
        assert b.recv_into(room) == 2 and room == b"ab\0\0"
        a.send(b"abcdef")
        assert b.recv_into(room) == 6 and room == b"abcd"
        a.send(b"kept")
        with pytest.raises((BufferError, TypeError)):
            b.recv_into(b"read only")
        assert b.recv() == b"kept"


def test_many_at_once(address):
    a, b = connected(millrace.Push, millrace.Pull, address)
    with a, b:
        assert a.send_many([b"1", b"2", bytearray(b"3")]) == 3
        assert b.recv_many() == [b"1", b"2", b"3"]
        assert a.send_many(iter([])) == 0
        assert a.send_many(str(i).encode() for i in range(100)) == 100
        assert b.recv_many(10) == [str(i).encode() for i in range(10)]
        got = 10
        while got < 100:
            got += len(b.recv_many())
        assert b.recv_many(block=False) == []
        b.recv_timeout = 0.01
        with pytest.raises(TimeoutError):
            b.recv_many()


def test_send_many_says_how_many_when_it_may_not_wait(address):
    with millrace.Push(bind=address) as a, millrace.Pull(connect=address, recv_buffer=1000) as b:
        sent = a.send_many([b"x" * 100] * 100_000, block=False)
        assert 0 < sent < 100_000
        received = 0
        while received < sent:
            received += len(b.recv_many())
        assert b.try_recv() is None


@pytest.mark.parametrize("iterable", [False, True])
def test_an_error_of_send_many_says_how_many_were_sent(address, iterable):
    """So the program knows where to go on; also if the error comes out of the iterable."""

    def messages():
        yield from (b"1", b"2")
        if iterable:
            raise LookupError
        while True:
            yield bytes(100_000)

    with millrace.Push(bind=address, send_timeout=0.01) as a, millrace.Pull(connect=address, recv_timeout=20) as b:
        with pytest.raises(LookupError if iterable else millrace.Timeout) as caught:
            a.send_many(messages())
        assert caught.value.sent == a.statistics["messages_sent"] >= 2
        assert sum(1 for _ in zip(range(caught.value.sent), b)) == caught.value.sent
        assert b.try_recv() is None
        with millrace.Push() as nobody, pytest.raises(millrace.WouldBlock) as caught:
            nobody.send_many([b"x"], block=False)
        assert caught.value.sent == 0


def test_errors_have_the_classes_of_their_errno():
    with millrace.Pair() as pair:
        with pytest.raises(FileNotFoundError) as caught:
            pair.bind("ipc:///nowhere/to/be/found")
        assert isinstance(caught.value, millrace.Error)
        with pytest.raises(FileNotFoundError):
            pair.tls_ca_file = "/nowhere/ca.pem"
        with pytest.raises(OSError):
            pair.bind("inproc://one\0two")
    for number, kind in (
        (errno.EACCES, PermissionError),
        (errno.EPERM, PermissionError),
        (errno.EINTR, InterruptedError),
        (errno.ECONNRESET, ConnectionResetError),
        (errno.ECONNABORTED, ConnectionAbortedError),
        (errno.EPIPE, BrokenPipeError),
        (errno.EEXIST, FileExistsError),
        (errno.ENOTDIR, NotADirectoryError),
    ):
        ours = [value for value in vars(millrace).values() if isinstance(value, type) and issubclass(value, kind)]
        assert len(ours) == 1 and issubclass(ours[0], millrace.Error), (number, ours)


def test_topics_are_text_or_bytes(address):
    with millrace.Pub(bind=address) as pub, millrace.Sub(connect=address, recv_timeout=10) as sub:
        pub.wait_peers(1, timeout=10)
        for topic in ("ab", b"ab", bytearray(b"ab"), memoryview(b"ab")):
            sub.subscribe(topic)
            pub.send(b"abc")
            assert sub.recv() == b"abc"
            sub.unsubscribe(topic)
        for wrong in (5, None, ["ab"]):
            with pytest.raises(TypeError, match="a topic is str or bytes"):
                sub.subscribe(wrong)
    for topics in (bytearray(b"ab"), memoryview(b"ab")):
        with millrace.Pub(bind=address) as pub, millrace.Sub(connect=address, recv_timeout=10, subscribe=topics) as sub:
            pub.wait_peers(1, timeout=10)
            pub.send_many([b"aa", b"abc"])
            assert sub.recv() == b"abc"
    with pytest.raises(TypeError):
        millrace.Sub(subscribe=[1, 2])


def test_errors_are_what_python_people_expect(address):
    with millrace.Pull(bind=address, recv_timeout=0.01) as pull:
        with pytest.raises(TimeoutError) as caught:
            pull.recv()
        assert isinstance(caught.value, (millrace.Timeout, millrace.Error, OSError)) and caught.value.errno
        with pytest.raises(BlockingIOError):
            pull.recv(block=False)
        assert pull.try_recv() is None
        with pytest.raises(millrace.NotSupported):
            pull.send(b"x")
        with pytest.raises(millrace.AddressInUse, match=address):
            millrace.Pull(bind=address)
        with pytest.raises(OSError):
            pull.bind("nonsense")
    with millrace.Rep() as rep, pytest.raises(millrace.WrongState):
        rep.send(b"an answer to nothing")
    for _ in range(2):
        pull.close()
    assert pull.closed
    with pytest.raises(millrace.Closed):
        pull.recv()


def test_options_have_types_and_units():
    with millrace.Sub(recv_timeout=0.25, name="reader", subscribe=["a", b"b"]) as sub:
        assert sub.recv_timeout == 0.25 and sub.name == "reader" and sub.send_timeout is None
        sub.recv_timeout = None
        assert sub.recv_timeout is None
        sub.recv_timeout = 1e-9
        assert sub.recv_timeout == 0.001
        sub.recv_timeout = 1.001
        assert sub.recv_timeout == 1.001
        sub.recv_timeout = float("inf")
        assert sub.recv_timeout is None
        with pytest.raises(ValueError, match="recv_max_size is an int of 32 bits"):
            sub.recv_max_size = 1 << 31
        for bad in (5, None, ["x"]):
            with pytest.raises(TypeError, match="name is a str"):
                sub.name = bad
        with pytest.raises(FileNotFoundError):
            sub.tls_ca_file = pathlib.Path("/nowhere/ca.pem")
        sub.ipv4_only = False
        assert sub.ipv4_only is False
        assert sub.recv_max_size == 1 << 20
        for bad in (-1, float("nan"), "soon"):
            with pytest.raises(ValueError):
                sub.recv_timeout = bad
        with pytest.raises(TypeError):
            sub.recv_buffer = "large"
        with pytest.raises(OSError):
            sub.recv_buffer = 0
        with pytest.raises(TypeError, match="no option"):
            millrace.Sub(recieve_timeout=1)
        sub.unsubscribe("a")
    with millrace.Surveyor(deadline=2.5) as surveyor, millrace.Req(resend_interval=3) as req:
        assert surveyor.deadline == 2.5 and req.resend_interval == 3


def test_options_that_nanomsg_has_not():
    with millrace.Pair(keepalive=30, accept_from="127.0.0.0/8", accept_max=5, ipc_mode=0o600, coalesce=False) as pair:
        assert (pair.keepalive, pair.accept_from, pair.accept_max, pair.ipc_mode) == (30, "127.0.0.0/8", 5, 0o600)
        assert pair.coalesce is False
        assert (pair.connect_timeout, pair.dscp, pair.bind_device, pair.tcp_user_timeout) == (10, -1, "", 0)
        pair.connect_timeout = None
        assert pair.connect_timeout is None
        assert (pair.tls_min_version, pair.tls_auth, pair.tls_insecure_no_verification) == (12, 0, False)
        pair.tls_server_name = "desk"
        assert pair.tls_server_name == "desk"
        with pytest.raises(millrace.Error, match="tls_ca_file: No such file"):
            pair.tls_ca_file = "/nowhere/ca.pem"
        with pytest.raises(OSError):
            pair.tls_cert = "no certificate"
    with pytest.raises(TypeError, match="no option"):
        millrace.Pair(close=1)


def test_iteration_ends_with_the_time_limit_and_with_the_socket(address):
    a, b = connected(millrace.Push, millrace.Pull, address)
    with a, b:
        a.send_many([b"1", b"2"])
        b.recv_timeout = 0.05
        assert list(b) == [b"1", b"2"]
        b.recv_timeout = None
        a.send(b"3")
        got = []
        reader = threading.Thread(target=lambda: got.extend(b))
        reader.start()
        end = time.monotonic() + 10
        while not got and time.monotonic() < end:
            time.sleep(0.001)
        b.close()
        reader.join(10)
        assert got == [b"3"] and not reader.is_alive()


def test_endpoints(ipc, address):
    with millrace.Pair() as a, millrace.Pair(recv_timeout=5) as b:
        first = a.bind(ipc)
        assert first.address == ipc and ipc in repr(first)
        b.connect(ipc)
        a.send(b"x")
        assert b.recv() == b"x"
        first.close()
        a.bind(address)


def test_raw_sockets_and_devices(address):
    front, back = address + "-front", address + "-back"
    with millrace.Rep(raw=True, bind=front) as one, millrace.Req(raw=True, bind=back) as other:
        assert one.raw
        broker = threading.Thread(target=millrace.device, args=(one, other))
        broker.start()
        with millrace.Req(connect=front, recv_timeout=10) as client, millrace.Rep(connect=back, recv_timeout=10) as worker:
            client.send(b"work")
            assert worker.recv() == b"work"
            worker.send(b"done")
            assert client.recv() == b"done"
        one.close()
        other.close()
        broker.join(10)
        assert not broker.is_alive()
    with millrace.Rep(raw=True, bind=address) as server, millrace.Req(connect=address, recv_timeout=10) as client:
        client.send(b"question")
        header, body = server.recv_raw()
        assert body == b"question" and len(header) >= 4
        server.send_raw(header, b"answer")
        assert client.recv() == b"answer"


def test_a_poller(address):
    a, b = connected(millrace.Pair, millrace.Pair, address)
    with a, b:
        poller = millrace.Poller()
        poller.register(b)
        assert poller.poll(0) == []
        assert poller.poll(0.001) == []
        a.send(b"x")
        assert poller.poll() == [(b, millrace.POLLIN)]
        poller.register(a, millrace.POLLIN | millrace.POLLOUT)
        assert dict(poller.poll()) == {b: millrace.POLLIN, a: millrace.POLLOUT}
        poller.unregister(b)
        with pytest.raises(KeyError):
            poller.unregister(b)
        with pytest.raises(OSError):
            pull = millrace.Pull()
            wrong = millrace.Poller()
            wrong.register(pull, millrace.POLLOUT)
            wrong.poll(0)


@pytest.mark.parametrize("kind", ["socket", "context"])
def test_a_poller_says_that_a_socket_is_closed(address, kind):
    """Else a loop around it would turn without a rest."""
    with millrace.Rep(bind=address) as rep, millrace.Req(connect=address) as req:
        poller = millrace.Poller()
        closed = rep if kind == "socket" else rep.context()
        poller.register(closed)
        poller.register(req, millrace.POLLOUT)
        assert poller.poll(10) == [(req, millrace.POLLOUT)]
        poller.unregister(req)
        closing = threading.Timer(0.05, closed.close)
        closing.start()
        with pytest.raises(millrace.Closed):
            poller.poll()
        closing.join()
        for timeout in (None, 0, 1):
            with pytest.raises(millrace.Closed):
                poller.poll(timeout)
        # Whatever else could be done.
        poller.register(req, millrace.POLLOUT)
        with pytest.raises(millrace.Closed):
            poller.poll()


def test_selectors_take_sockets(address):
    import selectors

    a, b = connected(millrace.Push, millrace.Pull, address)
    with a, b, selectors.DefaultSelector() as selector:
        selector.register(b, selectors.EVENT_READ)
        assert selector.select(0) == []
        a.send(b"x")
        assert [key.fileobj for key, _ in selector.select(10)] == [b]
        assert b.recv() == b"x"
        assert selector.select(0) == []
        selector.unregister(b)


def test_statistics(address):
    a, b = connected(millrace.Pair, millrace.Pair, address)
    with a, b:
        a.send(b"12345")
        b.recv()
        assert a.statistics["messages_sent"] == 1 and b.statistics["bytes_received"] == 5


def test_ws_text_is_an_option():
    with millrace.Pair() as socket:
        assert socket.ws_text is False
        socket.ws_text = True
        assert socket.ws_text is True


def test_a_subclass_has_arguments_of_its_own(address):
    class Client(millrace.Req):
        def __init__(self, where, times):
            super().__init__(connect=where, recv_timeout=20)
            self.times = times

        def ask(self, data):
            for _ in range(self.times):
                self.send(data)
                yield self.recv()

    class Asking(millrace.ReqContext):
        def __init__(self, client):
            super().__init__(client, recv_timeout=20)

    class Unopened(millrace.Pair):
        def __init__(self):
            pass

    with millrace.Rep(bind=address) as server, Client(address, 2) as client, Asking(client) as context:
        answers = client.ask(b"x")
        answering = threading.Thread(target=lambda: [server.send(server.recv()) for _ in range(3)])
        answering.start()
        assert list(answers) == [b"x", b"x"]
        context.send(b"y")
        assert context.recv() == b"y"
        answering.join()
    with pytest.raises(millrace.Closed, match="super"):
        Unopened().send(b"x")


def test_a_socket_says_its_protocol():
    with millrace.Socket(33) as sub, millrace.Socket(48, raw=True) as req, millrace.Socket() as pair, millrace.Bus(112) as bus:
        assert [s.protocol for s in (sub, req, pair, bus)] == [33, 48, 16, 112]
    with pytest.raises(TypeError, match="Sub has protocol 33"):
        millrace.Sub(16)
    with pytest.raises(TypeError, match="bind="):
        millrace.Pair("inproc://x")


def test_closing_an_address_again_does_nothing(address):
    with millrace.Pair() as s:
        endpoint = s.bind(address)
        endpoint.close()
        endpoint.close()


def test_what_a_poller_cannot_take_is_said_at_once():
    poller = millrace.Poller()
    with pytest.raises(TypeError, match="int"):
        poller.register(5)
    with millrace.Push() as push:
        poller.register(push, millrace.POLLIN)
        with pytest.raises(millrace.NotSupported):
            poller.poll(0)


def test_type_checkers_know_all_options():
    """The lists for them are written out; here they are compared with the attributes."""
    from millrace import _keywords as keywords

    def options(cls):
        found = {name: getattr(cls, name) for name in dir(cls)}
        return {name: type(option).__name__ for name, option in found.items() if isinstance(option, Option)}

    kinds = {"Seconds": "Optional[float]", "Integer": "int", "Flag": "bool", "TextOrBinary": "bool", "Text": "TextLike", "File": "TextLike"}

    def listed(typed):
        return {
            name: getattr(hint, "__forward_arg__", hint)
            for name, hint in typed.__annotations__.items()
            if name not in ("raw", "bind", "connect")
        }

    for typed, cls in [
        (keywords.SocketArguments, millrace.Pair),
        (keywords.ReqArguments, millrace.Req),
        (keywords.SurveyorArguments, millrace.Surveyor),
        (keywords.ContextOptions, millrace.Context),
        (keywords.ReqContextOptions, millrace.ReqContext),
        (keywords.SurveyorContextOptions, millrace.SurveyorContext),
    ]:
        assert listed(typed) == {name: kinds[kind] for name, kind in options(cls).items()}


def test_iterating_without_a_copy(address):
    with millrace.Push(bind=address) as push, millrace.Pull(connect=address, recv_timeout=0.05) as pull:
        push.send_many([b"1", b"22"])
        got = list(pull.incoming(copy=False))
        assert all(isinstance(message, memoryview) for message in got)
        assert got == [b"1", b"22"]


def test_a_misspelt_option_is_an_error(address):
    with millrace.Req(bind=address) as req, req.context() as context:
        for of in (req, context, millrace.Socket(16), millrace.Sub()):
            with pytest.raises(AttributeError, match="recv_timeuot"):
                of.recv_timeuot = 3
            of.recv_timeout = 3

    class Own(millrace.Pair):
        def __init__(self, name):
            super().__init__()
            self.label = name

    with Own("mine") as own:
        own.more = 1
        assert (own.label, own.more) == ("mine", 1)


def test_what_is_wrong_with_an_argument_is_said():
    for arguments, text in [
        ({"bind": 5}, "bind is an address, or a list of addresses, not int"),
        ({"connect": 5}, "connect is an address, or a list of addresses, not int"),
        ({"bind": [5]}, "an address is a str, not int"),
        ({"tcp_nodelay": "no"}, "tcp_nodelay is a bool, not 'no'"),
        ({"ws_text": "no"}, "ws_text is a bool, not 'no'"),
    ]:
        with pytest.raises(TypeError, match=text):
            millrace.Pair(**arguments)
    with pytest.raises(TypeError, match="subscribe is a topic, or a list of topics, not int"):
        millrace.Sub(subscribe=5)
    with millrace.Pair(tcp_nodelay=1) as pair:
        assert pair.tcp_nodelay is True
        for wrong in (5, b"inproc://x"):
            with pytest.raises(TypeError, match="an address is a str"):
                pair.bind(wrong)
        with pytest.raises(ValueError, match="at least 0"):
            pair.recv_many(-1)
    with pytest.raises(millrace.Closed, match="never opened"):
        millrace.Pair.__new__(millrace.Pair).recv()


def test_a_socket_that_was_never_opened_says_so():
    import asyncio

    pair = millrace.Pair.__new__(millrace.Pair)
    for call in (pair.arecv, lambda: pair.asend(b"x"), pair.arecv_message):
        with pytest.raises(millrace.Closed, match="never opened"):
            asyncio.run(call())
    pair.close()


def test_a_time_limit_is_a_number_and_may_have_passed(address):
    with millrace.Pair(bind=address) as pair, pair.monitor() as monitor:
        poller = millrace.Poller()
        poller.register(pair)
        waits = [lambda time: pair.wait_peers(timeout=time), lambda time: monitor.next(time)]
        for wait in waits:
            with pytest.raises((millrace.Timeout, millrace.WouldBlock)):
                wait(-5)
        assert poller.poll(-5) == []
        for wait in [*waits, poller.poll, lambda time: setattr(pair, "recv_timeout", time)]:
            with pytest.raises(ValueError):
                wait(float("nan"))


def test_what_a_socket_is_bound_and_connected_to():
    with millrace.Pull(bind="tcp://127.0.0.1:0") as pull:
        (bound,) = pull.endpoints
        with millrace.Push(connect=bound.address) as push:
            push.send(b"x")
            assert pull.recv() == b"x"
            assert [each.address for each in push.endpoints] == [bound.address]
        bound.close()
        assert pull.endpoints == []


def test_errors_say_what_is_most_often_wrong(tmp_path):
    with pytest.raises(millrace.Error, match=r"begins with its transport, as tcp://"):
        millrace.Pair(connect="localhost:5555")
    with pytest.raises(millrace.Error, match=r"without tls_cert and tls_key"):
        millrace.Pair(bind="tls+tcp://127.0.0.1:0")
    with pytest.raises(millrace.NotFound) as caught:
        millrace.Pair(tls_cert_file=tmp_path / "missing.pem")
    assert caught.value.filename == str(tmp_path / "missing.pem") and "missing.pem" in str(caught.value)
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("no certificate")
    with pytest.raises(millrace.Error, match=r"tls_ca_file.*certificates of the authorities.*wrong\.pem"):
        millrace.Pair(tls_ca_file=wrong)


def test_signatures_have_the_keywords():
    for cls, first in [(millrace.Pull, "protocol"), (millrace.Socket, "protocol"), (millrace.Context, "socket")]:
        names = list(inspect.signature(cls).parameters)
        assert names[0] == first and "self" not in names and names[-1] == "options", names
    assert {"raw", "bind", "connect"} <= set(inspect.signature(millrace.Pull).parameters)
    assert "subscribe" in inspect.signature(millrace.Sub).parameters

    class Camera(millrace.Pub):
        def __init__(self, number):
            super().__init__(bind=f"inproc://camera{number}")

    assert str(inspect.signature(Camera)) == "(number)"

    class Wrapped(millrace.Pub):
        def __init__(*anything, **options):
            super(Wrapped, anything[0]).__init__(**options)

    assert str(inspect.signature(Wrapped)) == "(*anything, **options)"
