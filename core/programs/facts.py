"""What programs, and the models that write them, are told of a table: facts, never a row."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyperllama.core.programs.contract import with_values
from hyperllama.core.programs.store import CHOICE, ProgramStore
from hyperllama.core.space import Config
from hyperllama.core.text import one_line

if TYPE_CHECKING:
    from hyperllama.core.data import Column
    from hyperllama.core.task import Problem


@dataclass(frozen=True)
class ProgramTask:
    """What a model that writes programs has to know.

    Attributes:
        way: "bound" (it makes the choices of the pipeline space), "free" (it writes Python), or
            "auto" (what it can).
        columns: facts of each column of X, by position, see `column_facts`.
        task: kind, metric, n_classes and n_rows, as `build` gets them.
        folder: of the study; programs are kept in it.
        neutral: whether columns have neutral names.
        unsandboxed: whether programs run without a sandbox, because a person said so.
        rendered: the program of a configuration of pipelines.
    """

    way: str
    columns: Sequence[Mapping[str, Any]]
    task: Mapping[str, Any]
    folder: Path
    neutral: bool = False
    unsandboxed: bool = False
    rendered: Callable[[Config], str] = lambda config: ""

    @property
    def store(self) -> ProgramStore:
        """The programs of the study."""
        return ProgramStore(self.folder)

    def text_of(self, config: Config) -> str:
        """The program of a trial with its values; empty where it is not known.

        Raises:
            HyperLlamaError: the study has no such program.
        """
        if CHOICE not in config:
            return self.rendered(config)
        program, values = self.store.trial(config)
        return with_values(program.text, values)


def column_facts(columns: Sequence[Column], neutral: bool = False) -> list[dict[str, Any]]:
    """Name, kind, missing_share, distinct and position of each column of X.

    Args:
        neutral: call them x1, x2, ... by their position.
    """
    return [
        {"name": f"x{at + 1}" if neutral else c.name, "kind": c.kind,
         "missing_share": c.missing_share, "distinct": c.distinct, "position": at}
        for at, c in enumerate(columns)
    ]  # fmt: skip


def program_task(
    problem: Problem, folder: Path, rendered: Callable[[Config], str] = lambda config: ""
) -> ProgramTask | None:
    """What a model that writes programs for a study is told; None where models write none.

    Args:
        folder: of the study.
        rendered: the program of a configuration of pipelines.
    """
    programs = problem.task.programs
    if programs.kind in (None, "pipeline"):
        return None
    told = {"kind": problem.kind, "metric": problem.metric, "n_classes": len(problem.classes),
            "n_rows": problem.facts.rows}  # fmt: skip
    columns = column_facts(problem.columns, programs.neutral_names)
    return ProgramTask(
        programs.kind, columns, told, folder, programs.neutral_names, programs.unsandboxed,
        rendered,
    )  # fmt: skip


def with_names(text: str, columns: Sequence[Column], neutral: bool) -> str:
    """A program to read, with the names that its columns have in the table where it sees others."""
    if not neutral:
        return text
    said = "; ".join(f"x{at + 1} is {one_line(c.name, 60)}" for at, c in enumerate(columns))
    said = re.sub("coding(?=[:=])", "coding ", said)  # would be read as the encoding of the file
    return f"# columns have neutral names here: {said}\n{text}"
