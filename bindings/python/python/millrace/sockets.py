"""Sockets: one class for each protocol."""

from __future__ import annotations

import contextlib
import errno
import json
import weakref
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Optional, TypeVar

from . import _native
from ._aio import current_loop, turn, turn_due
from ._keywords import Addresses, Topics
from ._messages import Messages, unchanging
from ._options import File, Flag, Integer, Seconds, Text, TextOrBinary, set_options
from ._types import Buffer
from .contexts import Context, ReqContext, Resending, SubContext, Subscribing, SurveyorContext, WithDeadline
from .errors import Closed, Error, Terminated, WouldBlock
from .monitor import Monitor
from .peers import Peer, PeerSender

if TYPE_CHECKING:
    from ._keywords import (
        ContextOptions,
        ReqArguments,
        ReqContextOptions,
        SocketArguments,
        SocketOptions,
        SurveyorArguments,
        SurveyorContextOptions,
        Unpack,
    )

Self = TypeVar("Self", bound="Socket")

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

# Numbers of the C interface.
_SOL_SOCKET = 0
_IPC, _TCP, _WS, _TLS = -2, -3, -4, -19794
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
        self._closed = False
        #: The address; of a bind to port 0, with the port that the system has chosen.
        self.address = address

    def close(self) -> None:
        """Takes the address away from the socket. What was accepted for its connections is still sent. Closing again does nothing."""
        if not self._closed:
            self._closed = True
            self._socket._shutdown(self._number)

    def __repr__(self) -> str:
        return f"<Endpoint {self.address}>"


class _Number:
    """The protocol of a class, and of a socket of it that was given another one."""

    def __init__(self, of_class: int) -> None:
        self._of_class = of_class

    def __get__(self, socket: Optional[Socket], owner: type) -> int:
        return self._of_class if socket is None else socket._protocol


