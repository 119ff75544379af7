"""Futures and promises: values that come later, for threads and for asyncio."""

from __future__ import annotations

import asyncio
import enum
import sys
import weakref
from collections.abc import Generator, Iterable
from typing import Any, Callable, Generic, Optional, TypeVar, Union, cast

from .. import _native
from .._aio import current_loop
from .errors import CallbackError, Error, Timeout

T = TypeVar("T")
U = TypeVar("U")

class FutureState(enum.IntEnum):
    """What has become of a future. ``FutureState["None"]``, 0, is in the list of PyPI's package and never the state of one."""

    # A name that cannot be assigned to.
    locals()["None"] = 0
    #: 1: there is no outcome yet.
    Running = 1
    #: 2: it was cancelled, and has no value.
    Canceled = 2
    #: 3: it failed; :meth:`Future.error` says why.
    FinishedWithError = 3
    #: 4: :meth:`Future.value` is there.
    FinishedWithValue = 4

    # Not the number alone, as later versions of Python have it.
    __str__ = enum.Enum.__str__

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)


class FutureTimeout:
    """Time limits in milliseconds that have names. The other one is ``getattr(FutureTimeout, "None")``, 0: not to wait."""

    #: 2147483647: to wait for ever.
    Infinite = 2147483647


setattr(FutureTimeout, "None", 0)

_queues: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _native.LoopQueue] = weakref.WeakKeyDictionary()


def _queue_of(loop: asyncio.AbstractEventLoop) -> _native.LoopQueue:
    queue = _queues.get(loop)
    if queue is None:
        queue = _queues[loop] = _native.LoopQueue()
        loop.add_reader(queue.fileno(), queue.drain)
    return queue


#: A time limit; None is for ever, as :attr:`FutureTimeout.Infinite` is.
Milliseconds = Union[int, float, None]


def seconds(milliseconds: Milliseconds) -> Optional[float]:
    """A time limit as the native half has it."""
    return None if milliseconds is None or milliseconds >= FutureTimeout.Infinite else max(milliseconds, 0) / 1000


class Future(_native.RawFuture, Generic[T]):
    """A value that comes later. Time limits of its methods are in milliseconds, as in libqi's package.

    It can be awaited, too, in asyncio and trio; a task that is cancelled while it awaits a future cancels what that stands for.

    >>> from millrace import qi
    >>> later = qi.async_(pow, 2, 10)
    >>> later.value()
    1024
    >>> later.then(lambda future: future.value() + 1).value()
    1025
    """

    def wait(self, timeout: Milliseconds = FutureTimeout.Infinite) -> FutureState:
        """Waits; gives the state, which is Running if the time was not enough."""
        self._wait(seconds(timeout))
        return FutureState(self._state())

    def _settled(self, timeout: Milliseconds) -> FutureState:
        state = self.wait(timeout)
        if state == FutureState.Running:
            raise Timeout("Future timeout.")
        return state

    def value(self, timeout: Milliseconds = FutureTimeout.Infinite) -> T:
        """Waits for the value. Raises what it failed with, :class:`Canceled`, or :class:`Timeout`."""
        self._settled(timeout)
        return cast(T, self._outcome())

    def exception(self, timeout: Milliseconds = FutureTimeout.Infinite) -> Optional[BaseException]:
        """What it failed with, or was cancelled with; None if it has a value."""
        self._settled(timeout)
        try:
            self._outcome()
        except Exception as error:
            return error
        return None

    def error(self, timeout: Milliseconds = FutureTimeout.Infinite) -> str:
        """The text of the failure; raises if there is none."""
        if self._settled(timeout) != FutureState.FinishedWithError:
            raise Error("Future has no error.")
        return str(self.exception())

    def hasValue(self, timeout: Milliseconds = FutureTimeout.Infinite) -> bool:
        """Waits; whether it has a value."""
        return self._settled(timeout) == FutureState.FinishedWithValue

    def hasError(self, timeout: Milliseconds = FutureTimeout.Infinite) -> bool:
        """Waits; whether it has failed."""
        return self._settled(timeout) == FutureState.FinishedWithError

    def isRunning(self) -> bool:
        """It has no outcome yet."""
        return self._state() == FutureState.Running

    def isFinished(self) -> bool:
        """It has an outcome."""
        return not self.isRunning()

    def isCanceled(self) -> bool:
        """It was cancelled, and that is its outcome."""
        return self._state() == FutureState.Canceled

    def isCancelable(self) -> bool:
        """Always: :meth:`cancel` asks, and whoever brings the value decides."""
        return True

    def addCallback(self, callback: Callable[[Future[T]], Any]) -> None:
        """Calls ``callback(future)`` on another thread when there is an outcome."""
        self._when_done(lambda: callback(self))

    def then(self, callback: Callable[[Future[T]], U]) -> Future[U]:
        """A future of what ``callback(future)`` gives when there is an outcome."""
        following: Future[U] = Future()
        following._set_canceler(self.cancel)
        self._when_done(lambda: settle(following, callback, self))
        return following

    def andThen(self, callback: Callable[[T], U]) -> Future[U]:
        """A future of what ``callback(value)`` gives; a failure is passed on without it."""
        following: Future[U] = Future()
        following._set_canceler(self.cancel)

        def proceed() -> None:
            if self._state() == FutureState.FinishedWithValue:
                settle(following, lambda: callback(self.value()))
            else:
                _pass_on(self, following)

        self._when_done(proceed)
        return following

    def unwrap(self: Future[Future[U]]) -> Future[U]:
        """Of a future of a future, the inner one."""
        following: Future[U] = Future()
        following._set_canceler(self.cancel)

        def proceed() -> None:
            if self._state() == FutureState.FinishedWithValue:
                inner = self.value()
                if not isinstance(inner, _native.RawFuture):
                    following._set_exception(Error(f"unwrap is for a future of a future, not of a {type(inner).__name__}"))
                    return
                inner._when_done(lambda: _pass_on(inner, following))
            else:
                _pass_on(self, following)

        self._when_done(proceed)
        return following

    def __await__(self) -> Generator[Any, None, T]:
        if self.isRunning():
            loop = current_loop()
            if not isinstance(loop, asyncio.AbstractEventLoop):
                yield from self._wait_in_trio(loop).__await__()
                return cast(T, self._outcome())
            waiter: asyncio.Future[None] = loop.create_future()
            self._when_done_in(_queue_of(loop), lambda: _wake(waiter))
            try:
                yield from waiter
            except asyncio.CancelledError:
                self.cancel()
                raise
        return cast(T, self._outcome())

    async def _wait_in_trio(self, token: Any) -> None:
        trio = sys.modules["trio"]
        settled = trio.Event()

        def tell() -> None:
            try:
                token.run_sync_soon(settled.set)
            except trio.RunFinishedError:
                pass

        self._when_done(tell)
        try:
            await settled.wait()
        except trio.Cancelled:
            self.cancel()
            raise

    def __repr__(self) -> str:
        return f"<Future {FutureState(self._state()).name}>"


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def settle(future: Future[U], function: Callable[..., U], *arguments: Any) -> None:
    """Settles a future with what a function gives or raises."""
    try:
        future._set_value(function(*arguments))
    except Error as error:
        future._set_exception(error)
    except BaseException as error:
        # Also what would end a program: nobody else learns of it, and whoever waits would do so for ever.
        text = str(error)
        failure = CallbackError(f"{type(error).__name__}: {text}" if text else type(error).__name__)
        failure.__cause__ = error
        future._set_exception(failure)


