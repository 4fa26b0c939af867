"""One study in an Optuna storage: trials as Optuna keeps them, what is ours as attributes.

A trial's number is reserved before anything is proposed for it: a RUNNING trial without parameters.
The proposal is written into it as attributes and parameters, the result as attributes and then as
the state, which ends the trial for good. So whatever is killed, a finished trial stays, and a
RUNNING one tells what was being evaluated. The attributes' names begin with `hyperllama:`; every
Optuna program can read them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Container, Mapping
from contextlib import suppress
from dataclasses import fields
from datetime import datetime
from itertools import accumulate
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage, RDBStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from hyperllama.core.errors import StudyError
from hyperllama.core.objectives import excess_of
from hyperllama.core.programs.store import CHOICE
from hyperllama.core.space import Config, SearchSpace
from hyperllama.core.storage.database import TrialEnded, storage_errors
from hyperllama.core.storage.sqlite_reader import SqliteReader, reader_of_file
from hyperllama.core.storage.trial_rows import (
    PREFIX,
    QUEUED,
    RESERVED,
    StoredTrial,
    TrialRecord,
    TrialRow,
    is_reserved,
    own_attrs,
    sound_attrs,
    sound_trial,
)

_CONSTRAINTS = "constraints"  # begins the system attributes of Optuna's `Trial.set_constraint`
_REASONING_CHARS = 20_000  # the rest is in the proposal log


class Store:
    """Reads and writes one study. Every method may raise `StudyError` when the storage fails."""

    def __init__(self, storage: BaseStorage, study_id: int) -> None:
        self._storage = storage
        self._study_id = study_id
        self._reader = _reader_of(storage)

    @classmethod
    def create(
        cls, storage: BaseStorage, study: str, metric: str, attrs: Mapping[str, Any]
    ) -> Store:
        """A new study that is maximised.

        Raises:
            StudyError: the storage has a study of this name already.
        """
        with storage_errors():
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
    def open(cls, storage: BaseStorage, study: str, *, alone: bool = False) -> Store:
        """A study that exists; with `alone`, the only one of the storage under whatever name: its
        folder may have been copied.

        Raises:
            StudyError: the storage has none of this name.
        """
        with storage_errors():
            try:
                return cls(storage, storage.get_study_id_from_name(study))
            except KeyError as error:
                studies = storage.get_all_studies() if alone else []
                if len(studies) == 1:
                    return cls(storage, studies[0]._study_id)
                raise StudyError(
                    f"the storage has no study {study!r}", "`hyperllama studies` lists those here"
                ) from error

    def attrs(self) -> dict[str, Any]:
        """What is kept about the study as a whole, without the prefix. Attributes of `StudyRecord`
        that are not of their type are left out; "damaged" lists their names."""
        with storage_errors():
            stored = self._storage.get_study_user_attrs(self._study_id)
        return sound_attrs(own_attrs(stored))

    def set_attrs(self, attrs: Mapping[str, Any]) -> None:
        with storage_errors():
            for key, value in attrs.items():
                self._storage.set_study_user_attr(self._study_id, PREFIX + key, value)

    def directions(self) -> list[str]:
        """"MAXIMIZE" for studies of ours; other programs' may differ."""
        with storage_errors():
            return [d.name for d in self._storage.get_study_directions(self._study_id)]

    def trials(self) -> list[StoredTrial]:
        """All trials, by number, without reserved ones that nothing was proposed for yet."""
        return [sound_trial(row) for row in self._rows() if not is_reserved(row)]

    def waiting(self) -> list[StoredTrial]:
        """What is queued, by number."""
        return [sound_trial(row) for row in self._rows("WAITING") if not is_reserved(row)]

    def reserve(self) -> int:
        """The number of the next trial: of one that was reserved and not used, else of a new one.

        Other programs see a RUNNING trial without parameters; once the study has stopped, a WAITING
        one (see `put_back`).
        """
        template = _reserved_template(TrialState.RUNNING)
        number = self.reserved()
        with storage_errors():
            if number is not None and self._run(self._id(number)):
                return number
            while True:
                trial_id = self._storage.create_new_trial(self._study_id, template)
                number = self._storage.get_trial_number_from_id(trial_id)
                if self._claim(number):  # else another process found it first
                    return number

    def reserved(self) -> int | None:
        """The number that is reserved and not used yet; None where there is none that this process
        can have."""
        numbers = (row.number for row in self._rows("RUNNING", "WAITING") if is_reserved(row))
        return next((number for number in numbers if self._claim(number)), None)

    def release(self, number: int) -> None:
        """End a reserved trial that nothing will be proposed for; it does not count as a trial."""
        with storage_errors():
            self._storage.set_trial_state_values(self._id(number), TrialState.FAIL)

    def orphans(self, running: Container[int]) -> list[StoredTrial]:
        """Running trials, by number, whose process is gone; this process, which runs those in
        `running`, has them from now on."""
        return [
            trial for row in self._rows("RUNNING")
            if row.number not in running and not is_reserved(row)
            and (trial := sound_trial(row)).ours and self._claim(row.number)
        ]  # fmt: skip

    def propose(
        self, number: int, config: Config, space: SearchSpace, attrs: Mapping[str, Any]
    ) -> None:
        """Write a proposal into a reserved trial, or complete one that a crash left half written.

        The proposer's name, which makes it a trial, is written after the whole configuration and
        before its parameters: until then a crash leaves the number reserved.

        Raises:
            TrialEnded: another program has ended the trial.
        """
        with storage_errors():
            trial_id = self._id(number)
            stored = self._storage.get_trial(trial_id)
            if PREFIX + "proposer" not in stored.user_attrs:
                self._set(trial_id, {k: v for k, v in attrs.items() if k != "proposer"})
                self._set(trial_id, self._who())
                self._storage.set_trial_system_attr(trial_id, QUEUED, dict(config))
                self._set(trial_id, {"proposer": attrs["proposer"]})
            self._set_params(stored, config, space)

    def take(
        self, trial: StoredTrial, config: Config, space: SearchSpace, reasoning: str = ""
    ) -> bool:
        """Make a queued trial a running one; False if another program took it meanwhile.

        Everything is written before the state, so that a crash leaves it queued.
        """
        with suppress(TrialEnded), storage_errors():
            if not self._claim(trial.number):
                return False
            stored = self._storage.get_trial(trial.trial_id)
            if not trial.ours:
                self._set(trial.trial_id, {"proposer": "queue", "reasoning": reasoning})
            self._set_params(stored, config, space)
            return self._storage.set_trial_state_values(trial.trial_id, TrialState.RUNNING)
        return False

    def queue(self, config: Mapping[str, Any], attrs: Mapping[str, Any] | None = None) -> int:
        """Queue a configuration as `optuna.Study.enqueue_trial` does, with attributes of its trial.
        Returns its number."""
        with storage_errors():
            template = optuna.trial.create_trial(
                state=TrialState.WAITING, system_attrs={QUEUED: dict(config)},
                user_attrs=_prefixed(attrs or {}),
            )
            trial_id = self._storage.create_new_trial(self._study_id, template)
            return self._storage.get_trial_number_from_id(trial_id)

    def put_back(self, number: int) -> None:
        """Make a running trial a queued one: it was interrupted and is to be run again."""
        with storage_errors():
            self._storage.set_trial_state_values(self._id(number), TrialState.WAITING)

    def finish(
        self, number: int, value: float | None, attrs: Mapping[str, Any], pruned: bool = False,
        constraints: Mapping[str, float] = {},
    ) -> None:  # fmt: skip
        """End a trial for good: COMPLETE with a finite value, FAIL without, or PRUNED with the mean
        of its folds after each. Constraints are stored as Optuna's: kept up to 0.

        The state is written last; until then a crash leaves the trial RUNNING.
        """
        with storage_errors():
            trial_id = self._id(number)
            self._set(trial_id, {**attrs, **self._who()})
            _set_constraints(self._storage, trial_id, constraints)
            if pruned:
                mean = 0.0
                for step, total in enumerate(accumulate(attrs.get("fold_scores", ()))):
                    mean = total / (step + 1)
                    self._storage.set_trial_intermediate_value(trial_id, step, mean)
                self._storage.set_trial_state_values(trial_id, TrialState.PRUNED, [mean])
            elif value is not None and math.isfinite(value):
                self._storage.set_trial_state_values(trial_id, TrialState.COMPLETE, [value])
            else:
                self._storage.set_trial_state_values(trial_id, TrialState.FAIL)

    def restore(self, trial: StoredTrial, space: SearchSpace) -> None:
        """Write a finished trial that the storage lost, under its number; numbers before it that
        are free become released ones."""
        template = _reserved_template(TrialState.FAIL)
        with storage_errors():
            known = self._storage.get_n_trials(self._study_id)
            for _ in range(known, trial.number):
                self._storage.create_new_trial(self._study_id, template)
            self._storage.create_new_trial(self._study_id, _ended_template(trial, space))

    def close(self) -> None:
        """Close the storage; the last one to do so leaves a SQLite database in one file."""
        self._storage.remove_session()
        backend = getattr(self._storage, "_backend", self._storage)
        if isinstance(backend, RDBStorage):
            backend.engine.dispose()

    def _claim(self, number: int) -> bool:
        """Whether this process has the trial alone, from now on."""
        return True

    def _who(self) -> dict[str, str]:
        """What is kept with a trial about the process that runs it."""
        return {}

    def _rows(self, *states: str) -> list[TrialRow]:
        """The trials in these states, or all, by number."""
        with storage_errors():
            if self._reader is not None:
                return self._reader.rows(self._study_id, states)
            wanted = tuple(TrialState[state] for state in states) or None
            trials = self._storage.get_all_trials(self._study_id, False, wanted)
        return [_row(trial) for trial in trials]

    def _id(self, number: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)

    def _set(self, trial_id: int, attrs: Mapping[str, Any]) -> None:
        for key, value in _prefixed(attrs).items():
            self._storage.set_trial_user_attr(trial_id, key, value)

    def _run(self, trial_id: int) -> bool:
        """Make a reserved trial a running one; False if another program has taken or ended it."""
        if self._storage.get_trial(trial_id).state == TrialState.RUNNING:
            return True
        try:
            return self._storage.set_trial_state_values(trial_id, TrialState.RUNNING)
        except optuna.exceptions.UpdateFinishedTrialError:
            return False

    def _set_params(self, stored: FrozenTrial, config: Config, space: SearchSpace) -> None:
        """Write the parameters that a stored trial lacks; programs have values of their own."""
        if CHOICE in config:
            return
        distributions = space.to_distributions()
        for name in (n for n in config if n not in stored.params):
            internal = distributions[name].to_internal_repr(config[name])
            self._storage.set_trial_param(stored._trial_id, name, internal, distributions[name])


