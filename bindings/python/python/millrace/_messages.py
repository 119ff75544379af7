"""What sockets and their contexts have in common: messages, and waiting for them."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Iterator
from types import TracebackType
from typing import Any, Callable, ClassVar, Generic, Literal, Optional, TypeVar, overload

from . import _native
from ._aio import AnyReadiness, Waits, current_loop, readiness, socket_readiness, turn_due
from ._options import Seconds
from ._types import Buffer
from .errors import Closed, Terminated, Timeout, WouldBlock
from .peers import Message, message

Self = TypeVar("Self", bound="Messages")
Body = TypeVar("Body", bytes, memoryview)

# Numbers of the C interface.
_SOL_SOCKET = 0
_SNDFD, _RCVFD = 10, 11
_PUB, _PUSH = 32, 80


class Incoming(Generic[Body]):
    """The messages of a socket, one after the other. Ends when it is closed, or when none comes within ``recv_timeout`` or the deadline of a survey."""

    def __init__(self, recv: Callable[[], Body], arecv: Callable[[], Awaitable[Body]]) -> None:
        self._recv: Callable[[], Body] = recv
        self._arecv: Callable[[], Awaitable[Body]] = arecv

    def __iter__(self) -> Iterator[Body]:
        while True:
            try:
                received = self._recv()
            except (Closed, Terminated, Timeout):
                return
            yield received

    async def __aiter__(self) -> AsyncIterator[Body]:
        while True:
            try:
                received = await self._arecv()
            except (Closed, Terminated, Timeout):
                return
            yield received


def unchanging(data: Buffer) -> Buffer:
    """What these bytes are now, whatever becomes of them."""
    if isinstance(data, bytes):
        return data
    try:
        view = memoryview(data)
    except TypeError:
        # Sending says what is wrong with it.
        return data
    return bytes(view) if view.c_contiguous else data


def _of_object(initializer: Callable[..., None]) -> inspect.Signature:
    """How an object is made, from how it is initialized."""
    signature = inspect.signature(initializer)
    parameters = list(signature.parameters.values())
    if parameters and parameters[0].kind is not inspect.Parameter.VAR_POSITIONAL:
        del parameters[0]
    return signature.replace(parameters=parameters, return_annotation=inspect.Signature.empty)


class Messages(_native.RawSocket):
    """What every :class:`millrace.Socket` and :class:`millrace.Context` has: it sends and receives messages."""

    send_timeout: Seconds = Seconds(_SOL_SOCKET, 4, "How long send() waits for a peer that takes the message; None at first.")
    recv_timeout: Seconds = Seconds(_SOL_SOCKET, 5, "How long recv() waits for a message; None at first.")

    __signature__: ClassVar[inspect.Signature]
    # A program's own classes have attributes as they like; of ours, an option whose name is misspelt is an AttributeError.
    __slots__ = ("__weakref__", "_messages", "_room")
    # What tasks wait with.
    _messages: Waits
    _room: Waits

    def __new__(cls: type[Self], *arguments: Any, **options: Any) -> Self:
        self = super().__new__(cls)
        self._messages = Waits()
        self._room = Waits()
        return self

    def __init_subclass__(cls, **rest: Any) -> None:
        super().__init_subclass__(**rest)
        # What help() and notebooks show is that of __new__, which takes anything.
        try:
            cls.__signature__ = _of_object(cls.__init__)
        except ValueError:
            # It is written in C, and tells nothing.
            pass

    def close(self) -> None:
        """Closes it; closing again does nothing."""
        self._end_waits()
        super().close()

    def cancel(self) -> None:
        """Gives up the request or the survey that was sent last, or the request that was received last, as if it had not been:
        who waits for an answer, in other threads or tasks, gets :class:`millrace.WrongState`. :class:`millrace.NotSupported`
        of raw sockets, and of other types than Req, Rep, Surveyor and Respondent."""
        super().cancel()
        self._messages.wake()

    def recv_message(self, *, block: bool = True) -> Message:
        """Receives a message with all that is known of it: its header, on a raw socket, and who sent it, while the socket's ``recv_peer`` is
        True. Otherwise as :meth:`recv`."""
        return message(self._recv_message(block))

    def _end_waits(self) -> None:
        """Tasks that wait find out by trying again, when it is closed: its descriptors are readable then."""
        self._messages.close()
        self._room.close()

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

    # ---- in `with` and `for`

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[bytes]:
        """The messages that come; ends when the socket is closed, or when none comes within ``recv_timeout``."""
        return iter(self.incoming())

    @overload
    def incoming(self, *, copy: Literal[True] = True) -> Incoming[bytes]: ...
    @overload
    def incoming(self, *, copy: Literal[False]) -> Incoming[memoryview]: ...
    @overload
    def incoming(self, *, copy: bool) -> Incoming[bytes] | Incoming[memoryview]: ...
    def incoming(self, *, copy: bool = True) -> Any:
        """The messages that come, for ``for`` and ``async for`` as the socket itself; with ``copy=False`` they are not copied, as by :meth:`recv`."""
        return Incoming[bytes](self.recv, self.arecv) if copy else Incoming[memoryview](self._view, self._aview)

    def _view(self) -> memoryview:
        return self.recv(copy=False)

    async def _aview(self) -> memoryview:
        return await self.arecv(copy=False)

    # ---- asyncio and trio

    async def asend(self, data: Buffer) -> None:
        """Sends a message in a program on asyncio or trio. Tried at once; waits, without a time limit (``asyncio.wait_for``
        or ``trio.fail_after`` sets one), while no peer takes it. If it is cancelled, nothing was sent. What is sent is what ``data`` is now: if
        it can change and must wait, it is copied."""
        if not turn_due() and self._room.nobody_is_here():
            try:
                return self.send(data, block=False)
            except WouldBlock:
                pass
        data = unchanging(data)

        def attempt() -> Optional[bool]:
            try:
                self.send(data, block=False)
            except WouldBlock:
                return None
            return True

        await self._waits_for_room().attempt(attempt, False)

    @overload
    async def arecv(self, *, copy: Literal[True] = True) -> bytes: ...
    @overload
    async def arecv(self, *, copy: Literal[False]) -> memoryview: ...
    @overload
    async def arecv(self, *, copy: bool) -> bytes | memoryview: ...
    async def arecv(self, *, copy: bool = True) -> bytes | memoryview:
        """Receives a message in a program on asyncio or trio. Tried at once; if it is cancelled, no message is lost. With ``copy=False`` it
        is not copied, as by :meth:`recv`."""
        attempt: Callable[[], Optional[bytes | memoryview]] = self.try_recv if copy else self._try_view
        if not turn_due() and self._messages.nobody_is_here():
            received = attempt()
            if received is not None:
                return received
        return await self._waits_for_messages().attempt(attempt, False)

    def _try_view(self) -> Optional[memoryview]:
        return self.try_recv(copy=False)

    async def arecv_message(self) -> Message:
        """As :meth:`recv_message`, in a program on asyncio or trio."""
        return message(await self._waits_for_messages().attempt(self._try_recv_message, not turn_due()))

    async def __aenter__(self: Self) -> Self:
        return self

    async def __aexit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self._end_waits()
        closing = super()._start_closing()
        if closing is None:
            return
        # What lingers is waited for; it goes on in a thread of its own if that is cancelled.
        over = readiness(current_loop(), closing)
        try:
            await over.attempt(closing.attempt)
        finally:
            over.close()

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The messages that come; ends when the socket is closed, or with the deadline of a survey."""
        return self.incoming().__aiter__()

    def _waits_for_messages(self) -> AnyReadiness:
        return self._messages.here(socket_readiness, self, False)

    def _waits_for_room(self) -> AnyReadiness:
        return self._room.here(socket_readiness, self, True)
