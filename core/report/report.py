"""The report of a study: what was found, how it compares, how it was measured."""

from __future__ import annotations

import math
from datetime import datetime
from typing import TYPE_CHECKING, Any

from hyperllama.core.charts import (
    Block,
    Bullets,
    CodeBlock,
    Heading,
    Paragraph,
    Quote,
    TableBlock,
    to_html,
    to_markdown,
)
from hyperllama.core.evaluate.saving import versions
from hyperllama.core.report.front import front_blocks
from hyperllama.core.report.plots import Plotted, progress, search_space
from hyperllama.core.report.record import ReportedStudy
from hyperllama.core.space import Param, number
from hyperllama.core.study import PRUNED, StudyState, TrialState
from hyperllama.core.study.findings.verdict import verdict_lines
from hyperllama.core.text import counted
from hyperllama.models.paths import model_name

if TYPE_CHECKING:
    from hyperllama.core.task import Validation


_MOST_ROWS = 1000
"""Of the table of trials: a page of many thousands takes longer to draw than anybody reads it."""


def report_html(study: ReportedStudy, blocks: list[Block] | None = None) -> str:
    """One self-contained page; of `report_blocks`, where they were made already."""
    return to_html(f"{study.name}: report", blocks or report_blocks(study))


def report_markdown(study: ReportedStudy, blocks: list[Block] | None = None) -> str:
    """The same in Markdown, the curve in words."""
    return to_markdown(blocks or report_blocks(study))


def report_blocks(study: ReportedStudy) -> list[Block]:
    """The report in the order of reading."""
    blocks: list[Block] = [Heading(f"Report: {study.name}", 1), *_summary(study)]
    best = study.state.winner
    if best is not None:
        plotted = Plotted.of(study.state, study.problem.space)
        blocks += [Heading("Progress"), progress(plotted), *front_blocks(plotted)]
        blocks += [Heading("What mattered"), *search_space(plotted)]
        blocks += _configuration(study, best)
        if best.reasoning.strip():
            who = best.proposer or "the proposer"
            blocks += [
                Heading("Why this configuration"),
                Paragraph(f"What {who} wrote before trial {best.number} was run:"),
                Quote(best.reasoning),
            ]
        blocks += _validation_and_test(study, best)
        blocks += _baselines(study)
    blocks += [*_trials(study, best), *_data(study), *_measured(study)]
    if best is not None:
        blocks += [Heading("Use it"), CodeBlock(_USE, "python"), Paragraph(_USE_NOTE)]
    return blocks


def _summary(study: ReportedStudy) -> list[Block]:
    state = study.state
    p, best, default, winner = study.problem, state.best, state.default, state.winner
    failed = len(study.trials) - len(study.complete)
    line = counted(len(study.trials), "trial")
    if failed:
        line += f", {failed} of them failed"
    if study.seconds:
        line += f", in {duration(study.seconds)}"
    line += f". Metric: {p.metric} (greater is better); target: {p.target}."
    if study.opened.model:
        line += f" Language model: {model_name(study.opened.model)}."
    if best is None:
        return [Paragraph(line), Paragraph("No trial was completed: there is nothing to export.")]
    found = f"Best: trial {best.number}, {with_spread(best)}"
    found += f", proposed by {best.proposer}." if best.proposer else "."
    if default is not None and default.value is not None and best.value is not None:
        if default.number == best.number:
            found += " It is the library's default configuration; nothing better was found."
        else:
            gain = best.value - default.value
            found += f" The default configuration scored {with_spread(default)}: {gain:+.4g}."
            found += _noise(state)
    if winner is not None and winner is not best:
        found += f" To use: trial {winner.number}, {with_spread(winner)}."
    claims = [
        text[0].upper() + text[1:].rstrip(".") + "." for text in verdict_lines(state)
    ]
    return [Paragraph(found), *([Paragraph(" ".join(claims))] if claims else []), Paragraph(line)]


def _noise(state: StudyState) -> str:
    """Whether the gain is within noise."""
    noise, told = state.noise, ""
    if noise is not None and state.confirmation is None:
        side = "beyond" if state.beyond_noise else "within"
        told = f" That is {side} noise (±{noise.margin:.2g}, from the differences between folds)."
    return told


def _configuration(study: ReportedStudy, best: TrialState) -> list[Block]:
    space = study.problem.space
    default = space.default()
    rows = []
    for p in space:
        if p.name in best.config:
            was = show(default[p.name]) if p.name in default else "–"
            now = show(best.config[p.name])
            rows.append([p.name, now, was, _searched(study, p), p.description])
    known = {p.name for p in space}
    rows += [[k, show(v), "–", "", ""] for k, v in best.config.items() if k not in known]
    header = ["hyperparameter", "winner", "default", "searched", "what it does"]
    return [Heading("The configuration"), TableBlock(header, rows, right=(1, 2))]


def _searched(study: ReportedStudy, param: Param) -> str:
    """The range as it was at the end, and the task's where people changed that."""
    row = next((r for r in study.opened.space if r.get("name") == param.name), {})
    own = param.domain.describe()
    last = str(row.get("text") or own)
    return last if last == own else f"{last} (the task's: {own})"


def _validation_and_test(study: ReportedStudy, best: TrialState) -> list[Block]:
    default = study.state.default
    rows = [["winner", show(best.train_value), with_spread(best), show(study.state.test_value)]]
    if default is not None and default.number != best.number:
        rows.append(
            ["default", show(default.train_value), with_spread(default),
             show(study.state.default_test_value)]
        )
    said = (
        "The validation score chose this configuration among "
        f"{len(study.complete)}, so it is likely a little too high."
    )
    if study.state.test_value is not None:
        said += " The test score comes from rows that were set apart before the first trial and "
        said += (
            "had been scored before the last trials: these may owe something to it."
            if study.state.test_rows_used else
            "scored once, at the end: it is the one to expect on new data like these."
        )
    else:
        said += " No test part was scored."
    return [
        Heading("Validation and test"),
        TableBlock(["configuration", "train", "validation", "test"], rows, right=(1, 2, 3)),
        Paragraph(said),
    ]


