"""Exceptions of the bus. All are RuntimeError, as in libqi's package, and what Python people expect beside that."""

from __future__ import annotations


class Error(RuntimeError):
    """What everything of :mod:`millrace.qi` raises, or a subclass."""


class Timeout(Error, TimeoutError):
    """Not within the time allowed. A call may have been carried out all the same."""


class Canceled(Error):
    """The call, or what the future stood for, was cancelled. A method that raises this tells its caller so."""


class NotConnected(Error, ConnectionError):
    """There is no connection, or it has ended; what was under way may or may not have been done."""


class ServiceNotFound(Error, LookupError):
    """The directory does not know the service, or none of its addresses can be reached from here."""


class RemoteError(Error):
    """The method, or the directory, says no: its own text. A method that raises this sends the text as it is."""


class AuthenticationError(Error, PermissionError):
    """The server does not let this user in."""


class ConversionError(Error, ValueError):
    """A value is not of the type that was declared, or no method of the name takes these arguments."""


class CallbackError(Error):
    """A function that was to bring a future's value has failed; ``__cause__`` is its exception."""