def _reserved_template(state: TrialState) -> FrozenTrial:
    """A trial without parameters, as a number that is reserved or was released has it."""
    ended = datetime.now() if state.is_finished() else None
    return FrozenTrial(
        number=-1, trial_id=-1, state=state, value=None, datetime_start=datetime.now(),
        datetime_complete=ended, params={}, distributions={}, user_attrs={},
        system_attrs={RESERVED: True}, intermediate_values={},
    )  # fmt: skip


def _ended_template(trial: StoredTrial, space: SearchSpace) -> FrozenTrial:
    """A finished trial as Optuna keeps it."""
    distributions = space.to_distributions()
    record = {f.name: getattr(trial, f.name) for f in fields(TrialRecord)}
    return FrozenTrial(
        number=-1, trial_id=-1, state=TrialState[trial.state], value=trial.value,
        datetime_start=trial.started, datetime_complete=trial.ended, params=dict(trial.config),
        distributions={name: distributions[name] for name in trial.config},
        user_attrs=_prefixed(record), intermediate_values={},
        system_attrs={f"{_CONSTRAINTS}:{name}": e for name, e in excess_of(trial.facts).items()},
    )  # fmt: skip


def _set_constraints(storage: BaseStorage, trial_id: int, excess: Mapping[str, float]) -> None:
    for name, value in excess.items():
        storage.set_trial_system_attr(trial_id, f"{_CONSTRAINTS}:{name}", value)


