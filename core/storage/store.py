"""One study in an Optuna storage: trials as Optuna keeps them, what is ours as attributes.

A proposal becomes a RUNNING trial in one transaction, before it is evaluated; a result is written
as attributes and then as the state, which ends the trial for good. So whatever is killed, a
finished trial stays, and a RUNNING one tells what was being evaluated. The attributes' names begin
with `hyperllama:`; every Optuna program can read them.
"""

from __future__ import annotations

import fcntl
import json
import math
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage, RDBStorage, get_storage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from hyperllama.core.errors import StudyError
from hyperllama.core.space import Config, SearchSpace
from hyperllama.core.trials import Observed, Proposal

PREFIX = "hyperllama:"
_BUSY_TIMEOUT_S = 60.0
_REASONING_CHARS = 20_000  # the rest is in the proposal log

optuna.logging.disable_default_handler()


@dataclass(frozen=True)
class StoredTrial:
    """A trial as the storage has it.

    Attributes:
        state: as Optuna names it: "COMPLETE", "FAIL", "RUNNING", "WAITING", "PRUNED".
        ours: proposed by HyperLlama (or taken from the queue by it), not by some other program.
        proposal_s: seconds the proposal took.
        started, ended: local time; None where it did not happen.
    """

    number: int
    trial_id: int
    state: str
    config: Config
    value: float | None
    ours: bool = False
    proposer: str = ""
    reasoning: str = ""
    fallback: str = ""
    fold_scores: tuple[float, ...] = ()
    train_value: float | None = None
    seconds: float = 0.0
    reason: str = ""
    tokens: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    peak_memory_mb: float = 0.0
    rejected: bool = False
    started: datetime | None = None
    ended: datetime | None = None

    @property
    def finished(self) -> bool:
        return self.state in ("COMPLETE", "FAIL", "PRUNED")

    @property
    def proposal_s(self) -> float:
        return float(self.tokens.get("seconds", 0.0))

    def observed(self) -> Observed:
        """The trial as proposers are told it."""
        return Observed(
            number=self.number,
            config=self.config,
            value=self.value if self.state == "COMPLETE" else None,
            reason=self.reason,
            proposer=self.proposer,
            fold_scores=self.fold_scores,
            train_value=self.train_value,
            seconds=self.seconds,
            facts=self.facts,
            reasoning=self.reasoning,
        )


