"""Objects of Python as objects of the bus: methods, signals and properties of a class, with the types that its hints name."""

from __future__ import annotations

import asyncio
import collections
import concurrent.futures
import dataclasses
import enum
import functools
import inspect
import itertools
import logging
import threading
import types
import typing
import weakref
from typing import Any, Callable, Iterable, Optional, TypeVar, overload

from .. import _forks, _native
from .errors import Canceled
from .signals import Property, Signal
from .types import AnyArguments, reader_of, signature_of

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

_Method = tuple[str, str, str, str, Callable[..., Any], bool]


class bind:
    """Names the types, and the name, that a method has on the bus; hints do the same.

    ``paramsType`` is a tuple or list of types, or :class:`AnyArguments`.
    """

    def __init__(self, returnType: Any = None, paramsType: Any = None, methodName: Optional[str] = None) -> None:
        self._given = (returnType, paramsType, methodName)

    def __call__(self, function: F) -> F:
        setattr(function, "__qi_bind__", self._given)
        return function


def nobind(function: F) -> F:
    """A method that is not for the bus."""
    setattr(function, "__qi_nobind__", True)
    return function


def _threading(target: Any, parallel: bool) -> Any:
    if target is None:
        return lambda given: _threading(given, parallel)
    setattr(target, "__qi_parallel__", parallel)
    return target


@overload
def singleThreaded(target: T) -> T: ...
@overload
def singleThreaded(target: None = None) -> Callable[[T], T]: ...
def singleThreaded(target: Any = None) -> Any:
    """The methods of this class run one after the other; so do those of classes that say nothing. ``@qi.singleThreaded()``"""
    return _threading(target, False)


@overload
def multiThreaded(target: T) -> T: ...
@overload
def multiThreaded(target: None = None) -> Callable[[T], T]: ...
def multiThreaded(target: Any = None) -> Any:
    """The methods of this class, or this method, may run at the same time. ``@qi.multiThreaded()``"""
    return _threading(target, True)



class _Instance(weakref.ref[Any]):
    """An instance, whatever it is equal to: two that are equal are two objects on the bus."""

    __slots__ = ("_hash",)

    _hash: int

    def __new__(cls, instance: Any, gone: Optional[Callable[[_Instance], None]] = None) -> _Instance:
        self = super().__new__(cls, instance, gone)
        self._hash = id(instance)
        return self

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, _Instance) and self() is not None and self() is other())


_made: dict[_Instance, _native.RawWeakObject] = {}
_making = _forks.recursive_lock()
# What Python itself makes that can be looked at again and again. An iterator cannot: whoever looks at it takes from it.
_LISTS: tuple[type[Iterable[Any]], ...] = (range, collections.deque, type({}.keys()), type({}.values()), type({}.items()))


def object_of(instance: Any) -> Any:
    """The object that stands for an instance of a class; a dict for a data class, a tuple for a set and a list for the
    keys of a dict, as libqi has it, a list for a range, a deque and other views of a dict too, the value for a member of an Enum; None for what cannot be
    sent."""
    if isinstance(instance, (set, frozenset)):
        return tuple(instance)
    if isinstance(instance, _LISTS):
        return list(instance)
    if isinstance(instance, types.MappingProxyType):
        return dict(instance)
    if isinstance(instance, enum.Enum):
        return instance.value
    if dataclasses.is_dataclass(instance) and not isinstance(instance, type):
        return {field.name: getattr(instance, field.name) for field in dataclasses.fields(instance)}
    if isinstance(instance, type) or inspect.isroutine(instance) or inspect.ismodule(instance):
        return None
    if type(instance).__module__ == "builtins":
        # An iterator, a slice: it is no object of a program's own.
        return None
    with _making:
        try:
            key = _Instance(instance, _forget)
        except TypeError:
            return _sendable(instance)
        weak = _made.get(key)
        there = None if weak is None else weak.object()
        if there is None:
            there = _sendable(instance)
            # The reference that is there already tells of its end.
            _made.pop(key, None)
            _made[key] = there.weak()
        return there


def _forget(key: _Instance) -> None:
    _made.pop(key, None)


def _sendable(instance: Any) -> _native.RawObject:
    try:
        return _make(instance)
    except (AttributeError, ValueError) as error:
        # Its methods do not tell what they take, as those of types that are written in C.
        raise TypeError(f"a {type(instance).__name__} cannot be sent over the bus: {error}") from error


def _make(instance: Any) -> _native.RawObject:
    methods: list[_Method] = []
    signals: list[tuple[str, Signal]] = []
    properties: list[tuple[str, Property[Any]]] = []
    for name in dir(instance):
        if name.startswith("__"):
            continue
        if isinstance(inspect.getattr_static(instance, name), property):
            continue
        member = getattr(instance, name)
        if isinstance(member, Property):
            properties.append((name, member))
        elif isinstance(member, Signal):
            signals.append((name, member))
        elif inspect.isroutine(member) and not getattr(member, "__qi_nobind__", False):
            methods.extend(_describe(instance, name, member))
    holders: list[_Setter] = [_Setter(member) for _, member in properties]
    raw = _native.RawObject(
        inspect.getdoc(type(instance)) or "",
        methods,
        [(name, member.signature) for name, member in signals],
        [(name, member.signature, member.value(), holder) for (name, member), holder in zip(properties, holders)],
    )
    weak = raw.weak()
    for name, member in [*signals, *properties]:
        member._export(weak, name)
    for holder in holders:
        holder.weak = weak
    return raw


