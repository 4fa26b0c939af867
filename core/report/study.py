"""Exports a study by its name: reads its storage, opens its table, writes the files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from hyperllama.core.errors import StudyError
from hyperllama.core.experiments.panel import read_panel
from hyperllama.core.storage.reading import StoredStudy, read_stored

if TYPE_CHECKING:
    from hyperllama.core.evaluate.runner.client import TrialRunner
    from hyperllama.core.report import ReportedStudy
    from hyperllama.core.study import StudyState


def export_study(
    study: str,
    folder: Path,
    *,
    storage: str | None = None,
    with_model: bool = True,
    threads: int = 0,
    trial: int | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> list[Path]:
    """Write a study's best configuration, script, report and fitted pipeline into `folder`.

    Args:
        storage: an Optuna storage URL; default: where the study was made.
        with_model: also fit the winner on all rows and save it.
        trial: number of the trial to write in place of the winner.
        say: told in a line what is being done.

    Returns:
        The files written.

    Raises:
        StudyError: there is no such study, nothing was completed, or the folder cannot be written.
        HyperLlamaError: the table is gone, or the last fit failed.
    """
    from hyperllama.core.evaluate.runner.client import TrialRunner
    from hyperllama.core.report import export
    from hyperllama.core.study.history import state_of

    stored = read_stored(study, storage)
    state = state_of(stored)
    if stored.task_file is None:
        raise StudyError(
            f"the task file of {study!r} is not on this machine",
            f"`hyperllama resume {study} --storage URL` brings it here",
        )
    if state.best is None:
        raise StudyError(
            f"no trial of {study!r} was completed, so there is nothing to export",
            f"`hyperllama show {study}` says why trials failed",
        )
    if trial is not None:
        state = state.choosing(trial)
    log = stored.task_file.with_name("trials.log")
    with TrialRunner(stored.task_file, log=log, threads=threads) as runner:
        say("reading the table")
        runner.open()
        record = _reported(stored, state, runner)
        if with_model:
            say(f"fitting trial {state.winner_number} on all rows")
        return export(record, folder, runner, with_model=with_model)


def _reported(stored: StoredStudy, state: StudyState, runner: TrialRunner) -> ReportedStudy:
    """The study as its storage and its table have it."""
    from hyperllama.core.report import ReportedStudy

    return ReportedStudy(
        state=state,
        task=runner.task,
        problem=runner.open(),
        seconds=float(stored.summary.get("seconds") or 0.0),
        summary=runner.summary,
        panel=read_panel(stored.name),
    )
