"""Waiting for a socket in an event loop: asyncio's, or trio.

A call is tried at once and waits only if it must. Waiting is for somebody to say that something may be done: of sockets, in asyncio, the hub of the loop,
else a descriptor. The message is taken by the coroutine itself when it runs again, so one that is cancelled has taken nothing.
"""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import os
import sys
import weakref
from collections import deque
from collections.abc import Generator
from typing import Any, Callable, Optional, Protocol, TypeVar, Union

from . import _forks, _native

T = TypeVar("T")

# Numbers of the C interface.
_SNDFD, _RCVFD = 10, 11

# Of all Waits: they are changed when somebody waits in a loop for the first time. The collector may end others meanwhile.
_lock = _forks.recursive_lock()

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
    return DescriptorReadiness(loop, source) if isinstance(loop, asyncio.AbstractEventLoop) else TrioReadiness(loop, source)


def socket_readiness(loop: Any, socket: _native.RawSocket, room: bool) -> AnyReadiness:
    """The same for room to send on a socket or a context, or else for a message."""
    if isinstance(loop, asyncio.AbstractEventLoop):
        return SocketReadiness(loop, Hub.of(loop), socket, room)
    return TrioReadiness(loop, _native.RawDescriptor(socket, _SNDFD if room else _RCVFD))


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


def _none() -> None:
    """As of a weak reference to what has gone."""


class Waits:
    """What coroutines wait with, in whichever loops they run, also in several at a time. Any thread."""

    __slots__ = ("_all", "_last")

    def __init__(self) -> None:
        self._all: Optional[weakref.WeakKeyDictionary[Any, AnyReadiness]] = None
        # Of the loop in which somebody waited last; it goes with its loop.
        self._last: Callable[[], Optional[AnyReadiness]] = _none

    def known(self) -> Optional[AnyReadiness]:
        """That of this loop, if somebody has waited in it."""
        loop = current_loop()
        last = self._last()
        if last is not None and last.belongs_to(loop):
            return last
        if self._all is None:
            return None
        with _lock:
            return None if self._all is None else self._all.get(loop)

    def here(self, make: Callable[..., AnyReadiness], *arguments: Any) -> AnyReadiness:
        """That of this loop; the first time, what this function makes for it."""
        known = self.known()
        if known is None:
            loop = current_loop()
            known = make(loop, *arguments)
            with _lock:
                if self._all is None:
                    self._all = weakref.WeakKeyDictionary()
                self._all[loop] = known
        self._last = weakref.ref(known)
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
        self._all, self._last = None, _none

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

    __slots__ = ("_asyncio_future_blocking", "_callback", "_cancelled", "_context", "_done", "_loop", "_message")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._callback: Optional[Callable[[Waiter], object]] = None
        self._context: Optional[contextvars.Context] = None
        self._done = self._cancelled = False
        # What the exception is told by who cancels: anyio knows its own cancellations by that.
        self._message: Optional[object] = None
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
        self._cancelled, self._message = True, msg
        self.call_soon()
        return True

    def forget(self) -> None:
        """Nobody will call any more, so who waits may go."""
        self._callback = None

    def cancelled(self) -> bool:
        return self._cancelled

    def done(self) -> bool:
        return self._done

    def result(self) -> None:
        if self._cancelled:
            raise asyncio.CancelledError() if self._message is None else asyncio.CancelledError(self._message)

    def exception(self) -> None:
        self.result()


class Readiness:
    """The coroutines of one event loop that wait for one thing; subclasses say for which. All but waking and closing is for the loop's own thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = weakref.ref(loop)
        # Also who has been called and has not run yet: nobody overtakes it.
        self._waiters: deque[Waiter] = deque()
        self._is_watching = False
        # Others did not know of this when they said last that something has changed.
        self._is_new = True

    def belongs_to(self, loop: asyncio.AbstractEventLoop) -> bool:
        return self._loop() is loop

    def is_free(self) -> bool:
        return not self._waiters

    async def attempt(self, operation: Callable[[], Optional[T]], at_once: bool = True) -> T:
        """Runs an operation until it gives something but None; who came first is first."""
        if (at_once or self._is_new) and not self._waiters:
            self._is_new = False
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
            # There may be more, and if one is cancelled that was called, it is still there: the next one is called in its place.
            self._waiters.remove(waiter)
            if not self._waiters:
                self._rest()
            elif not loop.is_closed():
                self._watch(loop)

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Has :meth:`_ready` called when it may be done; at least once, in a later turn of the loop. Nothing, if that is so already."""
        raise NotImplementedError

    def _rest(self) -> None:
        """Nobody waits any more."""

    def _unwatch(self) -> None:
        raise NotImplementedError

    def _ready(self) -> None:
        # It may have been called already by who closes or gives up, and runs later.
        if self._waiters and not self._waiters[0].done():
            self._waiters[0].call()

    def close(self) -> None:
        """Nobody will wait any more; who does tries again. Any thread."""
        self._tell(self._end)

    def wake(self) -> None:
        """Who waits tries again: something has changed of which nobody tells. Any thread."""
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
        self._wake_all()

    def _wake_all(self) -> None:
        for waiter in self._waiters:
            waiter.call_soon()


