"""Waiting for a socket in an event loop: asyncio's, or trio.

A call is tried at once and waits only if it must. Waiting is for the descriptor to say that something may be done; the
message is taken by the coroutine itself when it runs again, so one that is cancelled has taken nothing.
"""

from __future__ import annotations

import asyncio
import errno
import sys
import weakref
from collections import deque
from typing import Any, Callable, Optional, TypeVar, Union

from .errors import Closed

T = TypeVar("T")


def current_loop() -> Any:
    """What runs the coroutine that calls this: an asyncio loop, or trio's token. RuntimeError if nothing does."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        if "trio" not in sys.modules:
            raise
        return _trio().lowlevel.current_trio_token()


def readiness(loop: Any, fd: int) -> AnyReadiness:
    """What coroutines of this loop wait with."""
    return Readiness(loop, fd) if isinstance(loop, asyncio.AbstractEventLoop) else TrioReadiness(loop, fd)


async def elsewhere(call: Callable[[], None]) -> None:
    """Calls what may wait in another thread."""
    loop = current_loop()
    if isinstance(loop, asyncio.AbstractEventLoop):
        await loop.run_in_executor(None, call)
    else:
        await _trio().to_thread.run_sync(call)


def _trio() -> Any:
    """It is not imported for those who do not use it."""
    return sys.modules["trio"]


def _closed() -> Closed:
    # What it belongs to is being closed, perhaps in another thread, and may not know it yet.
    return Closed(errno.EBADF, "closed")


class Readiness:
    """The coroutines of one event loop that wait for one descriptor."""

    def __init__(self, loop: asyncio.AbstractEventLoop, fd: int) -> None:
        self._loop = weakref.ref(loop)
        self._fd = fd
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._watched = False
        self._closed = False

    def belongs_to(self, loop: asyncio.AbstractEventLoop) -> bool:
        return self._loop() is loop

    async def attempt(self, operation: Callable[[], Optional[T]]) -> T:
        """Runs an operation until it gives something but None; who came first is first."""
        while True:
            if not self._waiters:
                result = operation()
                if result is not None:
                    return result
            await self._wait()
            result = operation()
            if result is not None:
                return result

    async def _wait(self) -> None:
        if self._closed:
            raise _closed()
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiters.append(waiter)
        if not self._watched:
            loop.add_reader(self._fd, self._ready, loop)
            self._watched = True
        try:
            await waiter
        finally:
            # One that was cancelled leaves the queue. If it had been called already, the descriptor is still readable, and
            # the next one is called in its place.
            if not waiter.done() or waiter.cancelled():
                try:
                    self._waiters.remove(waiter)
                except ValueError:
                    pass

    def _ready(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        # Nobody waits: watching goes on only from the next wait, or the loop would turn for nothing.
        self._watched = False
        loop.remove_reader(self._fd)

    def close(self) -> None:
        """The descriptor goes; who waits is told by trying again."""
        self._closed = True
        loop = self._loop()
        if self._watched and loop is not None and not loop.is_closed():
            loop.remove_reader(self._fd)
            self._watched = False
        self.wake()

    def wake(self) -> None:
        """Who waits tries again: something has changed of which the descriptor does not tell."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)


class TrioReadiness:
    """The tasks of one run of trio that wait for one descriptor."""

    def __init__(self, token: Any, fd: int) -> None:
        self._token = weakref.ref(token)
        self._fd = fd
        # Who came first is first, and trio lets one task alone wait for a descriptor.
        self._turn = _trio().Lock()
        self._closed = False

    def belongs_to(self, token: Any) -> bool:
        return self._token() is token

    async def attempt(self, operation: Callable[[], Optional[T]]) -> T:
        """Runs an operation until it gives something but None; who came first is first."""
        async with self._turn:
            while True:
                result = operation()
                if result is not None:
                    return result
                if self._closed:
                    raise _closed()
                try:
                    await _trio().lowlevel.wait_readable(self._fd)
                except _trio().ClosedResourceError:
                    pass

    def close(self) -> None:
        """The descriptor goes; who waits is told by trying again."""
        self._closed = True
        self.wake()

    def wake(self) -> None:
        """Who waits tries again: something has changed of which the descriptor does not tell."""
        try:
            _trio().lowlevel.notify_closing(self._fd)
        except RuntimeError:
            # Outside of trio nobody waits.
            pass


AnyReadiness = Union[Readiness, TrioReadiness]
