"""The search space of a task file, proposed by a model before the first trial."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hyperllama.core.errors import TaskError
from hyperllama.core.propose.search_space import SpaceProposal, propose_space
from hyperllama.core.task.draft.edit import set_key
from hyperllama.core.trials import ProposerSetting


def space_for(
    text: str,
    file: Path,
    model: str,
    *,
    on_text: Callable[[str], None] = lambda text: None,
    should_stop: Callable[[], bool] = lambda: False,
    make_engine: Callable[[], Any] | None = None,
) -> SpaceProposal:
    """The search space that a model proposes for a task; reads the table.

    Args:
        text: of the task file that is, or will be, at `file`.
        model: name or path of a GGUF file.
        on_text: called with pieces of the model's analysis.
        make_engine: an engine in place of llama.cpp's (tests).

    Raises:
        HyperLlamaError: the task, its table or the model cannot be used.
        Cancelled: `should_stop` became true.
    """
    from hyperllama.core.data import load_table
    from hyperllama.core.task import parse_task, resolve

    task = parse_task(text, file)
    table = load_table(task)
    problem = resolve(task, table)
    dataset = "\n".join(table.summary())
    setting = ProposerSetting(
        seed=task.seed, task=task.name, kind=problem.kind, metric=problem.metric,
        estimators=problem.estimators, facts=problem.facts, dataset=dataset, notes=task.notes,
        model=model, make_engine=make_engine,
    )  # fmt: skip
    return propose_space(setting, problem.space, on_text, should_stop)


def with_space(text: str, proposal: SpaceProposal) -> str:
    """The task file with the proposal's changes in its [space].

    Raises:
        TaskError: the text is no task file.
    """
    several = any("." in name for name in proposal.before.names)
    for name, entry in proposal.overrides().items():
        estimator, dot, own = name.partition(".")
        path = ("space", estimator, own) if several and dot else ("space", name)
        try:
            text = set_key(text, path, entry)
        except ValueError as error:
            raise TaskError(f"the search space cannot be written: {error}") from error
    return text
