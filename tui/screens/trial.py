"""Everything about one trial, in full: configuration, folds, tokens, failure, reasoning."""

from __future__ import annotations

from textual.content import Content

from hyperllama.core.study import StudyState, TrialState
from hyperllama.core.text import plain
from hyperllama.tui import wording
from hyperllama.tui.screens.dialogs import Read


class TrialScreen(Read):
    """The full view of a trial."""

    def __init__(self, trial: TrialState, snapshot: StudyState) -> None:
        super().__init__(f"Trial {trial.number}", describe(trial, snapshot))


def describe(trial: TrialState, snapshot: StudyState) -> Content:
    """Facts in aligned pairs, then the configuration, then the words."""
    out: list[Content] = []

    def section(title: str) -> None:
        if out:
            out.append(Content(""))
        out.append(Content.styled(title, "bold $primary"))

    def facts(pairs: list[tuple[str, str]]) -> None:
        width = max((len(name) for name, _ in pairs), default=0)
        for name, value in pairs:
            out.append(Content.assemble((name.ljust(width) + "  ", "$dim"), value))

    section("Outcome")
    best = " (the best)" if trial.number == snapshot.incumbent else ""
    pairs = [("proposed by", plain(trial.proposer)), ("state", trial.state + best)]
    if trial.fallback:
        pairs.append(("stepped in because", plain(trial.fallback)))
    if trial.value is not None:
        pairs.append(("score", wording.score(trial.value)))
    if trial.std is not None:
        pairs.append(("± over folds", wording.score(trial.std)))
    if trial.fold_scores:
        pairs.append(("folds", "  ".join(wording.score(s) for s in trial.fold_scores)))
    if trial.train_value is not None:
        pairs.append(("train score", wording.score(trial.train_value)))
    if trial.seconds:
        pairs.append(("took", wording.duration(trial.seconds)))
    if trial.reason:
        pairs.append(("failed because", plain(trial.reason)))
    facts(pairs)
    if trial.config:
        section("Configuration")
        reference = snapshot.best.config if snapshot.best is not None else {}
        width = max(len(plain(name)) for name in trial.config)
        for name, value in trial.config.items():
            other = reference.get(name)
            differs = trial.number != snapshot.incumbent and other != value and bool(reference)
            out.append(
                Content.assemble(
                    (plain(name).ljust(width) + "  ", "$dim"),
                    (wording.setting(value).ljust(10), "bold" if differs else ""),
                    (f"   best has {wording.setting(other)}" if differs else "", "$dim"),
                )
            )
    numbers = [
        (str(key), f"{value:,.6g}")
        for key, value in trial.tokens.items()
        if isinstance(value, (int, float))
    ]
    if numbers:
        section("Tokens")
        facts(numbers)
    if trial.reasoning:
        section("Reasoning")
        out.append(Content(plain(trial.reasoning).strip()))
    return Content("\n").join(out)
