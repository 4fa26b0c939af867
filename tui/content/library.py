"""The studies on this machine, and the task files that can be run. No widgets."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hyperllama.core.storage.folder import all_summaries
from hyperllama.core.storage.trash import read_label
from hyperllama.core.text import plain
from hyperllama.tui.content import task_facts


@dataclass(frozen=True)
class StudyEntry:
    """A line in the list of studies.

    Attributes:
        state: "running", "paused", "finished", "stopped", "error", or "interrupted": no process
            owns it though it has not ended.
        title: given by the user; else its name.
        archived: hidden from the list by the user.
        gain: the confirmed one, 0 where the default stays; before there is one, the incumbent's
            score minus the default's; None while unknown.
        beyond_noise: whether that is more than luck; None: cannot tell.
        changed_t: of the last change, seconds since the epoch.
    """

    name: str
    state: str
    title: str = ""
    archived: bool = False
    task: str = ""
    metric: str = ""
    model: str = ""
    proposer: str = ""
    best: float | None = None
    gain: float | None = None
    beyond_noise: bool | None = None
    trials: int = 0
    budget: int | None = None
    changed_t: float = 0.0


@dataclass(frozen=True)
class TaskEntry:
    """A task file that can be run; `problem` says why it cannot be read."""

    path: Path
    name: str
    about: str = ""
    estimators: tuple[str, ...] = ()
    trials: int | None = None
    sample: bool = True
    problem: str = ""


def studies() -> list[StudyEntry]:
    """All studies of this machine, the most recent first."""
    return [_study(summary) for summary in all_summaries()]


def tasks() -> list[TaskEntry]:
    """The sample tasks that ship, then the task files in the current folder."""
    samples = sorted((Path(__file__).resolve().parents[2] / "sample_tasks").glob("*.toml"))
    own = [path.resolve() for path in sorted(Path.cwd().glob("*.toml"))]
    return [_task(path, True) for path in samples] + list(_own(own, set(samples)))


def _own(paths: list[Path], known: set[Path]) -> Iterator[TaskEntry]:
    """Those of a folder's TOML files that are tasks."""
    for path in paths:
        if path not in known and path.name != "pyproject.toml":
            entry = _task(path, False)
            if not entry.problem:
                yield entry


def _task(path: Path, sample: bool) -> TaskEntry:
    facts = task_facts.read(path)
    if facts.problem:
        return TaskEntry(path, path.stem, sample=sample, problem=facts.problem)
    about = _first_comment(facts.text) or facts.notes.partition("\n")[0].strip()
    return TaskEntry(path, facts.name, about, facts.estimators, facts.trials, sample)


def _first_comment(text: str) -> str:
    """The first comment with words in it, where it stands above all keys."""
    for line in text.splitlines():
        if line.startswith("#") and line.strip("# "):
            return plain(line.lstrip("# ").strip())
        if line.strip() and not line.startswith("#"):
            break
    return ""


def _study(table: Mapping[str, Any]) -> StudyEntry:
    best, default = _number(table, "best_value"), _number(table, "default_value")
    budget = _number(table, "budget_trials")
    claimed = best - default if best is not None and default is not None else None
    beyond = table.get("beyond_noise")
    label = read_label(Path(str(table.get("folder"))))
    name = plain(str(table.get("study") or ""))
    return StudyEntry(
        name=name,
        title=plain(str(label.get("title") or name)).replace("\n", " "),
        archived=bool(label.get("archived")),
        state=plain(str(table.get("state") or "")),
        task=plain(str(table.get("task") or "")),
        metric=plain(str(table.get("metric") or "")),
        model=plain(str(table.get("model") or "")),
        proposer=plain(str(table.get("proposer") or "")),
        best=best,
        gain=claimed if table.get("confirmed") is not True else _number(table, "gain") or 0.0,
        beyond_noise=beyond if isinstance(beyond, bool) else None,
        trials=int(_number(table, "trials") or 0),
        budget=None if budget is None else int(budget),
        changed_t=_number(table, "updated_t") or 0.0,
    )


def _number(table: Mapping[str, Any], key: str) -> float | None:
    value = table.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return float(value)
