"""The object bus of libqi: services that any program in the network can call, with signals and properties.

The names are those of libqi's package ``qi``, so a program changes one line: ``from millrace import qi``. Beside them: futures
can be awaited, signals can be iterated over, sessions are context managers, methods may be coroutines, and exceptions say what
happened (all of them are RuntimeError, too).

>>> from millrace import qi
>>> class Lamp:
...     def __init__(self) -> None:
...         self.level = qi.Property(int)
...     def double(self) -> int:
...         self.level.setValue(self.level.value() * 2)
...         return self.level.value()
>>> with qi.Session() as server:
...     server.listenStandalone("tcp://127.0.0.1:0")
...     number = server.registerService("Lamp", Lamp())
...     with qi.Session(server.url()) as client:
...         lamp = client.service("Lamp")
...         lamp.level.setValue(4)
...         lamp.double(), lamp.level.value()
(8, 8)
"""

import atexit as _atexit
import os as _os

from .. import _native
from .._ending import quiet as _quiet
from . import logging
from .application import Application, ApplicationSession
from .errors import (
    AuthenticationError,
    CallbackError,
    Canceled,
    ConversionError,
    Error,
    NotConnected,
    RemoteError,
    ServiceNotFound,
    Timeout,
)
from .futures import Future, FutureState, FutureTimeout, Promise, futureBarrier
from .logging import Logger, error, fatal, info, verbose, warning
from .proxies import (
    Events,
    Method,
    Proxy,
    ProxyProperty,
    ProxySignal,
    events_missed as _events_missed,
    is_instance as isinstance,
    typeof,
)
from .services import bind, method_failed as _method_failed, multiThreaded, nobind, object_of as _object_of, singleThreaded
from .sessions import ServiceInfo, Session, connect, listModules, module
from .signals import Property, Signal
from .tasks import PeriodicTask, async_, clockNow, runAsync, steadyClockNow, systemClockNow
from .translator import Translator, defaultTranslator, tr
from .types import (
    AnyArguments,
    Bool,
    Buffer,
    Double,
    Dynamic,
    Float,
    Int8,
    Int16,
    Int32,
    Int64,
    List,
    Map,
    Object,
    Optional,
    String,
    Struct,
    UInt8,
    UInt16,
    UInt32,
    UInt64,
    Void,
)

__all__ = [
    "AnyArguments", "Application", "ApplicationSession", "AuthenticationError", "Bool", "Buffer", "CallbackError", "Canceled",
    "ConversionError", "Double", "Dynamic", "Error", "Events", "Float", "Future", "FutureState", "FutureTimeout", "Int16",
    "Int32", "Int64", "Int8", "List", "Logger", "Map", "Method", "NotConnected", "Object", "Optional", "PeriodicTask", "Promise",
    "Property", "Proxy", "ProxyProperty", "ProxySignal", "RemoteError", "ServiceInfo", "ServiceNotFound", "Session", "Signal", "String",
    "Struct", "Timeout", "Translator", "UInt16", "UInt32", "UInt64", "UInt8", "Void", "async_", "bind", "clockNow", "connect",
    "defaultTranslator", "error", "fatal", "futureBarrier", "info", "isinstance", "listModules", "logging", "module", "multiThreaded",
    "nobind", "runAsync", "singleThreaded", "steadyClockNow", "systemClockNow", "tr", "typeof", "verbose", "warning",
]  # fmt: skip

_native.qi_set_hooks(
    {
        "Future": Future,
        "Proxy": Proxy,
        "object_of": _object_of,
        "method_failed": _method_failed,
        "events_missed": _events_missed,
        "Error": Error,
        "Timeout": Timeout,
        "Canceled": Canceled,
        "NotConnected": NotConnected,
        "ServiceNotFound": ServiceNotFound,
        "RemoteError": RemoteError,
        "AuthenticationError": AuthenticationError,
        "ConversionError": ConversionError,
    }
)
# What could still run code of this program ends before the interpreter does.
_atexit.register(_native.qi_close_all)
# (Before that.)
_atexit.register(_quiet, NotConnected)
_os.register_at_fork(after_in_child=_native.qi_after_fork)
