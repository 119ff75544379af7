#!/usr/bin/env python3
"""Writes the references of the C++ and Node.js bindings for the manual, from what their headers and types say: tools/reference.py DIRECTORY.

All public declarations are in them, each with the comment before it; those that follow it without a comment or an empty line share it.
"""

import re
import sys
from pathlib import Path

BINDINGS = Path(__file__).resolve().parent.parent / "bindings"

CPP = BINDINGS / "cpp/include/millrace"
PAGES = {
    "cpp.md": ("C++: `millrace`", [CPP / f"{name}.hpp" for name in "nanomsg socket message buffer options time_limit poll monitor error coroutine".split()]),
    "cpp-qi.md": ("C++: `millrace::qi`", [CPP / f"{name}.hpp" for name in "qi qi/client qi/object qi/server qi/value qi/error".split()]),
    "node.md": ("Node.js: `millrace-nanomsg`", [BINDINGS / "node/index.d.ts"]),
    "node-qi.md": ("Node.js: `millrace-nanomsg/qi`", [BINDINGS / "node/qi.d.ts"]),
}

# What opens a block of declarations, by the language.
SCOPES = {
    ".hpp": re.compile(r"^(?:template\s*<.*>\s*)?(namespace|class|struct|enum class|enum)\b(?!.*\boperator\b)[^()=]*$", re.S),
    ".ts": re.compile(r"^(?:export )?(?:declare )?(?:abstract )?(namespace|class|interface)\b", re.S),
}
HIDDEN = re.compile(r"^(namespace detail\b|template <.*>\s*struct (std::|codec<)|(template <.*> )?(class|struct) \w+;$|(inline |template <.*> )?\S.*\b(socket|detail|poll_loop)::\w+(<\w+>)?::|.*\b(socket|incoming socket)::\w+\()", re.S)


class Reader:
    """Goes through a file once, and keeps what it finds as (depth, heading or None, comment, declarations)."""

    def __init__(self, path):
        self.language = path.suffix
        self.text = path.read_text(encoding="utf-8")
        self.found = []
        self.apart = False
        self.at = 0

    def head(self):
        """The comment at the beginning of the file."""
        lines = self.text.split("\n")[1:]
        taken = []
        for line in lines:
            if not line.startswith("//") or line.startswith("///"):
                break
            taken.append(line[2:])
        return clean("\n".join(taken))

    def comment(self):
        """Takes the comments and preprocessor lines that come next; gives the last one that is for users."""
        told = ""
        self.apart = False
        while True:
            rest = self.text[self.at:]
            space = re.match(r"\s+", rest)
            if space:
                if space[0].count("\n") > 1:
                    told, self.apart = "", True
                self.at += len(space[0])
                continue
            block = re.match(r"/\*\*(.*?)\*/", rest, re.S)
            if block:
                told = clean("\n".join(re.sub(r"^\s*\* ?", "", line) for line in block[1].split("\n")))
                self.at += block.end()
                continue
            lines = re.match(r"(///[^\n]*\n\s*)+", rest)
            if lines:
                told = clean("\n".join(re.sub(r"^\s*///", "", line) for line in lines[0].rstrip().split("\n")))
                self.at += lines.end()
                continue
            macro = re.match(r"#define (MILLRACE_\w+\([^)]*\)) (?:[^\n]*\\\n)*[^\n]*\n", rest)
            if macro and told:
                return told
            other = re.match(r"//[^\n]*\n|#(?:[^\n]*\\\n)*[^\n]*\n|\[\[.*?\]\]", rest)
            if not other:
                return told
            self.at += other.end()

    def skip_block(self):
        """Behind the brace that closes the one that begins here."""
        depth = 0
        while True:
            piece = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])\'|//[^\n]*|/\*.*?\*/|[{}]|[^{}"\'/]+|.', re.S).match(self.text, self.at)
            self.at = piece.end()
            depth += {"{": 1, "}": -1}.get(piece[0], 0)
            if depth == 0:
                return

    def declaration(self):
        """Takes one declaration; gives it and whether a block of others begins behind it."""
        begin = self.at
        depth = 0
        while self.at < len(self.text):
            char = self.text[self.at]
            if self.text.startswith("//", self.at):
                self.at = self.text.index("\n", self.at)
                continue
            depth += {"(": 1, ")": -1, "[": 1, "]": -1}.get(char, 0)
            text = self.text[begin:self.at].strip()
            if depth == 0 and char == ";":
                self.at += 1
                return text + ";", False
            if depth == 0 and char == "{":
                if SCOPES[self.language].match(text):
                    self.at += 1
                    return text, True
                self.skip_block()
                function = self.language == ".hpp" and ("(" in text or "operator" in text) and not re.search(r"=\s*$", text)
                if function and not re.match(r"\s*[,;{(]|\s*:\s", self.text[self.at:self.at + 8]):
                    return signature(text), False
                if function and re.match(r"\s*,", self.text[self.at:]):
                    continue
                if function and re.match(r"\s*{", self.text[self.at:]):
                    self.skip_block()
                    return signature(text), False
                continue
            self.at += 1
        return "", False

    def scope(self, depth, kind):
        hidden = kind == "class" and self.language == ".hpp"
        while True:
            told = self.comment()
            rest = self.text[self.at:]
            if not rest or rest[0] == "}":
                self.at += 1
                return
            label = re.match(r"(public|private|protected):", rest)
            if label:
                hidden = label[1] != "public"
                self.at += label.end()
                continue
            macro = re.match(r"#define (MILLRACE_\w+\([^)]*\)) (?:[^\n]*\\\n)*[^\n]*\n", rest)
            if macro:
                self.at += macro.end()
                self.found.append((depth, None, told, [macro[1]]))
                continue
            if kind == "enum":
                item = re.match(r"[^,}]+,?", rest)
                self.at += item.end()
                self.add(depth, told, item[0].strip().rstrip(","))
                continue
            text, opens = self.declaration()
            gone = hidden or HIDDEN.match(text) or re.match(r"extern|friend|import|}|$", text)
            if opens:
                inner = SCOPES[self.language].match(text)[1]
                name = re.sub(r"\s+", " ", text).removeprefix("export ")
                before = len(self.found)
                flat = inner == "namespace"
                if not flat:
                    self.found.append((depth, name, told, []))
                elif "namespace options" in name:
                    self.found.append((depth, name, told, []))
                self.scope(depth if flat else depth + 1, "enum" if inner.startswith("enum") else "class" if inner == "class" else inner)
                if re.match(r"\s*;", self.text[self.at:]):
                    self.at = self.text.index(";", self.at) + 1
                if gone:
                    del self.found[before:]
            elif not gone:
                self.add(depth, told, signature(text))

    def add(self, depth, told, text):
        text = re.sub(r"\s*\n\s*", " ", text)
        if not told and not self.apart and self.found and self.found[-1][0] == depth and self.found[-1][1] is None:
            self.found[-1][3].append(text)
        else:
            self.found.append((depth, None, told, [text]))


