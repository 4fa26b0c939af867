"""What an experiment found so far, read from its folder: cells with their curves and costs.

Light enough for an interface: `read_comparison` reads JSON and nothing else.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from statistics import fmean, median
from typing import Any

from hyperllama.core.errors import StudyError
from hyperllama.core.experiments.grid import (
    Cell,
    ExperimentGrid,
    comparison_names,
    load_grid,
)
from hyperllama.core.experiments.records import ProblemRecord, read_records
from hyperllama.core.storage.folder import holder

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

STATUS = "status.json"


@dataclass(frozen=True)
class CellFacts:
    """A cell as far as it is.

    Attributes:
        cell: which.
        state: "waiting", "running", "broken off" (goes on where it was), "done", "failed",
            "skipped".
        trials: one a line of its file: number, config, value (greater is better; None failed),
            judged (only where the value is noisy: the value without noise), proposer, fallback,
            seconds, known (trained before), ask_s, tokens, replies, repeated, invalid, joules (or
            None), engine_mb.
        end: test_value, default_test_value and metric, or error, or exhausted.
    """

    cell: Cell
    state: str
    trials: Sequence[Mapping[str, Any]] = ()
    end: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def curve(self) -> list[float]:
        """Judged value of the incumbent after each trial; NaN before the first score."""
        best, shown, found = math.nan, math.nan, []
        for t in self.trials:
            value = t["value"]
            if value is not None and not value <= best:
                best, shown = float(value), float(t.get("judged", value))
            found.append(shown)
        return found

    def best_after(self, count: int) -> float | None:
        """Best value after `count` trials, all there are if fewer; None without one."""
        values = self.curve[:count]
        return values[-1] if values and math.isfinite(values[-1]) else None

    @property
    def default_value(self) -> float | None:
        return self.trials[0]["value"] if self.trials else None

    @property
    def confirmed_gain(self) -> float | None:
        """The winner's gain on fresh folds; 0 where the default is the best or stays the winner,
        None where it was not confirmed."""
        if "confirmed_gain" in self.end:
            return float(self.end["confirmed_gain"])
        best = self.best_after(len(self.trials))
        return 0.0 if best is not None and best == self.default_value else None

    @property
    def error(self) -> str:
        return str(self.end.get("error", ""))

    @property
    def asked(self) -> list[Mapping[str, Any]]:
        """The trials that were proposed: all but the default configuration."""
        return [t for t in self.trials if t["number"] > 0 or self.cell.start == "none"]

    def mean(self, key: str) -> float | None:
        """Mean of a number of the proposals; of tokens as "tokens.prompt"."""
        head, _, tail = key.partition(".")
        values = [t[head].get(tail) if tail else t.get(head) for t in self.asked]
        known = [float(v) for v in values if v is not None]
        return fmean(known) if known else None


@dataclass(frozen=True)
class Comparison:
    """An experiment with all its cells, in the order of the queue.

    Attributes:
        grid: what was asked for.
        cells: one a cell.
        problems: the benchmark problems among its tasks, by name.
        pid: of the process that works on it; None where no process does.
    """

    grid: ExperimentGrid
    cells: tuple[CellFacts, ...]
    pid: int | None
    problems: Mapping[str, ProblemRecord] = field(default_factory=dict)

    @property
    def confirms(self) -> bool:
        """Whether any cell's winner was found on fresh folds."""
        return any("confirmed_gain" in c.end for c in self.cells)

    @property
    def trials(self) -> int:
        return sum(_needed(self, c) for c in self.cells if c.state != "skipped")

    @property
    def done_trials(self) -> int:
        return sum(len(c.trials) for c in self.cells if c.state != "skipped")

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return all(c.state in ("done", "failed", "skipped") for c in self.cells)

    @property
    def left_s(self) -> float | None:
        """Estimate of the seconds left, from the trials so far; None while there are none.

        A trial takes as long as those of the same contender on the same task, else as those of the
        contender, else as all.
        """
        by_cell: dict[tuple[str, str], list[float]] = {}
        by_contender: dict[str, list[float]] = {}
        every: list[float] = []
        for c in self.cells:
            took = [t["ask_s"] + (0.0 if t["known"] else t["seconds"]) for t in c.trials]
            by_cell.setdefault((c.cell.contender, c.cell.task), []).extend(took)
            by_contender.setdefault(c.cell.contender, []).extend(took)
            every += took
        if not every:
            return None
        total = 0.0
        for c in self.cells:
            if c.state in ("waiting", "running", "broken off"):
                like = by_cell[c.cell.contender, c.cell.task] or by_contender[c.cell.contender]
                total += (_needed(self, c) - len(c.trials)) * fmean(like or every)
        return total

    def of(
        self, contender: str, task: str, start: str = "default", at: int = 0
    ) -> list[CellFacts]:
        """The whole cells of a contender on a task, by seed.

        Args:
            at: of cells that differ in their budget, the one with the smallest from here on counts.
        """
        found = {
            c.cell.seed: c
            for c in self._whole.get((contender, task, start), ())
            if self.grid.budget_of(c.cell) >= at
        }
        return [found[seed] for seed in sorted(found)]

    @cached_property
    def _whole(self) -> dict[tuple[str, str, str], list[CellFacts]]:
        """Cells that are done by contender, task and start; the smallest budget last."""
        found: dict[tuple[str, str, str], list[CellFacts]] = {}
        for c in sorted(self.cells, key=lambda c: -self.grid.budget_of(c.cell)):
            if c.state == "done":
                found.setdefault((c.cell.contender, c.cell.task, c.cell.start), []).append(c)
        return found

    def metric_of(self, task: str) -> str:
        """What the scores of a task are; empty where its file names none and no cell has ended."""
        if task in self.problems:
            return self.problems[task].loss_name
        ends = (str(c.end["metric"]) for c in self.cells
                if c.cell.task == task and "metric" in c.end)  # fmt: skip
        return next(ends, "") or _named_metric(self.grid.task_file(task))

    def only(self, tasks: Collection[str]) -> Comparison:
        """What is known of some tasks."""
        problems = {t: p for t, p in self.problems.items() if t in tasks}
        kept = {t: v for t, v in self.grid.tasks.items() if t in tasks}
        cells = tuple(c for c in self.cells if c.cell.task in tasks)
        return replace(self, grid=replace(self.grid, tasks=kept), cells=cells, problems=problems)

    def merged(self, other: Comparison) -> Comparison:
        """This and another as one; of a task or contender that both have, the other's counts."""
        mine = [
            c for c in self.cells
            if not (c.cell.task in other.problems
                    and other.problems[c.cell.task] != self.problems.get(c.cell.task))
        ]  # fmt: skip
        cells = {
            (c.cell.contender, c.cell.task, c.cell.start, c.cell.seed, c.cell.budget): c
            for c in (*mine, *other.cells)
        }
        contenders = {c.label: c for c in (*self.grid.contenders, *other.grid.contenders)}
        grid = replace(
            self.grid, tasks={**self.grid.tasks, **other.grid.tasks},
            contenders=tuple(contenders.values()),
        )  # fmt: skip
        problems = {**self.problems, **other.problems}
        return replace(self, grid=grid, cells=tuple(cells.values()), problems=problems)

    def seconds_a_proposal(self, contender: str) -> float | None:
        """Median time of a contender's proposals."""
        times = [
            float(t["ask_s"]) for c in self.cells if c.cell.contender == contender for t in c.asked
        ]
        return median(times) if times else None