class Socket(Messages):
    """A socket of the protocol that a class below names, or of a number.

    ``bind`` and ``connect`` are an address or a list of addresses; further keyword arguments are options, as attributes of the
    same names::

        >>> import millrace
        >>> with millrace.Pair(bind="inproc://hall") as left, millrace.Pair(connect="inproc://hall", recv_timeout=1) as right:
        ...     left.send(b"hello")
        ...     right.recv()
        b'hello'

    It sends and receives by what all :class:`millrace.Messages` have.
    Every method may be called from any thread, several at once on one socket. Waiting lets other threads run, and Ctrl-C
    ends it. A socket that was opened before a fork belongs to the parent; in the child it raises :class:`millrace.Closed`,
    and new ones can be opened.
    """

    __slots__ = ("_contexts", "_senders")
    _contexts: weakref.WeakSet[Context]
    # By the connection, and the event loop.
    _senders: dict[tuple[int, Any], PeerSender]

    #: The number of its protocol; :class:`Pair` if a Socket is not given one.
    protocol: int = _Number(_PAIR)  # type: ignore[assignment]

    linger: Seconds = Seconds(_SOL_SOCKET, 1, "How long close() waits until what was accepted is handed to the system; 1 at first.")
    send_buffer: Integer = Integer(_SOL_SOCKET, 2, "Bytes of the send buffer of each connection made later; 131072 at first.")
    recv_buffer: Integer = Integer(_SOL_SOCKET, 3, "Bytes of the receive buffer of each connection made later; 131072 at first.")
    reconnect_interval: Seconds = Seconds(_SOL_SOCKET, 6, "Pause before a lost connection is tried again; 0.1 at first.")
    reconnect_interval_max: Seconds = Seconds(_SOL_SOCKET, 7, "The pause doubles up to this; 0 at first: it stays the same.")
    send_priority: Integer = Integer(_SOL_SOCKET, 8, "1 (first) to 16 (last): order of the peers of endpoints made later; 8.")
    recv_priority: Integer = Integer(_SOL_SOCKET, 9, "1 (first) to 16 (last): order of the peers of endpoints made later; 8.")
    ipv4_only: Flag = Flag(_SOL_SOCKET, 14, "False allows IPv6 addresses too; True at first.")
    name: Text = Text(_SOL_SOCKET, 15, "At most 63 bytes; used in error output.")
    recv_max_size: Integer = Integer(_SOL_SOCKET, 16, "Bytes; a peer that sends a larger message is disconnected. -1: no limit.")
    max_ttl: Integer = Integer(_SOL_SOCKET, 17, "1 to 255: a request that has crossed more devices is dropped; 8 at first.")
    spin: Flag = Flag(_SOL_SOCKET, 19794, "Whether waiting looks a few times before it sleeps; True at first.")
    tcp_nodelay: Flag = Flag(_TCP, 1, "Of connections over tcp made later; False at first.")
    ws_text: TextOrBinary = TextOrBinary(_WS, 1, "Messages over ws are sent as text frames; False at first.")
    coalesce: Flag = Flag(_SOL_SOCKET, 19795, "Small messages of a stream that has lasted are put together; True at first.")
    connect_timeout: Seconds = Seconds(_SOL_SOCKET, 19800, "What an attempt to connect may take; 10 at first, None: what the system allows.")
    keepalive: Seconds = Seconds(_SOL_SOCKET, 19801, "After so long a silence the system asks whether the peer is there; 60 at first, 0: never.")
    recv_peer: Flag = Flag(_SOL_SOCKET, 19832, "Whether recv_message() tells who sent a message; False at first.")
    accept_from: Text = Text(_SOL_SOCKET, 19824, 'Networks that bound addresses take connections from, as "127.0.0.1, 10.0.0.0/8"; "": all.')
    accept_max: Integer = Integer(_SOL_SOCKET, 19825, "Connections that a bound address has at a time; -1 at first: no limit.")
    dscp: Integer = Integer(_SOL_SOCKET, 19826, "0 to 63: class of the packets of connections made later; -1 at first: the system's.")
    bind_device: Text = Text(_SOL_SOCKET, 19827, 'The network interface of connections made later; "" at first: any.')
    tcp_user_timeout: Seconds = Seconds(_SOL_SOCKET, 19828, "How long a peer may leave what was sent unacknowledged; 0 at first: the system's limit.")
    ipc_mode: Integer = Integer(_IPC, 19829, "Permissions of the file of an ipc address, as 0o600; -1 at first: what the umask leaves.")
    ipc_owner: Integer = Integer(_IPC, 19830, "User id of the owner of that file; -1 at first: who runs the program.")
    ipc_group: Integer = Integer(_IPC, 19831, "Group id of that file; -1 at first: the program's.")
    tls_cert: Text = Text(_TLS, 1, "The certificate that peers are shown, PEM, with those between it and its authority. It can be replaced, not taken back.")
    tls_cert_file: File = File(_TLS, 2, "A file with the certificate that peers are shown, PEM, with those between it and its authority; read now. Write only.")
    tls_key: Text = Text(_TLS, 3, "The private key of tls_cert, PEM. Write only.")
    tls_key_file: File = File(_TLS, 4, "A file with the private key of tls_cert, PEM; read now. Write only.")
    tls_ca: Text = Text(_TLS, 5, 'The certificates of the authorities that are believed, PEM; "" at first: those of the system. They can be replaced, not taken back: an empty text, which may be what an empty file held, is refused.')
    tls_ca_file: File = File(_TLS, 6, "A file with the certificates of the authorities that are believed, PEM; read now. Write only.")
    tls_server_name: Text = Text(_TLS, 7, 'Whom the server\'s certificate must be for; "" at first: the host of the address.')
    tls_auth: Integer = Integer(_TLS, 8, "Whether clients must show a certificate: 0 no (at first), 1 they may, 2 they must.")
    tls_min_version: Integer = Integer(_TLS, 9, "The oldest version of TLS that is spoken: 12 (at first) or 13.")
    tls_insecure_no_verification: Flag = Flag(_TLS, 10, "Believes every certificate: for tests only. False at first.")

    def __new__(cls: type[Self], *arguments: Any, **options: Any) -> Self:
        self = super().__new__(cls)
        self._contexts = weakref.WeakSet()
        self._senders = {}
        return self

    def __init__(
        self,
        protocol: Optional[int] = None,
        *,
        raw: bool = False,
        bind: Addresses = (),
        connect: Addresses = (),
        **options: Unpack[SocketOptions],
    ) -> None:
        super().__init__()
        if protocol is not None:
            self._check(protocol)
        self._open(type(self).protocol if protocol is None else protocol, raw)
        try:
            set_options(self, options)
            for address in _addresses("bind", bind):
                self.bind(address)
            for address in _addresses("connect", connect):
                self.connect(address)
        except BaseException:
            self.close()
            raise

    def bind(self, address: str) -> Endpoint:
        """Listens at an address, as ``tcp://127.0.0.1:5555``, ``ipc:///tmp/x``, ``inproc://name`` or ``ws://*:8080``."""
        with _telling(address):
            number = self._bind(_address(address))
        return Endpoint(self, number, self._address(number))

    def connect(self, address: str) -> Endpoint:
        """Connects to an address, now and again whenever the connection is lost; returns at once."""
        with _telling(address):
            return Endpoint(self, self._connect(_address(address)), address)

    @property
    def endpoints(self) -> list[Endpoint]:
        """What it is bound and connected to now, in the order in which that was asked for::

            >>> import millrace
            >>> with millrace.Pull(bind="tcp://127.0.0.1:0") as pull, millrace.Push(connect=pull.endpoints[0].address) as push:
            ...     push.send(b"to a port that the system has chosen")
            ...     pull.recv()
            b'to a port that the system has chosen'
        """
        return [Endpoint(self, each["id"], each["address"]) for each in self.describe()["endpoints"]]

    def close(self) -> None:
        """Closes the socket; what was accepted is handed to the system, for at most ``linger`` seconds. Closing again does
        nothing. Calls that wait in other threads, or tasks, raise :class:`millrace.Closed`; so do those of its contexts."""
        super().close()

    def _end_waits(self) -> None:
        super()._end_waits()
        for context in list(self._contexts):
            context._end_waits()
        for sender in list(self._senders.values()):
            sender.room.close()

    def context(self, **options: Unpack[ContextOptions]) -> Context:
        """Opens a context: see :class:`millrace.Context`. Keyword arguments are its options, as attributes of the same names.

        It begins with the options that the socket has now, but without subscriptions. :class:`millrace.NotSupported` of raw
        sockets, and of other types than Req, Rep, Surveyor, Respondent and Sub.
        """
        return Context(self, **options)

    @property
    def statistics(self) -> dict[str, int]:
        """What has been counted since the socket was opened."""
        return {name: self._statistic(number) for name, number in _STATISTICS.items()}

    def describe(self) -> dict[str, Any]:
        """All that is known of the socket now: what it is, its options, statistics, endpoints (state, last error) and connections
        (peer, age, bytes not sent yet). Further entries may come."""
        described: dict[str, Any] = json.loads(self._describe())
        return described

    def monitor(self) -> Monitor:
        """What happens to its addresses and connections from now on; see :class:`millrace.Monitor`."""
        return Monitor(self._monitor())

    def send_to(self, peer: Peer | int, data: Buffer, *, header: bytes = b"", block: bool = True) -> None:
        """Sends a message to one peer alone: one that a message came from, or the ``connection`` of an event.

        Waits while that peer takes no more, for at most ``send_timeout`` seconds, also where the socket would drop what one has no
        room for; with ``block=False`` raises :class:`millrace.WouldBlock` instead. :class:`millrace.PeerGone` if it is not there, or
        no more; :class:`millrace.NotSupported` of Req, Rep, Surveyor and Respondent unless they are raw. An answer of a raw Rep or
        Respondent needs the header of what it answers.

            >>> import millrace
            >>> with millrace.Bus(bind="inproc://room", recv_peer=True) as room, millrace.Bus(connect="inproc://room") as guest:
            ...     guest.send(b"Ann")
            ...     message = room.recv_message()
            ...     room.send_to(message.peer, b"welcome, " + message.body)
            ...     guest.recv()
            b'welcome, Ann'
        """
        self._send_to(_connection(peer), data, header, block)

    async def asend_to(self, peer: Peer | int, data: Buffer, *, header: bytes = b"") -> None:
        """The same in a program on asyncio or trio, without a time limit. If it is cancelled, nothing was sent. What is sent is what ``data`` is
        now."""
        if turn_due():
            data = unchanging(data)
            await turn()
        connection = _connection(peer)
        key = (connection, current_loop())
        waiting = self._senders.get(key)
        if waiting is None:
            # Nobody waits for this peer yet, so nobody is overtaken.
            try:
                return self.send_to(connection, data, header=header, block=False)
            except WouldBlock:
                waiting = self._senders[key] = PeerSender(self, connection)
        data = unchanging(data)
        waiting.tasks += 1
        try:
            await waiting.room.attempt(lambda: waiting.raw.attempt(data, header))
        finally:
            waiting.tasks -= 1
            if waiting.tasks == 0:
                waiting.room.close()
                if self._senders.get(key) is waiting:
                    del self._senders[key]

    def wait_peers(self, count: int = 1, timeout: Optional[float] = None) -> None:
        """Waits until at least so many peers are there: before a publish, say, which nobody would hear otherwise. For at most
        ``timeout`` seconds (:class:`millrace.Timeout`); None: for ever."""
        self._wait_peers(count, timeout)

    async def await_peers(self, count: int = 1) -> None:
        """The same in a program on asyncio or trio, which set time limits."""
        with self.monitor() as monitor:
            while self._statistic(_STATISTICS["current_connections"]) < count:
                await monitor.anext()

    def _check(self, protocol: int) -> None:
        """A class of a protocol has no other."""
        if not isinstance(protocol, int):
            raise TypeError(f"protocol is a number, not {type(protocol).__name__}; addresses are bind= and connect=")
        fixed = [cls for cls in type(self).__mro__ if cls is not Socket and "protocol" in cls.__dict__]
        if fixed and protocol != type(self).protocol:
            raise TypeError(f"a {fixed[0].__name__} has protocol {type(self).protocol}; for {protocol} there is millrace.Socket({protocol})")

    def __repr__(self) -> str:
        state = " closed" if self.closed else ""
        return f"<{type(self).__name__}{' raw' if self.raw else ''}{state}>"