class _Setter:
    """Tells a property that a peer has set it."""

    weak: _native.RawWeakObject

    def __init__(self, member: Property[Any]) -> None:
        self._member = member

    def __call__(self, value: Any) -> None:
        self._member._set_by_peer(self.weak, value)


def _hints(function: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function, include_extras=True)
    except Exception:
        # One of them names what exists only while types are checked, or is written as later versions of Python have it.
        given = getattr(function, "__annotations__", {})
        return {name: _evaluated(function, hint) for name, hint in given.items()}


def _evaluated(function: Any, hint: Any) -> Any:
    alone = types.SimpleNamespace(__annotations__={"hint": hint}, __globals__=getattr(inspect.unwrap(function), "__globals__", {}))
    try:
        return typing.get_type_hints(alone, include_extras=True)["hint"]
    except Exception:
        return "m"


def _describe(instance: Any, name: str, function: Any) -> list[_Method]:
    result, given, renamed = getattr(function, "__qi_bind__", (None, None, None))
    hints = _hints(function)
    if result is None:
        result = hints.get("return", "m")
    code, takes_call = _code(instance, function, _readers(function, hints))
    doc = inspect.getdoc(function) or ""

    def method(parameters: str) -> _Method:
        return (renamed or name, parameters, signature_of(result), doc, code, takes_call)

    if given is not None:
        if isinstance(given, AnyArguments) or given is AnyArguments:
            return [method("m")]
        return [method(f"({''.join(signature_of(hint) for hint in given)})")]
    taken, required = [], 0
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.VAR_POSITIONAL:
            return [method("m")]
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.default is parameter.empty:
            raise TypeError(f"{name}: calls over the bus have no keyword arguments, but {parameter.name} needs one")
        if parameter.kind not in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            continue
        taken.append(signature_of(hints.get(parameter.name, "m")))
        required += parameter.default is parameter.empty
    return [method(f"({''.join(taken[:count])})") for count in range(len(taken), required - 1, -1)]


def _readers(function: Any, hints: dict[str, Any]) -> Any:
    """A function of the arguments that makes them what the hints say; None if they are that as they come."""
    try:
        names = list(inspect.signature(function).parameters)
    except ValueError:
        return None
    readers = [reader_of(hints.get(name)) for name in names]
    if not any(readers):
        return None
    return lambda arguments: [read(value) if read else value for read, value in itertools.zip_longest(readers[: len(arguments)], arguments)]


def _reading(function: Any, read: Any) -> Any:
    """The function, with arguments as its hints say."""

    @functools.wraps(function)
    def plain(*arguments: Any) -> Any:
        return function(*read(arguments))

    @functools.wraps(function)
    async def coroutine(*arguments: Any) -> Any:
        return await function(*read(arguments))

    return coroutine if inspect.iscoroutinefunction(function) else plain


def _code(instance: Any, function: Any, read: Any) -> tuple[Callable[..., Any], bool]:
    if read is not None:
        function = _reading(function, read)
    if inspect.iscoroutinefunction(function):
        return _Coroutine(function), True
    parallel = getattr(function, "__qi_parallel__", getattr(instance, "__qi_parallel__", False))
    if parallel:
        return _Parallel(function), True
    return function, False


class _Parallel:
    """A method that does not wait for the others of its object."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, call: _native.RawCall, arguments: tuple[Any, ...]) -> None:
        _native.qi_run(lambda: self._run(call, arguments), 0)

    def _run(self, call: _native.RawCall, arguments: tuple[Any, ...]) -> None:
        try:
            result = self._function(*arguments)
        except BaseException as error:
            call.fail(error)
        else:
            call.reply(result)


class _Coroutine:
    """A method that is a coroutine: it runs in the event loop in which its object was first used; in one of our own if there was none, or
    that is over."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        try:
            self._loop: Optional[asyncio.AbstractEventLoop] = asyncio.get_running_loop()
        except RuntimeError:
            self._loop = None

    def __call__(self, call: _native.RawCall, arguments: tuple[Any, ...]) -> None:
        loop = self._loop if self._loop is not None and not self._loop.is_closed() else _own_loop()
        running = None
        try:
            running = self._function(*arguments)
            task = asyncio.run_coroutine_threadsafe(running, loop)
        except Exception as error:
            if running is not None:
                running.close()
            call.fail(error)
            return
        call.on_cancel(task.cancel)

        def done(_: Any) -> None:
            try:
                result = task.result()
            except (asyncio.CancelledError, concurrent.futures.CancelledError):
                call.fail(Canceled("Future canceled."))
            except BaseException as error:
                call.fail(error if isinstance(error, Exception) else RuntimeError(f"{type(error).__name__}: {error}"))
            else:
                call.reply(result)

        task.add_done_callback(done)


_loop: Optional[asyncio.AbstractEventLoop] = None


def _own_loop() -> asyncio.AbstractEventLoop:
    global _loop
    with _making:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_loop.run_forever, name="millrace-qi-asyncio", daemon=True).start()
        return _loop


def method_failed(error: BaseException) -> None:
    """The caller gets the type and the text; whoever runs the service can have the rest."""
    logging.getLogger("millrace.qi").info("a method has failed: %s", error, exc_info=error)


