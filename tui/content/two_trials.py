"""Two trials of a study side by side: which is better, outcomes, configurations. No widgets."""

from __future__ import annotations

from collections.abc import Iterator

from hyperllama.core.study import StudyState, TrialState
from hyperllama.core.text import plain
from hyperllama.tui.text import wording


def standing(one: TrialState, other: TrialState, state: StudyState) -> list[str]:
    """Which trial is better, by how much, and whether that is more than the study's noise."""
    if one.value is None or other.value is None:
        return ["A trial without a score cannot be compared."]
    if other.value > one.value:
        one, other = other, one
    gap, noise = (one.value or 0.0) - (other.value or 0.0), state.noise
    metric = f" ({plain(state.opened.metric)})" if state.opened is not None else ""
    names = f"Trial {one.number}", f"trial {other.number}"
    if not gap:
        return [f"{names[0]} and {names[1]} are equal: {wording.score(one.value)}{metric}."]
    said = f"{names[0]} against {names[1]}: {wording.signed(gap)}{metric}"
    if noise is not None:
        margin = f"(±{wording.score(noise.margin)})"
        if gap > noise.margin:
            said = f"{names[0]} is ahead of {names[1]} by {wording.signed(gap)}{metric}"
            said += f", beyond noise {margin}"
        else:
            said += f", within noise {margin}: they cannot be told apart"
    told = [said + "."]
    if len(one.fold_scores) == len(other.fold_scores) > 1:
        pairs = zip(one.fold_scores, other.fold_scores, strict=True)
        won = sum(a > b for a, b in pairs)
        told.append(f"{names[0]} scores higher on {won} of {len(one.fold_scores)} folds.")
    return told


def beside(one: TrialState, other: TrialState) -> list[tuple[str, str, str]]:
    """(name, of the one, of the other): outcomes, then hyperparameters, those that differ first."""
    names = [*one.config, *(n for n in other.config if n not in one.config)]
    settings = [(n, _setting(one, n), _setting(other, n)) for n in names]
    return [
        ("", f"trial {one.number}", f"trial {other.number}"),
        *_outcomes(one, other),
        *sorted(settings, key=lambda row: row[1] == row[2]),
    ]


def _outcomes(one: TrialState, other: TrialState) -> Iterator[tuple[str, str, str]]:
    for name, left in _outcome(one).items():
        right = _outcome(other)[name]
        if left or right:
            yield name, left, right


def _score(trial: TrialState) -> str:
    if trial.expected is not None:
        return f"stopped at about {wording.score(trial.expected)}"
    return "failed" if trial.state == "fail" else wording.score(trial.value)


def _outcome(trial: TrialState) -> dict[str, str]:
    return {
        "proposed by": plain(trial.proposer),
        "score": _score(trial),
        "± over folds": "" if trial.std is None else wording.spread(trial.std),
        "train score": "" if trial.train_value is None else wording.score(trial.train_value),
        "took": wording.duration(trial.seconds) if trial.seconds else "",
    }


def _setting(trial: TrialState, name: str) -> str:
    return wording.setting(trial.config[name]) if name in trial.config else "–"
