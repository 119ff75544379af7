"""Objects of other programs: their methods, signals and properties are attributes."""

from __future__ import annotations

import itertools
import logging
from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Any, Callable, Literal, Optional, TypeVar, overload

from .. import _forks, _native
from .._aio import Waits, readiness, turn_due
from .errors import Error
from .futures import Future
from .signals import call
from .types import Object

T = TypeVar("T")


def events_missed(signal: str, count: int) -> None:
    """Says, with the next event that comes, how many were dropped before it."""
    logging.getLogger("millrace.qi").warning("signal %s: %d events dropped, they came faster than they were taken", signal, count)


_links = itertools.count(1)


def outcome(future: Future[T], wait: bool) -> Any:
    """The future, or its value when that is there."""
    if not wait:
        return future
    future._wait()
    return future._outcome()


class Method:
    """A method of a proxy. ``_async=True`` gives a future, which can be awaited; ``_timeout`` is in seconds."""

    __slots__ = ("_proxy", "__name__")

    def __init__(self, proxy: Proxy, name: str) -> None:
        self._proxy = proxy
        self.__name__: str = name

    def __call__(self, *arguments: Any, _async: bool = False, _timeout: Optional[float] = None) -> Any:
        if _async:
            return self._proxy._start(self.__name__, arguments, _timeout)
        return self._proxy._call(self.__name__, arguments, _timeout)

    def post(self, *arguments: Any) -> None:
        """Calls it without an answer, also if it fails."""
        self._proxy._post(self.__name__, arguments)

    @property
    def __doc__(self) -> Optional[str]:  # type: ignore[override]
        methods = self._proxy.metaObject()["methods"].values()
        told = [
            f"{self.__name__}{method['parametersSignature']} -> {method['returnSignature']}\n{method['description']}".strip()
            for method in methods
            if method["name"] == self.__name__
        ]
        return "\n\n".join(told)

    def __repr__(self) -> str:
        return f"<method {self.__name__} of {self._proxy!r}>"


class Events:
    """Events of a signal, one after the other: iterate over it, with ``for`` or ``async for``.

    An event is the tuple of its arguments; of a property, the value. What comes while ``queue`` events wait (or 64 MiB of them) is
    dropped, logged and counted: :attr:`missed`. Iteration ends when this is closed, and raises :class:`NotConnected` when the connection is gone.
    """

    def __init__(self, subscription: _native.RawSubscription, single: bool) -> None:
        self._subscription = subscription
        self._single = single
        self._closed = False
        self._waits = Waits()

    @property
    def missed(self) -> int:
        """Events dropped so far."""
        return self._subscription.missed()

    def fileno(self) -> int:
        """A descriptor that is readable while there is an event, for selectors; not to be read or closed."""
        return self._subscription.fileno()

    def get(self, timeout: Optional[float] = None) -> Any:
        """The next event; TimeoutError if there is none in so many seconds (None: it waits for ever)."""
        event = self._subscription.next(timeout)
        if event is None:
            raise TimeoutError("no event in time")
        return event[0] if self._single else event

    def close(self) -> None:
        """Listens no more."""
        self._closed = True
        self._subscription.close()
        self._waits.close()

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            return self.get()
        except Error:
            if self._closed:
                raise StopIteration from None
            raise

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        waits = self._waits.here(readiness, self._subscription)
        try:
            event = await waits.attempt(lambda: self._subscription.next(0), not turn_due())
        except Error:
            if self._closed:
                raise StopAsyncIteration from None
            raise
        return event[0] if self._single else event

    def __enter__(self) -> Events:
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()


