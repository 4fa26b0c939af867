"""Everything about one trial as text: outcome, configuration, tokens, reasoning."""

from __future__ import annotations

from textual.content import Content

from hyperllama.core.study import StudyState, TrialState
from hyperllama.core.text import plain
from hyperllama.tui.text import wording


def describe_trial(trial: TrialState, state: StudyState) -> Content:
    """Facts in aligned pairs, then the configuration, then the reasoning."""
    sections = [("Outcome", _pairs(_outcome(trial, state)))]
    if trial.config:
        sections.append(("Configuration", _configuration(trial, state)))
    tokens = [
        (str(key), f"{value:,.6g}")
        for key, value in trial.tokens.items()
        if isinstance(value, (int, float))
    ]
    if tokens:
        sections.append(("Tokens", _pairs(tokens)))
    if trial.reasoning:
        sections.append(("Reasoning", [Content(plain(trial.reasoning).strip())]))
    return Content("\n\n").join(
        Content("\n").join([Content.styled(title, "bold $primary"), *lines])
        for title, lines in sections
    )


def _outcome(trial: TrialState, state: StudyState) -> list[tuple[str, str]]:
    best = " (the best)" if trial.number == state.incumbent else ""
    score = wording.score
    known = (
        ("proposed by", plain(trial.proposer)),
        ("state", trial.state + best),
        ("replaced because", plain(trial.fallback)),
        ("score", "" if trial.value is None else score(trial.value)),
        ("± over folds", "" if trial.std is None else wording.spread(trial.std)),
        ("folds", "  ".join(score(s) for s in trial.fold_scores)),
        ("train score", "" if trial.train_value is None else score(trial.train_value)),
        ("took", wording.duration(trial.seconds) if trial.seconds else ""),
        ("failed because" if trial.state == "fail" else "reason", plain(trial.reason)),
    )
    return [(name, value) for name, value in known if value or name == "proposed by"]


def _pairs(pairs: list[tuple[str, str]]) -> list[Content]:
    width = max(len(name) for name, _ in pairs)
    return [Content.assemble((name.ljust(width) + "  ", "$dim"), value) for name, value in pairs]


def _configuration(trial: TrialState, state: StudyState) -> list[Content]:
    reference = state.best.config if state.best is not None else {}
    compared = bool(reference) and trial.number != state.incumbent
    width = max(len(plain(name)) for name in trial.config)
    lines = []
    for name, value in trial.config.items():
        other = reference.get(name)
        differs = compared and other != value
        lines.append(
            Content.assemble(
                (plain(name).ljust(width) + "  ", "$dim"),
                (wording.setting(value).ljust(10), "bold" if differs else ""),
                (f"   best has {wording.setting(other)}" if differs else "", "$dim"),
            )
        )
    return lines
