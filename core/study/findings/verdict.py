"""What a study has come to, as plain values: for its last page, the command line and the report.

Light enough for the interface's process.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hyperllama.core.errors import SpaceError
from hyperllama.core.space import Float, Integer, Param, number
from hyperllama.core.study.findings.bounds import BEST, FEWEST, WiderRange, at_bound, wider_bounds
from hyperllama.core.study.findings.claims import say_gain, say_racing, say_test_rows
from hyperllama.core.study.findings.plateau import advice_to_stop, since_rise
from hyperllama.core.study.front import no_feasible, say_constraints, say_front
from hyperllama.core.study.state import StudyState, TrialState
from hyperllama.core.text import counted, percent

MOST_CHANGES = 3
_MOST_IMPORTANT = 4  # hyperparameters whose importance is told


@dataclass(frozen=True)
class DecisiveChange:
    """What the winner has otherwise than the default; `share` of the importance, None: unknown."""

    name: str
    default: Any
    value: Any
    share: float | None = None


@dataclass(frozen=True)
class Verdict:
    """What a study has come to.

    Attributes:
        better: the winner is better than the default by more than luck; None: that is not known.
        headline: the same in one sentence.
        folds: how often the winner was ahead of the default, fold by fold; may be empty.
        gain, test: the gain with its interval, the scores on the test rows; may be empty.
        importance: name -> share of the most important hyperparameters, the largest first.
        changes: the most important ones that the winner has otherwise than the default.
        edges: ranges that end where the best values lie, each with a wider one.
        racing: what was saved by stopping trials early; may be empty.
        more: whether more trials are likely to pay; may be empty.
        front: how far the objectives reach; empty where the metric is the only one.
        constraints: which were broken how often, and which hold the winner back; may be empty.
    """

    better: bool | None
    headline: str
    folds: str = ""
    gain: str = ""
    test: str = ""
    importance: tuple[tuple[str, float], ...] = ()
    changes: tuple[DecisiveChange, ...] = ()
    edges: tuple[WiderRange, ...] = ()
    racing: str = ""
    more: str = ""
    front: str = ""
    constraints: str = ""

    @property
    def facts(self) -> list[tuple[str, str]]:
        """(label, text) of everything below the headline, without what is not known."""
        mattered = ", ".join(f"{name} {percent(share)}" for name, share in self.importance)
        changed = ", ".join(
            f"{c.name} {_shown(c.default)} to {_shown(c.value)}" for c in self.changes
        )
        edges = "; ".join(
            f"the best values of {e.name} lie at its {'upper' if e.upper else 'lower'} bound, "
            f"{number(e.bound)}"
            for e in self.edges
        )
        pairs = (
            ("front", self.front), ("constraints", self.constraints),
            ("folds", self.folds), ("gain", self.gain), ("test", self.test),
            ("mattered", mattered), ("changed", changed), ("range", edges),
            ("racing", self.racing), ("more trials", self.more),
        )  # fmt: skip
        return [(label, text) for label, text in pairs if text]


def verdict(state: StudyState) -> Verdict | None:
    """The verdict on a study as far as it has come; None before a trial has a score."""
    winner, default = state.winner, state.default
    if winner is None or winner.value is None:
        none_kept = no_feasible(state)
        return Verdict(None, none_kept, constraints=say_constraints(state)) if none_kept else None
    shares: Mapping[str, float] = state.importance.shares if state.importance else {}
    confirmed = state.confirmation is not None and state.confirmation.repeats > 0
    gain = say_gain(state) if confirmed or winner is not default else ""
    ranked = sorted(shares.items(), key=lambda pair: -pair[1])
    return Verdict(
        better=state.beyond_noise,
        headline=_headline(state, winner),
        folds="" if default is None or default is winner else _by_fold(winner, default),
        gain=gain.removeprefix("gain "),
        test=say_test_rows(state).removeprefix("on the test rows: "),
        importance=tuple(pair for pair in ranked[:_MOST_IMPORTANT] if pair[1] >= 0.01),
        changes=() if default is None else _changes(winner, default, shares),
        edges=tuple(edges(state)),
        racing=say_racing(state),
        more=_more(state),
        front=say_front(state),
        constraints=say_constraints(state),
    )


def verdict_lines(state: StudyState) -> list[str]:
    """The verdict as lines of text, the headline first; none before a trial has a score."""
    found = verdict(state)
    if found is None:
        return []
    claims = [text for text in (found.gain and say_gain(state), say_test_rows(state)) if text]
    rest = [f"{label}: {text}" for label, text in found.facts if label not in ("gain", "test")]
    return [found.headline, *claims, *rest]


def edges(state: StudyState) -> list[WiderRange]:
    """Ranges of the study, as they are now, at whose ends the best trials lie."""
    scored = [t for t in state.trials if t.value is not None and not t.broken]
    if state.opened is None or len(scored) < FEWEST:
        return []
    best = sorted(scored, key=lambda t: -(t.value or 0.0))[:BEST]
    found = []
    for row in state.opened.space:
        param = _param(row)
        if param is None or not all(param.name in t.config for t in best):
            continue
        for upper in (False, True):
            wider = wider_bounds(param, upper)
            if wider and all(at_bound(param, t.config[param.name], upper) for t in best):
                bound = float(row["high"] if upper else row["low"])
                found.append(WiderRange(param.name, upper, *wider, bound=bound))
    return found


def _headline(state: StudyState, winner: TrialState) -> str:
    better, default, confirmed = state.beyond_noise, state.default, state.confirmation
    if state.chosen is not None:
        return f"Trial {winner.number} is the one to use: a person chose it."
    if default is not None and default.broken:
        breaks = ", ".join(default.broken)
        return f"Trial {winner.number} is the one to use: the default breaks {breaks}."
    fresh = confirmed is not None and confirmed.repeats > 0
    if default is not None and winner.number == default.number:
        if fresh:
            return "Nothing is confirmed to be better than the default: use the default."
        if all(t.value is None for t in state.trials if t is not default):
            return "Only the default has a score."
        return "No trial scored better than the default: use the default."
    if better:
        how = "confirmed on fresh folds" if fresh else "by more than noise, not confirmed"
        return f"Trial {winner.number} is better than the default: {how}."
    if better is False and fresh:
        ahead = "ahead of the default on fresh folds, too, but by no more than noise"
        return f"Trial {winner.number} is the one to use: {ahead}."
    if better is False:
        return f"Trial {winner.number} scored best, but not above the default by more than noise."
    return f"Trial {winner.number} scored best; whether by luck is not known."


def _by_fold(winner: TrialState, default: TrialState) -> str:
    pairs = list(zip(winner.fold_scores, default.fold_scores, strict=False))
    if len(winner.fold_scores) != len(default.fold_scores) or not pairs:
        return ""
    ahead, equal = sum(a > b for a, b in pairs), sum(a == b for a, b in pairs)
    tied = f", equal in {equal}" if equal else ""
    return f"ahead of the default in {ahead} of {len(pairs)}{tied}"


def _changes(
    winner: TrialState, default: TrialState, shares: Mapping[str, float]
) -> tuple[DecisiveChange, ...]:
    """What the winner has otherwise than the default, the most important first."""
    changed = [
        DecisiveChange(name, default.config.get(name), value, shares.get(name))
        for name, value in winner.config.items()
        if _shown(default.config.get(name)) != _shown(value)
    ]
    return tuple(sorted(changed, key=lambda c: -(c.share or 0.0))[:MOST_CHANGES])


def _more(state: StudyState) -> str:
    if state.front:
        newest = max(t.number for t in state.front)
        since_then = sum(t.done and t.number > newest for t in state.trials)
        return f"the front last grew {_ago(since_then)}"
    since = since_rise(state)
    if since is None:
        return ""
    if since == state.done_count - 1:
        return advice_to_stop(state) or (
            f"they may pay: only {counted(since, 'trial')} followed the default"
        )
    return advice_to_stop(state) or (
        f"they may pay: the best score last rose beyond noise {_ago(since)}"
    )


def _ago(trials: int) -> str:
    return f"{counted(trials, 'trial')} ago" if trials else "with the last trial"


def _param(row: Mapping[str, Any]) -> Param | None:
    """A hyperparameter of numbers from its description in `StudyOpened.space`; None for others."""
    kinds: dict[str, type[Float] | type[Integer]] = {"float": Float, "integer": Integer}
    kind = kinds.get(str(row.get("type")))
    if kind is None or row.get("frozen") or row.get("off"):
        return None
    try:
        return Param(str(row["name"]), kind(row["low"], row["high"], bool(row.get("log"))))
    except (KeyError, TypeError, SpaceError):
        return None  # what a storage holds is not trusted


def _shown(value: Any) -> str:
    return number(value) if isinstance(value, float) else "off" if value is None else str(value)
