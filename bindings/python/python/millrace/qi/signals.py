"""Signals and properties of our own services."""

from __future__ import annotations

import logging
from collections import deque
from typing import Any, Callable, Generic, Literal, Optional, TypeVar, overload

from .. import _forks, _native
from .futures import Future
from .tasks import runAsync
from .types import Type, signature_of

S = TypeVar("S", bound="Signal")
T = TypeVar("T")
Callback = Callable[..., Any]


class _Subscriber:
    """A callback, and the events that wait for it: they come in order, on another thread."""

    def __init__(self, callback: Callback) -> None:
        self.callback = callback
        self._events: deque[tuple[Any, ...]] = deque()
        self._lock = _forks.lock()
        self._busy = False

    def tell(self, event: tuple[Any, ...]) -> None:
        with self._lock:
            self._events.append(event)
            if self._busy:
                return
            self._busy = True
        _native.qi_run(self._run, 0)

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._events:
                    self._busy = False
                    return
                event = self._events.popleft()
            call(self.callback, event)


def call(callback: Callback, event: tuple[Any, ...]) -> None:
    """Calls a callback; what it raises is logged, and others are not disturbed."""
    try:
        callback(*event)
    except BaseException:
        # Also what would end a program: this thread is not the program's.
        logging.getLogger("millrace.qi").exception("a callback has failed")


class Signal:
    """A signal of a service: calling it tells everybody who listens, here and at other programs.

    ``signature`` is the type of its arguments: ``"(is)"``, a tuple of hints, or ``"m"`` for any. ``onConnect(bool)`` is called
    when the first callback here comes, and when the last one goes. As an attribute of a class, each instance has its own.

    >>> import queue
    >>> from millrace import qi
    >>> touched, seen = qi.Signal((int,)), queue.Queue()
    >>> link = touched.connect(seen.put)
    >>> touched(7)
    >>> seen.get(timeout=10)
    7
    >>> touched.disconnect(link)
    True
    """

    def __init__(self, signature: Any = "m", onConnect: Optional[Callable[[bool], Any]] = None) -> None:
        if isinstance(signature, tuple):
            signature = f"({''.join(signature_of(hint) for hint in signature)})"
        #: The type of the arguments.
        self.signature: str = signature_of(signature)
        # One that is none is told here, and not when a service is registered.
        _native.qi_default(self.signature)
        self._on_connect = onConnect
        self._lock = _forks.lock()
        self._subscribers: dict[int, _Subscriber] = {}
        self._links = 0
        self._exported: list[tuple[_native.RawWeakObject, str]] = []

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self: S, instance: Any, owner: Optional[type] = None) -> S:
        if instance is None:
            return self
        own: S = instance.__dict__.setdefault(self._name, self._anew())
        return own

    def _anew(self: S) -> S:
        return type(self)(self.signature, self._on_connect)

    @overload
    def connect(self, callback: Callback, _async: Literal[False] = False) -> int: ...
    @overload
    def connect(self, callback: Callback, *, _async: Literal[True]) -> Future[int]: ...
    def connect(self, callback: Callback, _async: bool = False) -> Any:
        """Has a callback called with each event, on another thread; gives a number for :meth:`disconnect`."""
        with self._lock:
            self._links += 1
            link = self._links
            self._subscribers[link] = _Subscriber(callback)
            first = len(self._subscribers) == 1
        if first and self._on_connect is not None:
            self._on_connect(True)
        return _done(link) if _async else link

    @overload
    def disconnect(self, link: int, _async: Literal[False] = False) -> bool: ...
    @overload
    def disconnect(self, link: int, *, _async: Literal[True]) -> Future[bool]: ...
    def disconnect(self, link: int, _async: bool = False) -> Any:
        """Calls it no more; whether there was such a callback."""
        with self._lock:
            found = self._subscribers.pop(link, None) is not None
            last = found and not self._subscribers
        if last and self._on_connect is not None:
            self._on_connect(False)
        return _done(found) if _async else found

    @overload
    def disconnectAll(self, _async: Literal[False] = False) -> bool: ...
    @overload
    def disconnectAll(self, *, _async: Literal[True]) -> Future[bool]: ...
    def disconnectAll(self, _async: bool = False) -> Any:
        """Calls none of the callbacks here any more."""
        for link in list(self._subscribers):
            self.disconnect(link)
        return _done(True) if _async else True

    def __call__(self, *arguments: Any) -> None:
        self._emit(arguments)
        for weak, name in self._bound():
            weak.emit(name, arguments)

    def _emit(self, arguments: tuple[Any, ...]) -> None:
        for subscriber in list(self._subscribers.values()):
            subscriber.tell(arguments)

    def _bound(self) -> list[tuple[_native.RawWeakObject, str]]:
        with self._lock:
            return list(self._exported)

    def _export(self, weak: _native.RawWeakObject, name: str) -> None:
        with self._lock:
            self._exported = [(other, its) for other, its in self._exported if other.object() is not None]
            self._exported.append((weak, name))


