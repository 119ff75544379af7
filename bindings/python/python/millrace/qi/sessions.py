"""Sessions: connections to a directory, and services of our own there."""

from __future__ import annotations

import weakref
from types import TracebackType
from typing import Any, Callable, Literal, Optional, TypedDict, TypeVar, Union, overload

from .. import _forks, _native
from .errors import Error, NotConnected
from .futures import Future, FutureTimeout, Milliseconds, seconds
from .proxies import Proxy, outcome
from .services import object_of
from .signals import Signal
from .tasks import runAsync

T = TypeVar("T")

DEFAULT_URL = "tcp://127.0.0.1:9559"


class ServiceInfo(TypedDict):
    """A service, as the directory lists it."""

    name: str
    serviceId: int
    #: Of the machine that it runs on.
    machineId: str
    processId: int
    #: Addresses where it is reached.
    endpoints: list[str]
    sessionId: str
    objectUid: list[int]


class _News(Signal):
    """A signal about services, which is asked of the directory when somebody listens."""

    def __init__(self, session: Session, member: str) -> None:
        super().__init__("(Is)")
        # Who holds the signal does not hold the session.
        self._session = weakref.ref(session)
        self._member = member
        # Of which connection it is asked.
        self._asked: Optional[_native.RawSession] = None

    def connect(  # pyright: ignore[reportIncompatibleMethodOverride]: it gives what the other does
        self, callback: Callable[..., Any], _async: bool = False
    ) -> Any:
        if _async:
            return runAsync(self.connect, callback)
        link = super().connect(callback)
        self._ask()
        return link

    def _ask(self) -> None:
        """Of every connection once, as soon as there is one and somebody listens."""
        session = self._session()
        if session is None or session._raw is None or session._raw is self._asked or not self._subscribers:
            return
        self._asked = session._raw
        directory = session.service("ServiceDirectory")
        getattr(directory, self._member).connect(lambda number, name: self._emit((number, name)))


