"""What a comparison runs: contenders x tasks x seeds, as a queue of cells kept in one file.

The file is `grid.json` in the comparison's folder. The process that works the queue off only reads
it, before each cell; whoever reorders, skips or adds cells replaces it at once. So a queue can be
changed while it is being worked off, and survives a restart.
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
    """Who makes the proposals of a cell.

    Attributes:
        label: unique in the comparison, for tables and plots.
        proposer: by name.
        model: path or name of a GGUF file; empty where none is asked.
        options: of the proposer.
    """

    label: str
    proposer: str
    model: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Cell:
    """One contender on one task under one seed.

    Attributes:
        id: name of its file; changes with whatever would change its results.
        contender, task: label and name.
        skipped: whether it is left out.
    """

    id: str
    contender: str
    task: str
    seed: int
    skipped: bool = False


@dataclass(frozen=True)
class Grid:
    """A comparison as it was asked for.

    Attributes:
        name: of its folder.
        budget: trials of a cell, the default configuration included.
        contenders, tasks: by label and by name; a task is its file, inside the folder.
        options: what models are run with: `core.options.Options` fields.
        cells: the queue, in the order it is worked off.
        created_t: seconds since the epoch.
    """

    name: str
    budget: int
    contenders: tuple[Contender, ...]
    tasks: Mapping[str, str]
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
        return self.folder / self.tasks[task]


def comparison_folder(name: str) -> Path:
    """Where a comparison is kept. A name with a slash is a folder of its own."""
    if "/" in name:
        return Path(name)
    return home() / "comparisons" / name


def parse_contender(text: str, how: str = "llama") -> Contender:
    """The contender that a text names: "tpe", "llama:FILE.gguf", "hybrid:embedded-4m?opening=2".

    Args:
        how: the proposer that a model alone stands for.

    Raises:
        SpaceError: there is no such proposer. ModelFileError: no such model.
    """
    from hyperllama.core.propose import needs_model, proposers
    from hyperllama.models.gguf import resolve_model

    head, _, query = text.strip().partition("?")
    name, _, model = head.partition(":")
    if name not in proposers():
        name, model = how, head
    options = {k: _value(v) for k, _, v in (p.partition("=") for p in query.split(",") if p)}
    if not needs_model(name):
        if model:
            raise SpaceError(f"{name} asks no model, so {text!r} names one in vain")
        if name in ("queue", "default"):
            raise SpaceError(f"{name} cannot be compared", "every cell begins with the default")
        return Contender(name + (f"?{query}" if query else ""), name, "", options)
    path = resolve_model(model or "embedded")
    label = path.stem if name == how else f"{name}:{path.stem}"
    return Contender(label + (f"?{query}" if query else ""), name, str(path), options)


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def make_grid(
    name: str,
    contenders: Sequence[Contender],
    tasks: Sequence[Path],
    seeds: Iterable[int],
    budget: int,
    options: Mapping[str, Any] | None = None,
) -> Grid:
    """Make a comparison, or add to one that is there; the file is written.

    Cells come by model, so that each is loaded once; baselines come first, since they are quick.

    Raises:
        StudyError: it was made with another budget; the folder cannot be written.
        TaskError: a task file is wrong. SpaceError: two contenders have the same label.
    """
    from hyperllama.core.task import load_task, standalone_text

    old = load_grid(name) if (comparison_folder(name) / FILE).exists() else None
    if old is not None and old.budget != budget:
        raise StudyError(
            f"the comparison {name!r} has a budget of {old.budget} trials, not {budget}",
            "make another with --new, or leave --budget out",
        )
    options = dict(options or {}) or dict(old.options if old is not None else {})
    every = {c.label: c for c in (*(old.contenders if old else ()), *contenders)}
    if len({c.label for c in contenders}) != len(contenders):
        raise SpaceError("two of the contenders have the same name", "rename one of the files")
    folder = comparison_folder(name)
    kept = dict(old.tasks if old is not None else {})
    texts: dict[str, str] = {}
    for file in tasks:
        task = load_task(file)
        text = standalone_text(file)
        if task.name in texts:
            raise SpaceError(f"two tasks are called {task.name!r}", "change `name` in one of them")
        texts[task.name] = text
        kept[task.name] = f"tasks/{_safe(task.name)}.toml"
    for task_name, text in texts.items():
        target = folder / kept[task_name]
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(target, text)
    wanted = [
        Cell(_id(c, t, folder / kept[t], seed, budget, options), c.label, t, seed)
        for c in sorted(every.values(), key=lambda c: bool(c.model))
        for t in kept
        for seed in dict.fromkeys([*(old.seeds if old is not None else ()), *seeds])
    ]
    cells = {c.id: c for c in (*(old.cells if old is not None else ()), *wanted)}
    still = {c.id for c in wanted}
    grid = Grid(
        name, budget, tuple(every.values()), kept, options,
        tuple(c for c in cells.values() if c.id in still),
        old.created_t if old is not None else round(time.time(), 3),
    )  # fmt: skip
    _save(grid)
    return grid


def load_grid(name: str) -> Grid:
    """A comparison by its name.

    Raises:
        StudyError: there is none, or its file is damaged.
    """
    file = comparison_folder(name) / FILE
    try:
        raw = json.loads(file.read_text("utf8"))
        return Grid(
            name, int(raw["budget"]), tuple(Contender(**c) for c in raw["contenders"]),
            dict(raw["tasks"]), dict(raw["options"]), tuple(Cell(**c) for c in raw["cells"]),
            float(raw["created_t"]),
        )  # fmt: skip
    except FileNotFoundError as error:
        known = ", ".join(comparison_names()[:8])
        hint = f"there are: {known}" if known else "none was made yet"
        raise StudyError(f"there is no comparison {name!r}", hint) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StudyError(f"{file} cannot be read: {error}", "delete its folder, or repair it") \
            from error  # fmt: skip


def comparison_names() -> list[str]:
    """The comparisons in the data folder, the newest first."""
    files = sorted(
        (home() / "comparisons").glob(f"*/{FILE}"), key=lambda f: -f.stat().st_mtime
    )
    return [f.parent.name for f in files]


def move(name: str, wanted: Callable[[Cell], bool], first: bool = True) -> Grid:
    """Put the cells that are wanted in front of all others, or behind them, in their order."""
    grid = load_grid(name)
    chosen = [c for c in grid.cells if wanted(c)]
    rest = [c for c in grid.cells if not wanted(c)]
    grid = replace(grid, cells=tuple(chosen + rest if first else rest + chosen))
    _save(grid)
    return grid


def reorder(name: str, ids: Sequence[str]) -> Grid:
    """Put the cells with these ids in front, in this order; the others keep theirs."""
    grid = load_grid(name)
    by_id = {c.id: c for c in grid.cells}
    front = [by_id[i] for i in dict.fromkeys(ids) if i in by_id]
    grid = replace(grid, cells=(*front, *(c for c in grid.cells if c not in front)))
    _save(grid)
    return grid


def skip(name: str, wanted: Callable[[Cell], bool], skipped: bool = True) -> Grid:
    """Leave the cells that are wanted out, or take them back in."""
    grid = load_grid(name)
    cells = (replace(c, skipped=skipped) if wanted(c) else c for c in grid.cells)
    grid = replace(grid, cells=tuple(cells))
    _save(grid)
    return grid


def _save(grid: Grid) -> None:
    raw = {k: v for k, v in asdict(grid).items() if k != "name"}
    try:
        grid.folder.mkdir(parents=True, exist_ok=True)
        write_atomically(grid.folder / FILE, json.dumps(raw, indent=1, ensure_ascii=False) + "\n")
    except OSError as error:
        raise StudyError(
            f"{grid.folder} cannot be written: {error.strerror}",
            "check its permissions and the space left, or move HYPERLLAMA_HOME",
        ) from error


def _id(
    contender: Contender, task: str, file: Path, seed: int, budget: int, options: Mapping[str, Any]
) -> str:
    """A name for the cell's file, with a hash of everything that its results depend on."""
    from hyperllama.core.task import load_task

    depends: list[Any] = [
        contender.proposer, dict(contender.options), file.read_text("utf8"), seed, budget,
        _stamp(load_task(file).data.path),
    ]  # fmt: skip
    if contender.model:
        depends += [_stamp(Path(contender.model)), dict(options)]
    text = json.dumps(depends, sort_keys=True, default=str)
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"{_safe(contender.label)}~{_safe(task)}~{seed}~{digest}"


def _stamp(file: Path) -> list[Any]:
    """A file as far as it can be told without reading it: large models take minutes to read."""
    try:
        stat = file.stat()
    except OSError:
        return [str(file)]
    return [str(file), stat.st_size, stat.st_mtime_ns]


def _safe(text: str) -> str:
    return re.sub(r"[^\w.-]+", "_", text).strip("._")[:60] or "x"
