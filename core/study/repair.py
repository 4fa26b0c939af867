"""Makes the database of a study anew from what else its folder holds.

Sources, the best last: the newest backup; the database itself, where SQLite finds it whole; the log
of events, which every study process writes anew from the database and then adds to. Each is a list
of events, so a trial that any of them knows is written again.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from hyperllama.core.errors import HyperLlamaError, StudyError
from hyperllama.core.events import (
    Event,
    ProposalMade,
    StudyFinished,
    StudyOpened,
    TrialFinished,
)
from hyperllama.core.events.codec import encode
from hyperllama.core.space import SearchSpace
from hyperllama.core.space.domains import Categorical, Domain, Float, Integer
from hyperllama.core.space.params import Param
from hyperllama.core.storage.database import new_database, open_storage
from hyperllama.core.storage.event_log import read_events
from hyperllama.core.storage.folder import EVENTS, TASK, Lock, find_study, read_summary
from hyperllama.core.storage.paths import DATABASE
from hyperllama.core.storage.reading import StoredStudy
from hyperllama.core.storage.sqlite_file import BACKUP, damage_of
from hyperllama.core.storage.store import Store
from hyperllama.core.storage.trial_rows import StoredTrial
from hyperllama.core.study.history import events_of, store_event
from hyperllama.core.study.state import PRUNED

Timed = tuple[Event, float]


@dataclass(frozen=True)
class Repaired:
    """What a repair found.

    Attributes:
        trials: finished trials in the new database.
        sources: what they were taken from, in words.
        kept: where the damaged database lies now; None where there was none.
    """

    study: str
    trials: int
    sources: tuple[str, ...]
    kept: Path | None


def repair(study: str) -> Repaired:
    """Make the database of a study anew from its logs and its backup.

    Queued trials and the running one are not in the logs; they are kept where the backup has them.

    Raises:
        StudyError: there is no such study, another process owns it, it is in a storage that it
            shares with others, or nothing is left to take it from.
    """
    folder = find_study(study)
    lock = Lock(folder)
    lock.take()
    try:
        return _repair(folder)
    finally:
        lock.release()


def _repair(folder: Path) -> Repaired:
    summary = read_summary(folder) or {}
    if str(summary.get("storage", DATABASE)) != DATABASE and not (folder / DATABASE).exists():
        raise StudyError(
            f"the study {folder.name!r} is in {summary['storage']}, not in its folder",
            "that database is repaired with its own tools",
        )
    found: dict[str, list[Timed]] = {}
    for name, file in (("its backup", BACKUP), ("its database", DATABASE)):
        with suppress(HyperLlamaError, OSError):
            found[name] = _stored(folder, folder / file, summary)
    with suppress(OSError):
        found["its log of events"] = list(read_events(folder / EVENTS))
    found = {name: events for name, events in found.items() if events}
    opened = _last(found.values(), StudyOpened)
    if opened is None or not (folder / TASK).exists():
        raise StudyError(
            f"nothing is left from which the study {folder.name!r} could be rebuilt",
            f"{folder} has neither a readable log of events nor a backup; run the task again",
        )
    trials = _trials(found.values())
    kept: list[Path] = []
    with new_database(folder) as storage:
        attrs = _attrs(folder, opened, summary)
        store = Store.create(storage, opened.study, opened.metric, attrs)
        space = space_of(opened.space, [trial.config for trial in trials])
        for trial in trials:
            store.restore(trial, space)
        _rest(store, found.values(), space)
        kept += _put_aside(folder)
    return Repaired(folder.name, len(trials), tuple(found), kept[0] if kept else None)


def _stored(folder: Path, file: Path, summary: dict[str, Any]) -> list[Timed]:
    """The events of a study as a database file tells them."""
    if not file.exists() or not file.stat().st_size or damage_of(file):
        return []
    store = Store.open(open_storage(f"sqlite:///{file}", create=False), folder.name, alone=True)
    try:
        task = folder / TASK
        study = StoredStudy(folder.name, "maximize", store.attrs(), store.trials(), summary, task)
        return events_of(study)
    finally:
        store.close()


def _last(sources: Any, kind: type[Any]) -> Any:
    """The newest event of a kind, from the best source that has one."""
    for events in reversed(list(sources)):
        for event, _ in reversed(events):
            if isinstance(event, kind):
                return event
    return None


def _trials(sources: Any) -> list[StoredTrial]:
    """Every finished trial that a source knows, by number; a better source stands over the others.

    A number that was used by a trial of another session's log is the newest one's.
    """
    made: dict[int, tuple[ProposalMade, float]] = {}
    ended: dict[int, tuple[TrialFinished, float]] = {}
    for events in sources:
        for event, t in events:
            if isinstance(event, ProposalMade):
                made[event.number] = event, t
            elif isinstance(event, TrialFinished):
                ended[event.number] = event, t
    return [_trial(event, t, made.get(number)) for number, (event, t) in sorted(ended.items())]


_STATES = {"complete": "COMPLETE", PRUNED: "PRUNED"}


def _trial(end: TrialFinished, t: float, made: tuple[ProposalMade, float] | None) -> StoredTrial:
    begun = made[1] if made is not None else t - end.seconds
    return StoredTrial(
        number=end.number, trial_id=-1, state=_STATES.get(end.state, "FAIL"),
        config=dict(end.config), value=end.value, ours=True, proposer=end.proposer,
        reasoning=end.reasoning, fallback=end.fallback, fold_scores=end.fold_scores,
        train_score=end.train_value, seconds=end.seconds, reason=end.reason, tokens=end.tokens,
        facts=encode(end.facts), peak_memory_mb=end.peak_memory_mb,
        started=_local(min(begun, t)), ended=_local(t),
    )  # fmt: skip


def _local(t: float) -> datetime:
    return datetime.fromtimestamp(max(t, 0.0))


def _rest(store: Store, sources: Any, space: SearchSpace) -> None:
    """What happened beside the trials, from the best source."""
    best: list[Timed] = list(sources)[-1]
    for event, t in best:
        if not isinstance(event, (StudyOpened, ProposalMade, TrialFinished)):
            store_event(store, event, space, t)
    if not isinstance(best[-1][0], StudyFinished):
        store.set_attrs({"finished": None})


def _attrs(folder: Path, opened: StudyOpened, summary: Mapping[str, Any]) -> dict[str, Any]:
    """What a study process keeps about its study; the fingerprint of the rows is taken again when
    it is resumed."""
    settings = dict(summary.get("settings") or {})
    known = {"proposer": opened.proposer, "model": opened.model or None, "seed": opened.seed,
             "trials": opened.budget_trials}  # fmt: skip
    return {
        "version": 1,
        "task": (folder / TASK).read_text("utf8"),
        "created_t": float(summary.get("created_t") or 0.0),
        "budget_trials": opened.budget_trials,
        "budget_s": opened.budget_s,
        "proposer": opened.proposer,
        "opened": encode(opened),
        "settings": {**known, **settings},
    }


def _put_aside(folder: Path) -> list[Path]:
    """Keep the damaged database, and what SQLite has beside it, under other names; those names.

    The database is copied: whatever ends a repair, the study's folder has one.
    """
    number = 1
    while (folder / f"{DATABASE}.damaged-{number}").exists():
        number += 1
    kept = []
    for ending in ("", "-wal", "-shm"):
        file, name = folder / f"{DATABASE}{ending}", f"{DATABASE}.damaged-{number}{ending}"
        if file.exists():
            keep = shutil.copyfile if not ending else shutil.move
            kept.append(Path(keep(file, folder / name)))
    return kept


def space_of(
    rows: Sequence[Mapping[str, Any]], configs: Sequence[Mapping[str, Any]]
) -> SearchSpace:
    """A search space that Optuna can store these configurations with.

    Args:
        rows: the space as `StudyOpened` carries it.
    """
    described = {str(row.get("name")): row for row in rows}
    names = dict.fromkeys([*described, *(name for config in configs for name in config)])
    return SearchSpace(
        [Param(n, _domain(described.get(n, {}), [c[n] for c in configs if n in c])) for n in names]
    )


def _domain(row: Mapping[str, Any], values: list[Any]) -> Domain:
    """A domain that holds a row's own values and these."""
    numeric = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values)
    if numeric and isinstance(row.get("low"), (int, float)):
        both = [row["low"], row["high"], *values]
        if row.get("type") == "integer":
            return Integer(int(min(both)), int(max(both)), log=bool(row.get("log")))
        return Float(float(min(both)), float(max(both)), log=bool(row.get("log")))
    choices = row.get("task_choices") or row.get("choices") or []
    return Categorical(tuple(_distinct([*choices, *values])) or (None,))


def _distinct(values: list[Any]) -> Iterator[Any]:
    seen = set()
    for value in values:
        key = (type(value), value)
        if key not in seen:
            seen.add(key)
            yield value
