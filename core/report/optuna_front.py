"""`front.db`: a study's trials as an Optuna study of several objectives, for Optuna's tools."""

from __future__ import annotations

import warnings
from pathlib import Path

import optuna

from hyperllama.core.objectives import excess_of
from hyperllama.core.report.record import ReportedStudy
from hyperllama.core.storage.database import open_storage
from hyperllama.core.study.front import measured


def write_front(study: ReportedStudy, file: Path) -> Path:
    """Write the trials that have all objectives, with their constraints; what is there is replaced.

    Trials whose configuration lies outside the task's space (of programs) have no parameters there.
    """
    objectives = study.opened.objectives
    for old in file.parent.glob(f"{file.name}*"):
        old.unlink()
    storage = open_storage(f"sqlite:///{file}")
    copy = optuna.create_study(
        study_name=study.name, storage=storage,
        directions=["minimize" if o.minimize else "maximize" for o in objectives],
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # names are experimental; an upper bound may be lowered
        copy.set_metric_names([f"{o.name} ({o.unit})" if o.unit else o.name for o in objectives])
        distributions = study.problem.space.to_distributions()
    found = []
    for trial in study.complete:
        values = [measured(trial, o, study.opened.metric) for o in objectives]
        known = [v for v in values if v is not None]
        if len(known) < len(objectives):
            continue
        inside = study.problem.space.contains(dict(trial.config))
        params = dict(trial.config) if inside else {}
        found.append(optuna.trial.create_trial(
            values=known, params=params, distributions={n: distributions[n] for n in params},
            constraints=excess_of(trial.facts), user_attrs={"trial": trial.number},
        ))  # fmt: skip
    copy.add_trials(found)
    storage.remove_session()
    if isinstance(storage, optuna.storages.RDBStorage):
        storage.engine.dispose()  # with the last connection the write-ahead file goes
    file.with_name(f"{file.name}.lock").unlink(missing_ok=True)  # no process shares this file
    return file
