"""Sockets: one class for each protocol."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Any, Optional, TypeVar

from . import _native
from ._aio import Readiness
from ._options import Flag, Integer, Seconds, Text, TextOrBinary
from ._types import Buffer
from .errors import Closed, Terminated, Timeout, WouldBlock

__all__ = [
    "Bus",
    "Endpoint",
    "Pair",
    "Pub",
    "Pull",
    "Push",
    "Rep",
    "Req",
    "Respondent",
    "Socket",
    "Sub",
    "Surveyor",
    "device",
]

Self = TypeVar("Self", bound="Socket")

# Numbers of the C interface.
_SOL_SOCKET = 0
_TCP, _WS = -3, -4
_SNDFD, _RCVFD = 10, 11
_PAIR, _PUB, _SUB, _REQ, _REP = 16, 32, 33, 48, 49
_PUSH, _PULL, _SURVEYOR, _RESPONDENT, _BUS = 80, 81, 98, 99, 112

_STATISTICS = {
    "established_connections": 101,
    "accepted_connections": 102,
    "dropped_connections": 103,
    "broken_connections": 104,
    "connect_errors": 105,
    "bind_errors": 106,
    "accept_errors": 107,
    "current_connections": 201,
    "connections_in_progress": 202,
    "endpoint_errors": 203,
    "messages_sent": 301,
    "messages_received": 302,
    "bytes_sent": 303,
    "bytes_received": 304,
}


class Endpoint:
    """One address that a socket is bound or connected to.

    It is the socket's: closing the socket closes it.
    """

    def __init__(self, socket: Socket, number: int, address: str) -> None:
        self._socket = socket
        self._number = number
        #: The address as it was given.
        self.address = address

    def close(self) -> None:
        """Takes the address away from the socket. What was accepted for its connections is still sent."""
        self._socket._shutdown(self._number)

    def __repr__(self) -> str:
        return f"<Endpoint {self.address}>"


class Socket(_native.RawSocket):
    """A socket of the protocol that a class below names, or of a number.

    ``bind`` and ``connect`` are an address or a list of addresses; further keyword arguments are options, as attributes of the
    same names::

        >>> import millrace
        >>> with millrace.Pair(bind="inproc://hall") as left, millrace.Pair(connect="inproc://hall", recv_timeout=1) as right:
        ...     left.send(b"hello")
        ...     right.recv()
        b'hello'

    Every method may be called from any thread, several at once on one socket. Waiting lets other threads run, and Ctrl-C
    ends it. A socket that was opened before a fork belongs to the parent; in the child it raises :class:`millrace.Closed`,
    and new ones can be opened.
    """

    #: The number of the class's protocol.
    protocol: int = _PAIR

    linger = Seconds(_SOL_SOCKET, 1, "How long close() waits until what was accepted is handed to the system; 1 at first.")
    send_buffer = Integer(_SOL_SOCKET, 2, "Bytes of the send buffer of each connection made later; 131072 at first.")
    recv_buffer = Integer(_SOL_SOCKET, 3, "Bytes of the receive buffer of each connection made later; 131072 at first.")
    send_timeout = Seconds(_SOL_SOCKET, 4, "How long send() waits for a peer that takes the message; None at first.")
    recv_timeout = Seconds(_SOL_SOCKET, 5, "How long recv() waits for a message; None at first.")
    reconnect_interval = Seconds(_SOL_SOCKET, 6, "Pause before a lost connection is tried again; 0.1 at first.")
    reconnect_interval_max = Seconds(_SOL_SOCKET, 7, "The pause doubles up to this; 0 at first: it stays the same.")
    send_priority = Integer(_SOL_SOCKET, 8, "1 (first) to 16 (last): order of the peers of endpoints made later; 8.")
    recv_priority = Integer(_SOL_SOCKET, 9, "1 (first) to 16 (last): order of the peers of endpoints made later; 8.")
    ipv4_only = Flag(_SOL_SOCKET, 14, "False allows IPv6 addresses too; True at first.")
    name = Text(_SOL_SOCKET, 15, "At most 63 bytes; used in error output.")
    recv_max_size = Integer(_SOL_SOCKET, 16, "Bytes; a peer that sends a larger message is disconnected. -1: no limit.")
    max_ttl = Integer(_SOL_SOCKET, 17, "1 to 255: a request that has crossed more devices is dropped; 8 at first.")
    spin = Flag(_SOL_SOCKET, 19794, "Whether waiting looks a few times before it sleeps; True at first.")
    tcp_nodelay = Flag(_TCP, 1, "Of connections over tcp made later; False at first.")
    ws_text = TextOrBinary(_WS, 1, "Messages over ws are sent as text frames; False at first.")

    def __new__(cls: type[Self], protocol: Optional[int] = None, *, raw: bool = False, **_: Any) -> Self:
        return super().__new__(cls, cls.protocol if protocol is None else protocol, raw)

    def __init__(
        self,
        protocol: Optional[int] = None,
        *,
        raw: bool = False,
        bind: str | list[str] | tuple[str, ...] = (),
        connect: str | list[str] | tuple[str, ...] = (),
        **options: Any,
    ) -> None:
        self._readable: Optional[Readiness] = None
        self._writable: Optional[Readiness] = None
        try:
            for option, value in options.items():
                if not hasattr(type(self), option):
                    raise TypeError(f"{type(self).__name__} has no option {option!r}")
                setattr(self, option, value)
            for address in [bind] if isinstance(bind, str) else bind:
                self.bind(address)
            for address in [connect] if isinstance(connect, str) else connect:
                self.connect(address)
        except BaseException:
            self.close()
            raise

    def bind(self, address: str) -> Endpoint:
        """Listens at an address, as ``tcp://127.0.0.1:5555``, ``ipc:///tmp/x``, ``inproc://name`` or ``ws://*:8080``."""
        return Endpoint(self, self._bind(address), address)

    def connect(self, address: str) -> Endpoint:
        """Connects to an address, now and again whenever the connection is lost; returns at once."""
        return Endpoint(self, self._connect(address), address)

    def close(self) -> None:
        """Closes the socket; what was accepted is handed to the system, for at most ``linger`` seconds. Closing again does
        nothing. Calls that wait in other threads, or tasks, raise :class:`millrace.Closed`."""
        for readiness in (self._readable, self._writable):
            if readiness is not None:
                readiness.close()
        super().close()

    @property
    def recv_fd(self) -> int:
        """A descriptor that is readable while a message can be received, for ``select`` and its like. Neither read nor
        close it."""
        return int(self.get_option(_SOL_SOCKET, _RCVFD))

    @property
    def send_fd(self) -> int:
        """A descriptor that is *readable* while a message can be sent. Neither read nor close it."""
        return int(self.get_option(_SOL_SOCKET, _SNDFD))

    def fileno(self) -> int:
        """``recv_fd``, or ``send_fd`` of a socket that cannot receive: so that ``selectors`` take the socket itself."""
        return self.send_fd if self._protocol in (_PUB, _PUSH) else self.recv_fd

    @property
    def statistics(self) -> dict[str, int]:
        """What has been counted since the socket was opened."""
        return {name: self._statistic(number) for name, number in _STATISTICS.items()}

    # ---- as a context and an iterator

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[bytes]:
        """The messages that come; ends when the socket is closed, or when none comes within ``recv_timeout``."""
        while True:
            try:
                yield self.recv()
            except (Closed, Terminated, Timeout):
                return

    def __repr__(self) -> str:
        state = " closed" if self.closed else ""
        return f"<{type(self).__name__}{' raw' if self.raw else ''}{state}>"

    # ---- asyncio

    async def asend(self, data: Buffer) -> None:
        """Sends a message in an asyncio program. Tried at once; waits, without a time limit (``asyncio.wait_for`` sets
        one), while no peer takes it. If it is cancelled, nothing was sent."""
        try:
            return self.send(data, block=False)
        except WouldBlock:
            pass

        def attempt() -> Optional[bool]:
            try:
                self.send(data, block=False)
            except WouldBlock:
                return None
            return True

        await self._waits_for_room().attempt(attempt)

    async def arecv(self) -> bytes:
        """Receives a message in an asyncio program. Tried at once; if it is cancelled, no message is lost."""
        readable = self._readable
        if readable is None or not readable.belongs_to(asyncio.get_running_loop()):
            # Nobody waits in this loop yet, so nobody is overtaken.
            message = self.try_recv()
            if message is not None:
                return message
            readable = self._waits_for_messages()
        return await readable.attempt(self.try_recv)

    async def __aenter__(self: Self) -> Self:
        return self

    async def __aexit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        # Closing may wait for what lingers.
        for readiness in (self._readable, self._writable):
            if readiness is not None:
                readiness.close()
        await asyncio.get_running_loop().run_in_executor(None, super().close)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The messages that come; ends when the socket is closed."""
        while True:
            try:
                message = await self.arecv()
            except (Closed, Terminated):
                return
            yield message

    def _waits_for_messages(self) -> Readiness:
        loop = asyncio.get_running_loop()
        if self._readable is None or not self._readable.belongs_to(loop):
            self._readable = Readiness(loop, self.recv_fd)
        return self._readable

    def _waits_for_room(self) -> Readiness:
        loop = asyncio.get_running_loop()
        if self._writable is None or not self._writable.belongs_to(loop):
            self._writable = Readiness(loop, self.send_fd)
        return self._writable


class Pair(Socket):
    """Talks to exactly one peer, both ways."""

    protocol = _PAIR


class Pub(Socket):
    """Sends every message to all subscribers; one that does not keep up loses messages."""

    protocol = _PUB


class Sub(Socket):
    """Receives what begins with one of its topics. ``subscribe="topic"``, or a list; without one, nothing comes."""

    protocol = _SUB

    def __init__(self, protocol: Optional[int] = None, *, subscribe: Any = (), **rest: Any) -> None:
        super().__init__(protocol, **rest)
        try:
            for topic in [subscribe] if isinstance(subscribe, (str, bytes)) else subscribe:
                self.subscribe(topic)
        except BaseException:
            self.close()
            raise

    def subscribe(self, topic: str | bytes) -> None:
        """Wants messages that begin with these bytes; b"" is all messages."""
        self.set_option(_SUB, 1, _bytes(topic))

    def unsubscribe(self, topic: str | bytes) -> None:
        """Takes back a subscription."""
        self.set_option(_SUB, 2, _bytes(topic))


class Req(Socket):
    """Sends a request and receives its reply; another request forgets the first."""

    protocol = _REQ
    resend_interval = Seconds(_REQ, 1, "A request without a reply is sent again after this; 60 at first.")


class Rep(Socket):
    """Receives a request and sends its reply, in turn."""

    protocol = _REP


class Push(Socket):
    """Gives each message to one of its peers, in turn."""

    protocol = _PUSH


class Pull(Socket):
    """Takes messages from all its peers, in turn."""

    protocol = _PULL


class Surveyor(Socket):
    """Asks all respondents and receives their answers until the deadline, when recv() raises :class:`millrace.Timeout`."""

    protocol = _SURVEYOR
    deadline = Seconds(_SURVEYOR, 1, "How long answers are waited for; 1 at first.")


class Respondent(Socket):
    """Receives a survey and may send an answer."""

    protocol = _RESPONDENT


class Bus(Socket):
    """Sends every message to all peers it is connected with, and receives theirs."""

    protocol = _BUS


def device(one: Socket, other: Optional[Socket] = None) -> None:
    """Passes messages between two raw sockets, both ways if they can, until both are closed; with one, sends back to its
    peers what it receives. Other threads run meanwhile."""
    try:
        _native.device(one, other)
    except (Closed, Terminated):
        if not one.closed and (other is None or not other.closed):
            raise


def _bytes(topic: str | bytes) -> bytes:
    return topic.encode() if isinstance(topic, str) else bytes(topic)