def open_storage(url: str, *, create: bool = True) -> BaseStorage:
    """An Optuna storage. SQLite files are set up so that readers do not block the study.

    Raises:
        StudyError: the URL is malformed, its driver is missing, or the database cannot be reached.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise StudyError(
            f"{url!r} is no storage URL",
            "for example sqlite:///studies.db or postgresql://user:password@host/database",
        ) from error
    shown = parsed.render_as_string(hide_password=True)
    try:
        if parsed.get_backend_name() != "sqlite":
            return get_storage(url)
        file = parsed.database or ""
        if file and file != ":memory:":
            if not create and not Path(file).exists():
                raise StudyError(f"there is no database {file}", "give --storage, or run a study")
            with _prepared(Path(file)):
                return _sqlite(url)
        return _sqlite(url)
    except (ImportError, NoSuchModuleError) as error:
        raise StudyError(
            f"the storage {shown} needs a driver that is not installed: {_line(error)}",
            "install it, for example `pip install psycopg2-binary` for PostgreSQL",
        ) from error
    except (SQLAlchemyError, sqlite3.Error, OSError, RuntimeError) as error:
        raise StudyError(
            f"the storage {shown} cannot be opened: {_line(error)}",
            "check the address, the permissions, and that it is a database of Optuna",
        ) from error


class Store:
    """Reads and writes one study. Every method may raise `StudyError` when the storage fails."""

    def __init__(self, storage: BaseStorage, study_id: int) -> None:
        self._storage = storage
        self._study_id = study_id

    @classmethod
    def create(
        cls, storage: BaseStorage, study: str, metric: str, attrs: Mapping[str, Any]
    ) -> Store:
        """A new study that is maximised.

        Raises:
            StudyError: the storage has a study of this name already.
        """
        with _errors():
            try:
                study_id = storage.create_new_study([StudyDirection.MAXIMIZE], study)
            except optuna.exceptions.DuplicatedStudyError as error:
                raise StudyError(
                    f"the storage already has a study {study!r}",
                    f"`hyperllama resume {study}`, or choose another name with --study",
                ) from error
            storage.set_study_system_attr(study_id, "study:metric_names", [metric])
            store = cls(storage, study_id)
            store.set_attrs({"metric": metric, **attrs})
        return store

    @classmethod
    def open(cls, storage: BaseStorage, study: str) -> Store:
        """A study that exists.

        Raises:
            StudyError: the storage has none of this name.
        """
        with _errors():
            try:
                return cls(storage, storage.get_study_id_from_name(study))
            except KeyError as error:
                raise StudyError(
                    f"the storage has no study {study!r}", "`hyperllama studies` lists those here"
                ) from error

    @staticmethod
    def exists(storage: BaseStorage, study: str) -> bool:
        """Whether the storage has a study of this name."""
        with _errors():
            try:
                storage.get_study_id_from_name(study)
            except KeyError:
                return False
        return True

    def attrs(self) -> dict[str, Any]:
        """What is kept about the study as a whole, without the prefix."""
        with _errors():
            stored = self._storage.get_study_user_attrs(self._study_id)
        return {k.removeprefix(PREFIX): v for k, v in stored.items() if k.startswith(PREFIX)}

    def set_attrs(self, attrs: Mapping[str, Any]) -> None:
        with _errors():
            for key, value in attrs.items():
                self._storage.set_study_user_attr(self._study_id, PREFIX + key, value)

    def directions(self) -> list[str]:
        """"MAXIMIZE" for studies of ours; other programs' may differ."""
        with _errors():
            return [d.name for d in self._storage.get_study_directions(self._study_id)]

    def trials(self) -> list[StoredTrial]:
        """All trials, by number."""
        with _errors():
            return [_stored(t) for t in self._storage.get_all_trials(self._study_id, False)]

    def waiting(self) -> list[StoredTrial]:
        """What is queued, by number; reads only what is new or unfinished."""
        with _errors():
            trials = self._storage.get_all_trials(self._study_id, False, (TrialState.WAITING,))
        return [_stored(t) for t in trials]

    def start(self, proposal: Proposal, space: SearchSpace, attrs: Mapping[str, Any]) -> int:
        """Store a proposal as a RUNNING trial, all at once. Returns its number."""
        distributions = _fitting(space, proposal.config)
        template = FrozenTrial(
            number=-1,
            trial_id=-1,
            state=TrialState.RUNNING,
            value=None,
            datetime_start=datetime.now(),
            datetime_complete=None,
            params=dict(proposal.config),
            distributions=distributions,
            user_attrs=_prefixed(attrs),
            system_attrs={},
            intermediate_values={},
        )
        with _errors():
            trial_id = self._storage.create_new_trial(self._study_id, template)
            return self._storage.get_trial_number_from_id(trial_id)

    def take(self, trial: StoredTrial, config: Config, space: SearchSpace) -> bool:
        """Make a queued trial a running one; False if another program took it meanwhile.

        Everything is written before the state, so that a crash leaves it queued.
        """
        with _errors():
            stored = self._storage.get_trial(trial.trial_id)
            if not trial.ours:
                self._set(trial.trial_id, {"proposer": "queue"})
            distributions = _fitting(space, config)
            for name, value in config.items():
                if name not in stored.params:
                    internal = distributions[name].to_internal_repr(value)
                    self._storage.set_trial_param(
                        trial.trial_id, name, internal, distributions[name]
                    )
            try:
                return self._storage.set_trial_state_values(trial.trial_id, TrialState.RUNNING)
            except optuna.exceptions.UpdateFinishedTrialError:
                return False

    def queue(self, config: Mapping[str, Any]) -> int:
        """Queue a configuration as `optuna.Study.enqueue_trial` does. Returns its number."""
        with _errors():
            template = optuna.trial.create_trial(
                state=TrialState.WAITING, system_attrs={"fixed_params": dict(config)}
            )
            trial_id = self._storage.create_new_trial(self._study_id, template)
            return self._storage.get_trial_number_from_id(trial_id)

    def put_back(self, number: int) -> None:
        """Make a running trial a queued one: it was interrupted and is to be run again."""
        with _errors():
            self._storage.set_trial_state_values(self._id(number), TrialState.WAITING)

    def finish(self, number: int, value: float | None, attrs: Mapping[str, Any]) -> None:
        """End a trial for good: COMPLETE with a finite value, FAIL without.

        The state is written last; until then a crash leaves the trial RUNNING.
        """
        with _errors():
            trial_id = self._id(number)
            self._set(trial_id, attrs)
            if value is not None and math.isfinite(value):
                self._storage.set_trial_state_values(trial_id, TrialState.COMPLETE, [value])
            else:
                self._storage.set_trial_state_values(trial_id, TrialState.FAIL)

    def close(self) -> None:
        self._storage.remove_session()

    def _id(self, number: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)

    def _set(self, trial_id: int, attrs: Mapping[str, Any]) -> None:
        for key, value in _prefixed(attrs).items():
            self._storage.set_trial_user_attr(trial_id, key, value)


