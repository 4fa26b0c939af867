"""Writing a study's exports into a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from hyperllama.core.errors import StudyError
from hyperllama.core.programs.store import CHOICE
from hyperllama.core.report.configuration import best_facts, best_json, best_toml
from hyperllama.core.report.record import ReportedStudy
from hyperllama.core.report.report import report_blocks, report_html, report_markdown

if TYPE_CHECKING:
    from hyperllama.core.evaluate.runner.client import TrialRunner
    from hyperllama.core.study import TrialState

_MODEL_FACTS = (
    "study", "task", "trial", "estimator", "params", "value", "std", "test_value", "default_value",
    "default_test_value",
)
"""What `pipeline.json` repeats of `best.json`."""


def export(
    study: ReportedStudy, folder: Path, runner: TrialRunner | None = None, *,
    with_model: bool = True,
) -> list[Path]:
    """Write everything a study leaves behind; the files written, in the order of their use.

    model_card.md, predict.py with the model fitted on all rows (pipeline.json says what each file
    is), train.py with table.npz and table.json, program.py of a study of programs, best.toml,
    best.json, report.html, report.md, front.db of several objectives. Without a complete trial
    there are only the reports.

    Args:
        runner: of the study's task; writes the table and fits the pipeline. Without it there are
            neither scripts nor pipeline.
        with_model: also fit the pipeline.

    Raises:
        StudyError: the folder cannot be written; the final fit failed.
        DataError: the table is no longer there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        blocks = report_blocks(study)
        reports = [
            _put(folder / "report.html", report_html(study, blocks)),
            _put(folder / "report.md", report_markdown(study, blocks)),
        ]
        best, first = study.state.winner, []
        if best is not None:
            first = [
                _put(folder / "best.toml", best_toml(study, best)),
                _put(folder / "best.json", best_json(study, best)),
            ]
        if best is not None and runner is not None:
            first = [*_scripts(study, best, folder, runner), *first]
            if with_model:
                first = [*_model(study, best, folder, runner), *first]
        if best is not None and study.opened.objectives:
            from hyperllama.core.report.optuna_front import write_front

            reports.append(write_front(study, folder / "front.db"))
        return first + reports
    except OSError as error:
        raise StudyError(
            f"{folder}: {error.strerror or error}", "name another folder with -o"
        ) from error


def _scripts(
    study: ReportedStudy, best: TrialState, folder: Path, runner: TrialRunner
) -> list[Path]:
    """predict.py and train.py, the table that the latter reads, and the program if there is one.

    The script of a program that was written runs the program's own file.
    """
    from hyperllama.core.report.bundle import predict_script
    from hyperllama.core.report.script import incumbent_program, train_script

    table = folder / "table.npz"
    runner.save_table(table)
    found = [
        _put(folder / "predict.py", predict_script()),
        _put(folder / "train.py", train_script(study, best)), table, table.with_suffix(".json"),
    ]
    if study.task.programs.kind is not None or CHOICE in best.config:
        found.append(_put(folder / "program.py", incumbent_program(study, best)))
    return found


def _model(
    study: ReportedStudy, best: TrialState, folder: Path, runner: TrialRunner
) -> list[Path]:
    """The model fitted on all rows, and its card."""
    from hyperllama.core.predict.model import FACTS
    from hyperllama.core.report.card import model_card

    pipeline = folder / "pipeline.joblib"
    known = best_facts(study, best)
    facts = {name: known[name] for name in _MODEL_FACTS}
    runner.fit_final(dict(best.config), pipeline, seed=study.seed, facts=facts)
    model = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    card = _put(folder / "model_card.md", model_card(study, best, model))
    return [card, folder / FACTS, *(folder / file["name"] for file in model["files"])]


def _put(path: Path, text: str) -> Path:
    """Write a text file in one step."""
    temporary = path.with_name(path.name + ".tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path
