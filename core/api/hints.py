"""Hints that name the command line, in the words of the Python interface."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from hyperllama.core.errors import HyperLlamaError

_CALL = re.compile(r"hyperllama (run|resume) ([^\s`]+)((?: --[a-z-]+ [^\s`;,]+)*)")
_OPTION = re.compile(r"--([a-z-]+) ([^\s`;,]+)")
_BARE = re.compile(r"--([a-z-]+)")


@contextmanager
def python_hints() -> Iterator[None]:
    """Let errors pass with `in_python` of their texts."""
    try:
        yield
    except HyperLlamaError as error:
        error.message, error.hint = in_python(error.message), in_python(error.hint)
        error.args = (error.message,)
        raise


def in_python(text: str) -> str:
    """`hyperllama resume x --more 10` as `hyperllama.resume("x", more=10)`, --study as `study=`."""

    def call(found: re.Match[str]) -> str:
        options = [_argument(*pair) for pair in _OPTION.findall(found[3])]
        return f"hyperllama.{found[1]}({', '.join([_value(found[2]), *options])})"

    text = _OPTION.sub(lambda m: _argument(m[1], m[2]), _CALL.sub(call, text))
    return _BARE.sub(lambda m: f"{m[1].replace('-', '_')}=", text)


def _argument(name: str, value: str) -> str:
    return f"{name.replace('-', '_')}={_value(value)}"


def _value(word: str) -> str:
    """Placeholders and numbers as they are, everything else quoted."""
    return word if word.isupper() or re.fullmatch(r"\d+(\.\d+)?", word) else f'"{word}"'