def _prefixed(attrs: Mapping[str, Any]) -> dict[str, Any]:
    return {
        PREFIX + key: value[:_REASONING_CHARS] if key == "reasoning" else value
        for key, value in attrs.items()
        if value not in (None, "", (), {}) or key == "proposer"
    }


def _fitting(space: SearchSpace, config: Config) -> dict[str, BaseDistribution]:
    """The distributions of the configuration's parameters."""
    distributions = space.to_distributions()
    return {name: distributions[name] for name in config}


def _stored(trial: FrozenTrial) -> StoredTrial:
    own = {
        k.removeprefix(PREFIX): v for k, v in trial.user_attrs.items() if k.startswith(PREFIX)
    }
    queued = trial.system_attrs.get("fixed_params")
    config = dict(trial.params) or (dict(queued) if isinstance(queued, dict) else {})
    values = trial.values
    return StoredTrial(
        number=trial.number,
        trial_id=trial._trial_id,
        state=trial.state.name,
        config=config,
        value=values[0] if values else None,
        ours="proposer" in own,
        proposer=str(own.get("proposer", "queue" if queued else "")),
        reasoning=str(own.get("reasoning", "")),
        fallback=str(own.get("fallback", "")),
        fold_scores=tuple(own.get("fold_scores", ())),
        train_value=own.get("train_score"),
        seconds=float(own.get("seconds", 0.0)),
        reason=str(own.get("reason", "")),
        tokens=own.get("tokens", {}),
        facts=own.get("facts", {}),
        peak_memory_mb=float(own.get("peak_memory_mb", 0.0)),
        rejected=bool(own.get("rejected", False)),
        started=trial.datetime_start,
        ended=trial.datetime_complete,
    )


def jsonable(value: Any) -> Any:
    """`value` as it will be when read back from the storage."""
    return json.loads(json.dumps(value, default=str))


def _sqlite(url: str) -> BaseStorage:
    return get_storage(
        RDBStorage(url, engine_kwargs={"connect_args": {"timeout": _BUSY_TIMEOUT_S}})
    )


@contextmanager
def _prepared(file: Path) -> Iterator[None]:
    """A file in write-ahead mode (kept in it once set): readers do not block the writer.

    Two processes that make the same tables at the same time would fail, so one waits.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.with_name(file.name + ".lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        connection = sqlite3.connect(file, timeout=_BUSY_TIMEOUT_S)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        finally:
            connection.close()
        yield


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except (optuna.exceptions.StorageInternalError, SQLAlchemyError) as error:
        raise StudyError(
            f"the storage failed: {_line(error.__cause__ or error)}",
            "nothing that was finished is lost; look after the disk or the connection, then resume",
        ) from error


def _line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
