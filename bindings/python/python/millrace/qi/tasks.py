"""Functions that run later, on other threads."""

from __future__ import annotations

import logging
import threading
import time
import weakref
from typing import Any, Callable, Optional, TypeVar

from .. import _native
from .errors import Error
from .futures import Future, settle

T = TypeVar("T")


def runAsync(callback: Callable[..., T], *arguments: Any, delay: int = 0) -> Future[T]:
    """Calls a function on another thread, in ``delay`` microseconds; gives a future of its result. Cancelled before it begins, it does
    not begin."""
    future: Future[T] = Future()
    # Whoever has it decides: it begins, or is cancelled before that.
    decision = threading.Lock()

    def run() -> None:
        if decision.acquire(blocking=False):
            settle(future, callback, *arguments)

    def cancel() -> None:
        if decision.acquire(blocking=False):
            future._set_canceled()

    future._set_canceler(cancel)
    _native.qi_run(run, delay / 1e6)
    return future


#: The same; ``qi.async`` is no name in Python any more.
async_ = runAsync


class PeriodicTask:
    """Calls a function again and again, until it is stopped or forgotten, or the function raises something, which is logged.

    >>> import threading
    >>> from millrace import qi
    >>> happened = threading.Event()
    >>> task = qi.PeriodicTask()
    >>> task.setCallback(happened.set)
    >>> task.setUsPeriod(1000)
    >>> task.start(True)
    >>> happened.wait(10)
    True
    >>> task.stop()
    """

    def __init__(self) -> None:
        self._callback: Optional[Callable[[], Any]] = None
        self._period: Optional[float] = None
        self._compensates = False
        self._round = 0
        self._running = False
        self._stopping = False
        self._caller: Optional[int] = None
        self._changed = threading.Condition()

    def setName(self, name: str) -> None:
        """A name for messages about it."""
        self._name = name

    def setCallback(self, callback: Callable[[], Any]) -> None:
        """What is called; it can be set once."""
        if self._callback is not None:
            raise Error("The callback has already been set.")
        self._callback = callback

    def setUsPeriod(self, microseconds: int) -> None:
        """The time between two calls."""
        if microseconds < 0:
            raise ValueError("a period is at least 0 microseconds")
        self._period = microseconds / 1e6

    def compensateCallbackTime(self, compensate: bool) -> None:
        """Whether the period is from the begin of one call to the begin of the next."""
        self._compensates = compensate

    def start(self, immediate: bool = True) -> None:
        """Begins; with the first call at once, or after one period."""
        if self._callback is None or self._period is None:
            raise Error("A periodic task needs setCallback and setUsPeriod first.")
        with self._changed:
            if self._running:
                return
            self._running, self._stopping = True, False
            self._round += 1
            number = self._round
        _native.qi_run(_next_step(self, number), 0 if immediate else self._period)

    def stop(self) -> None:
        """Ends it, and waits for a call under way; not from within the callback."""
        self.asyncStop()
        with self._changed:
            while self._caller is not None and self._caller != threading.get_ident():
                self._changed.wait(0.1)

    def asyncStop(self) -> None:
        """Ends it and does not wait."""
        with self._changed:
            self._running, self._stopping = False, self._caller is not None

    def isRunning(self) -> bool:
        """It has begun and was not stopped."""
        return self._running

    def isStopping(self) -> bool:
        """It was stopped, and a call is under way."""
        return self._stopping

    def _step(self, number: int) -> None:
        with self._changed:
            if not self._running or number != self._round:
                return
            self._caller = threading.get_ident()
        begun = time.monotonic()
        assert self._callback is not None and self._period is not None
        failed = False
        try:
            self._callback()
        except BaseException:
            # Also what would end a program: this thread is not the program's.
            logging.getLogger("millrace.qi").exception("a periodic task has failed and ends")
            failed = True
        with self._changed:
            self._caller, self._stopping = None, False
            if failed and number == self._round:
                self._running = False
            self._changed.notify_all()
            if not self._running or number != self._round:
                return
        rest = self._period - (time.monotonic() - begun if self._compensates else 0)
        _native.qi_run(_next_step(self, number), max(rest, 0))


def _next_step(task: PeriodicTask, number: int) -> Callable[[], None]:
    """A task that is forgotten meanwhile ends."""
    there = weakref.ref(task)

    def step() -> None:
        task = there()
        if task is not None:
            task._step(number)

    return step


def clockNow() -> int:
    """Nanoseconds of a clock that never goes back."""
    return time.monotonic_ns()


steadyClockNow = clockNow


def systemClockNow() -> int:
    """Nanoseconds since 1970."""
    return time.time_ns()
