"""Which lines the history has, in which order: filters, sorting, steering lines. No widgets.

A filter is words that all have to be found in a trial (who proposed it, its failure, its note, its
reasoning), and comparisons: `score>0.85`, `max_depth<=4`, `by=tpe`, `failed`, `best`, `noted`,
`front` (that no other is better than), `broken` (a constraint).
"""

from __future__ import annotations

import operator
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Union

from hyperllama.core.study import PRUNED, SteeringAction, StudyState, TrialState
from hyperllama.tui.text import wording

Test = Callable[[TrialState], bool]
SORTS = {
    "number": "in the order of trials",
    "score": "best first",
    "std": "smallest over the folds first",
    "gap": "train score minus score, smallest first",
    "time": "shortest first",
    "by": "by who proposed it",
}
_NUMBERS: dict[str, Callable[[TrialState], float | None]] = {
    "score": lambda t: t.value,
    "std": lambda t: t.std,
    "train": lambda t: t.train_value,
    "gap": lambda t: gap(t),
    "time": lambda t: t.seconds if t.done else None,
    "trial": lambda t: t.number,
}
_FLAGS: dict[str, Test] = {
    "failed": lambda t: t.state == "fail",
    "stopped": lambda t: t.state == PRUNED,
    "best": lambda t: t.best_then,
    "broken": lambda t: bool(t.broken),
    "noted": lambda t: bool(t.note),
    "rerun": lambda t: bool(t.reruns),
    "again": lambda t: bool(t.reruns),
}


_COMPARISONS = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


@dataclass(frozen=True)
class RerunLine:
    """The line under a trial with its scores on other folds."""

    trial: int  # position among the state's trials


Row = Union[int, SteeringAction, RerunLine]  # an int is a position among the state's trials


@dataclass(frozen=True)
class Order:
    """How the history is arranged.

    Attributes:
        sort: a key of `SORTS`, or a hyperparameter's name.
        backwards: the other way round.
        text: the filter.
    """

    sort: str = "number"
    backwards: bool = False
    text: str = ""

    @property
    def plain(self) -> bool:
        """All trials in their own order."""
        return self == Order()


def rows(state: StudyState, order: Order) -> list[Row]:
    """The history's lines from top to bottom.

    Steering lines and re-runs stand among the trials only where these stand in their own order.
    """
    trials = state.trials
    kept: list[int] = list(range(len(trials)))
    if order.text:
        words = order.text.split()
        if "front" in words:
            front = {t.number for t in state.front}
            kept = [i for i in kept if trials[i].number in front]
        test = parse(" ".join(word for word in words if word != "front"))
        if not isinstance(test, str):
            kept = [i for i in kept if test(trials[i])]
    if order.sort != "number":
        kept.sort(key=lambda i: sort_key(trials[i], order.sort))
        known = [i for i in kept if sort_key(trials[i], order.sort)[0] == 0]
        unknown = kept[len(known) :]
        return [*(reversed(known) if order.backwards else known), *unknown]
    if order.backwards:
        kept.reverse()
    if order.text or order.backwards:
        return list(kept)
    found: list[Row] = []
    actions = deque(state.actions)
    for i in kept:
        while actions and actions[0].after < trials[i].number:
            found.append(actions.popleft())
        found.append(i)
        if trials[i].reruns:
            found.append(RerunLine(i))
    return [*found, *actions]


def value_of(trial: TrialState, name: str) -> Any:
    """What a trial has under a name of a column or a hyperparameter; None for nothing."""
    if name == "by":
        return trial.proposer
    if name in _NUMBERS:
        return _NUMBERS[name](trial)
    return trial.config[name] if name in trial.config else trial.measures.get(name)


def sort_key(trial: TrialState, sort: str) -> tuple[int, Any]:
    """(0 where there is something to sort by else 1, what to sort by)."""
    value = value_of(trial, sort)
    if value is None:
        return 1, trial.number
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return 0, (0, -value if sort == "score" else value, "", trial.number)
    return 0, (1, 0.0, str(value), trial.number)


def gap(trial: TrialState) -> float | None:
    """Train score minus validation score: large where it overfits."""
    if trial.train_value is None or trial.value is None:
        return None
    return trial.train_value - trial.value


def parse(text: str) -> Test | str:
    """The test that a filter stands for, or what is wrong with it."""
    tests: list[Test] = []
    for part in re.findall(r"\S+", re.sub(r"\s*(<=|>=|!=|[<>=:])\s*", r"\1", text)):
        test = _test(part)
        if isinstance(test, str):
            return test
        tests.append(test)
    return lambda trial: all(test(trial) for test in tests)


def _test(part: str) -> Test | str:
    negated = part.startswith("-") and len(part) > 1
    if negated:
        inner = _test(part[1:])
        return inner if isinstance(inner, str) else lambda t: not inner(t)
    match = re.fullmatch(r"([^<>=:!]+)(<=|>=|!=|[<>=:])(.+)", part)
    if match is None:
        word = part.casefold()
        return _FLAGS.get(word) or (lambda t: word in _words(t))
    name, sign, wanted = match[1].strip(), match[2], match[3].strip()
    if sign in _COMPARISONS:
        try:
            bound = float(wanted)
        except ValueError:
            return f"{name}{sign} needs a number, not {wanted!r}"
        return lambda t: _compares(value_of(t, name), _COMPARISONS[sign], bound)
    if name == "by":
        return lambda t: (wanted.casefold() in t.proposer.casefold()) == (sign != "!=")
    return lambda t: (_shown(t, name) == wanted) == (sign != "!=")


def _compares(value: Any, comparison: Callable[[Any, Any], bool], bound: float) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and comparison(value, bound)


def _shown(trial: TrialState, name: str) -> str:
    value = value_of(trial, name)
    if name in _NUMBERS:
        return "" if value is None else f"{value:g}"
    return wording.setting(value) if name in trial.config else ""


def _words(trial: TrialState) -> str:
    texts = (
        trial.proposer, trial.state, trial.reason, trial.note, trial.fallback, trial.reasoning,
        wording.configuration(trial.config),
    )  # fmt: skip
    return " ".join(texts).casefold()
