"""Exceptions. Each is an OSError with the errno of the C library, and the built-in exception that Python people expect."""

from __future__ import annotations

import errno

from . import _native

__all__ = [
    "AddressInUse",
    "AlreadyThere",
    "BrokenPipe",
    "Closed",
    "ConnectionAborted",
    "ConnectionRefused",
    "ConnectionReset",
    "Error",
    "Interrupted",
    "MessageTooLong",
    "NotADirectory",
    "NotFound",
    "NotPermitted",
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

    #: Of what ends ``send_many``, also if it is no Error: how many messages were sent before.
    sent: int


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
    """The socket cannot do this: receiving from a Push, sending to a Pull (ENOTSUP); it has no such option or descriptor (ENOPROTOOPT)."""


class AddressInUse(Error):
    """Another socket is bound to this address (EADDRINUSE)."""


class ConnectionRefused(Error, ConnectionRefusedError):
    """The peer does not listen (ECONNREFUSED)."""


class PeerGone(Error, ConnectionError):
    """The peer that a message was for is not there, or no more (EHOSTUNREACH)."""


class MessageTooLong(Error):
    """The message is larger than may be (EMSGSIZE)."""


class NotFound(Error, FileNotFoundError):
    """A file or directory of an address or an option is not there (ENOENT)."""


class NotPermitted(Error, PermissionError):
    """The system does not allow it: a port below 1024, a directory that is not writable (EACCES, EPERM)."""


class Interrupted(Error, InterruptedError):
    """It was interrupted (EINTR)."""


class ConnectionReset(Error, ConnectionResetError):
    """The peer has dropped the connection (ECONNRESET)."""


class ConnectionAborted(Error, ConnectionAbortedError):
    """The connection has been dropped (ECONNABORTED)."""


class BrokenPipe(Error, BrokenPipeError):
    """The peer reads no more (EPIPE)."""


class AlreadyThere(Error, FileExistsError):
    """A file of that name is there already (EEXIST)."""


class NotADirectory(Error, NotADirectoryError):
    """Part of a path is no directory (ENOTDIR)."""


_native.set_exceptions(
    {
        errno.ETIMEDOUT: Timeout,
        errno.EAGAIN: WouldBlock,
        errno.EBADF: Closed,
        errno.ENOTSUP: NotSupported,
        errno.ENOPROTOOPT: NotSupported,
        errno.EADDRINUSE: AddressInUse,
        errno.ECONNREFUSED: ConnectionRefused,
        errno.EHOSTUNREACH: PeerGone,
        errno.EMSGSIZE: MessageTooLong,
        errno.ENOENT: NotFound,
        errno.EACCES: NotPermitted,
        errno.EPERM: NotPermitted,
        errno.EINTR: Interrupted,
        errno.ECONNRESET: ConnectionReset,
        errno.ECONNABORTED: ConnectionAborted,
        errno.EPIPE: BrokenPipe,
        errno.EEXIST: AlreadyThere,
        errno.ENOTDIR: NotADirectory,
        ETERM: Terminated,
        EFSM: WrongState,
    },
    Error,
)
