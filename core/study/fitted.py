"""The fitted model of a study: its winner, trained on all rows; kept in the study's folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from hyperllama.core.errors import DataError, StudyError
from hyperllama.core.predict.boxed import load
from hyperllama.core.study.history import state_of
from hyperllama.core.study.inputs import check_rows

if TYPE_CHECKING:
    from hyperllama.core.predict import FittedModel
    from hyperllama.core.study.state import TrialState

MODEL = "model"
"""Its folder inside the study's."""


def fitted_model(
    study: str, *, storage: str | None = None, threads: int = 0, trial: int | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> FittedModel:
    """The model of a study's winner, fitted now unless that was done before.

    Args:
        storage: an Optuna storage URL; default: where the study was made.
        threads: for the fit; 0 takes the task's limit.
        trial: number of the trial to use in place of the winner.
        say: told in a line what is being done.

    Raises:
        StudyError: there is no such study, it has no complete trial, or its task file is elsewhere.
        HyperLlamaError: the table is gone or changed, or the fit failed.
    """
    from hyperllama.core.evaluate.runner.client import TrialRunner
    from hyperllama.core.storage.reading import read_stored

    stored = read_stored(study, storage)
    state = state_of(stored)
    winner = (state if trial is None else state.choosing(trial)).winner
    if stored.task_file is None:
        raise StudyError(f"the task file of {study!r} is not on this machine",
                         f"`hyperllama resume {study} --storage URL` brings it here")
    if winner is None:
        raise StudyError(f"no trial of {study!r} was completed, so there is no model",
                         f"`hyperllama show {study}` says why trials failed")
    folder = stored.task_file.parent / MODEL
    unboxed = state.opened is not None and state.opened.unsandboxed
    kept = kept_model(folder, winner, unboxed)
    if kept is not None:
        return kept
    seed = state.opened.seed if state.opened is not None else 0
    log = stored.task_file.with_name("trials.log")
    with TrialRunner(stored.task_file, log=log, threads=threads) as runner:
        say("reading the table")
        rows = runner.open().fingerprint
        check_rows(stored.name, stored.attrs, runner.task.data.path, rows, runner.rows)
        say(f"fitting trial {winner.number} on all rows")
        facts = {"study": stored.name, "trial": winner.number, "value": winner.value}
        folder.mkdir(mode=0o700, exist_ok=True)
        runner.fit_final(dict(winner.config), folder / "pipeline.joblib", seed=seed, facts=facts)
    return load(folder, trusted=True, unboxed=unboxed)


def kept_model(folder: Path, winner: TrialState, unboxed: bool = False) -> FittedModel | None:
    """The model of an earlier call, where it is the winner's and can be read."""
    try:
        model = load(folder, trusted=True, unboxed=unboxed)
    except DataError:
        return None
    same = model.facts.get("trial") == winner.number and model.facts.get("config") == winner.config
    return model if same else None
