"""Trials as lines of a table; which of them stand for a history that does not fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from core.prompt.options import PromptOptions
from core.prompt.wording import Names, failure_text, score_text
from core.propose.history import project, succeeded
from core.propose.protocol import Observed
from core.space import SearchSpace


class Rows:
    """Comma-separated lines; hyperparameters as columns, or name=value where some are conditional.

    A line depends on its trial alone, so that lines once written stay as they are.
    """

    def __init__(self, space: SearchSpace, names: Names, options: PromptOptions) -> None:
        self._space, self._names, self._options = space, names, options
        self._wide = all(p.when is None for p in space)
        self._measured = [
            name
            for name, wanted in (
                ("fold_std", options.fold_spread),
                ("train_score", options.train_scores),
                ("seconds", options.seconds),
            )
            if wanted
        ]

    @property
    def columns(self) -> str:
        """The line above the table."""
        params = [self._names.name(p.name) for p in self._space.params]
        config = params if self._wide else ["configuration"]
        return ",".join(["trial", "score", *self._measured, *config, "note"])

    def line(self, trial: Observed) -> str:
        cells = [str(trial.number), score_text(trial.value) if succeeded(trial) else "failed"]
        cells += self.measured(trial).values()
        known = {n: v for n, v in trial.config.items() if n in self._space}
        if self._wide:
            cells += [self._names.bare(n, known[n]) if n in known else ""
                      for n in self._space.names]
        else:
            cells.append(
                " ".join(f"{self._names.name(n)}={self._names.bare(n, v)}"
                         for n, v in known.items())
            )
        return ",".join([*cells, self.note(trial)])

    def measured(self, trial: Observed) -> dict[str, str]:
        """What was measured beside the score, by column; empty where there is nothing."""
        std = float(np.std(trial.fold_scores)) if len(trial.fold_scores) > 1 else None
        seconds = f"{trial.seconds:.2g}" if trial.seconds < 99.5 else f"{trial.seconds:.0f}"
        found = {
            "fold_std": "" if std is None or not succeeded(trial) else f"{std:.2g}",
            "train_score": score_text(trial.train_value) if succeeded(trial) else "",
            "seconds": seconds,
        }
        return {name: found[name] for name in self._measured}

    def note(self, trial: Observed) -> str:
        """Why it failed, or what its learning curve says; without commas."""
        if not succeeded(trial):
            return "" if self._names.neutral else failure_text(trial).replace(",", ";")
        return curve_words(trial) if self._options.curve_facts else ""


def curve_words(trial: Observed) -> str:
    """What is known of the iterations: "best at iteration 43 of 100"; empty without a curve."""
    best, whole = trial.facts.get("best_iteration"), trial.facts.get("iterations")
    if not isinstance(best, (int, float)) or isinstance(best, bool):
        return ""
    text = f"best at iteration {best:.0f}"
    return f"{text} of {whole:.0f}" if isinstance(whole, (int, float)) else text


def by_worth(space: SearchSpace, trials: Sequence[Observed], recent: int) -> Iterator[Observed]:
    """Trials by what a reader learns from them: the incumbent, its neighbours, the best, the
    latest, the worst, then in turn the next best and the one farthest from all taken so far.

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
    at = next((i for i, t in enumerate(inside) if t is ranked[0]), None)
    if at is not None:
        near = np.argsort(np.square(x - x[at]).sum(1), kind="stable")
        yield from fresh([inside[int(i)] for i in near[1:4]])
    yield from fresh(ranked[:5])
    yield from fresh(list(trials)[-recent:] if recent else [])
    yield from fresh(ranked[-1:])
    nearest = np.full(len(inside), np.inf)
    for i, t in enumerate(inside):
        if t.number in taken:
            nearest = np.minimum(nearest, np.square(x - x[i]).sum(1))
    ahead = iter(ranked)
    while len(taken) < len(trials):
        more = next((t for t in ahead if t.number not in taken), None)
        if more is None:
            break
        yield from fresh([more])
        place = next((i for i, t in enumerate(inside) if t is more), None)
        if place is not None:
            nearest = np.minimum(nearest, np.square(x - x[place]).sum(1))
        if len(inside):
            far = int(nearest.argmax())
            if inside[far].number not in taken:
                yield from fresh([inside[far]])
                nearest = np.minimum(nearest, np.square(x - x[far]).sum(1))
    yield from fresh(list(reversed(trials)))
