"""Scalability Protocols (nanomsg) for Python, with the engine inside.

>>> import millrace
>>> with millrace.Rep(bind="inproc://desk") as server, millrace.Req(connect="inproc://desk") as client:
...     client.send(b"what")
...     server.send(server.recv() + b"?")
...     client.recv()
b'what?'
"""

import atexit

from . import _native, contexts, errors, monitor, peers, poller, sockets
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

__all__: list[str] = []
__all__ += contexts.__all__
__all__ += errors.__all__
__all__ += monitor.__all__
__all__ += peers.__all__
__all__ += poller.__all__
__all__ += sockets.__all__
__version__ = "0.1.0"

# What was accepted is sent, however the program ends, but for a kill.
atexit.register(_native.close_all)
