"""Options of sockets as typed attributes: each is a descriptor that knows its number and its unit."""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Mapping
from typing import Any, Generic, Optional, TypeVar, Union, overload

from . import _native
from .errors import Error

T = TypeVar("T")

# Of the library's options.
_LARGEST = 0x7FFFFFFF


class Option(Generic[T]):
    """An attribute of a socket that is an option of the library."""

    def __init__(self, level: int, number: int, doc: str) -> None:
        self.level = level
        self.number = number
        self.__doc__ = doc

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, socket: None, owner: type) -> Option[T]: ...
    @overload
    def __get__(self, socket: _native.RawSocket, owner: type) -> T: ...
    def __get__(self, socket: Any, owner: type) -> Any:
        if socket is None:
            return self
        return self._read(socket.get_option(self.level, self.number))

    def __set__(self, socket: _native.RawSocket, value: T) -> None:
        self._set(socket, self._write(value))

    def _set(self, socket: _native.RawSocket, raw: Any) -> None:
        try:
            socket.set_option(self.level, self.number, raw)
        except Error as error:
            error.strerror = str(error.strerror).replace("set_option", self.name, 1)
            if error.errno == errno.EINVAL:
                # Not the value, which may be a key.
                error.strerror += f" ({self.__doc__})"
            raise

    def _read(self, raw: Any) -> Any:
        return raw

    def _write(self, value: Any) -> Any:
        return value


class Integer(Option[int]):
    def _write(self, value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"{self.name} is an int, not {type(value).__name__}")
        if not -_LARGEST - 1 <= value <= _LARGEST:
            raise ValueError(f"{self.name} is an int of 32 bits: {value}")
        return value


class Flag(Option[bool]):
    def _read(self, raw: Any) -> bool:
        return bool(raw)

    def _write(self, value: Any) -> int:
        return int(_checked_flag(self.name, value))


def _checked_flag(name: str, value: Any) -> bool:
    """True and False, or the 1 and 0 of C; not "no", which is as true as any text."""
    if not isinstance(value, int) or value not in (0, 1):
        raise TypeError(f"{name} is a bool, not {value!r}")
    return bool(value)


class TextOrBinary(Option[bool]):
    """NN_WS_MSG_TYPE: 1 is text, 2 binary."""

    def _read(self, raw: Any) -> bool:
        return bool(raw == 1)

    def _write(self, value: Any) -> int:
        return 1 if _checked_flag(self.name, value) else 2


class Text(Option[str]):
    def __set__(self, socket: _native.RawSocket, value: Union[str, bytes, os.PathLike[str]]) -> None:
        self._set(socket, self._write(value))

    def _read(self, raw: Any) -> str:
        return bytes(raw).decode("utf-8", "replace")

    def _write(self, value: Any) -> bytes:
        if isinstance(value, (bytes, bytearray)):
            return bytes(value)
        if not isinstance(value, (str, os.PathLike)):
            raise TypeError(f"{self.name} is a str, not {type(value).__name__}")
        return os.fsencode(value) if isinstance(value, os.PathLike) else value.encode()


class File(Text):
    """The path of a file that the library reads."""

    def _set(self, socket: _native.RawSocket, raw: Any) -> None:
        try:
            super()._set(socket, raw)
        except Error as error:
            error.filename = os.fsdecode(raw)
            raise


class Seconds(Option[Optional[float]]):
    """Seconds as a float; None, or infinity, is for ever. The library counts in whole milliseconds: what is less than one is one."""

    def _read(self, raw: Any) -> Optional[float]:
        return None if raw < 0 else raw / 1000

    def _write(self, value: Any) -> int:
        if value is None:
            return -1
        seconds = float(value)
        if not seconds >= 0:
            raise ValueError(f"{self.name} is a number of seconds, at least 0, or None for ever: {value!r}")
        if seconds == math.inf:
            return -1
        return min(max(round(seconds * 1000), int(seconds > 0)), _LARGEST)


def set_options(socket: _native.RawSocket, options: Mapping[str, Any]) -> None:
    """Sets attributes that are options; TypeError for a name that is none."""
    for name, value in options.items():
        if not isinstance(getattr(type(socket), name, None), Option):
            raise TypeError(f"{type(socket).__name__} has no option {name!r}")
        setattr(socket, name, value)
