"""Waiting for a socket in an asyncio event loop.

A call is tried at once and waits only if it must. Waiting is for the descriptor to say that something may be done; the
message is taken by the coroutine itself when it runs again, so one that is cancelled has taken nothing.
"""

from __future__ import annotations

import asyncio
import errno
import weakref
from collections import deque
from typing import Callable, Optional, TypeVar

from .errors import Closed

T = TypeVar("T")


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
            # What it belongs to is being closed, perhaps in another thread, and may not know it yet.
            raise Closed(errno.EBADF, "closed")
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