def _pass_on(one: Future[Any], other: Future[Any]) -> None:
    state = one._state()
    if state == FutureState.FinishedWithValue:
        other._set_value(one.value())
    elif state == FutureState.Canceled:
        other._set_canceled()
    else:
        error = one.exception()
        assert error is not None
        other._set_exception(error)


class Promise(Generic[T]):
    """What a future is settled with. ``on_cancel(promise)`` is called when somebody cancels the future. One that is forgotten, and has no
    ``on_cancel`` that could settle it, settles it with an :class:`Error`.

    >>> from millrace import qi
    >>> promise = qi.Promise()
    >>> promise.setValue(5)
    >>> promise.future().value()
    5
    """

    def __init__(self, on_cancel: Optional[Callable[[Promise[T]], Any]] = None) -> None:
        self._future: Future[T] = Future()
        if on_cancel is not None:
            self._future._set_canceler(lambda: on_cancel(self))

    def __del__(self) -> None:
        # Nobody can settle it any more, and somebody may wait.
        if not sys.is_finalizing() and self._future.isRunning():
            self._future._set_exception(Error("Promise broken (all promises are destroyed)"))

    def future(self) -> Future[T]:
        """The future of this promise."""
        return self._future

    def setValue(self, value: T) -> None:
        """Settles it with a value; an error if it is settled."""
        self._check(self._future._set_value(value))

    def setError(self, error: Union[str, BaseException]) -> None:
        """Settles it with a failure: a text, or an exception."""
        self._check(self._future._set_exception(Error(error) if isinstance(error, str) else error))

    def setCanceled(self) -> None:
        """Settles it as cancelled."""
        self._check(self._future._set_canceled())

    def isCancelRequested(self) -> bool:
        """Somebody has cancelled the future."""
        return self._future._cancel_requested()

    @staticmethod
    def _check(settled: bool) -> None:
        if not settled:
            raise Error("Future has already been set.")


def futureBarrier(futures: Iterable[Future[T]]) -> Future[list[Future[T]]]:
    """A future of the list, when all of them have an outcome."""
    waited = list(futures)
    barrier: Future[list[Future[T]]] = Future()

    def proceed(position: int) -> None:
        while position < len(waited):
            if waited[position].isRunning():
                waited[position]._when_done(lambda: proceed(position + 1))
                return
            position += 1
        barrier._set_value(waited)

    proceed(0)
    return barrier
