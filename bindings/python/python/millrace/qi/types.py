"""Types of the bus, and what hints of Python mean there."""

from __future__ import annotations

import collections.abc
import dataclasses
import enum
import functools
import sys
import typing
from typing import Any, Union


class _Written:
    """What stands for a type: a class below, or an instance of one. Whoever is written alike is equal, and so is the text itself."""

    signature: str

    def __str__(self) -> str:
        return self.signature

    def __eq__(self, other: object) -> bool:
        if isinstance(other, _Written):
            return self.signature == other.signature
        return self.signature == other if isinstance(other, str) else NotImplemented

    def __hash__(self) -> int:
        # That of the text, which is equal.
        return hash(self.signature)


class _WrittenClass(_Written, type):
    """The class of those classes."""


class Type(_Written, metaclass=_WrittenClass):
    """A type of the bus. ``signature`` is how it is written on the wire; the class is as good as an instance of it."""

    signature = "m"


class Void(Type):
    """No value: None."""

    signature = "v"


class Bool(Type):
    """True or False."""

    signature = "b"


class Int8(Type):
    """An integer of 8 bits."""

    signature = "c"


class UInt8(Type):
    """An integer of 8 bits, not negative."""

    signature = "C"


class Int16(Type):
    """An integer of 16 bits."""

    signature = "w"


class UInt16(Type):
    """An integer of 16 bits, not negative."""

    signature = "W"


class Int32(Type):
    """An integer of 32 bits."""

    signature = "i"


class UInt32(Type):
    """An integer of 32 bits, not negative."""

    signature = "I"


class Int64(Type):
    """An integer of 64 bits; what ``int`` is."""

    signature = "l"


class UInt64(Type):
    """An integer of 64 bits, not negative."""

    signature = "L"


class Float(Type):
    """A number of 32 bits."""

    signature = "f"


class Double(Type):
    """A number of 64 bits; what ``float`` is."""

    signature = "d"


class String(Type):
    """A text."""

    signature = "s"


class Buffer(Type):
    """Bytes."""

    signature = "r"


class Object(Type):
    """An object that can be called."""

    signature = "o"


class Dynamic(Type):
    """Any value."""

    signature = "m"


class AnyArguments(Type):
    """As the parameters of a method: any number of any values."""

    signature = "m"


class List(Type):
    """A list of values of one type: ``List(Int32)``."""

    def __init__(self, element: Any) -> None:
        self.signature: str = f"[{signature_of(element)}]"


class Map(Type):
    """A dict: ``Map(String, Int32)``."""

    def __init__(self, key: Any, value: Any) -> None:
        self.signature: str = f"{{{signature_of(key)}{signature_of(value)}}}"


class Struct(Type):
    """A tuple of values of these types: ``Struct([Int32, String])``."""

    def __init__(self, fields: collections.abc.Iterable[Any]) -> None:
        self.signature: str = f"({''.join(signature_of(field) for field in fields)})"


class Optional(Type):
    """A value, or None: ``Optional(Int32)``."""

    def __init__(self, value: Any) -> None:
        self.signature: str = f"+{signature_of(value)}"


_PLAIN: dict[Any, str] = {
    None: "v",
    type(None): "v",
    bool: "b",
    int: "l",
    float: "d",
    str: "s",
    bytes: "r",
    bytearray: "r",
    memoryview: "r",
    list: "[m]",
    dict: "{mm}",
    set: "[m]",
    frozenset: "[m]",
}

_LISTS = (list, collections.abc.Sequence, collections.abc.Iterable)
_SETS = (set, frozenset, collections.abc.Set, collections.abc.MutableSet)
_MAPS = (dict, collections.abc.Mapping)


def _is_union(origin: Any) -> bool:
    return origin is Union or (sys.version_info >= (3, 10) and origin is __import__("types").UnionType)


def signature_of(hint: Any) -> str:
    """The type on the bus that a hint means; ``m``, any value, if it means none.

    >>> from millrace.qi.types import signature_of
    >>> signature_of(dict[str, list[int]]), signature_of(Int32), signature_of("(is)")
    ('{s[l]}', 'i', '(is)')
    """
    return _signature(hint, ())


def _signature(hint: Any, within: tuple[Any, ...]) -> str:
    """The same of what is within these classes."""
    if isinstance(hint, str):
        return hint
    if isinstance(hint, _Written):
        return hint.signature
    try:
        if hint in _PLAIN:
            return _PLAIN[hint]
    except TypeError:
        return "m"
    for extra in getattr(hint, "__metadata__", ()):
        if isinstance(extra, _Written):
            return extra.signature
    names = _fields(hint)
    if names is not None:
        return _struct(hint, names, within)
    return _generic(typing.get_origin(hint), typing.get_args(hint), within)


