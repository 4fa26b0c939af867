"""Writing a study's exports into a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hyperllama.core.errors import StudyError
from hyperllama.core.report.configuration import best_json, best_toml
from hyperllama.core.report.record import StudyRecord, TrialRecord
from hyperllama.core.report.report import report_html, report_markdown

if TYPE_CHECKING:
    from hyperllama.core.evaluate.client import TrialRunner


def export(study: StudyRecord, folder: Path, runner: TrialRunner | None = None) -> list[Path]:
    """Write everything a study leaves behind; the files written, in the order of their use.

    best.toml, best.json, train.py, report.html, report.md; with a runner also pipeline.joblib with
    pipeline.json, fitted on all rows, and table.npz where train.py needs it. Without a complete
    trial there are only the reports.

    Args:
        runner: of the study's task; fits the pipeline and checks how train.py reads the table.

    Raises:
        StudyError: the folder cannot be written; the final fit failed.
        DataError: the table is no longer there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        written = [_put(folder / "report.html", report_html(study))]
        written.append(_put(folder / "report.md", report_markdown(study)))
        best = study.incumbent
        if best is None:
            return written
        first = [_put(folder / "best.toml", best_toml(study, best))]
        first.append(_put(folder / "best.json", best_json(study, best)))
        first.extend(_script(study, best, folder, runner))
        if runner is not None:
            pipeline = folder / "pipeline.joblib"
            facts = {"study": study.name, "trial": best.number, "value": best.value}
            runner.fit_final(best.config, pipeline, seed=best.seed, facts=facts)
            first += [pipeline, pipeline.with_suffix(".json")]
    except OSError as error:
        raise StudyError(
            f"{folder}: {error.strerror or error}", "name another folder with -o"
        ) from error
    return first + written


def _script(
    study: StudyRecord, best: TrialRecord, folder: Path, runner: TrialRunner | None
) -> list[Path]:
    """train.py, and the table beside it where a plain reading of the file would not do."""
    from hyperllama.core.data.reader import open_file
    from hyperllama.core.report.script import train_script

    data = study.task.data
    target, table = folder / "train.py", folder / "table.npz"
    csv = open_file(data.path, data.separator, data.encoding).format == "csv"
    if csv:
        _put(target, train_script(study, best))
        if runner is None or not runner.script_differs(target):
            table.unlink(missing_ok=True)
            return [target]
    _put(target, train_script(study, best, bundled=True))
    if runner is not None:
        runner.save_table(table)
    else:
        from hyperllama.core.data import load_table
        from hyperllama.core.evaluate.saving import save_table

        read = load_table(study.task)
        save_table(table, read.x, read.y, read.groups, read.times)
    return [target, table]


def _put(path: Path, text: str) -> Path:
    """Write a text file in one step."""
    temporary = path.with_name(path.name + ".tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path
