"""The second question: how good are proposers and models on the paper's benchmark problems?

    from hyperllama.core.experiments.bench import run_bench
    from hyperllama.core.experiments.problems.tables import table_problems

    found = run_bench(table_problems(folder), ["tpe", "hybrid"], "out", seeds=20, budget=30)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hyperllama.core.errors import DataError, StudyError
from hyperllama.core.experiments.contenders import ProposerFactory, parse_method
from hyperllama.core.experiments.grid import FILE as GRID_FILE
from hyperllama.core.experiments.grid import (
    Cell,
    Contender,
    ExperimentGrid,
    add_problem_cells,
    folder_name,
)
from hyperllama.core.experiments.problems.base import BenchProblem
from hyperllama.core.experiments.reading import (
    CellFacts,
    Comparison,
    cell_file,
    read_cell,
    read_comparison,
)
from hyperllama.core.experiments.records import (
    EVERY_SEED,
    ProblemRecord,
    read_records,
    write_records,
)
from hyperllama.core.experiments.running.runner import (
    OpenedParts,
    RunProgress,
    fill_pools,
    run_cells,
)

STARTS = ("default", "none")
_POOL_CHUNK = 20
OnProgress = Callable[[RunProgress], None]


def run_bench(
    problems: Sequence[BenchProblem],
    methods: Sequence[str | Contender],
    out: str | Path,
    *,
    seeds: int | Sequence[int] = 20,
    budget: int = 30,
    starts: Sequence[str] = ("default",),
    jobs: int = 1,
    fresh: Sequence[str] = (),
    factories: Mapping[str, ProposerFactory] | None = None,
    on_progress: OnProgress = lambda progress: None,
) -> Comparison:
    """Run every method on every problem under every seed, and return what `out` knows of them.

    What `out` already holds is not run again; "random" is never run, its mean is computed.

    Args:
        problems: see `landscape_problems`, `table_problems`, `tabular_problems`.
        methods: see `contenders.ABOUT`.
        out: folder of the results.
        seeds: how many (0, 1, ...), or which.
        budget: evaluations of one run.
        starts: "default" and/or "none".
        jobs: processes; 1 runs everything in this one.
        fresh: labels of methods to run again, because their code has changed; their new results
            replace the old ones.
        factories: label -> what makes the proposer, for contenders that no text names.

    Raises:
        StudyError: a problem made by hand cannot be run by workers; names repeat; another process
            works on `out`.
        SpaceError, ModelFileError, DataError: an unknown method, a missing model or table.
    """
    contenders = [m if isinstance(m, Contender) else parse_method(m) for m in methods]
    numbers = tuple(range(seeds)) if isinstance(seeds, int) else tuple(seeds)
    by_name = {p.name: p for p in problems}
    _check(problems, starts, jobs)
    folder = Path(out)
    grid, cells = add_problem_cells(
        folder, [c for c in contenders if c.label != "random"],
        {n: (p.fingerprint, p.spec) for n, p in by_name.items()}, numbers, starts, budget,
    )  # fmt: skip
    for cell in cells:
        if cell.contender in fresh:
            cell_file(folder, cell).unlink(missing_ok=True)
    began = time.monotonic()

    def report(label: str, done: int, total: int, facts: CellFacts | None = None) -> None:
        left_s = (time.monotonic() - began) / done * (total - done)
        cell, error = (None, "") if facts is None else (facts.cell, facts.error)
        on_progress(RunProgress(cell, None, done, total, left_s, error, label))

    fill_pools(grid.name, by_name, _POOL_CHUNK, jobs, report)
    records = read_records(folder)
    for problem in problems:
        records[problem.name] = _described(problem, numbers, budget, records.get(problem.name))
    write_records(folder, records)
    run_missing(grid, cells, OpenedParts(by_name, factories or {}), jobs, report)
    return read_comparison(grid.name).only(by_name)


def run_missing(
    grid: ExperimentGrid, cells: Sequence[Cell], opened: OpenedParts, jobs: int,
    report: Callable[[str, int, int, CellFacts], None],
) -> None:  # fmt: skip
    """Work on those of the cells that are not finished."""
    left = {c.id for c in cells if read_cell(grid, c).state != "done"}
    done = 0

    def finished(facts: CellFacts) -> None:
        nonlocal done
        done += 1
        cell = facts.cell
        report(f"{cell.task}: {cell.contender}, seed {cell.seed}", done, len(left), facts)

    run_cells(
        grid.name, opened=opened, wanted=lambda c: c.id in left, jobs=min(jobs, len(left)),
        on_cell=finished,
    )  # fmt: skip


def _check(problems: Sequence[BenchProblem], starts: Sequence[str], jobs: int) -> None:
    if len({p.name for p in problems}) != len(problems):
        raise StudyError("two problems have the same name", "name each problem once")
    if any(s not in STARTS for s in starts):
        raise StudyError(f"unknown start in {list(starts)}", f"allowed: {', '.join(STARTS)}")
    for p in problems:
        if jobs > 1 and p.spec is None:
            raise StudyError(f"{p.name} was made by hand", "run it with jobs=1")


def _described(
    problem: BenchProblem, seeds: Sequence[int], budget: int, old: ProblemRecord | None
) -> ProblemRecord:
    """The problem's record, with what random search reaches under each seed.

    An old one of the same problem is kept where it has all these seeds and this budget.
    """
    if old is not None and old.problem_id == problem.fingerprint:
        wanted = seeds if problem.seeded else (0,)
        if all(len(old.random_curve("none", s)) >= budget for s in wanted):
            return old
        seeds = sorted({*seeds, *(int(s) for s in old.expected["none"] if s != EVERY_SEED)})
        budget = max(budget, *(len(c) for c in old.expected["none"].values()))
    keys = {str(s): s for s in seeds} if problem.seeded else {EVERY_SEED: 0}
    random = {name: problem.random_search(seed) for name, seed in keys.items()}
    return ProblemRecord(
        name=problem.name,
        problem_id=problem.fingerprint,
        suite=problem.suite,
        loss_name=problem.loss_name,
        best=problem.best,
        median=sum(r.median for r in random.values()) / len(random),
        expected={
            start: {name: r.curve(budget, start).tolist() for name, r in random.items()}
            for start in STARTS
        },
        failed={name: problem.failed_loss(seed) for name, seed in keys.items()},
        spec=dict(problem.spec) if problem.spec else None,
        evidence=problem.evidence,
    )


def load_bench(folder: Path) -> Comparison:
    """What a bench found, from its folder.

    Raises:
        DataError: there is nothing, or it was written by version 0.1.0. StudyError: it is damaged.
    """
    if (folder / GRID_FILE).is_file():
        return read_comparison(folder_name(folder))
    if (folder / "results.jsonl").is_file():
        raise DataError(
            f"{folder} holds results of version 0.1.0, which are not read any more",
            "run the same bench again",
        )
    raise DataError(f"{folder} holds no bench results", "name the OUT folder of a bench")