def _address(given: Any) -> str:
    if not isinstance(given, str):
        raise TypeError(f"an address is a str, not {type(given).__name__}")
    return given


@contextlib.contextmanager
def _telling(address: str) -> Iterator[None]:
    """Says what is most often wrong with an address."""
    try:
        yield
    except Error as error:
        if error.errno == errno.EINVAL and "://" not in address:
            error.strerror = f"{error.strerror} (an address begins with its transport, as tcp://)"
        elif error.errno == errno.EINVAL and address.startswith(("tls+tcp://", "wss://")) and str(error.strerror).startswith("bind"):
            error.strerror = f"{error.strerror} (without tls_cert and tls_key, or their files, nobody can connect by TLS)"
        raise


def _addresses(name: str, given: Addresses) -> Iterable[str]:
    if isinstance(given, str):
        return [given]
    if not isinstance(given, Iterable):
        raise TypeError(f"{name} is an address, or a list of addresses, not {type(given).__name__}")
    return given


def _connection(peer: Peer | int) -> int:
    return peer.connection if isinstance(peer, Peer) else peer


class Pair(Socket):
    """Talks to exactly one peer, both ways."""

    __slots__ = ()
    protocol = _PAIR


class Pub(Socket):
    """Sends every message to all subscribers; one that does not keep up loses messages."""

    __slots__ = ()
    protocol = _PUB


