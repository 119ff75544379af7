"""Waiting for a socket in an event loop: asyncio's, or trio.

A call is tried at once and waits only if it must. Waiting is for the descriptor to say that something may be done; the
message is taken by the coroutine itself when it runs again, so one that is cancelled has taken nothing.
"""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import os
import sys
import threading
import weakref
from collections import deque
from collections.abc import Generator
from typing import Any, Callable, Optional, Protocol, TypeVar, Union

T = TypeVar("T")

# Of all Waits: they are changed when somebody waits in a loop for the first time. The collector may end others meanwhile.
_lock = threading.RLock()

# Calls that coroutines have made.
_calls = itertools.count(1)
_BREATH = 256


def turn_due() -> bool:
    """Now and then a call queues up for its descriptor although it might not have to: what is always there at once would never let others
    of the loop run, nor its timers, nor Ctrl-C. In the queue it is overtaken by nobody, and has taken nothing if it is cancelled."""
    return next(_calls) % _BREATH == 0


def current_loop() -> Any:
    """What runs the coroutine that calls this: an asyncio loop, or trio's token. RuntimeError if nothing does."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        if "trio" not in sys.modules:
            raise
        return _trio().lowlevel.current_trio_token()


class Source(Protocol):
    """What has a descriptor, which stays open as long as this is there, and becomes readable when there is something to try again."""

    def fileno(self) -> int: ...


def readiness(loop: Any, source: Source) -> AnyReadiness:
    """What coroutines of this loop wait with."""
    return Readiness(loop, source) if isinstance(loop, asyncio.AbstractEventLoop) else TrioReadiness(loop, source)


def _trio() -> Any:
    """It is not imported for those who do not use it."""
    return sys.modules["trio"]


async def turn() -> None:
    """Lets others of the loop run."""
    if isinstance(current_loop(), asyncio.AbstractEventLoop):
        await asyncio.sleep(0)
    else:
        await _trio().lowlevel.checkpoint()


def _is_here(loop: Any) -> bool:
    try:
        return current_loop() is loop
    except RuntimeError:
        return False


class Waits:
    """What coroutines wait with, in whichever loops they run, also in several at a time. Any thread."""

    __slots__ = ("_all", "_last")

    def __init__(self) -> None:
        self._all: Optional[weakref.WeakKeyDictionary[Any, AnyReadiness]] = None
        self._last: Optional[AnyReadiness] = None

    def known(self) -> Optional[AnyReadiness]:
        """That of this loop, if somebody has waited in it."""
        loop = current_loop()
        last = self._last
        if last is None or last.belongs_to(loop):
            return last
        with _lock:
            return None if self._all is None else self._all.get(loop)

    def here(self, source: Callable[..., Source], *arguments: Any) -> AnyReadiness:
        """That of this loop; the first time, for the descriptor of what this function gives."""
        known = self.known()
        if known is None:
            loop = current_loop()
            known = readiness(loop, source(*arguments))
            with _lock:
                if self._all is None:
                    self._all = weakref.WeakKeyDictionary()
                self._all[loop] = known
        self._last = known
        return known

    def nobody_is_here(self) -> bool:
        """Nobody waits in this loop, so nobody is overtaken by who tries at once."""
        known = self.known()
        return known is None or known.is_free()

    def wake(self) -> None:
        """Who waits tries again: something has changed of which the descriptor does not tell."""
        for known in self._everywhere():
            known.wake()

    def close(self) -> None:
        """Nobody will wait any more; who does tries again."""
        for known in self._everywhere():
            known.close()
        self._all = self._last = None

    def __del__(self) -> None:
        # Loops still watch what was waited for last; they let go of it.
        if self._all is not None and not sys.is_finalizing():
            self.close()

    def _everywhere(self) -> list[AnyReadiness]:
        with _lock:
            return [] if self._all is None else list(self._all.values())


class OwnDescriptor:
    """What a descriptor stands for, under a number of our own. A loop has one reader for each number, and trio one task that waits: those
    of ``fileno()`` are the program's. Closed when nobody has it any more; a loop must not watch it then."""

    def __init__(self, source: Source) -> None:
        self.number = os.dup(source.fileno())

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        if hasattr(self, "number"):
            close(self.number)


