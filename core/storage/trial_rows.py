"""What the storage holds of trials and studies, checked as it is read. Imports no Optuna.

What is HyperLlama's stands in attributes whose names begin with `hyperllama:`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from hyperllama.core.events.codec import decode_sound

if TYPE_CHECKING:
    from hyperllama.core.space import Config

PREFIX = "hyperllama:"
RESERVED = PREFIX + "reserved"
QUEUED = "fixed_params"  # where Optuna keeps a queued trial's configuration


@dataclass(frozen=True)
class TrialRow:
    """A trial as Optuna keeps it; states by their names, `damaged` attributes left out."""

    number: int
    trial_id: int
    state: str
    params: Mapping[str, Any]
    value: float | None
    user_attrs: Mapping[str, Any]
    system_attrs: Mapping[str, Any]
    started: datetime | None
    ended: datetime | None
    damaged: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TrialRecord:
    """What HyperLlama keeps about a trial, as attributes of Optuna's trial."""

    proposer: str = ""
    reasoning: str = ""
    fallback: str = ""
    fold_scores: tuple[float, ...] = ()
    train_score: float | None = None
    seconds: float = 0.0
    reason: str = ""
    tokens: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    peak_memory_mb: float = 0.0
    rejected: bool = False
    process: str = ""


@dataclass(frozen=True, kw_only=True)
class StoredTrial(TrialRecord):
    """A trial as the storage has it.

    Attributes:
        state: as Optuna names it: "COMPLETE", "FAIL", "RUNNING", "WAITING", "PRUNED".
        ours: proposed by HyperLlama (or taken from the queue by it), not by some other program.
        started, ended: local time; None where it did not happen.
        damaged: names of attributes that were not of their type and were left out.
    """

    number: int
    trial_id: int
    state: str
    config: Config
    value: float | None
    ours: bool = False
    started: datetime | None = None
    ended: datetime | None = None
    damaged: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class StudyRecord:
    """What HyperLlama keeps about a study as a whole, as attributes of Optuna's study. What else
    stands there is read by `study.history`."""

    version: int = 0
    task: str = ""
    metric: str = ""
    created_t: float = 0.0
    budget_trials: int | None = None
    budget_s: float | None = None
    proposer: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    opened: Mapping[str, Any] = field(default_factory=dict)


def is_reserved(row: TrialRow) -> bool:
    """Whether nothing was proposed for it, neither by us nor by a program that took it."""
    marked = RESERVED in row.system_attrs and PREFIX + "proposer" not in row.user_attrs
    return marked and not row.params


def sound_attrs(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """A study's attributes without those of `StudyRecord` that are not of their type."""
    sound, damaged = decode_sound(StudyRecord, attrs)
    if not math.isfinite(sound.get("created_t", 0.0)):
        del sound["created_t"]
        damaged.append("created_t")
    found = {k: v for k, v in attrs.items() if k not in damaged}
    return {**found, **sound, **({"damaged": damaged} if damaged else {})}


def own_attrs(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes that are HyperLlama's, without their prefix."""
    return {k.removeprefix(PREFIX): v for k, v in attrs.items() if k.startswith(PREFIX)}


def sound_trial(row: TrialRow) -> StoredTrial:
    """A trial with what is ours in it, as far as that is sound."""
    own = own_attrs(row.user_attrs)
    record, damaged = decode_sound(TrialRecord, own)
    for name in ("seconds", "peak_memory_mb"):
        if not 0.0 <= record.get(name, 0.0) < math.inf:
            del record[name]
            damaged.append(name)
    if not all(map(math.isfinite, record.get("fold_scores", ()))):
        del record["fold_scores"]
        damaged.append("fold_scores")
    queued = row.system_attrs.get(QUEUED)
    config = dict(row.params)
    if isinstance(queued, dict) and not queued.keys() <= config.keys():
        config = {**queued, **config}
    return StoredTrial(
        **{"proposer": "queue" if queued else "", **record},
        number=row.number,
        trial_id=row.trial_id,
        state=row.state,
        config=config,
        value=row.value,
        ours="proposer" in own,
        started=row.started,
        ended=row.ended,
        damaged=(*row.damaged, *damaged),
    )
