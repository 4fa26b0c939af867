"""Trials as lines of a table, and which of them to show of a history that does not fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from hyperllama.core.evaluate.results import std
from hyperllama.core.prompt.layout import USUAL, PromptLayout
from hyperllama.core.prompt.untouched import unexplored
from hyperllama.core.prompt.wording import Names, failure_text, score_text
from hyperllama.core.space import Config, SearchSpace
from hyperllama.core.task.prompt_options import PromptOptions
from hyperllama.core.trials import Observed
from hyperllama.core.trials.goals import Goals
from hyperllama.core.trials.history import project, succeeded
from hyperllama.core.trials.movement import unmoved

_ABOVE = 0.1
"""How far above the best the score to reach lies, as a share of the scores' range (LLAMBO)."""
_REMARKED = 4  # trials between two remarks
METRIC = Goals()
FLAT = 5  # trials without improvement before that is said, and said again


class TrialTable:
    """Comma-separated lines; hyperparameters as columns, or as name=value, see `PromptLayout`.

    A line depends on its trial and earlier ones alone, so that lines once written stay as they are.
    Its beginning is known before the trial has run, unless that is the score.

    Args:
        trials: all trials, by rising number; the notes compare each with those before it.
        goals: what is measured beside the score has columns of its own.
    """

    def __init__(
        self,
        space: SearchSpace,
        names: Names,
        options: PromptOptions,
        trials: Sequence[Observed] = (),
        layout: PromptLayout = USUAL,
        goals: Goals = METRIC,
    ) -> None:
        self._space, self._names, self._options = space, names, options
        self.layout, self._goals = layout, goals
        self._standing = standing([t for t in trials if not _broken(goals, t)])
        self._remarks = remarks(space, trials, names) if names.levels else {}
        self._measured = [*goals.measured] + [
            name
            for name, wanted in (
                ("fold_std", options.fold_spread),
                ("train_score", options.train_scores),
                ("seconds", options.seconds),
            )
            if wanted and layout.facts
        ]

    @property
    def asked(self) -> str:
        """The columns that are decided before a trial."""
        params = [self._names.name(p.name) for p in self._space.params]
        named = ["configuration"] if self.layout.rows == "pairs" else params
        first = ["score"] if self._score_first else [] if self._names.levels else ["trial"]
        return ",".join([*first, *named])

    @property
    def columns(self) -> str:
        """The line above the table."""
        note = ["note"] if self.layout.facts else []
        return ",".join([self.asked, *([] if self._score_first else ["score"]), *self._measured,
                         *note])  # fmt: skip

    @property
    def _score_first(self) -> bool:
        return self.layout.score == "first"

    def spread(self, trials: Sequence[Observed]) -> str:
        """How far the first trial's scores spread over its folds; empty if it is in the rows."""
        first = next((t for t in trials if succeeded(t) and len(t.fold_scores) > 1), None)
        return f"{_spread(first):.2g}" if first and not self._options.fold_spread else ""

    def line(self, trial: Observed) -> str:
        return self.configured(trial) + self.resulted(trial)

    def configured(self, trial: Observed) -> str:
        """A line's beginning: the trial's number and its configuration; its score where that is
        first."""
        cells = self.cells(trial.config)
        if self._score_first:
            return f"{self._shown_score(trial)},{cells}"
        if self._names.levels:
            return f"{self._remarks.get(trial.number, '')}{cells},"
        return f"{trial.number},{cells},"

    def cells(self, config: Config) -> str:
        """A configuration in a line: nothing stands for a hyperparameter that does not count."""
        known = {n: v for n, v in config.items() if n in self._space}
        if self.layout.rows != "pairs":
            return ",".join(
                self._names.bare(n, known[n]) if n in known else "" for n in self._space.names
            )
        shown = {n: known[n] for n in self._space.names if n in known}
        return " ".join(f"{self._names.name(n)}={self._names.bare(n, v)}" for n, v in shown.items())

    def resulted(self, trial: Observed) -> str:
        """The rest of its line, without commas for what is not there at its end."""
        cells = [*self.measured(trial).values(), self.note(trial)]
        first = "" if self._score_first else self._shown_score(trial)
        return ",".join([first, *cells]).rstrip(",")

    def _shown_score(self, trial: Observed) -> str:
        return self.score(trial) if succeeded(trial) else "failed"

    def begin(self, number: int, trials: Sequence[Observed]) -> str:
        """How the row begins that is asked for: with its number, or with a score to reach."""
        if not self._score_first:
            return "" if self._names.levels else f"{number},"
        scored = [t for t in trials if succeeded(t)]
        if not scored:
            return ""
        best = max(scored, key=lambda t: float(t.value or 0.0))
        high, low = float(best.value or 0.0), min(float(t.value or 0.0) for t in scored)
        return f"{score_text(high + _ABOVE * (high - low), _spread(best))},"

    def chosen(self, trials: Sequence[Observed]) -> Sequence[Observed]:
        """The trials that are shown, by rising number."""
        if not self.layout.best:
            return trials
        scored = [t for t in trials if succeeded(t)]
        ranked = sorted(scored, key=lambda t: (-float(t.value or 0.0), t.number))
        return sorted(ranked[: self.layout.best], key=lambda t: t.number)

    def ordered(self, trials: Sequence[Observed]) -> list[Observed]:
        """Trials in the order of their rows; failed ones come first where the best is last."""
        if self.layout.order == "number":
            return list(trials)
        return sorted(trials, key=lambda t: (succeeded(t), float(t.value or 0.0), -t.number))

    def score(self, trial: Observed) -> str:
        """The score, as finely as its folds can tell."""
        return score_text(trial.value, _spread(trial))

    def measured(self, trial: Observed) -> dict[str, str]:
        """What was measured beside the score, by column; empty where there is nothing."""
        spread, there = _spread(trial), succeeded(trial)
        seconds = f"{trial.seconds:.2g}" if trial.seconds < 99.5 else f"{trial.seconds:.0f}"
        std = f"{float(f'{spread:.1g}'):g}" if len(trial.fold_scores) > 1 and there else ""
        values = {name: self._goals.value(trial, name) for name in self._goals.measured}
        found = {
            **{name: "" if v is None else f"{v:.3g}" for name, v in values.items()},
            "fold_std": std,
            "train_score": score_text(trial.train_value, spread) if there else "",
            "seconds": seconds,
        }
        return {name: found[name] for name in self._measured}

    def note(self, trial: Observed) -> str:
        """Why it failed, or its standing and what its learning curve says; without commas."""
        if not succeeded(trial):
            return "" if self._names.neutral else failure_text(trial).replace(",", ";")
        if broken := _broken(self._goals, trial):
            return f"breaks {' and '.join(broken)}"
        if not self.layout.facts:
            return ""
        curve = curve_words(trial) if self._options.curve_facts else ""
        return "; ".join(filter(None, [self._standing.get(trial.number, ""), curve]))


