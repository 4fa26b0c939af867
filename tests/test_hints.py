"""What hints tell people to do exists: commands parse, options and keys of task files are known."""

from __future__ import annotations

import argparse
import ast
import functools
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyperllama.core.api.hints import in_python
from hyperllama.core.errors import pip_install
from hyperllama.core.task.spec import Task
from hyperllama.tui.cli import make_parser

ROOT = Path(__file__).resolve().parents[1]
_FILLED = {"N": "3", "TRIAL": "3", "LOW": "1", "HIGH": "2", "M": "3", "TIMES": "2"}
_OTHERS = {"--help"}
_SECTIONS = ("data", "validation", "budget", "limits", "programs", "prompt", "search")


_FILES = {"json", "csv", "md", "cells", "csv_text", "reader"}


@functools.cache
def hints() -> tuple[tuple[str, str], ...]:
    """(where, text) of every text in the code that is said to people; what is filled in is X."""
    found = []
    for folder in ("core", "models", "tui"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            nodes = list(ast.walk(ast.parse(path.read_text("utf8"))))
            documentation = {id(n.value) for n in nodes if isinstance(n, ast.Expr)}
            parts = {
                id(part) for node in nodes if isinstance(node, ast.JoinedStr)
                for part in ast.walk(node) if part is not node
            }  # fmt: skip
            for node in nodes:
                if id(node) not in documentation | parts and (text := _text(node)):
                    found.append((f"{path.relative_to(ROOT)}:{node.lineno}", text))
    return tuple(found)


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(v.value) if isinstance(v, ast.Constant) else "X" for v in node.values)
    return ""


def named_commands() -> Iterator[tuple[str, str]]:
    """(where, command) of every command of the program that a text tells people to run."""
    for where, text in hints():
        for quoted in re.findall(r"`(hyperllama [^`]*)`", text):
            yield where, quoted
        for line in re.findall(r"(?:with|begin with|next|it|later): +(hyperllama [^`\n]*)", text):
            yield where, re.split(r" {2,}|   or ", line)[0]


class Refused(Exception):
    pass


@functools.cache
def strict_parser() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """The program's own parser, which raises instead of leaving, and those of its commands."""
    def refuse(message: str) -> None:
        raise Refused(message)

    parser = make_parser()
    (found,) = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    for one in (parser, *found.choices.values()):
        one.error = refuse  # type: ignore[method-assign, assignment]
    return parser, dict(found.choices)


def parsed(command: str) -> None:
    """Parse a command as the program does; placeholders are filled in."""
    words = shlex.split(command)[1:]
    words = [_FILLED.get(word, word) for word in words if word != "..."]
    parser, commands = strict_parser()
    if "--help" not in words:
        parser.parse_args(words)
    elif words[0] not in commands and words != ["--help"]:
        raise Refused(f"no command {words[0]}")


def test_commands_in_hints_parse() -> None:
    commands = list(named_commands())
    wrong = []
    for where, command in commands:
        if re.match(r"hyperllama( X|)$|hyperllama (<|\w+\.csv)", command):
            continue  # the program alone, or what opens the interface
        try:
            parsed(command)
        except Refused as error:
            if "required" not in str(error):  # `hyperllama repair` as a name of the command
                wrong.append(f"{where}: {command}: {error}")
    assert wrong == []
    assert len(commands) > 35


def test_a_hint_with_a_wrong_command_would_be_seen() -> None:
    for command in ("hyperllama mend X", "hyperllama resume X --fresh", "hyperllama export X Y"):
        with pytest.raises(Refused):
            parsed(command)


def test_options_in_hints_exist() -> None:
    parser, commands = strict_parser()
    known = {option for one in (parser, *commands.values())
             for action in one._actions for option in action.option_strings}  # fmt: skip
    wrong, seen = [], 0
    for where, text in hints():
        if re.match(r"-|\s*$", text) or where.startswith(_OTHER_PROGRAMS):
            continue
        for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", text):
            seen += 1
            if option not in known | _OTHERS:
                wrong.append(f"{where}: {option}")
    assert wrong == []
    assert seen > 40


_OTHER_PROGRAMS = (
    "core/programs/sandbox.py", "core/report/", "core/predict/", "models/gguf/memory",
    "tui/cli/comparing/bench", "tui/cli/completion.py", "tui/cli/worker.py",
)  # fmt: skip
"""Texts that name options of other programs, or of scripts that are exported."""


def test_keys_of_task_files_in_hints_exist() -> None:
    sections = {
        name: set(getattr(field.annotation, "model_fields", {}))
        for name, field in Task.model_fields.items()
    }
    wrong, seen = [], 0
    for where, text in hints():
        for section, key in re.findall(rf"\b({'|'.join(_SECTIONS)})\.([a-z_]+)\b(?!\.|\()", text):
            if sections.get(section):
                seen += 1
                if key not in sections[section] | _FILES:
                    wrong.append(f"{where}: {section}.{key}")
    assert wrong == []
    assert seen > 10


def test_hints_are_in_the_words_of_python_there() -> None:
    assert in_python("`hyperllama resume s --storage URL` brings it here") == (
        '`hyperllama.resume("s", storage=URL)` brings it here'
    )
    assert in_python("choose another name with --study") == "choose another name with study="


def test_what_installs_a_package_does_so_where_this_python_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Path(sys.executable)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert pip_install("skops") == f'{here} -m pip install "skops"'
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    (tmp_path / "pip").touch(0o755)
    assert pip_install("skops") == 'pip install "skops"'
