"""Logging with the names of libqi's package, over Python's own: the category is the logger's name."""

from __future__ import annotations

import logging as _logging
from typing import Any

SILENT, FATAL, ERROR, WARNING, INFO, VERBOSE, DEBUG = range(7)

_LEVELS = {
    SILENT: _logging.CRITICAL + 10,
    FATAL: _logging.CRITICAL,
    ERROR: _logging.ERROR,
    WARNING: _logging.WARNING,
    INFO: _logging.INFO,
    VERBOSE: 15,
    DEBUG: _logging.DEBUG,
}
_logging.addLevelName(_LEVELS[VERBOSE], "VERBOSE")


def setLevel(level: int) -> None:
    """Messages that matter less are not shown."""
    _logging.getLogger().setLevel(_LEVELS[level])


class Logger:
    """A logger of one category; arguments are put into the message with ``%``, or after it."""

    def __init__(self, category: str) -> None:
        self.category = category
        self._logger = _logging.getLogger(category)

    def _log(self, level: int, message: Any, arguments: tuple[Any, ...]) -> None:
        if arguments and "%" not in str(message):
            message, arguments = " ".join(str(part) for part in (message, *arguments)), ()
            self._logger.log(_LEVELS[level], "%s", message)
            return
        self._logger.log(_LEVELS[level], str(message), *arguments)

    def fatal(self, message: Any, *arguments: Any) -> None:
        """The program cannot go on."""
        self._log(FATAL, message, arguments)

    def error(self, message: Any, *arguments: Any) -> None:
        """Something has failed."""
        self._log(ERROR, message, arguments)

    def warning(self, message: Any, *arguments: Any) -> None:
        """Something may be wrong."""
        self._log(WARNING, message, arguments)

    def info(self, message: Any, *arguments: Any) -> None:
        """Something has happened."""
        self._log(INFO, message, arguments)

    def verbose(self, message: Any, *arguments: Any) -> None:
        """For who looks for a fault."""
        self._log(VERBOSE, message, arguments)

    def debug(self, message: Any, *arguments: Any) -> None:
        """For who looks for a fault in detail."""
        self._log(DEBUG, message, arguments)


def fatal(category: str, message: Any, *arguments: Any) -> None:
    """As :meth:`Logger.fatal`."""
    Logger(category).fatal(message, *arguments)


def error(category: str, message: Any, *arguments: Any) -> None:
    """As :meth:`Logger.error`."""
    Logger(category).error(message, *arguments)


def warning(category: str, message: Any, *arguments: Any) -> None:
    """As :meth:`Logger.warning`."""
    Logger(category).warning(message, *arguments)


def info(category: str, message: Any, *arguments: Any) -> None:
    """As :meth:`Logger.info`."""
    Logger(category).info(message, *arguments)


def verbose(category: str, message: Any, *arguments: Any) -> None:
    """As :meth:`Logger.verbose`."""
    Logger(category).verbose(message, *arguments)
