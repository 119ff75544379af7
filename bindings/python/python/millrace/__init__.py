"""Scalability Protocols (nanomsg) for Python, with the engine inside.

>>> import millrace
>>> with millrace.Rep(bind="inproc://desk") as server, millrace.Req(connect="inproc://desk") as client:
...     client.send(b"what")
...     server.send(server.recv() + b"?")
...     client.recv()
b'what?'
"""

import atexit
import importlib
import sys

from . import _native
from ._ending import quiet as _quiet
from ._messages import Messages
from .contexts import Context, ReqContext, SubContext, SurveyorContext
from .errors import (
    AddressInUse,
    AlreadyThere,
    BrokenPipe,
    Closed,
    ConnectionAborted,
    ConnectionRefused,
    ConnectionReset,
    Error,
    Interrupted,
    MessageTooLong,
    NotADirectory,
    NotFound,
    NotPermitted,
    NotSupported,
    PeerGone,
    Terminated,
    Timeout,
    WouldBlock,
    WrongState,
)
from .monitor import Event, Monitor
from .peers import Message, Peer, Process
from .poller import POLLIN, POLLOUT, Poller
from .sockets import (
    Bus,
    Endpoint,
    Pair,
    Pub,
    Pull,
    Push,
    Rep,
    Req,
    Respondent,
    Socket,
    Sub,
    Surveyor,
    device,
)

# Written out, since type checkers do not see what is put together.
__all__ = [
    "AddressInUse",
    "AlreadyThere",
    "BrokenPipe",
    "Bus",
    "Closed",
    "ConnectionAborted",
    "ConnectionRefused",
    "ConnectionReset",
    "Context",
    "Endpoint",
    "Error",
    "Event",
    "Interrupted",
    "Message",
    "MessageTooLong",
    "Messages",
    "Monitor",
    "NotADirectory",
    "NotFound",
    "NotPermitted",
    "NotSupported",
    "POLLIN",
    "POLLOUT",
    "Pair",
    "Peer",
    "PeerGone",
    "Poller",
    "Process",
    "Pub",
    "Pull",
    "Push",
    "Rep",
    "Req",
    "ReqContext",
    "Respondent",
    "Socket",
    "Sub",
    "SubContext",
    "Surveyor",
    "SurveyorContext",
    "Terminated",
    "Timeout",
    "WouldBlock",
    "WrongState",
    "device",
]
__version__ = "0.1.0"

# What was accepted is sent, however the program ends, but for a kill.
atexit.register(_native.close_all)
# (Before that.)
atexit.register(_quiet, Closed)
