"""Writes the reference of this package for the manual, from its docstrings and hints: ``python reference.py DIRECTORY``, with the package installed.

Every public name is in it: one that has no place, or no docstring, is an error.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from pathlib import Path
from typing import Any

import millrace
from millrace import _native, qi
from millrace._options import Option

SOURCES = Path(millrace.__file__).parent

PAGES = {
    "python.md": (
        millrace,
        "millrace",
        {
            "Sockets": "Messages Socket Pair Pub Sub Req Rep Push Pull Surveyor Respondent Bus Endpoint device",
            "Contexts": "Context ReqContext SubContext SurveyorContext",
            "Messages and who sent them": "Message Peer Process",
            "Events": "Monitor Event",
            "Waiting for several": "Poller POLLIN POLLOUT",
            "Errors": "Error Timeout WouldBlock Closed Terminated WrongState NotSupported MessageTooLong AddressInUse PeerGone "
            "ConnectionRefused ConnectionReset ConnectionAborted BrokenPipe Interrupted NotFound NotPermitted AlreadyThere "
            "NotADirectory",
        },
    ),
    "python-qi.md": (
        qi,
        "millrace.qi",
        {
            "Sessions": "Session connect ServiceInfo Application ApplicationSession",
            "Objects of others": "Proxy Method ProxySignal ProxyProperty Events",
            "Services": "Signal Property bind nobind singleThreaded multiThreaded",
            "Futures": "Future Promise FutureState FutureTimeout futureBarrier",
            "Tasks": "runAsync async_ PeriodicTask clockNow steadyClockNow systemClockNow",
            "Types": "Void Bool Int8 UInt8 Int16 UInt16 Int32 UInt32 Int64 UInt64 Float Double String Buffer Object Dynamic AnyArguments List "
            "Map Struct Optional typeof isinstance",
            "Errors": "Error Timeout Canceled NotConnected ServiceNotFound RemoteError AuthenticationError ConversionError CallbackError",
            "Logs and texts": "logging Logger fatal error warning info verbose Translator defaultTranslator tr",
            "Modules": "listModules module",
        },
    ),
}


# Methods whose results have other types with other arguments.
OVERLOADS: dict[str, list[ast.AST]] = {}


def sources() -> dict[str, ast.AST]:
    """Functions and classes by ``Class.method``, ``function`` or ``Class``, of all files, with their hints."""
    found: dict[str, ast.AST] = {}
    for path in [*sorted(SOURCES.rglob("*.py")), SOURCES / "_native.pyi"]:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, node)
                for inner in node.body:
                    if isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef)):
                        name = f"{node.name}.{inner.name}"
                        found[name] = inner
                        if any(isinstance(each, ast.Name) and each.id == "overload" for each in inner.decorator_list):
                            OVERLOADS.setdefault(name, []).append(inner)
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                found.setdefault(node.name, node)
    return found


SOURCE = sources()


def prose(text: str) -> str:
    """A docstring as Markdown."""
    text = re.sub(r":(?:class|meth|func|attr|mod):`~?(?:millrace\.(?:qi\.)?)?([^`]+)`", r"`\1`", text)
    text = text.replace("``", "`").replace("::\n", ":\n")
    lines, block = [], False
    for line in text.splitlines():
        # Programs, and what they print, stand by themselves.
        begins = line.lstrip().startswith(">>>") or (line.startswith("    ") and not lines[-1:] == [""] and block)
        begins = begins or (line.startswith("    ") and lines[-1:] == [""] and not block)
        if begins and not block:
            lines.append("```python")
            block = True
        elif block and not line.strip():
            lines.append("```")
            block = False
        lines.append(line[4:] if block and line.startswith("    ") and not re.match(r"\s{4}(\.\.\.|>>>)?\s*$", line) else line)
    if block:
        lines.append("```")
    return "\n".join(lines)


def documentation(thing: Any, name: str) -> str:
    text = inspect.getdoc(thing)
    if not text and isinstance(node := SOURCE.get(name), ast.ClassDef):
        # Of a class whose instances have one each.
        text = ast.get_docstring(node)
    if not text:
        raise SystemExit(f"{name} has no docstring")
    return prose(text)


def arguments(node: Any, drop_self: bool) -> str:
    given = node.args
    if drop_self:
        (given.posonlyargs or given.args)[:1] = []
    text = ast.unparse(given)
    if drop_self:
        node.args = ast.parse(f"def f(self{', ' if text else ''}{text}): ...").body[0].args  # as it was
    return text


def signature(name: str, owner: str, method: str, drop_self: bool = True, node: Any = None) -> str:
    node = node or SOURCE.get(f"{owner}.{method}" if owner else method)
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return name
    gives = f" -> {ast.unparse(node.returns)}" if node.returns is not None and method != "__init__" else ""
    awaited = "await " if isinstance(node, ast.AsyncFunctionDef) else ""
    return f"{awaited}{name}({arguments(node, drop_self)}){gives}"


def cell(text: str) -> str:
    return prose(text).replace("\n", " ").replace("|", "\\|")


def options(cls: Any) -> list[str]:
    found = {name: option for base in own_bases(cls) for name, option in vars(base).items() if isinstance(option, Option)}
    if not found:
        return []
    kinds = {"Seconds": "seconds, or None", "Integer": "int", "Flag": "bool", "TextOrBinary": "bool", "Text": "str", "File": "str or path"}
    rows = [f"| `{name}` | {kinds[type(option).__name__]} | {cell(option.__doc__ or '')} |" for name, option in found.items()]
    return ["| option | type | |", "|---|---|---|", *rows, ""]


def attributes(cls: Any) -> list[str]:
    """What comments that begin with ``#:`` say of attributes."""
    try:
        source = inspect.getsource(cls)
    except (OSError, TypeError):
        return []
    rows = []
    for comment, name in re.findall(r"((?:^ *#: .*\n)+) *(?:self\.)?(\w+)\b", source, re.M):
        text = " ".join(line.strip()[3:] for line in comment.strip().splitlines())
        if not name.startswith("_"):
            rows.append(f"| `{name}` | {cell(text)} |")
    return ["| attribute | |", "|---|---|", *rows, ""] if rows else []