class Session:
    """A connection to a directory of services, and to the services that it leads to.

    ``Session(url)`` connects at once; ``reconnect=True`` connects again when the connection is lost. A context manager, also
    an asynchronous one. Methods that wait take ``_async=True`` and give a future then, which can be awaited. Any thread may use
    it; Ctrl-C ends a wait. In the child of a fork it is of no use: the child connects anew.

    One that is forgotten without :meth:`close` is closed when the proxies of its services are forgotten, too; its services and callbacks
    go with it. Who must not rely on that uses ``with``.

    >>> from millrace import qi
    >>> class Greeter:
    ...     def greet(self, name: str) -> str:
    ...         return f"Hello {name}"
    >>> with qi.Session() as server:
    ...     server.listenStandalone("tcp://127.0.0.1:0")
    ...     number = server.registerService("Greeter", Greeter())
    ...     with qi.Session(server.url()) as client:
    ...         client.service("Greeter").greet("world")
    'Hello world'
    """

    def __init__(
        self,
        url: Optional[str] = None,
        *,
        user: Optional[str] = None,
        token: Optional[str] = None,
        reconnect: bool = False,
        timeout: Optional[float] = None,
    ) -> None:
        #: Emitted when the session has connected.
        self.connected: Signal = Signal("()")
        #: Emitted with the reason when the directory's connection has ended.
        self.disconnected: Signal = Signal("(s)")
        #: Emitted with number and name when a service has come.
        self.serviceRegistered: Signal = _News(self, "serviceAdded")
        #: Emitted with number and name when a service has gone.
        self.serviceUnregistered: Signal = _News(self, "serviceRemoved")
        self._user, self._token, self._reconnect, self._timeout = user, token, reconnect, timeout
        self._lock = _forks.recursive_lock()
        self._url: Optional[str] = None
        self._raw: Optional[_native.RawSession] = None
        self._server: Optional[_native.RawServer] = None
        self._listen: list[str] = []
        self._services: dict[int, str] = {}
        # Callbacks of signals, which listen as long as the session is there, whatever becomes of the proxies.
        self._watches: dict[int, _native.RawWatch] = {}
        if url is not None:
            self.connect(url)

    # Connecting

    @overload
    def connect(self, url: str = DEFAULT_URL, _async: Literal[False] = False) -> None: ...
    @overload
    def connect(self, url: str = DEFAULT_URL, *, _async: Literal[True]) -> Future[None]: ...
    def connect(self, url: str = DEFAULT_URL, _async: bool = False) -> Any:
        """Connects to the directory at ``url``: ``tcp://host:port``, or ``tcps://`` with TLS; without a port, 9559."""
        _check_text("an address", url)
        if _async:
            return runAsync(self.connect, url)
        with self._lock:
            if self._raw is not None and self._raw.is_connected():
                raise Error("Session is already connected.")
            self._raw = _wait(_native.RawSession.connect(url, self._settings(), self._timeout))
            self._url = url
            # The connection is not what keeps the session.
            forgotten = weakref.ref(self)
            self._raw.on_end(lambda reason: _ended(forgotten(), reason))
        for news in (self.serviceRegistered, self.serviceUnregistered):
            assert isinstance(news, _News)
            news._ask()
        self.connected._emit(())
        return None

    @overload
    def listenStandalone(self, url: Union[str, list[str]] = DEFAULT_URL, *, authenticate: Optional[Callable[[Optional[str], Optional[str]], bool]] = None, _async: Literal[False] = False) -> None: ...
    @overload
    def listenStandalone(self, url: Union[str, list[str]] = DEFAULT_URL, *, authenticate: Optional[Callable[[Optional[str], Optional[str]], bool]] = None, _async: Literal[True]) -> Future[None]: ...
    def listenStandalone(
        self,
        url: Union[str, list[str]] = DEFAULT_URL,
        *,
        authenticate: Optional[Callable[[Optional[str], Optional[str]], bool]] = None,
        _async: bool = False,
    ) -> Any:
        """Becomes a directory that listens at ``url``, or at several; port 0 is any free one.

        ``authenticate(user, token)`` says who is let in; without it everybody is.
        """
        if _async:
            return runAsync(lambda: self.listenStandalone(url, authenticate=authenticate))
        urls = list(url) if isinstance(url, (list, tuple)) else [url]
        for one in urls:
            _check_text("an address", one)
        ours = (f"millrace-{id(self)}", f"{id(self):x}")
        judge = None
        if authenticate is not None:
            decide = authenticate
            # Our own connection to ourselves is let in.
            judge = lambda user, token: (user, token) == ours or decide(user, token)  # noqa: E731
            self._user, self._token = ours
        with self._lock:
            self._server = _wait(_native.RawServer.standalone(urls, judge))
            self.connect(_reachable(self._server.addresses()[0]))
        return None

    def listen(self, url: str) -> None:
        """Where services that are registered later can be reached; otherwise it is the address from which the directory was
        reached, at any free port."""
        _check_text("an address", url)
        self._listen.append(url)

    @overload
    def close(self, _async: Literal[False] = False) -> None: ...
    @overload
    def close(self, *, _async: Literal[True]) -> Future[None]: ...
    def close(self, _async: bool = False) -> Any:
        """Takes our services back and closes all connections; waits for methods of ours that are under way."""
        if _async:
            return runAsync(self.close)
        with self._lock:
            server, self._server = self._server, None
            raw, self._raw = self._raw, None
            self._services.clear()
            watches = list(self._watches.values())
            self._watches.clear()
        for watch in watches:
            watch.close()
        if raw is not None:
            raw.close()
        if server is not None:
            server.close()
        return None

    def isConnected(self) -> bool:
        """The directory's connection is there."""
        return self._raw is not None and self._raw.is_connected()

    isValid = isConnected

    def url(self) -> str:
        """The address of the directory."""
        if self._url is None:
            raise NotConnected("Session disconnected")
        return self._url

    def endpoints(self) -> list[str]:
        """Where services of this session can be reached."""
        return [] if self._server is None else self._server.addresses()

    def setClientAuthenticatorFactory(self, factory: Any) -> None:
        """Asks ``factory.newAuthenticator().initialAuthData()``, a dict with ``user`` and ``token``, who we are."""
        data = factory.newAuthenticator().initialAuthData()
        self._user, self._token = (None if data.get(key) is None else str(data[key]) for key in ("user", "token"))

    # Services of others

    @overload
    def service(self, name: str, _async: Literal[False] = False) -> Proxy: ...
    @overload
    def service(self, name: str, *, _async: Literal[True]) -> Future[Proxy]: ...
    def service(self, name: str, _async: bool = False) -> Any:
        """A proxy of the service of this name. Finding it, and its connection, may take as long as connecting: ``timeout`` of the session."""
        _check_text("the name of a service", name)
        return outcome(self._connected().service(name, self._watches), not _async)

    @overload
    def services(self, _async: Literal[False] = False) -> list[ServiceInfo]: ...
    @overload
    def services(self, *, _async: Literal[True]) -> Future[list[ServiceInfo]]: ...
    def services(self, _async: bool = False) -> Any:
        """All services: a list of dicts with ``name``, ``serviceId``, ``endpoints``…"""
        return outcome(self._connected().services(), not _async)

    @overload
    def waitForService(self, name: str, timeout: Milliseconds = FutureTimeout.Infinite, _async: Literal[False] = False) -> Proxy: ...
    @overload
    def waitForService(self, name: str, timeout: Milliseconds = FutureTimeout.Infinite, *, _async: Literal[True]) -> Future[Proxy]: ...
    def waitForService(self, name: str, timeout: Milliseconds = FutureTimeout.Infinite, _async: bool = False) -> Any:
        """A proxy of the service, when it is there; for at most so many milliseconds."""
        _check_text("the name of a service", name)
        return outcome(self._connected().wait_for_service(name, self._watches, seconds(timeout)), not _async)

    def callModule(self, method: str, *arguments: Any) -> Any:
        """``callModule("Service.method", …)``"""
        service, _, name = method.partition(".")
        return self.service(service).call(name, *arguments)

    # Services of our own

    @overload
    def registerService(self, name: str, instance: Any, _async: Literal[False] = False) -> int: ...
    @overload
    def registerService(self, name: str, instance: Any, *, _async: Literal[True]) -> Future[int]: ...
    def registerService(self, name: str, instance: Any, _async: bool = False) -> Any:
        """Makes an object the service of this name; gives its number.

        Its public methods can be called, and its attributes that are a :class:`Signal` or a :class:`Property` be listened to.
        Types come from hints, or from :class:`bind`; what has neither takes anything. A method may be a coroutine, give a
        :class:`Future`, and call other services. One method of an object runs at a time, but for :func:`multiThreaded`.
        """
        raw = object_of(instance)
        if not name or not isinstance(name, str):
            raise TypeError(f"a service has a name, which is a str: {name!r}")
        if not isinstance(raw, _native.RawObject):
            raise TypeError(f"a service is an instance of a class, not {type(instance).__name__}")
        return runAsync(self._register, name, raw) if _async else self._register(name, raw)

    def _register(self, name: str, raw: _native.RawObject) -> int:
        with self._lock:
            session = self._connected()
            if self._server is None:
                urls = self._listen or [_any_port(session.local_address() or DEFAULT_URL)]
                self._server = _wait(_native.RawServer.provider(self.url(), urls, self._settings()))
            server = self._server
        number = _wait(server.register(name, raw))
        self._services[number] = name
        return number

    @overload
    def unregisterService(self, number: int, _async: Literal[False] = False) -> None: ...
    @overload
    def unregisterService(self, number: int, *, _async: Literal[True]) -> Future[None]: ...
    def unregisterService(self, number: int, _async: bool = False) -> Any:
        """Takes a service back."""
        if _async:
            return runAsync(self.unregisterService, number)
        name = self._services.get(number)
        if name is None or self._server is None:
            raise Error(f"Can't find service ID {number}: it was not registered by this session")
        _wait(self._server.unregister(name, number))
        del self._services[number]
        return None

    # Details

    def _connected(self) -> _native.RawSession:
        raw = self._raw
        if raw is None:
            raise NotConnected("Session not connected.")
        return raw

    def _settings(self) -> tuple[Optional[str], Optional[str], bool]:
        return (self._user, self._token, self._reconnect)

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()

    async def __aenter__(self) -> Session:
        return self

    async def __aexit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        await self.close(_async=True)

    def __repr__(self) -> str:
        return f"<Session {self._url or 'not connected'}>"


async def connect(url: str = DEFAULT_URL, **options: Any) -> Session:
    """A session, connected without holding up the event loop: ``async with await qi.connect(url) as session``."""
    session = Session(**options)
    await session.connect(url, _async=True)
    return session


def _check_text(what: str, given: Any) -> None:
    if not isinstance(given, str):
        raise TypeError(f"{what} is a str, not {type(given).__name__}")


def _wait(future: Future[T]) -> T:
    result: T = outcome(future, True)
    return result


def _ended(session: Optional[Session], reason: str) -> None:
    if session is not None:
        session.disconnected._emit((reason,))


def _any_port(address: str) -> str:
    return address.rpartition(":")[0] + ":0"


def _reachable(address: str) -> str:
    return address.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")


def listModules() -> list[str]:
    """The modules that can be loaded: none, since they are libraries written for libqi."""
    return []


def module(name: str) -> Any:
    """A module by its name; an error, since there are none (:func:`listModules`)."""
    raise Error(f"no module found: {name!r}; modules are libraries written for libqi")