class ProxySignal:
    """A signal of another program's object. Iterating over it listens until the loop is left."""

    _single = False

    def __init__(self, proxy: Proxy, name: str) -> None:
        self._proxy = proxy
        self._name = name
        self._watches: dict[int, _native.RawWatch] = {}
        self._lock = _forks.lock()

    @overload
    def connect(self, callback: Callable[..., Any], _async: Literal[False] = False, *, queue: Optional[int] = None, _timeout: Optional[float] = None) -> int: ...
    @overload
    def connect(self, callback: Callable[..., Any], *, queue: Optional[int] = None, _async: Literal[True], _timeout: Optional[float] = None) -> Future[int]: ...
    def connect(self, callback: Callable[..., Any], _async: bool = False, *, queue: Optional[int] = None, _timeout: Optional[float] = None) -> Any:
        """Has a callback called with each event, in order, on another thread; gives a number for :meth:`disconnect`.

        It listens until then, or until the session is closed; of an object that came as a value, as long as its proxy is there.
        Events wait for a callback that is slower than they come: ``queue`` of them, or as many as 64 MiB have; what comes then is
        dropped, which is logged (``millrace.qi``) and counted: :attr:`missed`. The object has ``_timeout`` seconds to accept it, as of a call.
        """
        link = next(_links)

        def keep(watch: _native.RawWatch) -> int:
            with self._lock:
                self._watches[link] = watch
                if self._proxy._kept is not None:
                    self._proxy._kept[link] = watch
            return link

        watching = self._proxy._watch(self._name, lambda *event: call(callback, event), queue, _timeout)
        if _async:
            return watching.andThen(keep)
        watching._wait()
        return keep(watching._outcome())

    addCallback = connect

    @overload
    def disconnect(self, link: int, _async: Literal[False] = False) -> bool: ...
    @overload
    def disconnect(self, link: int, *, _async: Literal[True]) -> Future[bool]: ...
    def disconnect(self, link: int, _async: bool = False) -> Any:
        """Calls it no more; whether there was such a callback."""
        with self._lock:
            watch = self._watches.pop(link, None)
            if self._proxy._kept is not None:
                # Perhaps another proxy of the service has connected it.
                watch = self._proxy._kept.pop(link, watch)
        if watch is not None:
            watch.close()
        found: Future[bool] = Future()
        found._set_value(watch is not None)
        return outcome(found, not _async)

    @property
    def missed(self) -> int:
        """Events that the callbacks here have missed, together."""
        with self._lock:
            return sum(watch.missed() for watch in self._watches.values())

    def disconnectAll(self) -> None:
        """Calls none of the callbacks any more."""
        for link in list(self._watches):
            self.disconnect(link)

    def __call__(self, *arguments: Any) -> None:
        """Has the object emit the signal to all who listen."""
        self._proxy._post(self._name, arguments)

    @overload
    def subscribe(self, queue: Optional[int] = None, _async: Literal[False] = False, _timeout: Optional[float] = None) -> Events: ...
    @overload
    def subscribe(self, queue: Optional[int] = None, *, _async: Literal[True], _timeout: Optional[float] = None) -> Future[Events]: ...
    def subscribe(self, queue: Optional[int] = None, _async: bool = False, _timeout: Optional[float] = None) -> Any:
        """:class:`Events`, of which ``queue`` may wait (as many as 64 MiB have); a context manager. When this returns, no event is lost. The object has
        ``_timeout`` seconds to accept it, as of a call."""
        subscribing: Future[Any] = self._proxy._subscribe(self._name, queue, _timeout)
        single = self._single
        if _async:
            return subscribing.andThen(lambda raw: Events(raw, single))
        return Events(outcome(subscribing, True), single)

    def __iter__(self) -> Iterator[Any]:
        with self.subscribe() as events:
            yield from events

    async def __aiter__(self) -> AsyncIterator[Any]:
        with await self.subscribe(_async=True) as events:
            async for event in events:
                yield event

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._name} of {self._proxy!r}>"


class ProxyProperty(ProxySignal):
    """A property of another program's object: its value, and its changes as a signal."""

    _single = True

    def value(self, _async: bool = False, _timeout: Optional[float] = None) -> Any:
        """The value; for at most ``_timeout`` seconds, as of a call."""
        return outcome(self._proxy._property(self._name, _timeout), not _async)

    @overload
    def setValue(self, value: Any, _async: Literal[False] = False, _timeout: Optional[float] = None) -> None: ...
    @overload
    def setValue(self, value: Any, *, _async: Literal[True], _timeout: Optional[float] = None) -> Future[None]: ...
    def setValue(self, value: Any, _async: bool = False, _timeout: Optional[float] = None) -> Any:
        """Sets the value; within at most ``_timeout`` seconds, as of a call."""
        return outcome(self._proxy._set_property(self._name, value, _timeout), not _async)

    def __call__(self, *arguments: Any) -> None:
        self.setValue(*arguments)


class Proxy(_native.RawProxy):
    """An object of another program. Its methods, signals and properties are attributes::

        tts = session.service("ALTextToSpeech")
        tts.say("Hello")
        future = tts.say("Hello", _async=True)

    Any thread may use it. It is made by :meth:`Session.service`, or comes as a value.
    """

    # Where the session of a service keeps what its signals call.
    _kept: Optional[dict[int, _native.RawWatch]] = None

    def _members(self) -> dict[str, type[Any]]:
        meta = self._meta()
        members: dict[str, type[Any]] = {}
        for kind, entries in (
            (ProxySignal, meta["signals"]),
            (ProxyProperty, meta["properties"]),
            (Method, meta["methods"]),
        ):
            members.update((entry["name"], kind) for uid, entry in entries.items() if uid >= 100)
        return members

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        kind = self._members().get(name)
        if kind is None:
            text = f"{self!r} has no method, signal or property {name!r}"
            raise AttributeError(text)
        member = kind(self, name)
        if kind is not Method:
            # It knows its callbacks.
            self.__dict__[name] = member
        return member

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._members()})

    def call(self, name: str, *arguments: Any, _async: bool = False, _timeout: Optional[float] = None) -> Any:
        """Calls a method by its name, or by name and parameters: ``call("add::(ii)", 1, 2)``."""
        if _async:
            return self._start(name, arguments, _timeout)
        return self._call(name, arguments, _timeout)

    def async_(self, name: str, *arguments: Any) -> Future[Any]:
        """The same with ``_async=True``."""
        return self._start(name, arguments)

    def metaObject(self) -> dict[str, Any]:
        """What the object can do: dicts of its methods, signals and properties by their numbers."""
        return self._meta()

    def isValid(self) -> bool:
        """Its connection is there."""
        return self._is_open()

    def __repr__(self) -> str:
        return f"<Proxy {self._name()}>"


setattr(Proxy, "async", Proxy.async_)


def typeof(value: Any) -> Object:
    """The type of a value on the bus; as in libqi's package, of objects alone (NotImplementedError)."""
    if isinstance(value, Proxy):
        return Object()
    raise NotImplementedError(f"typeof is for objects of the bus, not for a {type(value).__name__}")


def is_instance(value: Any, kind: Any) -> bool:
    """Whether a value is of a type of the bus; as in libqi's package, for the type :class:`Object` alone (NotImplementedError)."""
    if kind is Object or isinstance(kind, Object):
        return isinstance(value, Proxy)
    raise NotImplementedError(f"isinstance is for the type Object, not for {kind!r}")
