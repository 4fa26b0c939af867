"""The program in what a model wrote: between fences, or the part of the text that is Python."""

from __future__ import annotations

import ast
import re
import textwrap

_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})[ \t]*([\w+-]*)")
_BEGINS = re.compile(
    r'^(?:"""|\'\'\'|r"""|#|import |from \w[\w.]* import |def |class |@\w|SPACE\b|\w+ *= )',
    re.MULTILINE,
)
_DEFINES = re.compile(r"^def +build *\(", re.MULTILINE)


def code_in(reply: str) -> str:
    """The program in a model's reply; empty where there is nothing like one.

    Of several fenced pieces the last one with `build` counts; a fence that is not closed reaches to
    the end. Without a fence it is the text from the first line that can begin a program, without
    the prose after it.
    """
    reply = textwrap.dedent(reply.replace("\r\n", "\n"))
    pieces = _fenced(reply)
    if pieces:
        with_build = [p for p in pieces if _DEFINES.search(p)]
        return _tidied((with_build or pieces)[-1])
    begin = _BEGINS.search(reply)
    return _tidied(_without_prose(reply[begin.start() :])) if begin else ""


def _fenced(reply: str) -> list[str]:
    """The text of each fenced piece, a last one without an end included."""
    pieces: list[list[str]] = []
    is_open = False
    for line in reply.splitlines():
        fence = _FENCE.match(line)
        if fence is None:
            if is_open:
                pieces[-1].append(line)
        elif fence[2] or not is_open:  # one with a language opens, whatever was before it
            pieces.append([])
            is_open = True
        else:
            is_open = False
    return [textwrap.dedent("\n".join(piece)) for piece in pieces]


def _without_prose(text: str) -> str:
    """The longest beginning that parses, if it has `build`; the whole text otherwise."""
    lines = text.rstrip().splitlines()
    for count in range(len(lines), 0, -1):
        part = "\n".join(lines[:count])
        if _DEFINES.search(part) and _parses(part):
            return part
    return text


def _tidied(text: str) -> str:
    """The text with one line break at its end; empty where there is nothing else."""
    text = "\n".join(line.rstrip() for line in text.splitlines()).strip()
    return f"{text}\n" if text else ""


def _parses(text: str) -> bool:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
