"""Exceptions. Each is an OSError with the errno of the C library, and the built-in exception that Python people expect."""

from __future__ import annotations

import errno

from . import _native

__all__ = [
    "AddressInUse",
    "Closed",
    "ConnectionRefused",
    "Error",
    "MessageTooLong",
    "NotSupported",
    "PeerGone",
    "Terminated",
    "Timeout",
    "WouldBlock",
    "WrongState",
]

# nanomsg's own numbers.
ETERM = 156384712 + 53
EFSM = 156384712 + 54


class Error(OSError):
    """What every function of the package raises, or a subclass. ``errno`` is the number of the C library."""


class Timeout(Error, TimeoutError):
    """``send_timeout`` or ``recv_timeout`` is over (ETIMEDOUT)."""


class WouldBlock(Error, BlockingIOError):
    """``block=False``, and it would have to wait (EAGAIN)."""


class Closed(Error):
    """The socket is closed, or was opened before a fork, in the parent process (EBADF)."""


class WrongState(Error):
    """Not possible now: a reply without a request, an answer without a survey (EFSM)."""


class Terminated(Error):
    """The library has been terminated (ETERM)."""


class NotSupported(Error):
    """The socket cannot do this: receiving from a Push, sending to a Pull (ENOTSUP)."""


class AddressInUse(Error):
    """Another socket is bound to this address (EADDRINUSE)."""


class ConnectionRefused(Error, ConnectionRefusedError):
    """The peer does not listen (ECONNREFUSED)."""


class PeerGone(Error, ConnectionError):
    """The peer that a message was for is not there, or no more (EHOSTUNREACH)."""


class MessageTooLong(Error):
    """The message is larger than may be (EMSGSIZE)."""


_native.set_exceptions(
    {
        errno.ETIMEDOUT: Timeout,
        errno.EAGAIN: WouldBlock,
        errno.EBADF: Closed,
        errno.ENOTSUP: NotSupported,
        errno.EADDRINUSE: AddressInUse,
        errno.ECONNREFUSED: ConnectionRefused,
        errno.EHOSTUNREACH: PeerGone,
        errno.EMSGSIZE: MessageTooLong,
        ETERM: Terminated,
        EFSM: WrongState,
    },
    Error,
)
