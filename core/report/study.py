"""Exports a study by its name: reads its storage, opens its table, writes the files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from hyperllama.core.errors import StudyError
from hyperllama.core.experiments.panel import read_panel
from hyperllama.core.storage.reading import StudyFacts, read_study

if TYPE_CHECKING:
    from hyperllama.core.evaluate.client import TrialRunner
    from hyperllama.core.report import ReportedStudy
    from hyperllama.core.study import StudyState


def export_study(
    study: str,
    folder: Path,
    *,
    storage: str | None = None,
    with_model: bool = True,
    threads: int = 0,
    say: Callable[[str], None] = lambda text: None,
) -> list[Path]:
    """Write a study's best configuration, script, report and fitted pipeline into `folder`.

    Args:
        storage: an Optuna storage URL; default: where the study was made.
        with_model: also fit the incumbent on all rows and save it.
        say: told in a line what is being done.

    Returns:
        The files written.

    Raises:
        StudyError: there is no such study, nothing was completed, or the folder cannot be written.
        HyperLlamaError: the table is gone, or the last fit failed.
    """
    from hyperllama.core.evaluate.client import TrialRunner
    from hyperllama.core.report import export
    from hyperllama.core.study.history import read_state

    facts = read_study(study, storage)
    if facts.task_file is None:
        raise StudyError(
            f"the task file of {study!r} is not on this machine",
            f"`hyperllama resume {study} --storage URL` brings it here",
        )
    if facts.best is None:
        raise StudyError(
            f"no trial of {study!r} was completed, so there is nothing to export",
            f"`hyperllama show {study}` says why trials failed",
        )
    log = facts.task_file.with_name("trials.log")
    with TrialRunner(facts.task_file, log=log, threads=threads) as runner:
        say("reading the table")
        runner.open()
        record = _reported(facts, read_state(study, storage), runner)
        if with_model:
            say("fitting the incumbent on all rows")
        return export(record, folder, runner, with_model=with_model)


def _reported(facts: StudyFacts, state: StudyState, runner: TrialRunner) -> ReportedStudy:
    """The study as its storage and its table have it."""
    from hyperllama.core.report import ReportedStudy

    return ReportedStudy(
        state=state,
        task=runner.task,
        problem=runner.open(),
        seed=int((facts.attrs.get("settings") or {}).get("seed") or 0),
        test_value=_current_test_score(facts),
        default_test_value=facts.attrs.get("default_test_score"),
        seconds=float(facts.summary.get("seconds") or 0.0),
        summary=runner.summary,
        panel=read_panel(facts.study),
    )


def _current_test_score(facts: StudyFacts) -> float | None:
    """The test score, unless a better trial was found after it was computed."""
    if facts.best is None or facts.attrs.get("test_of") != facts.best.number:
        return None
    score = facts.attrs.get("test_score")
    return None if score is None else float(score)
