"""Two trials of a study side by side, as text: which is better, outcomes, configurations."""

from __future__ import annotations

from collections.abc import Iterator

from textual.content import Content

from hyperllama.core.study import StudyState, TrialState
from hyperllama.core.text import plain
from hyperllama.tui.text import wording

_LEAST = 12  # cells of a value


def describe_two(one: TrialState, other: TrialState, state: StudyState) -> Content:
    """What may be said of the two, then their facts in two columns; what differs is bold."""
    rows = [("", f"trial {one.number}", f"trial {other.number}"), *_outcomes(one, other)]
    names = [*one.config, *(n for n in other.config if n not in one.config)]
    settings = [(n, _setting(one, n), _setting(other, n)) for n in names]
    rows += sorted(settings, key=lambda row: row[1] == row[2])
    widths = [max(_LEAST, *(len(row[i]) for row in rows)) for i in range(3)]
    lines = [Content(said) for said in standing(one, other, state)]
    lines.append(Content(""))
    for name, left, right in rows:
        style = "bold" if left != right else "$dim"
        cells = left.ljust(widths[1]) + "  " + right
        lines.append(Content.assemble((name.ljust(widths[0]) + "  ", "$dim"), (cells, style)))
    return Content("\n").join(lines)


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


def _outcomes(one: TrialState, other: TrialState) -> Iterator[tuple[str, str, str]]:
    for name, left in _outcome(one).items():
        right = _outcome(other)[name]
        if left or right:
            yield name, left, right


def _outcome(trial: TrialState) -> dict[str, str]:
    return {
        "proposed by": plain(trial.proposer),
        "score": "failed" if trial.state == "fail" else wording.score(trial.value),
        "± over folds": "" if trial.std is None else wording.spread(trial.std),
        "train score": "" if trial.train_value is None else wording.score(trial.train_value),
        "took": wording.duration(trial.seconds) if trial.seconds else "",
    }


def _setting(trial: TrialState, name: str) -> str:
    return wording.setting(trial.config[name]) if name in trial.config else "–"