class DescriptorReadiness(Readiness):
    """They wait until a descriptor is readable."""

    def __init__(self, loop: asyncio.AbstractEventLoop, source: Source) -> None:
        super().__init__(loop)
        self._source = source
        self._watched: Optional[OwnDescriptor] = None

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._is_watching:
            if self._watched is None:
                self._watched = OwnDescriptor(self._source)
            loop.add_reader(self._watched.number, self._ready)
            self._is_watching = True

    def _ready(self) -> None:
        if self._waiters:
            super()._ready()
        else:
            # Nobody waits: watching goes on only from the next wait, or the loop would turn for nothing.
            self._stop()

    def _stop(self) -> None:
        loop = self._loop()
        if self._watched is not None and self._is_watching and loop is not None:
            loop.remove_reader(self._watched.number)
        self._is_watching = False

    def _unwatch(self) -> None:
        self._stop()
        self._watched = None


class SocketReadiness(Readiness):
    """They wait for a socket or a context, of which the loop's hub tells."""

    def __init__(self, loop: asyncio.AbstractEventLoop, hub: Hub, socket: _native.RawSocket, room: bool) -> None:
        super().__init__(loop)
        self._hub = hub
        self._number, awaited = hub.join(self, socket, room)
        self._awaited: Optional[_native.RawAwaited] = awaited
        # The engine will call.
        self._is_awaiting = False

    def called(self) -> None:
        """By the hub."""
        self._stop_awaiting()
        self._ready()

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._is_watching:
            return
        self._is_watching = True
        self._hub.hold(self)
        if self._awaited is None or self._awaited.wait():
            loop.call_soon(self._ready)
        else:
            self._is_awaiting = True
            self._hub.begin(loop)

    def _ready(self) -> None:
        # It is told once.
        self._is_watching = False
        super()._ready()

    def _stop_awaiting(self) -> None:
        if self._is_awaiting:
            self._is_awaiting = False
            self._hub.end()

    def _rest(self) -> None:
        self._hub.let_go(self)
        # Whoever waited was cancelled before the engine called.
        if self._is_awaiting:
            self._stop_awaiting()
            self._is_watching = False
            self._hub.rest()

    def forget(self) -> None:
        """The loop is closed."""
        self._awaited = None
        for waiter in list(self._waiters):
            waiter.forget()

    def _unwatch(self) -> None:
        if self._is_awaiting:
            self._stop_awaiting()
            self._is_watching = False
        self._awaited = None
        self._hub.leave(self._number)


