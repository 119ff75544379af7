"""Waiting for several sockets at once."""

from __future__ import annotations

from typing import Optional

from . import _native
from ._messages import Messages

__all__ = ["POLLIN", "POLLOUT", "Poller"]

#: A message can be received.
POLLIN = 1
#: A message can be sent.
POLLOUT = 2


class Poller:
    """Waits until something can be done with one of its sockets and contexts.

    >>> import millrace
    >>> with millrace.Pair(bind="inproc://p") as a, millrace.Pair(connect="inproc://p") as b:
    ...     poller = millrace.Poller()
    ...     poller.register(b)
    ...     a.send(b"x")
    ...     [(socket is b, events) for socket, events in poller.poll(timeout=1)]
    [(True, 1)]
    """

    def __init__(self) -> None:
        self._wanted: dict[Messages, int] = {}

    def register(self, socket: Messages, events: int = POLLIN) -> None:
        """Adds a socket or a context, or changes what is waited for."""
        if not isinstance(socket, Messages):
            raise TypeError(f"a poller takes sockets and contexts of this package, not {type(socket).__name__}; for others there is selectors")
        self._wanted[socket] = events

    def unregister(self, socket: Messages) -> None:
        """Takes a socket out; KeyError if it is not there."""
        del self._wanted[socket]

    def poll(self, timeout: Optional[float] = None) -> list[tuple[Messages, int]]:
        """The sockets with which something can be done, each with what; an empty list after ``timeout`` seconds (None: it
        waits for ever, 0: not at all). :class:`millrace.Closed`: nothing can be done, and one of them is closed, or was closed
        meanwhile, and must be unregistered."""
        wanted = list(self._wanted.items())
        ready = _native.poll(wanted, timeout)
        return [(socket, events) for (socket, _), events in zip(wanted, ready) if events]
