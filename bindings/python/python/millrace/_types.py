"""Names of types that typing does not have in every version."""

from __future__ import annotations

from typing import Any, Union

#: Anything with the buffer protocol: bytes, bytearray, memoryview, array.array, numpy arrays.
Buffer = Union[bytes, bytearray, memoryview, Any]