def signature(text):
    """Without what a constructor does first, and what an inline function is."""
    text = re.sub(r"\)( noexcept)?\s*:\s.*", r")\1", text, flags=re.S)
    return re.sub(r"\binline (?!constexpr)", "", text)


def clean(text):
    """A comment without its margin."""
    lines = [line.rstrip() for line in text.split("\n")]
    margins = [len(line) - len(line.lstrip()) for line in lines if line.strip()]
    least = min(margins, default=0)
    return "\n".join(line[least:] if line.strip() else "" for line in lines).strip("\n")


def prose(text):
    """As Markdown: indented lines stay code; signs that Markdown would take for its own are kept from that."""
    lines = []
    for line in text.split("\n"):
        if not line.startswith("  "):
            parts = line.split("`")
            parts[::2] = [re.sub(r"([<>*_\[\]])", r"\\\1", part) for part in parts[::2]]
            line = "`".join(parts)
        elif not line.startswith("    "):
            line = "  " + line
        lines.append(line)
    return "\n".join(lines)


def page(name, title, files):
    fence = "ts" if name.startswith("node") else "cpp"
    parts = [f"# {title}", "<!-- Written by tools/reference.py. -->"]
    for path in files:
        reader = Reader(path)
        if len(files) > 1:
            parts.append(f"## `<millrace/{path.relative_to(CPP)}>`")
            parts.append(prose(reader.head()))
        reader.scope(0, "namespace")
        for depth, heading, told, declared in reader.found:
            if heading:
                parts.append("#" * min(depth + (3 if len(files) > 1 else 2), 6) + f" `{heading}`")
            if declared:
                parts.append(f"```{fence}\n" + "\n".join(declared) + "\n```")
            if told:
                parts.append(prose(told))
    return "\n\n".join(part for part in parts if part) + "\n"


def main():
    into = Path(sys.argv[1])
    for name, (title, files) in PAGES.items():
        (into / name).write_text(page(name, title, files), encoding="utf-8")


if __name__ == "__main__":
    main()
