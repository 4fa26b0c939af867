"""The first question to the runner: which contender is worth it on real tasks?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hyperllama.core.experiments.grid import Cell
from hyperllama.core.experiments.reading import CellFacts, Comparison, read_comparison
from hyperllama.core.experiments.running.runner import OpenedParts, RunProgress, run_cells


def run_comparison(
    name: str,
    *,
    should_stop: Callable[[], bool] = lambda: False,
    on_progress: Callable[[RunProgress], None] = lambda progress: None,
    opened: OpenedParts | None = None,
) -> Comparison:
    """Work on a comparison until nothing is left or `should_stop`; what it found so far.

    Raises:
        StudyError: there is no such comparison, or another process works on it.
    """

    def report(cell: Cell | None, trial: Mapping[str, Any] | None, error: str = "") -> None:
        found = read_comparison(name)
        progress = RunProgress(
            cell, trial, found.done_trials, found.trials, found.left_s, error
        )
        on_progress(progress)

    def finished(facts: CellFacts) -> None:
        if facts.state == "failed":
            report(facts.cell, None, facts.error)

    run_cells(
        name, opened=opened, should_stop=should_stop, on_trial=report, on_cell=finished,
        on_end=lambda: report(None, None),
    )  # fmt: skip
    return read_comparison(name)