class Property(Signal, Generic[T]):
    """A property of a service: a value that others can read, set, and listen to.

    ``signature`` is the type of the value: ``"i"``, a hint, or ``"m"`` for any. To type checkers ``Property(int)`` is a ``Property[int]``.

    >>> from millrace import qi
    >>> level = qi.Property(int)
    >>> level.setValue(3)
    >>> level.value()
    3
    """

    @overload
    def __init__(
        self: Property[Any], signature: str | Type | type[Type] = "m", onConnect: Optional[Callable[[bool], Any]] = None
    ) -> None: ...
    @overload
    def __init__(self, signature: type[T], onConnect: Optional[Callable[[bool], Any]] = None) -> None: ...
    @overload
    def __init__(self: Property[Any], signature: Any, onConnect: Optional[Callable[[bool], Any]] = None) -> None: ...
    def __init__(self, signature: Any = "m", onConnect: Optional[Callable[[bool], Any]] = None) -> None:
        super().__init__(signature_of(signature), onConnect)
        self._value = _native.qi_default(self.signature)

    @overload
    def value(self, _async: Literal[False] = False) -> T: ...
    @overload
    def value(self, _async: Literal[True]) -> Future[T]: ...
    def value(self, _async: bool = False) -> Any:
        """The value."""
        return _done(self._value) if _async else self._value

    @overload
    def setValue(self, value: T, _async: Literal[False] = False) -> None: ...
    @overload
    def setValue(self, value: T, *, _async: Literal[True]) -> Future[None]: ...
    def setValue(self, value: Any, _async: bool = False) -> Any:
        """Sets the value and tells who listens."""
        if _async:
            return runAsync(self.setValue, value)
        self._take(_native.qi_convert(value, self.signature) if _is_plain(value) else value)
        for weak, name in self._bound():
            weak.set(name, value)
        return None

    @overload
    def addCallback(self, callback: Callback, _async: Literal[False] = False) -> int: ...
    @overload
    def addCallback(self, callback: Callback, *, _async: Literal[True]) -> Future[int]: ...
    def addCallback(self, callback: Callback, _async: bool = False) -> Any:
        """The same as :meth:`connect`."""
        return self.connect(callback, _async=True) if _async else self.connect(callback)

    def __call__(self, *arguments: Any) -> None:
        self.setValue(*arguments)

    def _take(self, value: Any) -> None:
        self._value = value
        self._emit((value,))

    def _set_by_peer(self, weak: _native.RawWeakObject, value: Any) -> None:
        self._take(value)
        for other, name in self._bound():
            if other is not weak:
                other.set(name, value)


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, (bool, int, float, str, bytes, bytearray, list, tuple, dict))


def _done(value: Any) -> Future[Any]:
    future: Future[Any] = Future()
    future._set_value(value)
    return future