def metric_words(metrics: Mapping[str, str]) -> str:
    """What the scores are, in one line: the metric, or which task has which; empty where unknown.

    Args:
        metrics: task -> metric.
    """
    tasks: dict[str, list[str]] = {}
    for task, metric in metrics.items():
        if metric:
            tasks.setdefault(metric, []).append(task)
    if len(tasks) == 1 and len(metrics) == sum(map(len, tasks.values())):
        return f"scored by {next(iter(tasks))}"
    parts = [f"{metric} ({', '.join(names)})" for metric, names in tasks.items()]
    return f"scored by {'; '.join(parts)}" if parts else ""


@lru_cache(maxsize=256)
def _named_metric(file: Path) -> str:
    """The metric that a task file names; empty where it names none."""
    try:
        return str(tomllib.loads(file.read_text("utf8")).get("metric", ""))
    except (OSError, ValueError):
        return ""


def _needed(comparison: Comparison, cell: CellFacts) -> int:
    over = cell.state in ("done", "failed")
    return len(cell.trials) if over else comparison.grid.budget_of(cell.cell)


def cell_file(folder: Path, cell: Cell) -> Path:
    """Where a cell's trials are written."""
    return folder / "cells" / f"{cell.id}.jsonl"


def read_comparison(name: str) -> Comparison:
    """An experiment as it is now.

    Raises:
        StudyError: there is none of this name, or a file is damaged.
    """
    grid = load_grid(name)
    pid = holder(grid.folder)
    running: set[str] = set()
    if pid is not None:
        try:
            running = set(json.loads((grid.folder / STATUS).read_text("utf8"))["cells"])
        except (OSError, ValueError, KeyError, TypeError):
            pass  # between two cells
    cells = tuple(read_cell(grid, c, c.id in running) for c in grid.cells)
    return Comparison(grid, cells, pid, read_records(grid.folder))


def all_comparisons() -> list[Comparison]:
    """The comparisons in the data folder, the newest first; damaged ones are left out."""
    found = []
    for name in comparison_names():
        try:
            found.append(read_comparison(name))
        except StudyError:
            continue  # asking for it by its name says what is wrong
    return found


_read: dict[Path, tuple[tuple[int, int], list[dict[str, Any]], dict[str, Any]]] = {}


def read_cell(grid: ExperimentGrid, cell: Cell, running: bool = False) -> CellFacts:
    """One cell as its file has it.

    Raises:
        StudyError: the file is damaged.
    """
    trials, end = _lines(cell_file(grid.folder, cell))
    if cell.skipped:
        state = "skipped"
    elif running:
        state = "running"
    elif "error" in end:
        state = "failed"
    elif end:
        state = "done"
    else:
        state = "broken off" if trials else "waiting"
    return CellFacts(cell, state, trials, end)


def _lines(file: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Trials and end of a cell's file; kept while the file does not change."""
    try:
        stat = file.stat()
    except OSError:
        return [], {}
    stamp = (stat.st_mtime_ns, stat.st_size)
    known = _read.get(file)
    if known is not None and known[0] == stamp:
        return known[1], known[2]
    trials: list[dict[str, Any]] = []
    end: dict[str, Any] = {}
    lines = file.read_bytes().split(b"\n")[:-1]  # what follows the last newline is being written
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
            if "trial" in record:
                trials.append(record["trial"])
                end = {}  # a cell that failed went on
            else:
                end = dict(record["end"])
        except (ValueError, KeyError, TypeError) as error:
            raise StudyError(f"{file}, line {number}, cannot be read", "delete it") from error
    _read[file] = (stamp, trials, end)
    return trials, end
