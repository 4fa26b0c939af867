"""What is said where a word of a command line is none of those that may stand there."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hyperllama.core.text import allowed, nearest, one_line, shown


class WordParser(argparse.ArgumentParser):
    """A parser that answers a wrong word with the nearest one, and with those that are allowed."""

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            names = [str(choice) for choice in action.choices]
            told = f"there is no {shown(value)}; {allowed(names, str(value))}"
            raise argparse.ArgumentError(action, told)


def no_command(word: str, commands: Iterable[str]) -> tuple[str, str]:
    """(what is wrong, what to do) where the first word is no command and opens nothing."""
    from hyperllama.tui.content.paths import TABLES

    hint = "`hyperllama --help` lists the commands"
    if Path(word).expanduser().exists():
        endings = f"tables end in {', '.join(TABLES)}, task files in .toml"
        return f"{one_line(word)} is neither a table nor a task file", f"{endings}\n{hint}"
    near = nearest(word, commands)
    if near is not None:
        hint = f"did you mean `hyperllama {near}`? {hint}"
    return f"{shown(word)} is no command, and no table, task file or study is called that", hint
