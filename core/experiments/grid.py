"""What an experiment runs: contenders x tasks x seeds, as a queue of cells kept in one file.

The file is `grid.json` in the experiment's folder. The process that works on the queue only reads
it, before each cell; whoever reorders, skips or adds cells replaces it at once. So a queue can be
changed while it is worked on, and survives a restart.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from hyperllama.core.errors import SpaceError, StudyError
from hyperllama.core.storage.folder import write_atomically
from hyperllama.core.storage.paths import home

FILE = "grid.json"
BASELINES = ("random", "tpe", "gp")


@dataclass(frozen=True)
class Contender:
    """What makes the proposals of a cell.

    Attributes:
        label: unique in the experiment, for tables and plots.
        proposer: its name in `contenders.ABOUT`.
        model: path or name of a GGUF file; empty where none is needed.
        options: of the proposer.
        identity: changes with the model's file; empty where only the file's date is looked at.
    """

    label: str
    proposer: str
    model: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    identity: str = ""


@dataclass(frozen=True)
class Cell:
    """One contender on one task under one seed.

    Attributes:
        id: name of its file; changes with whatever would change its results.
        contender, task: label and name.
        skipped: whether it is left out.
        start: "default" (the default configuration is the first trial) or "none".
        budget: trials; 0 stands for the grid's budget.
    """

    id: str
    contender: str
    task: str
    seed: int
    skipped: bool = False
    start: str = "default"
    budget: int = 0


@dataclass(frozen=True)
class ExperimentGrid:
    """An experiment as it was asked for.

    Attributes:
        name: of its folder.
        budget: trials of a cell, the default configuration included.
        contenders, tasks: by label and by name; a task is its file inside the folder, or the recipe
            of a benchmark problem (`problems.recipe.open_problem`).
        options: what models are run with: fields of `core.study.starting.options.Options`.
        cells: the queue, in the order it is worked on.
        created_t: seconds since the epoch.
    """

    name: str
    budget: int
    contenders: tuple[Contender, ...]
    tasks: Mapping[str, Any]
    options: Mapping[str, Any]
    cells: tuple[Cell, ...]
    created_t: float

    @property
    def folder(self) -> Path:
        return comparison_folder(self.name)

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(sorted({c.seed for c in self.cells}))

    def contender(self, label: str) -> Contender:
        return next(c for c in self.contenders if c.label == label)

    def task_file(self, task: str) -> Path:
        return self.folder / str(self.tasks[task])

    def budget_of(self, cell: Cell) -> int:
        return cell.budget or self.budget


MOST_SEEDS = 100
MOST_TRIALS = 10_000
"""Of a cell; more is a slip of the keyboard."""


def comparison_folder(name: str) -> Path:
    """Where an experiment is kept. A name with a slash is a folder of its own."""
    return Path(name) if "/" in name else home() / "comparisons" / name


def folder_name(folder: Path) -> str:
    """The name of an experiment that is kept in a folder of its own."""
    return f"{folder}" if "/" in f"{folder}" else f"./{folder}"


def comparison_names() -> list[str]:
    """The comparisons in the data folder, the newest first."""
    files = sorted((home() / "comparisons").glob(f"*/{FILE}"), key=lambda f: -f.stat().st_mtime)
    return [f.parent.name for f in files]


def make_grid(
    name: str,
    contenders: Sequence[Contender],
    tasks: Sequence[Path],
    seeds: Iterable[int],
    budget: int,
    options: Mapping[str, Any] | None = None,
) -> ExperimentGrid:
    """Make a comparison on task files, or add to one that is there; the file is written.

    Cells are sorted by model, so that each is loaded once; baselines come first: they are quick.

    Raises:
        StudyError: it was made with another budget; the folder cannot be written.
        TaskError: a task file is wrong. SpaceError: two contenders have the same label, or there
            are too many seeds or trials.
    """
    from hyperllama.core.task import load_task, standalone_text

    seeds = list(seeds)
    for what, many, most in (("seeds", len(seeds), MOST_SEEDS), ("trials", budget, MOST_TRIALS)):
        if not 1 <= many <= most:
            raise SpaceError(f"a comparison of {many:,} {what}", f"allowed: 1 to {most:,}")
    folder = comparison_folder(name)
    old = load_grid(name) if (folder / FILE).exists() else None
    if old is not None and old.budget != budget:
        raise StudyError(
            f"the comparison {name!r} has a budget of {old.budget} trials, not {budget}",
            "make another with --new, or leave --budget out",
        )
    if len({c.label for c in contenders}) != len(contenders):
        raise SpaceError("two of the contenders have the same name", "rename one of the files")
    options = dict(options or {}) or dict(old.options if old is not None else {})
    texts: dict[str, str] = {}
    for file in tasks:
        task = load_task(file)
        if task.name in texts:
            raise SpaceError(f"two tasks are called {task.name!r}", "change `name` in one of them")
        texts[task.name] = standalone_text(file)
    files = {t: f"tasks/{_safe(t)}.toml" for t in texts}
    for task_name, text in texts.items():
        target = folder / files[task_name]
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(target, text)
    every = {c.label: c for c in (*(old.contenders if old is not None else ()), *contenders)}
    kept = {**(old.tasks if old is not None else {}), **files}
    wanted = [
        Cell(_study_id(c, t, folder / kept[t], seed, budget, options), c.label, t, seed)
        for c in sorted(every.values(), key=lambda c: bool(c.model))
        for t in kept
        for seed in dict.fromkeys([*(old.seeds if old is not None else ()), *seeds])
    ]
    return _merged(name, old, tuple(every.values()), kept, options, budget, wanted, wanted)


def add_problem_cells(
    folder: Path,
    contenders: Sequence[Contender],
    problems: Mapping[str, tuple[str, Mapping[str, Any] | None]],
    seeds: Sequence[int],
    starts: Sequence[str],
    budget: int,
) -> tuple[ExperimentGrid, list[Cell]]:
    """Put cells on benchmark problems into the grid of `folder`; the grid, and these cells.

    Cells there before stay, but for those of a contender or problem that is another one by now.

    Args:
        problems: name -> (fingerprint, recipe).
    """
    name = folder_name(folder)
    old = load_grid(name) if (folder / FILE).exists() else None
    every = {c.label: c for c in (*(old.contenders if old is not None else ()), *contenders)}
    tasks = dict(old.tasks if old is not None else {})
    before = {c.label: c.identity for c in (old.contenders if old is not None else ())}
    changed = {c.label for c in contenders if before.get(c.label, c.identity) != c.identity}
    for task, (fingerprint, recipe) in problems.items():
        fresh = {**(recipe or {}), "fingerprint": fingerprint}
        if task in tasks and tasks[task].get("fingerprint") != fingerprint:
            changed.add(task)
        tasks[task] = fresh
    wanted = [
        Cell(_problem_id(c, fingerprint, task, start, seed, budget), c.label, task, seed, False,
             start, budget)
        for seed in seeds
        for task, (fingerprint, _) in problems.items()
        for start in starts
        for c in contenders
    ]  # fmt: skip
    kept = [
        c for c in (old.cells if old is not None else ())
        if c.contender not in changed and c.task not in changed
    ]  # fmt: skip
    grid = _merged(
        name, old, tuple(every.values()), tasks, {}, budget, wanted, (*kept, *wanted)
    )
    return grid, wanted


def _merged(
    name: str, old: ExperimentGrid | None, contenders: tuple[Contender, ...],
    tasks: Mapping[str, Any], options: Mapping[str, Any], budget: int,
    wanted: Sequence[Cell], stay: Iterable[Cell],
) -> ExperimentGrid:  # fmt: skip
    """Old cells first, as they are; those that are not in `stay` go."""
    cells = {c.id: c for c in (*wanted, *(old.cells if old is not None else ()))}
    order = dict.fromkeys(c.id for c in (*(old.cells if old is not None else ()), *wanted))
    still = {c.id for c in stay}
    created_t = old.created_t if old is not None else round(time.time(), 3)
    queue = tuple(cells[i] for i in order if i in still)
    grid = ExperimentGrid(name, budget, contenders, tasks, options, queue, created_t)
    _save(grid)
    return grid


def load_grid(name: str) -> ExperimentGrid:
    """An experiment by its name.

    Raises:
        StudyError: there is none, or its file is damaged.
    """
    file = comparison_folder(name) / FILE
    try:
        raw = json.loads(file.read_text("utf8"))
        return ExperimentGrid(
            name, int(raw["budget"]), tuple(Contender(**c) for c in raw["contenders"]),
            dict(raw["tasks"]), dict(raw["options"]), tuple(Cell(**c) for c in raw["cells"]),
            float(raw["created_t"]),
        )  # fmt: skip
    except FileNotFoundError as error:
        known = ", ".join(comparison_names()[:8])
        made = "none was made yet; `hyperllama compare --help` says how"
        hint = f"there are: {known}" if known else made
        raise StudyError(f"there is no comparison {name!r}", hint) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        hint = f"restore it from a copy, or delete the folder {file.parent} and compare anew"
        raise StudyError(f"{file} cannot be read: {error}", hint) from error


def move(name: str, wanted: Callable[[Cell], bool], first: bool = True) -> ExperimentGrid:
    """Put the cells that are wanted in front of all others, or behind them, in their order."""
    grid = load_grid(name)
    cells = sorted(grid.cells, key=lambda c: wanted(c) != first)
    return _with_cells(grid, cells)


def reorder(name: str, ids: Sequence[str]) -> ExperimentGrid:
    """Put the cells with these ids in front, in this order; the others keep theirs."""
    grid = load_grid(name)
    place = {i: n for n, i in enumerate(dict.fromkeys(ids))}
    return _with_cells(grid, sorted(grid.cells, key=lambda c: place.get(c.id, len(place))))


def skip(name: str, wanted: Callable[[Cell], bool], skipped: bool = True) -> ExperimentGrid:
    """Leave the cells that are wanted out, or take them back in."""
    grid = load_grid(name)
    return _with_cells(grid, (replace(c, skipped=skipped) if wanted(c) else c for c in grid.cells))


def _with_cells(grid: ExperimentGrid, cells: Iterable[Cell]) -> ExperimentGrid:
    grid = replace(grid, cells=tuple(cells))
    _save(grid)
    return grid


def _save(grid: ExperimentGrid) -> None:
    raw = {k: v for k, v in asdict(grid).items() if k != "name"}
    try:
        grid.folder.mkdir(parents=True, exist_ok=True)
        write_atomically(grid.folder / FILE, json.dumps(raw, indent=1, ensure_ascii=False) + "\n")
    except OSError as error:
        raise StudyError(
            f"{grid.folder} cannot be written: {error.strerror}",
            "check its permissions and the space left, or move HYPERLLAMA_HOME",
        ) from error


def _study_id(
    contender: Contender, task: str, file: Path, seed: int, budget: int, options: Mapping[str, Any]
) -> str:
    """The id of a cell on a task file."""
    from hyperllama.core.task import load_task

    depends: list[Any] = [
        contender.proposer, dict(contender.options), file.read_text("utf8"), seed, budget,
        _stamp(load_task(file).data.path),
    ]  # fmt: skip
    if contender.model:
        depends += [_stamp(Path(contender.model)), dict(options)]
    return _hashed(contender.label, task, seed, depends)


def _problem_id(
    contender: Contender, fingerprint: str, task: str, start: str, seed: int, budget: int
) -> str:
    """The id of a cell on a benchmark problem."""
    depends = [contender.proposer, contender.identity, fingerprint, start, seed, budget]
    return _hashed(contender.label, task, seed, depends)


def _hashed(label: str, task: str, seed: int, depends: Sequence[Any]) -> str:
    """A name for a cell's file, with a hash of everything that its results depend on."""
    text = json.dumps(depends, sort_keys=True, default=str)
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"{_safe(label)}~{_safe(task)}~{seed}~{digest}"


def _stamp(file: Path) -> list[Any]:
    """What identifies a file without reading it: large models take minutes to read."""
    try:
        stat = file.stat()
    except OSError:
        return [str(file)]
    return [str(file), stat.st_size, stat.st_mtime_ns]


def _safe(text: str) -> str:
    return re.sub(r"[^\w.-]+", "_", text).strip("._")[:60] or "x"