def members(cls: Any) -> list[str]:
    """Methods and properties, also those of bases that have no place of their own."""
    lines: list[str] = []
    seen: set[str] = set()
    for base in own_bases(cls):
        for name, member in sorted(vars(base).items(), key=place):
            if name.startswith("_") or name in seen or isinstance(member, Option):
                continue
            seen.add(name)
            thing = getattr(cls, name)
            if f"{base.__name__}.{name}" not in SOURCE and inspect.isfunction(member):
                # The same by a name that is a word of the language.
                continue
            if isinstance(member, property) or inspect.isgetsetdescriptor(member):
                lines += [f"#### `{name}`", "", documentation(member, f"{cls.__name__}.{name}"), ""]
            elif callable(thing) and not isinstance(thing, type):
                static = isinstance(member, staticmethod)
                nodes = OVERLOADS.get(f"{base.__name__}.{name}", [None])
                texts = [f"`{signature(name, base.__name__, name, not static, node)}`" for node in nodes]
                lines += [f"#### {', '.join(texts)}", "", documentation(thing, f"{cls.__name__}.{name}"), ""]
    return lines


def place(member: tuple[str, Any]) -> str:
    """By which members are sorted: attributes of a native class are in another order in each process, and come last; all else stays as it is."""
    name, thing = member
    return name if inspect.isgetsetdescriptor(thing) else ""


def own_bases(cls: type) -> list[type]:
    """The class, and its bases up to the first that has a place of its own."""
    bases = [base for base in cls.__mro__ if base.__module__.startswith("millrace")]
    others = [number for number, base in enumerate(bases) if number and is_public(base)]
    return bases[: others[0]] if others else bases


def commented(name: str) -> str:
    """What a comment that begins with ``#:`` says of a name of a module."""
    for path in sorted(SOURCES.rglob("*.py")):
        found = re.search(rf"((?:^#: .*\n)+){name}\b", path.read_text(), re.M)
        if found:
            return prose(" ".join(line[3:] for line in found[1].splitlines()))
    raise SystemExit(f"{name} has no docstring")


def is_public(cls: type) -> bool:
    return any(getattr(module, cls.__name__, None) is cls for module in (millrace, qi))


def entry(module: Any, name: str) -> list[str]:
    thing = getattr(module, name)
    if inspect.ismodule(thing):
        lines = [f"### {name}", "", documentation(thing, name), ""]
        for inner, function in vars(thing).items():
            if inspect.isfunction(function) and function.__module__ == thing.__name__ and not inner.startswith("_") and not hasattr(module, inner):
                lines += [f"#### `{name}.{signature(inner, '', inner, False)}`", "", documentation(function, inner), ""]
        return lines
    if isinstance(thing, type):
        shown = name
        for base in thing.__mro__:
            if f"{base.__name__}.__init__" in SOURCE and base.__module__.startswith("millrace"):
                shown = signature(name, base.__name__, "__init__")
                break
        lines = [f"### {name}", "", f"`{shown}`", "", documentation(thing, name), ""]
        return [*lines, *options(thing), *attributes(thing), *members(thing)]
    inner = getattr(thing, "__name__", name)
    if inner in SOURCE:
        return [f"### {name}", "", f"`{signature(name, '', inner, False)}`", "", documentation(thing, name), ""]
    return [f"### {name}", "", commented(name), ""]


def errors(module: Any, names: list[str]) -> list[str]:
    rows = []
    for name in names:
        cls = getattr(module, name)
        bases = ", ".join(f"`{base.__name__}`" for base in cls.__bases__)
        rows.append(f"| `{name}` | {bases} | {cell(inspect.getdoc(cls) or '')} |")
    return ["| exception | is a | |", "|---|---|---|", *rows, ""]


def page(module: Any, title: str, sections: dict[str, str]) -> str:
    placed = {name for names in sections.values() for name in names.split()}
    if placed != set(module.__all__):
        raise SystemExit(f"{title}: without a place, or not there: {sorted(placed ^ set(module.__all__))}")
    lines = [f"# Python: `{title}`", "", "<!-- Written by bindings/python/reference.py. -->", "", documentation(module, title), ""]
    for heading, names in sections.items():
        lines += [f"## {heading}", ""]
        if heading == "Errors":
            lines += errors(module, names.split())
            continue
        for name in names.split():
            lines += entry(module, name)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip() + "\n"


if __name__ == "__main__":
    for file, (module, title, sections) in PAGES.items():
        Path(sys.argv[1], file).write_text(page(module, title, sections))
