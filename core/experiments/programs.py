"""A question to the grid: do programs pay, at equal evaluations, on rows that no trial saw?

    from hyperllama.core.experiments.programs import program_tasks, run_program_bench

    tasks = program_tasks(Path("tables"), Path("out/tasks"), most=16)
    found = run_program_bench(tasks, ["hybrid", "random"], Path("out"), seeds=2, budget=20)
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hyperllama.core.errors import DataError, HyperLlamaError, StudyError
from hyperllama.core.experiments.contenders import parse_method
from hyperllama.core.experiments.figures.statistics import (
    Estimate,
    compared,
    gain,
    over_units,
    ranks,
    wilcoxon_p,
)
from hyperllama.core.experiments.grid import add_problem_cells
from hyperllama.core.experiments.problems.programs import WAYS, WRITTEN, ProgramProblem
from hyperllama.core.experiments.reading import CellFacts, Comparison, read_comparison
from hyperllama.core.experiments.running.runner import OpenedParts, run_cells
from hyperllama.core.storage.folder import write_atomically

SUFFIXES = (".csv", ".csv.gz", ".parquet", ".feather")
FEWEST_ROWS, MOST_ROWS = 300, 5000
FILE = "programs.json"


@dataclass(frozen=True)
class WayCompared:
    """Programs of one contender against the hand-made space under one, at equal evaluations.

    Attributes:
        proposer, at: whose programs, after how many evaluations.
        way: "pipeline", "bound" or "free".
        against: the proposer in the hand-made space.
        rows: "validation" or "test".
        better, equal, worse: tables on which programs were so, by the mean over the seeds.
        difference: median over the tables of the loss that programs save, in the metric's unit.
        gain: median over the tables of the share of the hand-made space's loss that was saved.
        rank: mean rank of programs among the two, with its interval over tables; 1 is best.
        p: of Wilcoxon's signed ranks.
    """

    proposer: str
    at: int
    rows: str
    better: int
    equal: int
    worse: int
    difference: Estimate
    gain: Estimate
    rank: Estimate
    p: float
    against: str = ""
    way: str = "pipeline"

    def sentence(self) -> str:
        """One line for a terminal."""
        count = self.better + self.equal + self.worse
        d, r = self.difference, self.rank
        what = "pipelines" if self.way == "pipeline" else f"{self.way} programs"
        return (
            f"{self.proposer:10s} {self.at:3d} evaluations, {self.rows:10s}: {what} better than "
            f"the hand-made space by {self.against} on "
            f"{self.better}, equal on {self.equal}, worse on {self.worse} of {count} tables; "
            f"median {d.value:+.4f} ({d.low:+.4f} to {d.high:+.4f}), "
            f"rank {r.value:.2f} ({r.low:.2f} to {r.high:.2f}) of 2, p = {self.p:.3g}"
        )


@dataclass(frozen=True)
class PlacedContender:
    """The mean rank of a contender among all, with its interval over tables; 1 is best."""

    contender: str
    at: int
    rows: str
    rank: Estimate

    def sentence(self) -> str:
        """One line for a terminal."""
        r = self.rank
        return (f"{self.at:3d} evaluations, {self.rows:10s}: rank {r.value:.2f} ({r.low:.2f} to "
                f"{r.high:.2f})  {self.contender}")  # fmt: skip


def program_tasks(
    folder: Path, out: Path, *, most: int, rows: int = 2000, folds: int = 5,
    test_share: float = 0.5,
    on_refused: Callable[[str, str], None] = lambda name, why: None,
) -> list[Path]:
    """Task files for the first tables of a folder, by name, that fit.

    A table fits where `new` makes a task of it as it is, and it has 300 to 5,000 rows.

    Args:
        out: where the task files are written.
        most: how many; rows: at most so many of each are used.
        test_share: of the rows; half, because a score on few rows decides nothing.
        on_refused: told the name of each table that does not fit, and why.

    Raises:
        DataError: none fits.
    """
    files = sorted(f for f in folder.iterdir() if f.name.endswith(SUFFIXES))
    made: list[Path] = []
    out.mkdir(parents=True, exist_ok=True)
    for file in files:
        if len(made) == most:
            break
        target = out / f"{file.name.partition('.')[0]}.toml"
        try:
            text = _task_text(file, target, rows, folds, test_share)
        except HyperLlamaError as error:
            on_refused(file.name, error.message)
            continue
        write_atomically(target, text)
        made.append(target)
    if not made:
        raise DataError(f"no table in {folder} fits", "300 to 5,000 rows, with a target")
    return made


def _task_text(
    table: Path, task_file: Path, rows: int, folds: int, test_share: float
) -> str:
    """The task of a table, cut to so many rows.

    Raises:
        HyperLlamaError: it does not fit.
    """
    import tomlkit

    from hyperllama.core.data import load_table
    from hyperllama.core.task import parse_task, resolve
    from hyperllama.core.task.new import new_task_file

    document: Any = tomlkit.parse(new_task_file(table, task_file=task_file))
    document["data"].pop("subsample_rows", None)
    whole = load_table(parse_task(tomlkit.dumps(document), task_file))
    if not FEWEST_ROWS <= whole.n_rows <= MOST_ROWS:
        raise DataError(f"it has {whole.n_rows} rows")
    if whole.n_rows > rows:
        document["data"]["subsample_rows"] = rows
    validation = document.setdefault("validation", tomlkit.table())
    validation["folds"], validation["test_share"] = folds, test_share
    text = tomlkit.dumps(document)
    task = parse_task(text, task_file)
    resolve(task, load_table(task))
    return text


def run_program_bench(
    tasks: Sequence[Path], proposers: Sequence[str], out: Path, *, seeds: int = 2,
    budget: int = 20, ways: Sequence[str] = ("pipeline",), models: Sequence[str] = (),
    on_cell: Callable[[CellFacts, int, int], None] = lambda *progress: None,
) -> Comparison:
    """Run each proposer in both spaces on each table, and each chat model that writes programs;
    what `out` holds already is not run again.

    Args:
        tasks: task files that say nothing about programs.
        proposers: as `bench` names them.
        ways: of `problems.programs.WAYS`, beside the hand-made space.
        models: files of chat models, for "bound" and "free".
        seeds: 0, 1, ... of the proposer, the folds and the test rows.

    Raises:
        StudyError: another process works on `out`, or nobody is named to write programs.
        SpaceError: an unknown proposer. DataError: an unknown way. ModelFileError: no such model.
    """
    for way in ways:
        if way not in WAYS[1:]:
            raise DataError(f"there are no programs of the kind {way!r}",
                            f"allowed: {', '.join(WAYS[1:])}")
    written = [way for way in ways if way in WRITTEN]
    if written and not models:
        raise StudyError(f"{written[0]} programs are written by a chat model",
                         "--models FILE.gguf names one, or several")
    spaces = ("hand", *(way for way in ways if way not in WRITTEN))
    names = [_label(p, way) for p in proposers for way in spaces]
    names += [_label(f"llama:{model}", way) for model in models for way in written]
    contenders = [parse_method(name) for name in names]
    cache = str(out / "evaluations.sqlite")
    problems = {p.name: p for p in (ProgramProblem(str(f), cache=cache) for f in tasks)}
    grid, cells = add_problem_cells(
        out, contenders, {n: (p.fingerprint, p.spec) for n, p in problems.items()},
        range(seeds), ("default",), budget,
    )  # fmt: skip
    wanted, done = {c.id for c in cells}, 0

    def finished(facts: CellFacts) -> None:
        nonlocal done
        done += 1
        on_cell(facts, done, len(wanted))

    run_cells(
        grid.name, opened=OpenedParts(problems), wanted=lambda c: c.id in wanted, on_cell=finished
    )
    return read_comparison(grid.name)


def _label(proposer: str, way: str) -> str:
    return f"{proposer}{',' if '?' in proposer else '?'}programs={way}"


def compare_ways(found: Comparison, at: Sequence[int]) -> list[WayCompared]:
    """What programs brought to each contender, after each number of evaluations."""
    return list(_compared(found, at))


def _compared(found: Comparison, at: Sequence[int]) -> Iterator[WayCompared]:
    ways = {c.label: str(c.options.get("programs")) for c in found.grid.contenders}
    hands = [label for label, way in ways.items() if way == "hand"]
    for label, way in ways.items():
        proposer = label.partition("?")[0]
        for hand in sorted(hands, key=lambda h: h.partition("?")[0] != proposer):
            for count in at if way != "hand" else ():
                for rows in ("validation", "test"):
                    values = _paired(found, (hand, label), count, rows)
                    if values:
                        sides = proposer, hand.partition("?")[0]
                        yield replace(_summary(sides, count, rows, values), way=way)


def place_contenders(found: Comparison, at: Sequence[int]) -> list[PlacedContender]:
    """The mean rank of every contender among all, on the tables that all of them finished."""
    labels = [c.label for c in found.grid.contenders]
    placed = []
    for count in at:
        for rows in ("validation", "test"):
            values = _paired(found, labels, count, rows)
            for label, r in zip(labels, ranks(np.array(values).T) if values else (), strict=False):
                placed.append(PlacedContender(label, count, rows, over_units(r, np.mean)))
    return placed


def _paired(
    found: Comparison, labels: Sequence[str], at: int, rows: str
) -> list[tuple[float, ...]]:
    """Losses of these contenders for each table, after so many evaluations: means over the seeds
    that all of them have."""
    every = []
    for task in found.grid.tasks:
        ways = [{c.cell.seed: _after(c, at, rows) for c in found.of(label, task, at=at)}
                for label in labels]  # fmt: skip
        seeds = [s for s in ways[0] if all(s in way for way in ways)]
        losses = [tuple(-way[s] for way in ways) for s in seeds]
        losses = [row for row in losses if all(map(math.isfinite, row))]
        if losses:
            every.append(tuple(sum(column) / len(losses) for column in zip(*losses, strict=True)))
    return every


def _after(cell: CellFacts, at: int, rows: str) -> float:
    """The incumbent's value after so many evaluations; NaN without one."""
    if rows == "test":
        curve = cell.curve[:at]
        return curve[-1] if curve else math.nan
    values = [float(t["value"]) for t in cell.trials[:at] if t["value"] is not None]
    return max(values, default=math.nan)


