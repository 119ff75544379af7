"""Events: what becomes of a socket's addresses and connections."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import NamedTuple, Optional

from . import _native
from ._aio import Waits, readiness, turn_due
from .errors import Closed, WouldBlock

__all__ = ["Event", "Monitor"]


class Event(NamedTuple):
    """Something happened to an address of a socket, or to a connection of one."""

    #: "listening", "stopped", "resolved", "connected", "accepted", "greeted" (the peer is there), "refused", "lost",
    #: "connect_failed" or "accept_failed".
    kind: str
    #: When: seconds since 1970, as ``time.time()``.
    time: float
    #: The address as it was given, a port that the system chose being filled in.
    address: str
    #: The other end: an IP address with its port, over ipc the process with its user and group; empty if it is not known.
    peer: str
    #: What happened, in words; empty if nothing went wrong.
    reason: str
    #: The errno of that, if there is one.
    error: Optional[int]
    #: After how many seconds it tries to connect again, if it does.
    retry: Optional[float]
    #: The connection: the same number in all events of it; 0 if it is about none.
    connection: int
    #: How many events were dropped just before this one, since nobody read them: 1024 wait at most.
    dropped: int


class Monitor:
    """The events of a socket since ``socket.monitor()`` was called.

        >>> import millrace
        >>> with millrace.Pair() as a, a.monitor() as monitor:
        ...     _ = a.bind("inproc://tower")
        ...     event = monitor.next(timeout=10)
        ...     event.kind, event.address
        ('listening', 'inproc://tower')

    It can be iterated over, and ends when the socket is closed and all has been read. Every method may be called from any
    thread; several share the events.
    """

    def __init__(self, raw: _native.RawMonitor) -> None:
        self._raw = raw
        self._waits = Waits()

    def next(self, timeout: Optional[float] = None) -> Event:
        """The next event; waits for it for at most ``timeout`` seconds (None: for ever; :class:`millrace.Timeout`, and
        :class:`millrace.WouldBlock` for 0). :class:`millrace.Closed`: the socket is closed, and all has been read; or the monitor is."""
        return Event(*self._raw.next(timeout))

    async def anext(self) -> Event:
        """The same in a program on asyncio or trio, which set time limits. One that is cancelled has taken nothing."""
        return await self._waits.here(readiness, self._raw).attempt(self._attempt, not turn_due())

    def _attempt(self) -> Optional[Event]:
        try:
            return self.next(0)
        except WouldBlock:
            return None

    def fileno(self) -> int:
        """A descriptor that is readable while an event waits, so that ``selectors`` take the monitor. Neither read nor close it."""
        return self._raw.fileno()

    def close(self) -> None:
        """Ends it, and forgets its events. Who waits for one gets :class:`millrace.Closed`."""
        self._raw.close()
        self._waits.close()

    def __enter__(self) -> Monitor:
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Event]:
        """The events that come; ends with the socket."""
        while True:
            try:
                yield self.next()
            except Closed:
                return

    async def __aiter__(self) -> AsyncIterator[Event]:
        """The events that come; ends with the socket."""
        while True:
            try:
                event = await self.anext()
            except Closed:
                return
            yield event
