"""Contexts: many requests, answers or subscriptions at a time on one socket."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ._messages import Messages
from ._options import Seconds, set_options
from ._types import Buffer

if TYPE_CHECKING:
    from ._keywords import ContextOptions, ReqContextOptions, SurveyorContextOptions, Topics, Unpack
    from .sockets import Socket

__all__ = ["Context", "ReqContext", "SubContext", "SurveyorContext"]

# Numbers of the C interface.
_SUB, _REQ, _SURVEYOR = 33, 48, 98


class Resending(Messages):
    """Options of who asks."""

    __slots__ = ()

    resend_interval: Seconds = Seconds(_REQ, 1, "A request without a reply is sent again after this; 60 at first.")


class WithDeadline(Messages):
    """Options of surveys."""

    __slots__ = ()

    deadline: Seconds = Seconds(_SURVEYOR, 1, "How long answers are waited for; 1 at first.")


class Subscribing(Messages):
    """Topics of a subscriber."""

    __slots__ = ()

    def subscribe(self, topic: str | Buffer) -> None:
        """Wants messages that begin with these bytes; b"" is all messages."""
        self.set_option(_SUB, 1, _bytes_of(topic))

    def unsubscribe(self, topic: str | Buffer) -> None:
        """Takes back a subscription."""
        self.set_option(_SUB, 2, _bytes_of(topic))

    def _subscribe_all(self, topics: Any) -> None:
        if isinstance(topics, (str, bytes, bytearray, memoryview)):
            topics = [topics]
        elif not isinstance(topics, Iterable):
            raise TypeError(f"subscribe is a topic, or a list of topics, not {type(topics).__name__}")
        for topic in topics:
            self.subscribe(topic)


class Context(Messages):
    """What a socket remembers of its protocol, without the connections: any number of contexts ask, answer or subscribe for
    themselves over those of one socket. ``socket.context()`` opens one.

        >>> import millrace
        >>> with millrace.Rep(bind="inproc://office") as server, millrace.Req(connect="inproc://office") as client:
        ...     one, other = client.context(), client.context()
        ...     one.send(b"first")
        ...     other.send(b"second")
        ...     for _ in range(2):
        ...         server.send(server.recv().upper())
        ...     other.recv(), one.recv()
        (b'SECOND', b'FIRST')

    It sends and receives as a socket does, in asyncio programs too, and has ``send_timeout`` and ``recv_timeout`` and the options
    of its protocol for itself. The socket can be used beside its contexts. Closing one gives up what it asked or was to answer,
    and leaves the socket open; when the socket is closed, its contexts raise :class:`millrace.Closed`.
    """

    __slots__ = ("socket",)

    #: The socket whose context it is, which stays as long as its contexts do.
    socket: Socket

    def __init__(self, socket: Socket, **options: Unpack[ContextOptions]) -> None:
        super().__init__()
        self.socket = socket
        self._open_context(socket)
        socket._contexts.add(self)
        try:
            set_options(self, options)
        except BaseException:
            self.close()
            raise

    @property
    def closed(self) -> bool:
        """Whether the context is closed, or its socket."""
        return super().closed or self.socket.closed

    def close(self) -> None:
        """Gives up what the context asked or was to answer; who waits, in other threads or tasks, gets :class:`millrace.Closed`.
        Closing again does nothing."""
        super().close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {type(self.socket).__name__}{' closed' if self.closed else ''}>"


class ReqContext(Resending, Context):
    """A context of a :class:`millrace.Req`: it has a request under way."""

    __slots__ = ()

    if TYPE_CHECKING:

        def __init__(self, socket: Socket, **options: Unpack[ReqContextOptions]) -> None: ...


class SurveyorContext(WithDeadline, Context):
    """A context of a :class:`millrace.Surveyor`: it has a survey and a deadline of its own."""

    __slots__ = ()

    if TYPE_CHECKING:

        def __init__(self, socket: Socket, **options: Unpack[SurveyorContextOptions]) -> None: ...


class SubContext(Subscribing, Context):
    """A context of a :class:`millrace.Sub`: it has subscriptions and a queue of its own. ``subscribe="topic"``, or a list."""

    __slots__ = ()

    def __init__(self, socket: Socket, *, subscribe: Topics = (), **options: Unpack[ContextOptions]) -> None:
        super().__init__(socket, **options)
        try:
            self._subscribe_all(subscribe)
        except BaseException:
            self.close()
            raise


def _bytes_of(topic: str | Buffer) -> bytes:
    if isinstance(topic, str):
        return topic.encode()
    try:
        # Not bytes(topic): of a number that is so many zeros.
        return bytes(memoryview(topic))
    except TypeError:
        raise TypeError(f"a topic is str or bytes, not {type(topic).__name__}") from None
