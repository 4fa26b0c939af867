"""Which lines the history has, in which order: filters, sorting, steering lines. No widgets.

A filter is words that all have to be found in a trial (who proposed it, its failure, its note, its
reasoning), and comparisons: `score>0.85`, `max_depth<=4`, `by=tpe`, `failed`, `best`, `noted`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Union

from hyperllama.core.study import SteeringAction, StudyState, TrialState
from hyperllama.tui import wording

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
    "best": lambda t: t.best_then,
    "noted": lambda t: bool(t.note),
    "rerun": lambda t: bool(t.reruns),
    "again": lambda t: bool(t.reruns),
}


@dataclass(frozen=True)
class RerunLine:
    """The line under a trial with its scores on other folds."""

    trial: int  # position among the snapshot's trials


Row = Union[int, SteeringAction, RerunLine]  # an int is a position among the snapshot's trials


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


def rows(snapshot: StudyState, order: Order) -> list[Row]:
    """The history's lines from top to bottom.

    Steering lines and re-runs stand among the trials only where these stand in their own order.
    """
    trials = snapshot.trials
    kept: list[int] = list(range(len(trials)))
    if order.text:
        test = parse(order.text)
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
    lines = list(snapshot.actions)
    at = 0
    for i in kept:
        while at < len(lines) and lines[at].after < trials[i].number:
            found.append(lines[at])
            at += 1
        found.append(i)
        if trials[i].reruns:
            found.append(RerunLine(i))
    return [*found, *lines[at:]]


def sort_key(trial: TrialState, sort: str) -> tuple[int, Any]:
    """(0 where there is something to sort by else 1, what to sort by)."""
    value: Any
    if sort == "score":
        value = None if trial.value is None else -trial.value
    elif sort == "by":
        value = trial.proposer
    elif sort in _NUMBERS:
        value = _NUMBERS[sort](trial)
    else:
        value = trial.config.get(sort)
    if value is None:
        return 1, trial.number
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return 0, (0, value, "", trial.number)
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
        flag = _FLAGS.get(part.casefold())
        word = part.casefold()
        return flag or (lambda t: word in _words(t))
    name, sign, wanted = match[1].strip(), match[2], match[3].strip()
    if sign in ("<", "<=", ">", ">="):
        try:
            bound = float(wanted)
        except ValueError:
            return f"{name}{sign} needs a number, not {wanted!r}"
        return lambda t: _compare(_number(t, name), sign, bound)
    if name == "by":
        return lambda t: (wanted.casefold() in t.proposer.casefold()) == (sign != "!=")
    return lambda t: (_shown(t, name) == wanted) == (sign != "!=")


def _compare(value: float | None, sign: str, bound: float) -> bool:
    if value is None:
        return False
    if sign[0] == "<":
        return value < bound or (len(sign) == 2 and value == bound)
    return value > bound or (len(sign) == 2 and value == bound)


def _number(trial: TrialState, name: str) -> float | None:
    if name in _NUMBERS:
        return _NUMBERS[name](trial)
    value = trial.config.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value


def _shown(trial: TrialState, name: str) -> str:
    if name in _NUMBERS:
        value = _NUMBERS[name](trial)
        return "" if value is None else f"{value:g}"
    return wording.setting(trial.config[name]) if name in trial.config else ""


def _words(trial: TrialState) -> str:
    texts = (
        trial.proposer, trial.state, trial.reason, trial.note, trial.fallback, trial.reasoning,
        wording.configuration(trial.config),
    )  # fmt: skip
    return " ".join(texts).casefold()
