"""Keyword arguments of sockets and contexts, for type checkers: the options are attributes of the same names, which say what they are."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Optional, TypedDict, Union

from ._types import Buffer

if TYPE_CHECKING:
    # Type checkers have it inside; nobody else needs it.
    from typing_extensions import Unpack as Unpack

TextLike = Union[str, bytes, "os.PathLike[str]"]
Addresses = Union[str, "list[str]", "tuple[str, ...]"]
Topics = Union[str, Buffer, "Iterable[str | Buffer]"]


class ContextOptions(TypedDict, total=False):
    """Of all sockets and contexts."""

    send_timeout: Optional[float]
    recv_timeout: Optional[float]


class ReqContextOptions(ContextOptions, total=False):
    """Of contexts of a Req."""

    resend_interval: Optional[float]


class SurveyorContextOptions(ContextOptions, total=False):
    """Of contexts of a Surveyor."""

    deadline: Optional[float]


class SocketOptions(ContextOptions, total=False):
    """Of all sockets."""

    linger: Optional[float]
    send_buffer: int
    recv_buffer: int
    reconnect_interval: Optional[float]
    reconnect_interval_max: Optional[float]
    send_priority: int
    recv_priority: int
    ipv4_only: bool
    name: TextLike
    recv_max_size: int
    max_ttl: int
    spin: bool
    tcp_nodelay: bool
    ws_text: bool
    coalesce: bool
    connect_timeout: Optional[float]
    keepalive: Optional[float]
    recv_peer: bool
    accept_from: TextLike
    accept_max: int
    dscp: int
    bind_device: TextLike
    tcp_user_timeout: Optional[float]
    ipc_mode: int
    ipc_owner: int
    ipc_group: int
    tls_cert: TextLike
    tls_cert_file: TextLike
    tls_key: TextLike
    tls_key_file: TextLike
    tls_ca: TextLike
    tls_ca_file: TextLike
    tls_server_name: TextLike
    tls_auth: int
    tls_min_version: int
    tls_insecure_no_verification: bool


class SocketArguments(SocketOptions, total=False):
    """Of all sockets, but the number of the protocol."""

    raw: bool
    bind: Addresses
    connect: Addresses


class ReqArguments(SocketArguments, total=False):
    """Of a Req."""

    resend_interval: Optional[float]


class SurveyorArguments(SocketArguments, total=False):
    """Of a Surveyor."""

    deadline: Optional[float]
