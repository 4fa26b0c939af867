"""Writing a study's exports into a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hyperllama.core.errors import StudyError
from hyperllama.core.report.configuration import best_json, best_toml
from hyperllama.core.report.record import ReportedStudy
from hyperllama.core.report.report import report_html, report_markdown

if TYPE_CHECKING:
    from hyperllama.core.evaluate.client import TrialRunner


def export(
    study: ReportedStudy, folder: Path, runner: TrialRunner | None = None, *,
    with_model: bool = True,
) -> list[Path]:
    """Write everything a study leaves behind; the files written, in the order of their use.

    best.toml, best.json, train.py with its table.npz, pipeline.joblib with pipeline.json (fitted on
    all rows), report.html, report.md. Without a complete trial there are only the reports.

    Args:
        runner: of the study's task; writes the table and fits the pipeline. Without it there are
            neither script nor pipeline.
        with_model: also fit the pipeline.

    Raises:
        StudyError: the folder cannot be written; the final fit failed.
        DataError: the table is no longer there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        reports = [
            _put(folder / "report.html", report_html(study)),
            _put(folder / "report.md", report_markdown(study)),
        ]
        best, first = study.state.best, []
        if best is not None:
            first = [
                _put(folder / "best.toml", best_toml(study, best)),
                _put(folder / "best.json", best_json(study, best)),
            ]
        if best is not None and runner is not None:
            from hyperllama.core.report.script import train_script

            first += [_put(folder / "train.py", train_script(study, best)), folder / "table.npz"]
            runner.save_table(first[-1])
        if best is not None and runner is not None and with_model:
            pipeline = folder / "pipeline.joblib"
            facts = {"study": study.name, "trial": best.number, "value": best.value}
            runner.fit_final(dict(best.config), pipeline, seed=study.seed, facts=facts)
            first += [pipeline, pipeline.with_suffix(".json")]
        return first + reports
    except OSError as error:
        raise StudyError(
            f"{folder}: {error.strerror or error}", "name another folder with -o"
        ) from error


def _put(path: Path, text: str) -> Path:
    """Write a text file in one step."""
    temporary = path.with_name(path.name + ".tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path