class Sub(Subscribing, Socket):
    """Receives what begins with one of its topics. ``subscribe="topic"``, or a list; without one, nothing comes."""

    __slots__ = ()
    protocol = _SUB

    def __init__(self, protocol: Optional[int] = None, *, subscribe: Topics = (), **rest: Unpack[SocketArguments]) -> None:
        super().__init__(protocol, **rest)
        try:
            self._subscribe_all(subscribe)
        except BaseException:
            self.close()
            raise

    def context(self, *, subscribe: Topics = (), **options: Unpack[ContextOptions]) -> SubContext:
        return SubContext(self, subscribe=subscribe, **options)


class Req(Resending, Socket):
    """Sends a request and receives its reply; another request forgets the first. Its contexts have many under way."""

    __slots__ = ()
    protocol = _REQ

    if TYPE_CHECKING:

        def __init__(self, protocol: Optional[int] = None, **rest: Unpack[ReqArguments]) -> None: ...

    def context(  # pyright: ignore[reportIncompatibleMethodOverride]: it knows more options
        self, **options: Unpack[ReqContextOptions]
    ) -> ReqContext:
        return ReqContext(self, **options)


class Rep(Socket):
    """Receives a request and sends its reply, in turn."""

    __slots__ = ()
    protocol = _REP


class Push(Socket):
    """Gives each message to one of its peers, in turn."""

    __slots__ = ()
    protocol = _PUSH


class Pull(Socket):
    """Takes messages from all its peers, in turn."""

    __slots__ = ()
    protocol = _PULL


class Surveyor(WithDeadline, Socket):
    """Asks all respondents and receives their answers until the deadline, when recv() raises :class:`millrace.Timeout`."""

    __slots__ = ()
    protocol = _SURVEYOR

    if TYPE_CHECKING:

        def __init__(self, protocol: Optional[int] = None, **rest: Unpack[SurveyorArguments]) -> None: ...

    def context(  # pyright: ignore[reportIncompatibleMethodOverride]: it knows more options
        self, **options: Unpack[SurveyorContextOptions]
    ) -> SurveyorContext:
        return SurveyorContext(self, **options)


class Respondent(Socket):
    """Receives a survey and may send an answer."""

    __slots__ = ()
    protocol = _RESPONDENT


class Bus(Socket):
    """Sends every message to all peers it is connected with, and receives theirs."""

    __slots__ = ()
    protocol = _BUS


def device(one: Socket, other: Optional[Socket] = None) -> None:
    """Passes messages between two raw sockets, both ways if they can; with one, sends back to its peers what it receives. Each way
    ends when the socket is closed that it receives from, and the device when all ways have ended. Other threads run meanwhile."""
    try:
        _native.device(one, other)
    except (Closed, Terminated):
        if not one.closed and (other is None or not other.closed):
            raise
