"""The end of the interpreter."""

from __future__ import annotations

import threading


def quiet(*endings: type[BaseException]) -> None:
    """Threads of the program that still run are daemons, which end in the midst of what they do. Those that wait for something of ours end by one of these
    exceptions, since it is closed now: nobody needs to be told."""
    told = threading.excepthook

    def hook(args: threading.ExceptHookArgs) -> None:
        if not isinstance(args.exc_value, endings):
            told(args)

    threading.excepthook = hook