class Waiter:
    """What a coroutine of asyncio waits with until it is called: a future as tasks know them, but that a call from the loop itself runs
    the task at once. A future's callbacks have a turn of the loop of their own."""

    __slots__ = ("_asyncio_future_blocking", "_callback", "_cancelled", "_context", "_done", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._callback: Optional[Callable[[Waiter], object]] = None
        self._context: Optional[contextvars.Context] = None
        self._done = self._cancelled = False
        self._asyncio_future_blocking = False

    def call(self) -> None:
        """By the loop, while no task runs."""
        callback, context = self._callback, self._context
        self._done, self._callback = True, None
        if callback is None:
            return
        if context is None:
            callback(self)
        else:
            context.run(callback, self)

    def call_soon(self) -> None:
        """By anybody of the loop's thread."""
        if not self._done:
            self._done = True
            if self._callback is not None:
                self._loop.call_soon(self._callback, self, context=self._context)
                self._callback = None

    # What a task asks of it.

    def __await__(self) -> Generator[Waiter, None, None]:
        if not self._done:
            self._asyncio_future_blocking = True
            yield self
        self.result()

    __iter__ = __await__

    def add_done_callback(self, callback: Callable[[Waiter], object], *, context: Optional[contextvars.Context] = None) -> None:
        if self._done:
            self._loop.call_soon(callback, self, context=context)
        else:
            self._callback, self._context = callback, context

    def remove_done_callback(self, callback: Callable[[Waiter], object]) -> int:
        removed = self._callback == callback
        if removed:
            self._callback = None
        return int(removed)

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def cancel(self, msg: Optional[object] = None) -> bool:
        if self._done:
            return False
        self._cancelled = True
        self.call_soon()
        return True

    def cancelled(self) -> bool:
        return self._cancelled

    def done(self) -> bool:
        return self._done

    def result(self) -> None:
        if self._cancelled:
            raise asyncio.CancelledError

    def exception(self) -> None:
        self.result()


class Readiness:
    """The coroutines of one event loop that wait for one descriptor. All but waking and closing is for the loop's own thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, source: Source) -> None:
        self._loop = weakref.ref(loop)
        self._source = source
        # Also who has been called and has not run yet: nobody overtakes it.
        self._waiters: deque[Waiter] = deque()
        self._watched: Optional[OwnDescriptor] = None
        self._is_watching = False

    def belongs_to(self, loop: asyncio.AbstractEventLoop) -> bool:
        return self._loop() is loop

    def is_free(self) -> bool:
        return not self._waiters

    async def attempt(self, operation: Callable[[], Optional[T]], at_once: bool = True) -> T:
        """Runs an operation until it gives something but None; who came first is first."""
        if at_once and not self._waiters:
            result = operation()
            if result is not None:
                return result
        loop = asyncio.get_running_loop()
        waiter = Waiter(loop)
        self._waiters.append(waiter)
        self._watch(loop)
        try:
            while True:
                await waiter
                result = operation()
                if result is not None:
                    return result
                # Another thread or loop was faster. It keeps its place.
                again = Waiter(loop)
                self._waiters[self._waiters.index(waiter)] = again
                waiter = again
                self._watch(loop)
        finally:
            # If one is cancelled that was called, the descriptor is still readable, and the next one is called in its place.
            self._waiters.remove(waiter)

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._is_watching:
            if self._watched is None:
                self._watched = OwnDescriptor(self._source)
            loop.add_reader(self._watched.number, self._ready)
            self._is_watching = True

    def _ready(self) -> None:
        if self._waiters:
            # It may have been called already by who closes or gives up, and runs later.
            if not self._waiters[0].done():
                self._waiters[0].call()
        else:
            # Nobody waits: watching goes on only from the next wait, or the loop would turn for nothing.
            self._unwatch()

    def _unwatch(self) -> None:
        loop = self._loop()
        if self._watched is not None and self._is_watching and loop is not None:
            loop.remove_reader(self._watched.number)
        self._is_watching = False

    def close(self) -> None:
        """Nobody will wait any more; who does tries again. Any thread."""
        self._tell(self._end)

    def wake(self) -> None:
        """Who waits tries again: something has changed of which the descriptor does not tell. Any thread."""
        self._tell(self._wake_all)

    def _tell(self, action: Callable[[], None]) -> None:
        loop = self._loop()
        if loop is None:
            return
        if _is_here(loop):
            action()
            return
        try:
            loop.call_soon_threadsafe(action)
        except RuntimeError:
            # The loop is closed: nobody waits in it.
            pass

    def _end(self) -> None:
        self._unwatch()
        self._watched = None
        self._wake_all()

    def _wake_all(self) -> None:
        for waiter in self._waiters:
            waiter.call_soon()


class TrioReadiness:
    """The tasks of one run of trio that wait for one descriptor."""

    def __init__(self, token: Any, source: Source) -> None:
        self._token = weakref.ref(token)
        self._descriptor = OwnDescriptor(source)
        # Who came first is first, and trio lets one task alone wait for a descriptor.
        self._turn = _trio().Lock()

    def belongs_to(self, token: Any) -> bool:
        return self._token() is token

    def is_free(self) -> bool:
        return not self._turn.locked()

    async def attempt(self, operation: Callable[[], Optional[T]], at_once: bool = True) -> T:
        """Runs an operation until it gives something but None; who came first is first. Others run in between, at once or not."""
        async with self._turn:
            while True:
                result = operation()
                if result is not None:
                    return result
                try:
                    await _trio().lowlevel.wait_readable(self._descriptor.number)
                except _trio().ClosedResourceError:
                    pass

    def close(self) -> None:
        """Nobody will wait any more; who does tries again. Any thread."""
        self.wake()

    def wake(self) -> None:
        """Who waits tries again: something has changed of which the descriptor does not tell. Any thread."""
        token = self._token()
        if token is None:
            return
        if _is_here(token):
            self._wake()
            return
        try:
            token.run_sync_soon(self._wake)
        except _trio().RunFinishedError:
            # Nobody waits in it any more.
            pass

    def _wake(self) -> None:
        _trio().lowlevel.notify_closing(self._descriptor.number)


AnyReadiness = Union[Readiness, TrioReadiness]