def _prefixed(attrs: Mapping[str, Any]) -> dict[str, Any]:
    return {
        PREFIX + key: value[:_REASONING_CHARS] if key == "reasoning" else value
        for key, value in attrs.items()
        if value not in (None, "", (), {}) or key == "proposer"
    }


def stored_trial(trial: FrozenTrial) -> StoredTrial:
    """A trial of Optuna with what is ours in it, as far as that is sound."""
    return sound_trial(_row(trial))


def _reader_of(storage: BaseStorage) -> SqliteReader | None:
    """What reads trials quickly, where the storage is a SQLite file."""
    backend = getattr(storage, "_backend", storage)
    if isinstance(backend, RDBStorage) and backend.engine.dialect.name == "sqlite":
        file = backend.engine.url.database
        return reader_of_file(Path(file)) if file and file != ":memory:" else None
    return None


def _row(trial: FrozenTrial) -> TrialRow:
    values = trial.values
    return TrialRow(
        trial.number, trial._trial_id, trial.state.name, trial.params,
        values[0] if values else None, trial.user_attrs, trial.system_attrs,
        trial.datetime_start, trial.datetime_complete,
    )  # fmt: skip


def jsonable(value: Any) -> Any:
    """`value` as it will be when read back from the storage."""
    return json.loads(json.dumps(value, default=str))