def remarks(space: SearchSpace, trials: Sequence[Observed], names: Names) -> dict[int, str]:
    """By number, the lines above every fourth trial: what those before it left alone.

    They stay where they are, so that they are read once, while the trial runs. The widest part of a
    range alone is named: each token of a line costs as much as one of the reply.
    """
    found: dict[int, str] = {}
    for i, t in enumerate(trials):
        if i and i % _REMARKED == 0:
            still = ", ".join(map(names.name, unmoved(space, trials[:i])))
            lines = {"not changed": still, "unexplored": unexplored(space, trials[:i], names, 1)}
            found[t.number] = "".join(f"{k}: {text}\n" for k, text in lines.items() if text)
    return found


def _broken(goals: Goals, trial: Observed) -> tuple[str, ...]:
    """The constraints that a trial with a score does not keep."""
    return goals.broken(trial) if succeeded(trial) else ()


def standing(trials: Sequence[Observed]) -> dict[int, str]:
    """By number, which trials were the best until then; and every fifth trial after one, how many
    there were since."""
    found: dict[int, str] = {}
    best, since = -np.inf, 0
    for t in trials:
        if not succeeded(t):
            continue
        if float(t.value or 0.0) > best:
            best, since = float(t.value or 0.0), 0
            found[t.number] = "new best"
            continue
        since += 1
        if since % FLAT == 0:
            found[t.number] = f"{since} since the best"
    return found


def _spread(trial: Observed) -> float:
    """Standard deviation over the folds; 0 where there are none."""
    return std(trial.fold_scores) or 0.0


def curve_words(trial: Observed) -> str:
    """What is known of the iterations: "best at iteration 43 of 100"; empty without a curve."""
    best, whole = trial.facts.get("best_iteration"), trial.facts.get("iterations")
    if not isinstance(best, (int, float)) or isinstance(best, bool):
        return ""
    text = f"best at iteration {best:.0f}"
    return f"{text} of {whole:.0f}" if isinstance(whole, (int, float)) else text


def by_worth(space: SearchSpace, trials: Sequence[Observed], recent: int) -> Iterator[Observed]:
    """Trials by how much they tell: the incumbent, its neighbours, the best, the latest, the worst,
    then in turn the next best and the one farthest from all before.

    Each is given once. Asking for k of n trials in d dimensions costs about k * n * d.
    """
    scored = [t for t in trials if succeeded(t)]
    taken: set[int] = set()

    def fresh(candidates: Sequence[Observed]) -> Iterator[Observed]:
        for t in candidates:
            if t.number not in taken:
                taken.add(t.number)
                yield t

    if not scored:
        yield from fresh(list(reversed(trials)))
        return
    ranked = sorted(scored, key=lambda t: (-float(t.value or 0.0), t.number))
    yield from fresh(ranked[:1])
    inside, points = [], []
    for t in scored:
        config = project(space, t.config)
        if config is not None:
            inside.append(t)
            points.append(space.to_unit(config))
    x = np.array(points).reshape(len(inside), -1)
    index = {t.number: i for i, t in enumerate(inside)}
    if ranked[0].number in index:
        near = np.argsort(np.square(x - x[index[ranked[0].number]]).sum(1), kind="stable")
        yield from fresh([inside[int(i)] for i in near[1:4]])
    yield from fresh(ranked[:5])
    yield from fresh(list(trials)[-recent:] if recent else [])
    yield from fresh(ranked[-1:])
    nearest = np.full(len(inside), np.inf)  # squared distance to a trial given before

    def measure(trial: Observed) -> None:
        if trial.number in index:
            distances = np.square(x - x[index[trial.number]]).sum(1)
            np.minimum(nearest, distances, out=nearest)

    for t in inside:
        if t.number in taken:
            measure(t)
    for t in ranked:
        if t.number in taken:
            continue
        yield from fresh([t])
        measure(t)
        far = inside[int(nearest.argmax())] if inside else t
        if far.number not in taken:
            yield from fresh([far])
            measure(far)
    yield from fresh(list(reversed(trials)))
