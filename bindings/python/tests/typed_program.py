"""A program that type checkers look at, as users run them: with all their rules, and the package from outside. It is not run."""

import pathlib
from array import array

import millrace
from millrace import qi


def ask(url: str) -> bytes:
    with millrace.Req(connect=url, recv_timeout=1) as client:
        client.send(b"bytes")
        client.send(bytearray(b"bytes"))
        client.send(memoryview(b"bytes"))
        client.send(array("i", [1, 2]))
        client.send("text")  # type: ignore
        client.send(5)  # type: ignore
        try:
            return client.recv()
        except millrace.Timeout as late:
            error: millrace.Error = late
            raise error


async def serve(server: millrace.Rep) -> None:
    async for request in server:
        await server.asend(request)


def events(socket: millrace.Socket) -> list[str]:
    with socket.monitor() as monitor:
        return [event.kind for event in monitor]


def ready(poller: millrace.Poller) -> list[millrace.Messages]:
    return [socket for socket, _ in poller.poll(timeout=1)]


async def incoming(socket: millrace.Pull) -> list[memoryview]:
    return [view async for view in socket.incoming(copy=False)] + list(socket.incoming(copy=False))


@qi.multiThreaded()
class Parallel:
    @qi.singleThreaded
    def add(self, a: int, b: int) -> int:
        return a + b


def added(parallel: Parallel) -> int:
    return parallel.add("text", 2)  # type: ignore


def poll(sockets: list[millrace.Pull]) -> list[int]:
    poller = millrace.Poller()
    for socket in sockets:
        poller.register(socket, millrace.POLLIN)
    return [events for _, events in poller.poll(timeout=1)]


class Lamp:
    def __init__(self) -> None:
        self.level = qi.Property(int)


def lamp(session: qi.Session) -> int:
    number: int = session.registerService("Lamp", Lamp())
    later: qi.Future[int] = session.registerService("Other", Lamp(), _async=True)
    names: list[str] = [service["name"] for service in session.services()]
    text: str = session.registerService("Third", Lamp())  # type: ignore
    session.services()[0]["nothing"]  # type: ignore
    return number + later.value() + len(names) + len(text)


def levels(lamp: Lamp) -> int:
    level: int = lamp.level.value()
    later: qi.Future[int] = lamp.level.value(_async=True)
    names: qi.Property[list[str]] = qi.Property(list[str])
    anything: int = qi.Property("i").value() + qi.Property(qi.Int32).value() + qi.Property().value()
    lamp.level.setValue("text")  # type: ignore
    text: str = lamp.level.value()  # type: ignore
    return level + later.value() + len(names.value()) + anything + len(text)


async def views(socket: millrace.Pull) -> list[memoryview]:
    one: memoryview = await socket.arecv(copy=False)
    whole: bytes = await socket.arecv()
    wrong: bytes = await socket.arecv(copy=False)  # type: ignore
    copy = bool(wrong)
    either: bytes | memoryview = socket.recv(copy=copy)
    either = await socket.arecv(copy=copy)
    assert socket.try_recv(copy=copy) is None and not socket.recv_many(copy=copy) and either
    for each in socket.incoming(copy=copy):
        assert each
    return [one, memoryview(whole + wrong), *socket.recv_many(copy=False)]


def keywords(url: str) -> list[millrace.Socket]:
    right: list[millrace.Socket] = [
        millrace.Pull(bind=[url], recv_timeout=None, tls_key_file="key.pem"),
        millrace.Sub(connect=url, subscribe=["a", b"b"], recv_max_size=-1),
        millrace.Req(connect=url, resend_interval=1, tcp_nodelay=True),
        millrace.Surveyor(bind=url, deadline=0.5),
        millrace.Socket(48, raw=True, linger=0),
    ]
    right[0].tls_cert_file = pathlib.Path("certificate.pem")
    right[0].name = b"bytes"
    right[0].name = 5  # type: ignore
    millrace.Req().context(resend_interval=1, recv_timeout=2)
    millrace.Sub().context(subscribe="a")
    millrace.Pull(recv_timeout="x")  # type: ignore
    millrace.Pull(recv_timeot=3)  # type: ignore
    millrace.Pull(deadline=3)  # type: ignore
    millrace.Sub(subscribe=5)  # type: ignore
    millrace.Req().context(deadline=3)  # type: ignore
    millrace.Rep().context(linger=3)  # type: ignore
    return right
