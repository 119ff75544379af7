"""What sockets and their contexts have in common: messages, and waiting for them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Callable, Literal, Optional, TypeVar, overload

from . import _native
from ._aio import AnyReadiness, Waits, current_loop, readiness, turn_due
from ._options import Seconds
from ._types import Buffer
from .errors import Closed, Terminated, Timeout, WouldBlock
from .peers import Message, message

Self = TypeVar("Self", bound="Messages")

# Numbers of the C interface.
_SOL_SOCKET = 0
_SNDFD, _RCVFD = 10, 11
_PUB, _PUSH = 32, 80


class Messages(_native.RawSocket):
    """Sends and receives; see :class:`millrace.Socket` and :class:`millrace.Context`."""

    send_timeout: Seconds = Seconds(_SOL_SOCKET, 4, "How long send() waits for a peer that takes the message; None at first.")
    recv_timeout: Seconds = Seconds(_SOL_SOCKET, 5, "How long recv() waits for a message; None at first.")

    def __init__(self) -> None:
        # What tasks wait with.
        self._messages = Waits()
        self._room = Waits()

    def close(self) -> None:
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
        while True:
            try:
                yield self.recv()
            except (Closed, Terminated, Timeout):
                return

    # ---- asyncio and trio

    async def asend(self, data: Buffer) -> None:
        """Sends a message in a program on asyncio or trio. Tried at once; waits, without a time limit (``asyncio.wait_for``
        or ``trio.fail_after`` sets one), while no peer takes it. If it is cancelled, nothing was sent."""
        at_once = not turn_due()
        if at_once and self._room.known() is None:
            # Nobody waits in this loop yet, so nobody is overtaken.
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

        await self._waits_for_room().attempt(attempt, at_once)

    @overload
    async def arecv(self, *, copy: Literal[True] = True) -> bytes: ...
    @overload
    async def arecv(self, *, copy: Literal[False]) -> memoryview: ...
    async def arecv(self, *, copy: bool = True) -> bytes | memoryview:
        """Receives a message in a program on asyncio or trio. Tried at once; if it is cancelled, no message is lost. With ``copy=False`` it
        is not copied, as by :meth:`recv`."""
        attempt: Callable[[], Optional[bytes | memoryview]] = self.try_recv if copy else self._try_view
        at_once = not turn_due()
        if at_once and self._messages.known() is None:
            # Nobody waits in this loop yet, so nobody is overtaken.
            received = attempt()
            if received is not None:
                return received
        return await self._waits_for_messages().attempt(attempt, at_once)

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

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The messages that come; ends when the socket is closed, or with the deadline of a survey."""
        while True:
            try:
                received = await self.arecv()
            except (Closed, Terminated, Timeout):
                return
            yield received

    def _waits_for_messages(self) -> AnyReadiness:
        return self._messages.here(_native.RawDescriptor, self, _RCVFD)

    def _waits_for_room(self) -> AnyReadiness:
        return self._room.here(_native.RawDescriptor, self, _SNDFD)