def _baselines(study: ReportedStudy) -> list[Block]:
    """What baselines found with the same budget, where they were run."""
    found = study.panel
    if found is None or not found.lines or not found.curve:
        return []
    rows = [["this study", show(found.curve[-1]), "", found.proposer]]
    for line in found.lines:
        band = ""
        if line.low[-1] != line.high[-1]:
            band = f"{show(line.low[-1])} to {show(line.high[-1])}"
        rows.append([line.name, show(line.mean[-1]), band, line.source])
    said = "; ".join(found.words())
    return [
        Heading("Baselines"),
        TableBlock(["baseline", "best score", "band", "source"], rows, right=(1, 2)),
        Paragraph(f"{said[:1].upper()}{said[1:]}."),
    ]


def _trials(study: ReportedStudy, best: TrialState | None) -> list[Block]:
    rows: list[list[str]] = []
    marked = -1
    listed, title, told = study.trials, "All trials", []
    if len(listed) > _MOST_ROWS:
        ranked = sorted(listed, key=lambda t: -math.inf if t.value is None else t.value)
        kept = {t.number for t in ranked[-_MOST_ROWS:]} | ({best.number} if best else set())
        listed, title = [t for t in listed if t.number in kept], "The best trials"
        told = [Paragraph(f"The {len(listed):,} best of {len(study.trials):,}; `hyperllama show "
                          f"{study.name} --json` has all of them.")]
    for t in listed:
        if best is not None and t.number == best.number:
            marked = len(rows)
        config = ", ".join(f"{k}={show(v)}" for k, v in t.config.items())
        notes = [t.reason] if t.reason else []
        if t.fallback:
            notes.append(f"fallback: {t.fallback}")
        notes += [f"breaks {text}" for text in t.broken]
        notes += [str(w) for w in t.facts.get("warnings", ())]
        score = {"complete": with_spread(t), PRUNED: "stopped"}.get(t.state, "failed")
        rows.append(
            [str(t.number), t.proposer, score, show(t.train_value), f"{t.seconds:.1f}", config,
             "; ".join(notes)]
        )
    header = ["#", "proposer", study.problem.metric, "train", "seconds", "configuration", "notes"]
    table = TableBlock(header, rows, right=(0, 2, 3, 4), marked=marked)
    return [Heading(title), *told, table]


def _data(study: ReportedStudy) -> list[Block]:
    blocks: list[Block] = [Heading("The data")]
    lines = list(study.summary) or [
        f"{study.problem.facts.rows} rows for tuning, {study.problem.facts.features} features"
    ]
    blocks.append(Bullets([f"table: {study.task.data.path}", *lines]))
    warnings = list(dict.fromkeys([*study.problem.warnings, *study.opened.warnings]))
    if warnings:
        blocks += [Heading("Warnings", 3), Bullets(warnings)]
    return blocks


def _measured(study: ReportedStudy) -> list[Block]:
    p, v = study.problem, study.problem.validation
    lines = [
        validation_in_words(v) + "; the same folds for every trial",
        f"{v.test_share:.0%} of the rows set apart for the test score"
        if v.test_share else "no rows set apart for a test score",
        "imputation, scaling and encoding are learned anew from the training rows of every fold",
        f"seeds: study {study.seed}, splits {study.task.seed}; SHA-256 of the data {p.fingerprint}",
        "versions: " + ", ".join(f"{k} {n}" for k, n in versions().items()),
    ]
    if study.task.early_stopping_rounds:
        rounds = study.task.early_stopping_rounds
        lines.insert(2, f"boosters stop after {rounds} rounds without gain on a part of the "
                        "training rows, never on the scored ones")
    best = study.state.best
    if best is not None and best.ended_t:
        ended = datetime.fromtimestamp(best.ended_t).isoformat(timespec="seconds")
        lines.append(f"the best trial ended {ended}")
    return [Heading("How it was measured"), Bullets(lines)]


def validation_in_words(v: Validation) -> str:
    """How trials are scored, without a full stop."""
    how = {
        "kfold": f"{v.folds}-fold cross-validation",
        "stratified": f"{v.folds}-fold cross-validation, the classes in equal shares",
        "group": f"{v.folds}-fold cross-validation, each {v.group} in one fold only",
        "time": f"{v.folds} folds in the order of {', '.join(v.time or ())}, "
                "each scored on what came after it",
        "split": f"one part of {v.validation_share:.0%} of the rows is scored",
    }[str(v.method)]
    return how + (f", {v.repeats} times with other folds" if v.repeats > 1 else "")


def show(value: Any) -> str:
    """A value of a table's cell."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return number(value)
    return str(value)


def with_spread(trial: TrialState) -> str:
    """A score, and its standard deviation over the folds."""
    if trial.value is None:
        return "–"
    spread = trial.std
    return number(trial.value) + (f" ± {spread:.2g}" if spread is not None else "")


def duration(seconds: float) -> str:
    """Seconds in words."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


_USE = """import hyperllama

model = hyperllama.load("this_folder")
model.predict(frame)  # raw rows; columns in any order
"""
_USE_NOTE = (
    "predict.py does the same without HyperLlama: python predict.py new.csv -o predictions.csv. "
    "train.py scores the configuration again, on the rows in table.npz or on those of another "
    "file. best.toml and best.json hold the configuration; the model is fitted on all rows, "
    "model_card.md says what it is good for."
)