def _fields(hint: Any) -> typing.Optional[list[str]]:
    """The names of what a data class, or a named tuple, consists of."""
    if not isinstance(hint, type):
        return None
    if dataclasses.is_dataclass(hint):
        return [field.name for field in dataclasses.fields(hint)]
    if issubclass(hint, tuple) and isinstance(getattr(hint, "_fields", None), tuple):
        return list(getattr(hint, "_fields"))
    return None


def _struct(hint: Any, names: list[str], within: tuple[Any, ...]) -> str:
    if hint in within:
        # A class that has instances of itself: the bus has no name for that, so what is within is any value.
        return "m"
    hints = typing.get_type_hints(hint, include_extras=True)
    members = "".join(_signature(hints.get(name, "m"), (*within, hint)) for name in names)
    return f"({members})<{','.join([hint.__name__, *names])}>"


def _generic(origin: Any, inner: tuple[Any, ...], within: tuple[Any, ...]) -> str:
    if (origin in _LISTS or origin in _SETS) and inner:
        return f"[{_signature(inner[0], within)}]"
    if origin in _MAPS and len(inner) == 2:
        return f"{{{_signature(inner[0], within)}{_signature(inner[1], within)}}}"
    if origin is tuple and len(inner) == 2 and inner[1] is Ellipsis:
        return f"[{_signature(inner[0], within)}]"
    if origin is tuple:
        return f"({''.join(_signature(member, within) for member in inner)})"
    if _is_union(origin):
        others = [member for member in inner if member is not type(None)]
        if len(others) == 1 and len(inner) == 2:
            return f"+{_signature(others[0], within)}"
    if getattr(origin, "__name__", "") in ("Future", "Awaitable", "Coroutine") and inner:
        return _signature(inner[-1], within)
    return "m"


def reader_of(hint: Any) -> typing.Optional[collections.abc.Callable[[Any], Any]]:
    """What makes an instance of a data class or named tuple, a set, or a member of an Enum, of a value as it comes from the bus, also in lists,
    dicts, tuples and optional values; None if a value of this hint is right as it comes.

    >>> import dataclasses
    >>> from millrace.qi.types import reader_of
    >>> @dataclasses.dataclass
    ... class Point:
    ...     x: int
    >>> reader_of(list[Point])([{"x": 1}])
    [Point(x=1)]
    """
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return hint
    if hasattr(hint, "__metadata__"):
        return reader_of(hint.__origin__)
    if hint is set or hint is frozenset:
        return hint
    if _fields(hint) is not None:
        return functools.partial(_read_instance, hint)
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if _is_union(origin):
        others = [member for member in inner if member is not type(None)]
        read = reader_of(others[0]) if len(others) == 1 else None
        return read and functools.partial(_read_optional, read)
    if origin in _MAPS and len(inner) == 2:
        read = reader_of(inner[1])
        return read and functools.partial(_read_map, read)
    if origin in _SETS and inner:
        return functools.partial(_read_all, frozenset if origin is frozenset else set, reader_of(inner[0]) or _as_it_is)
    if origin is tuple and len(inner) == 2 and inner[1] is Ellipsis:
        return functools.partial(_read_all, tuple, reader_of(inner[0]) or _as_it_is)
    if origin in _LISTS and inner:
        read = reader_of(inner[0])
        return read and functools.partial(_read_all, list, read)
    if origin is tuple:
        readers = [reader_of(member) for member in inner]
        return functools.partial(_read_tuple, readers) if any(readers) else None
    return None


_Reader = collections.abc.Callable[[Any], Any]


def _read_optional(read: _Reader, value: Any) -> Any:
    return None if value is None else read(value)


def _read_map(read: _Reader, value: Any) -> Any:
    return {key: read(member) for key, member in value.items()}


def _read_all(make: Any, read: _Reader, value: Any) -> Any:
    return make(read(member) for member in value)


def _read_tuple(readers: list[typing.Optional[_Reader]], value: Any) -> Any:
    return tuple((read or _as_it_is)(member) for read, member in zip(readers, value))


@functools.lru_cache(maxsize=256)
def _member_readers(cls: Any) -> dict[str, _Reader]:
    hints = typing.get_type_hints(cls, include_extras=True)
    return {name: reader_of(hints.get(name)) or _as_it_is for name in _fields(cls) or []}


def _read_instance(cls: Any, value: Any) -> Any:
    readers = _member_readers(cls)
    # What has no names comes as a tuple.
    given = value if isinstance(value, dict) else dict(zip(readers, value))
    members = {name: read(given[name]) for name, read in readers.items() if name in given}
    fields = dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ()
    values = {field.name: members.pop(field.name) for field in fields if not field.init and field.name in members}
    make: Any = cls
    instance = make(**members)
    for name, member in values.items():
        # As dataclasses does it, since one that is frozen has no other way.
        object.__setattr__(instance, name, member)
    return instance


def _as_it_is(value: Any) -> Any:
    return value