def _summary(
    proposers: tuple[str, str], at: int, rows: str, values: Sequence[tuple[float, ...]]
) -> WayCompared:
    losses = np.array(values).T
    signs = [compared(b, a) for a, b in values]
    return WayCompared(
        proposers[0], at, rows, signs.count(-1), signs.count(0), signs.count(1),
        over_units(losses[0] - losses[1], np.median),
        over_units(gain(losses[1], losses[0]), np.median),
        over_units(ranks(losses)[1], np.mean), wilcoxon_p(losses[1], losses[0]),
        proposers[1],
    )  # fmt: skip


def write_ways(
    found: Comparison, at: Sequence[int], out: Path
) -> list[WayCompared | PlacedContender]:
    """Keep the figures as JSON, with each table's losses; the figures."""
    ways, placed = compare_ways(found, at), place_contenders(found, at)
    tables = [
        {"table": c.cell.task, "contender": c.cell.contender, "seed": c.cell.seed,
         **{f"{rows} {n}": _after(c, n, rows) for n in at for rows in ("validation", "test")}}
        for c in found.cells if c.state == "done"
    ]  # fmt: skip
    text = json.dumps({"ways": [asdict(w) for w in ways], "tables": tables,
                       "ranks": [asdict(p) for p in placed]}, indent=1)  # fmt: skip
    write_atomically(out / FILE, text + "\n")
    return [*ways, *placed]
