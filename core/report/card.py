"""`model_card.md`: what the exported model predicts, how good it is, and where not to trust it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hyperllama.core.charts import (
    Block,
    Bullets,
    CodeBlock,
    Heading,
    Paragraph,
    TableBlock,
    to_markdown,
)
from hyperllama.core.objectives import Objective
from hyperllama.core.report.configuration import best_facts
from hyperllama.core.report.record import ReportedStudy
from hyperllama.core.report.report import show, validation_in_words
from hyperllama.core.study import TrialState
from hyperllama.core.text import counted, shown

_USE = """python predict.py new.csv -o predictions.csv     # needs no HyperLlama; --help lists more
hyperllama predict . new.csv -o predictions.csv  # the same
"""


def model_card(study: ReportedStudy, winner: TrialState, model: Mapping[str, Any]) -> str:
    """The card as Markdown.

    Args:
        model: what stands in `pipeline.json`.
    """
    return to_markdown([
        Heading(f"Model card: {study.name}", 1),
        *_purpose(study, winner, model),
        Heading("How good it is"), *_scores(study, winner),
        Heading("Data"), *_data(model),
        Heading("Use it"), CodeBlock(_USE, "sh"), *_use(),
        Heading("Files of the model"), *_files(model),
        Heading("Limits"), Bullets(_limits(study)),
    ])


def _purpose(
    study: ReportedStudy, winner: TrialState, model: Mapping[str, Any]
) -> list[Block]:
    facts = best_facts(study, winner)
    what = f"It predicts {shown(model['target'])}"
    if model["classes"]:
        classes = ", ".join(shown(c, 30) for c in model["classes"][:10])
        what += f", one of {len(model['classes'])} classes ({classes})"
    settings = ", ".join(f"{k} = {show(v)}" for k, v in facts["params"].items())
    line = (f"{facts['estimator']}, the configuration of trial {winner.number} of the study "
            f"{shown(study.name)}, fitted on all {model['rows']:,} rows: {settings}.")
    return [Paragraph(f"{what}."), Paragraph(line)]


def _scores(study: ReportedStudy, winner: TrialState) -> list[Block]:
    facts = best_facts(study, winner)
    rows = [("cross-validation of the study", facts["value"], facts["default_value"])]
    confirmed = study.state.confirmation
    if confirmed is not None and confirmed.gain is not None:
        interval = f"{show(confirmed.gain_low)} to {show(confirmed.gain_high)}"
        gain = f"{confirmed.gain:+.4g} (90 % interval {interval})"
        rows.append((f"gain confirmed on {confirmed.repeats} sets of fresh folds", gain, "–"))
    rows.append(("test rows", facts["test_value"], facts["default_test_value"]))
    if study.state.default is not None:
        known = study.state.default.measures
        rows += [(Objective.of(name).label, value, known.get(name))
                 for name, value in winner.measures.items()]  # fmt: skip
    table = TableBlock(
        ["", "this model", "the default"], [[a, show(b), show(c)] for a, b, c in rows], (1, 2)
    )
    how = validation_in_words(study.problem.validation)
    note = f"{facts['metric']}, greater is better; {how}."
    default = study.state.default
    if study.opened.constraints:
        kept = ", ".join(c.text for c in study.opened.constraints)
        note += f" It keeps {kept}, as means over the folds of the study."
    if study.state.chosen is not None:
        note += " A person chose this trial among those of the study."
    if default is not None and winner.number == default.number:
        note += " The model is the library's default configuration; no trial is known to be better."
    elif confirmed is None or confirmed.gain is None:
        note += (" The gain was not confirmed on fresh folds: as the best of several trials, it is "
                 "a little too high.")
    return [table, Paragraph(note)]


def _data(model: Mapping[str, Any]) -> list[Block]:
    sources: dict[str, Mapping[str, Any]] = {}
    for column in model["columns"]:
        sources.setdefault(column["source"], column)
    names = ", ".join(shown(name, 40) for name in list(sources)[:60])
    more = f" and {len(sources) - 60} more" if len(sources) > 60 else ""
    return [Bullets([
        f"{model['rows']:,} rows; SHA-256 of the values as they were read: {model['data_sha256']}",
        f"{counted(len(sources), 'column')} used: {names}{more}",
        "what each held in the training rows (kind, range, categories) is in pipeline.json",
    ])]


def _use() -> list[Block]:
    return [Paragraph(
        "Rows as in the training table, columns in any order. Numbers, dates, units and separators "
        "are read as they were there. Missing columns, unknown categories and unreadable cells "
        "count as empty cells and are reported, as are values outside the training rows' range. In "
        "Python: hyperllama.load(folder).predict(frame)."
    )]


def _files(model: Mapping[str, Any]) -> list[Block]:
    rows = [
        [f["name"], f["format"], "yes" if f["runs_code"] else "no", f["sha256"]]
        for f in model["files"]
    ]
    warning = (
        "A pickle (joblib) can run any code when it is loaded: only open one from people whom you "
        "trust. predict.py and hyperllama load the file that runs none; --trust allows the pickle."
    )
    if model["files"][0]["runs_code"]:
        warning += " This estimator has no other format, so --trust is needed."
    if model["files"][0]["format"] == "program":
        warning = (
            "The model is a program and the training rows: it is fitted again when it predicts, "
            "by hyperllama in a sandbox, by predict.py as a part of itself, so that --trust is "
            "needed there."
        )
    used = ", ".join(f"{k} {v}" for k, v in model["versions"].items())
    return [TableBlock(["file", "format", "runs code", "SHA-256"], rows),
            Paragraph(warning), Paragraph(f"Written with {used}. Other versions may not read it.")]


def _limits(study: ReportedStudy) -> list[str]:
    v = study.problem.validation
    lines = [
        "The scores hold for rows like the training rows, drawn in the same way; predict.py says "
        "where new rows differ.",
        "They are those of models fitted on a part of the rows; this one was fitted on all, the "
        "test rows included, so no rows of the table can test it any more.",
        "Nothing was looked at but the metric: not whether groups of people are treated alike, nor "
        "whether a column would be known at the time of a prediction.",
    ]
    if v.method in ("kfold", "stratified", "split"):
        lines.append("Rows were split at random. Where later rows are predicted from earlier ones, "
                     "or rows come in groups, the scores are too high.")
    if not v.test_share:
        lines.append("No rows were set apart for a test.")
    return [*lines, *study.problem.warnings]
