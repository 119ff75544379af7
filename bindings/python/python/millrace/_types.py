"""Names of types that typing does not have in every version."""

from __future__ import annotations

from array import array
from typing import Any, Protocol, Union


class SupportsBuffer(Protocol):
    """What type checkers know to have the buffer protocol."""

    def __buffer__(self, flags: int, /) -> memoryview: ...


#: Anything with the buffer protocol: bytes, bytearray, memoryview, array.array, numpy arrays.
Buffer = Union[bytes, bytearray, memoryview, "array[Any]", SupportsBuffer]
