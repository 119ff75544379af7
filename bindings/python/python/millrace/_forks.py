"""Locks in a forked child: whoever held one in the parent at the fork is not there to let go of it."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Any, TypeVar

L = TypeVar("L")

_locks: weakref.WeakSet[Any] = weakref.WeakSet()


def lock() -> threading.Lock:
    """One that is free in a forked child."""
    return _renewed(threading.Lock())


def recursive_lock() -> threading.RLock:
    """The same, which its holder may take again."""
    return _renewed(threading.RLock())


def _renewed(made: L) -> L:
    _locks.add(made)
    return made


def _renew() -> None:
    for each in list(_locks):
        each._at_fork_reinit()


os.register_at_fork(after_in_child=_renew)
