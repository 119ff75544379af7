"""Logging with the names of libqi's package, over Python's own: the category is the logger's name."""

from __future__ import annotations

import enum
import fnmatch
import logging as _logging
from typing import Any, Optional


class LogLevel(enum.IntEnum):
    """How much a message matters."""

    Silent, Fatal, Error, Warning, Info, Verbose, Debug = range(7)


SILENT, FATAL, ERROR, WARNING, INFO, VERBOSE, DEBUG = LogLevel

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
    _logging.getLogger().setLevel(_LEVELS[LogLevel(level)])


# What the last filter that names a category says of it: patterns and levels.
_filters: list[tuple[str, LogLevel]] = []


def setFilters(filters: str) -> None:
    """Rules for categories, separated by colons: ``+CATEGORY`` shows all of it, ``-CATEGORY`` nothing, ``CATEGORY=LEVEL`` what matters as
    much: ``silent``, ``fatal``, ``error``, ``warning``, ``info``, ``verbose``, ``debug``, or its number. ``*`` in a category stands for anything;
    a later rule is stronger.

    >>> from millrace import qi
    >>> qi.logging.setFilters("motion.*=debug:-motion.noise")
    """
    rules = [_rule(rule) for rule in filters.split(":") if rule]
    _filters.extend(rules)


def _rule(rule: str) -> tuple[str, LogLevel]:
    if rule[0] in "+-":
        return rule[1:], DEBUG if rule[0] == "+" else SILENT
    category, _, level = rule.rpartition("=")
    names = {each.name.lower(): each for each in LogLevel} | {str(int(each)): each for each in LogLevel}
    if not category or level.lower() not in names:
        raise ValueError(f"a filter is +CATEGORY, -CATEGORY or CATEGORY=LEVEL, with a level from silent to debug: {rule!r}")
    return category, names[level.lower()]


# What a message begins with, by the bits of a context.
_FIELDS = (
    (1, "[%(levelname)s]"),
    (2, "[%(levelname).1s]"),
    (4, "%(created).6f"),
    (8, "%(thread)d"),
    (16, "%(name)s:"),
    (32, "%(filename)s(%(lineno)d)"),
    (64, "%(funcName)s"),
)
_handler: Optional[_logging.Handler] = None


def setContext(context: int) -> None:
    """Shows messages on the error output, and what they begin with there, a sum of: 1 the level, 2 its first letter, 4 the time, 8 the
    thread, 16 the category, 32 file and line, 64 the function; 128 keeps them on one line each."""
    global _handler
    if not 0 <= context <= 255:
        raise ValueError(f"a context is a sum of 1, 2, 4, 8, 16, 32, 64 and 128: {context}")
    if _handler is None:
        _handler = _logging.StreamHandler()
        _logging.getLogger().addHandler(_handler)
    fields = [field for bit, field in _FIELDS if context & bit]
    formatter = _OneLine if context & 128 else _logging.Formatter
    _handler.setFormatter(formatter(" ".join([*fields, "%(message)s"])))


class _OneLine(_logging.Formatter):
    def format(self, record: _logging.LogRecord) -> str:
        return super().format(record).replace("\n", "\\n")


class Logger:
    """A logger of one category; arguments are put into the message with ``%``, or after it."""

    def __init__(self, category: str) -> None:
        self.category = category
        self._logger = _logging.getLogger(category)

    def _log(self, level: LogLevel, message: Any, arguments: tuple[Any, ...]) -> None:
        for pattern, most in reversed(_filters):
            if fnmatch.fnmatchcase(self.category, pattern):
                if level > most:
                    return
                self._logger.setLevel(_LEVELS[most])
                break
        # File and line of a message are those of who has called what calls this: three calls away.
        if arguments and "%" not in str(message):
            message, arguments = " ".join(str(part) for part in (message, *arguments)), ()
            self._logger.log(_LEVELS[level], "%s", message, stacklevel=3)
            return
        self._logger.log(_LEVELS[level], str(message), *arguments, stacklevel=3)

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
    Logger(category)._log(FATAL, message, arguments)


def error(category: str, message: Any, *arguments: Any) -> None:
    """As :meth:`Logger.error`."""
    Logger(category)._log(ERROR, message, arguments)


def warning(category: str, message: Any, *arguments: Any) -> None:
    """As :meth:`Logger.warning`."""
    Logger(category)._log(WARNING, message, arguments)


def info(category: str, message: Any, *arguments: Any) -> None:
    """As :meth:`Logger.info`."""
    Logger(category)._log(INFO, message, arguments)


def verbose(category: str, message: Any, *arguments: Any) -> None:
    """As :meth:`Logger.verbose`."""
    Logger(category)._log(VERBOSE, message, arguments)
