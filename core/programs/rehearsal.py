"""Checks a program that a model wrote: it parses, keeps the policy, and runs on made-up rows.

So what cannot run costs no evaluation. The rows have the kinds, empty cells and numbers of
different values of the table's columns, and nothing else of it. They are fitted in the sandbox, as
the table's own rows would be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperllama.core.programs.contract import Program, ProgramError, parse_program
from hyperllama.core.programs.facts import ProgramTask
from hyperllama.core.programs.reply import code_in
from hyperllama.core.programs.sandbox import (
    FitFailed,
    ProgramFit,
    ProgramSandbox,
    SandboxLimits,
)
from hyperllama.core.text import one_line

_ROWS, _PER_CLASS, _MOST_ROWS = 80, 12, 600
_NEW = 20
_LIMITS = SandboxLimits(seconds=30.0)
_MOST_CODES = 12  # categories that made-up rows have


@dataclass(frozen=True)
class Checked:
    """What became of a reply.

    Attributes:
        code: the program in it; empty where there is none.
        program: it, where it keeps contract and policy.
        stage: where it ended: "reply", "parse", "policy", "repeat", "run"; "" where it can be used.
        problem: why it cannot be used, in one line; empty where it can.
    """

    code: str
    program: Program | None = None
    stage: str = ""
    problem: str = ""


def checked(
    reply: str,
    told: ProgramTask,
    sandbox: Callable[[], ProgramSandbox],
    repeats: Callable[[Program], str] = lambda program: "",
) -> Checked:
    """The program in a model's reply, and whether it can be used.

    Args:
        sandbox: opens the one to run it in.
        repeats: says which trial had the same program; empty for a new one.

    Raises:
        StudyError: the sandbox cannot be started.
    """
    code = code_in(reply)
    if not code:
        return Checked("", None, "reply", "there is no program in the reply")
    try:
        program = parse_program(code)
    except ProgramError as error:
        stage = "policy" if error.parses else "parse"
        message = error.message.removeprefix("the program cannot be used: ")
        return Checked(code, None, stage, with_line(one_line(message, 300), error.line, code))
    if same := repeats(program):
        return Checked(code, program, "repeat", same)
    problem = why_it_fails(program, told, sandbox())
    return Checked(code, program, "run" if problem else "", problem)


def why_it_fails(program: Program, told: ProgramTask, sandbox: ProgramSandbox) -> str:
    """How a program with its defaults fails on made-up rows; empty where it does not.

    Raises:
        StudyError: the sandbox cannot be started.
    """
    classes = tuple(range(int(told.task["n_classes"])))
    is_classification = told.task["kind"] == "classification"
    x, y = made_up_rows(told.columns, classes if is_classification else ())
    wanted = ProgramFit(
        program.text, program.space.default(), told.columns, told.task,
        x[:-_NEW], y[:-_NEW], x[-_NEW:],
        "predict_proba" if is_classification else "predict",
        classes=classes if is_classification else (),
    )  # fmt: skip
    try:
        sandbox.fit(wanted, _LIMITS)
    except FitFailed as error:
        return with_line(str(error), error.line, program.text)
    return ""


def with_line(message: str, line: int | None, text: str) -> str:
    """A failure, with the line of the program that it names."""
    lines = text.splitlines()
    if line is None or not 1 <= line <= len(lines):
        return message
    return f"{message}: `{lines[line - 1].strip()}`"


def made_up_rows(
    columns: Sequence[Mapping[str, Any]], classes: Sequence[int]
) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """Rows and targets like a table's, the same at every call.

    Args:
        columns: facts, see `column_facts`.
        classes: codes of the target; empty for numbers.

    Returns:
        x: shape (n_rows, n_columns). y: shape (n_rows,).
    """
    rng = np.random.default_rng(0)
    rows = min(_MOST_ROWS, max(_ROWS, _PER_CLASS * len(classes))) + _NEW
    x = np.empty((rows, len(columns)))
    for at, column in enumerate(columns):
        distinct = max(1, min(int(column["distinct"]), _MOST_CODES))
        is_code = column["kind"] in ("category", "boolean")
        x[:, at] = rng.integers(0, distinct, rows) if is_code else rng.normal(10.0, 3.0, rows)
        x[rng.random(rows) < float(column["missing_share"]), at] = np.nan
    if not classes:
        return x, np.abs(rng.normal(10.0, 3.0, rows))
    return x, np.arange(rows) % len(classes)
