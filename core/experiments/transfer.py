"""The fourth question: is a gain of a study still there on rows that nobody saw?

    from hyperllama.core.experiments.transfer import run_transfer

    found = run_transfer(transfer_problems([folder], [300]), ["hybrid"], "out", seeds=range(3))
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from hyperllama.core.experiments.bench import run_missing
from hyperllama.core.experiments.contenders import parse_method
from hyperllama.core.experiments.grid import add_problem_cells
from hyperllama.core.experiments.problems.transfer import TransferProblem
from hyperllama.core.experiments.reading import CellFacts, Comparison, read_comparison
from hyperllama.core.experiments.running.runner import OpenedParts, RunProgress


def run_transfer(
    problems: Sequence[TransferProblem],
    methods: Sequence[str],
    out: str | Path,
    *,
    seeds: Sequence[int],
    budget: int,
    jobs: int = 1,
    on_progress: Callable[[RunProgress], None] = lambda progress: None,
) -> Comparison:
    """Tune each table by every method under every seed; what `out` then knows of these.

    What `out` already holds is not run again.

    Args:
        problems: see `transfer_problems`.
        methods: see `contenders.ABOUT`.
        out: folder of the results.
        budget: trials of one run, the default's included.
        jobs: processes; 1 runs everything in this one.

    Raises:
        StudyError: another process works on `out`.
        SpaceError, ModelFileError: an unknown method, a missing model.
    """
    by_name = {p.name: p for p in problems}
    recipes = {n: (p.fingerprint, p.spec) for n, p in by_name.items()}
    contenders = [parse_method(m) for m in methods]
    grid, cells = add_problem_cells(Path(out), contenders, recipes, seeds, ("default",), budget)
    began = time.monotonic()

    def report(label: str, done: int, total: int, facts: CellFacts) -> None:
        left_s = (time.monotonic() - began) / done * (total - done)
        on_progress(RunProgress(facts.cell, None, done, total, left_s, facts.error, label))

    run_missing(grid, cells, OpenedParts(by_name), jobs, report)
    return read_comparison(grid.name).only(by_name)