class Hub:
    """What the sockets for which somebody waits in a loop have in common. The loop watches the engine's poll as long, and what it fetches there says who
    may go on: no other thread has to be woken, and no socket takes a descriptor. What other threads fetch, they tell by a bell."""

    # So many answers in a row, which each take a moment, are given before others of the loop run.
    _ANSWERS = 8

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = weakref.ref(loop)
        self._native = _native.RawLoop()
        self._process = os.getpid()
        self._numbers = itertools.count()
        # Their sockets have them: what goes by the collector takes no leave.
        self._members: dict[int, weakref.ref[SocketReadiness]] = {}
        # Those in which somebody waits. Nobody else may have a task that waits, nor its socket: only the loop, which has this.
        self._waited: set[SocketReadiness] = set()
        # Those that may go on and have not been called yet.
        self._called: deque[int] = deque()
        self._awaiting = 0
        # Somebody has waited since the loop last found that nobody does.
        self._is_begun = False
        self._is_watching = False
        loop.add_reader(self._native.bell_fd(), self._rung)

    @staticmethod
    def of(loop: asyncio.AbstractEventLoop) -> Hub:
        with _lock:
            hub = _hubs.get(loop, _none)()
            if hub is None or hub._process != os.getpid():
                # Loops may be cycles: those that are closed go when the collector comes by, their descriptors now.
                for ended in [each for each in _hubs if each.is_closed()]:
                    Hub._end(_hubs.pop(ended))
                if hub is not None:
                    hub._leave_to_parent(loop)
                hub = Hub(loop)
                _hubs[loop] = weakref.ref(hub)
                at_end: Any = weakref.finalize(loop, Hub._end, _hubs[loop])
                at_end.atexit = False
            return hub

    @staticmethod
    def _end(known: Callable[[], Optional[Hub]]) -> None:
        hub = known()
        if hub is not None:
            hub._close()

    def _leave_to_parent(self, loop: asyncio.AbstractEventLoop) -> None:
        """In a forked child, where the engine has closed these descriptors: new ones get their numbers, which the loop would take for watched."""
        loop.remove_reader(self._native.bell_fd())
        if self._is_watching:
            loop.remove_reader(self._native.poll_fd())

    def _close(self) -> None:
        """The loop is closed, or has gone."""
        # (What a child has inherited is its parent's.)
        if self._process == os.getpid():
            for known in list(self._members.values()):
                member = known()
                if member is not None:
                    member.forget()
            self._members.clear()
            self._waited.clear()
            vars(self).pop("_native", None)

    def join(self, member: SocketReadiness, socket: _native.RawSocket, room: bool) -> tuple[int, _native.RawAwaited]:
        number = next(self._numbers)
        awaited = self._native.awaited(socket, room, number)
        members = self._members
        members[number] = weakref.ref(member, lambda _: members.pop(number, None))
        return number, awaited

    def leave(self, number: int) -> None:
        self._members.pop(number, None)

    def hold(self, member: SocketReadiness) -> None:
        self._waited.add(member)

    def let_go(self, member: SocketReadiness) -> None:
        self._waited.discard(member)

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """One more that the engine will call."""
        self._awaiting += 1
        if not self._is_begun:
            self._is_begun = True
            self._native.set_awaited(True)
            self._watch(loop)

    def end(self) -> None:
        self._awaiting -= 1

    def rest(self) -> None:
        """Somebody has ended whom the engine will not call."""
        loop = self._loop()
        if loop is not None and not loop.is_closed():
            self._go_on()

    def _polled(self) -> None:
        numbers = self._native.turn() if self._awaiting else []
        # Before tasks run, which may end the loop.
        self._go_on()
        # They run at once, so what one has sent may be answered before the loop would sleep.
        for _ in range(self._ANSWERS):
            if not numbers:
                return
            self._call(numbers)
            numbers = self._native.linger() if self._awaiting else []
        self._call(numbers)

    def _rung(self) -> None:
        numbers = self._native.called()
        self._go_on()
        self._call(numbers)

    def _go_on(self) -> None:
        if not self._awaiting and self._is_begun:
            # Watching goes on only from the next wait, or the loop would turn for nothing.
            self._is_begun = False
            self._native.set_awaited(False)
        loop = self._loop()
        if loop is not None:
            self._watch(loop)

    def _call(self, numbers: list[int]) -> None:
        self._called.extend(numbers)
        loop = self._loop()
        if len(self._called) > 1 and loop is not None:
            # A task may end the loop (KeyboardInterrupt goes through it), or turn it itself, as in notebooks.
            loop.call_soon(self._call_left)
        self._call_left()

    def _call_left(self) -> None:
        while self._called:
            known = self._members.get(self._called.popleft())
            member = None if known is None else known()
            if member is not None:
                member.called()

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """The poll, if the loop is to: the engine says when that is better left to its own thread."""
        is_watching = self._is_begun and self._native.polls()
        if is_watching == self._is_watching:
            return
        self._is_watching = is_watching
        if is_watching:
            loop.add_reader(self._native.poll_fd(), self._polled)
        else:
            loop.remove_reader(self._native.poll_fd())


# A loop has its hub, by the descriptor that it watches. Who waits has the loop, so what is had here would keep both.
_hubs: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, weakref.ref[Hub]] = weakref.WeakKeyDictionary()


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
