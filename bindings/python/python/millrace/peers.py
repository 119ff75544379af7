"""Who sent a message."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Optional

from . import _native
from ._aio import AnyReadiness, current_loop, readiness

if TYPE_CHECKING:
    from ._native import Told

__all__ = ["Message", "Peer", "Process"]


class Process(NamedTuple):
    """A process at the other end of a unix socket, as the kernel vouches for it. Numbers of processes are used again: decide by the user."""

    #: Its number.
    pid: int
    #: The number of the user it ran as when it connected.
    uid: int
    #: The number of the group.
    gid: int


class Peer(NamedTuple):
    """The other end of a connection."""

    #: The connection, by a number that is not used again soon; the same that events have.
    connection: int
    #: An IP address with its port, over ipc the process with its user and group in words; empty if it is not known, or in this process.
    address: str
    #: The process, over ipc and its like.
    process: Optional[Process]
    #: Whom the certificate names that a TLS peer has shown, as "CN=sensor 7,O=Example".
    subject: Optional[str]


class Message(NamedTuple):
    """A message with all that is known of it."""

    body: bytes
    #: The protocol's header; empty, unless the socket is raw.
    header: bytes
    #: Who sent it; None if it came while ``recv_peer`` was False.
    peer: Optional[Peer]


def message(told: Told) -> Message:
    """From what the native half gives."""
    body, header, peer = told
    if peer is None:
        return Message(body, header, None)
    connection, address, process, subject = peer
    return Message(body, header, Peer(connection, address, process and Process(*process), subject))


class PeerSender:
    """What tasks of one event loop wait with that send to one peer: who came first is first."""

    def __init__(self, socket: _native.RawSocket, connection: int) -> None:
        self.raw: _native.RawPeerSender = _native.RawPeerSender(socket, connection)
        self.room: AnyReadiness = readiness(current_loop(), self.raw)
        self.tasks: int = 0
