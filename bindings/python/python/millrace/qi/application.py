"""The frame of a program on the bus, as libqi's package has it."""

from __future__ import annotations

import threading
from typing import Any, Callable, Optional

from .sessions import DEFAULT_URL, Session


class Application:
    """A program with a session. Options of the bus are taken out of ``args``: ``--qi-url URL`` is the directory to connect
    to, ``--qi-listen-url URL`` where services are reached, and ``--qi-standalone`` makes the program its own directory.
    """

    def __init__(
        self, args: Optional[list[str]] = None, raw: bool = False, autoExit: bool = True, url: Optional[str] = None
    ) -> None:
        options = {} if args is None or raw else _take_options(args)
        #: The session, which :meth:`start` connects.
        self.session: Session = Session()
        #: The address of the directory.
        self.url: str = options.get("--qi-url") or url or DEFAULT_URL
        self._listen = options.get("--qi-listen-url")
        self._standalone = "--qi-standalone" in options
        self._stopped = threading.Event()
        self._at_run: list[Callable[[], Any]] = []
        self._auto_exit = autoExit

    def start(self) -> None:
        """Connects the session."""
        if self.session.isConnected():
            return
        if self._standalone:
            self.session.listenStandalone(self._listen or self.url)
        else:
            if self._listen:
                self.session.listen(self._listen)
            self.session.connect(self.url)
        if self._auto_exit:
            self.session.disconnected.connect(lambda reason: self.stop())

    def atRun(self, function: Callable[[], Any]) -> None:
        """Calls this when :meth:`run` begins."""
        self._at_run.append(function)

    def run(self) -> None:
        """Connects, and returns when :meth:`stop` is called, or the session has ended (``autoExit``). Ctrl-C ends it, too."""
        self.start()
        for function in self._at_run:
            function()
        try:
            self._stopped.wait()
        finally:
            self.session.close()

    def stop(self) -> None:
        """Ends :meth:`run`."""
        self._stopped.set()


#: The same.
ApplicationSession = Application


def _take_options(args: list[str]) -> dict[str, str]:
    options: dict[str, str] = {}
    left: list[str] = []
    words = iter(args)
    for word in words:
        name, equals, value = word.partition("=")
        if name in ("--qi-url", "--qi-listen-url"):
            options[name] = value if equals else next(words, "")
            if not options[name]:
                raise ValueError(f"{name} needs an address, as {name}={DEFAULT_URL}")
        elif name == "--qi-standalone":
            options[name] = ""
        else:
            left.append(word)
    args[:] = left
    return options
