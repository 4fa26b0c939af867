"""Training sequences: a task, a history of trials, and where the optimum lies.

An example is a prompt in the dialect and two continuations: plan and configuration of the optimum,
and of a point among the best 1.5 %. All follows from a seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from hyperllama.models.embedded import dialect
from workshop.draws import Rng
from workshop.surfaces import FittedSurface, Floats
from workshop.synthetic import SyntheticTask
from workshop.tasks import RealTask, Task

CANDIDATES, ELSEWHERE = 320, 3
PLAYED = 0.15
"""Share of the tasks that studies have played, where there are any."""
EXAMPLES = 4
"""Examples of one task: it takes longer to make than they do."""


@dataclass(frozen=True)
class Example:
    """One training example.

    Attributes:
        prompt: token ids up to and including <propose>.
        continuations: plan, <config>, and the target configuration, each.
    """

    prompt: list[int]
    continuations: list[list[int]]


class Asked:
    """A task with candidates, from which several examples are drawn.

    Attributes:
        u: coordinates of the candidates, shape (CANDIDATES, n_axes).
        losses: of the candidates, shape (CANDIDATES,).
        best: coordinates of the optimum, shape (n_axes,).
        good: indices of the best candidates, shape (5,).
        elsewhere: for each of some other data sets, indices of its best candidates.
        played: coordinates and losses of a study on the task, whose beginnings are the histories.
    """

    def __init__(
        self, rng: Rng, task: Task, played: tuple[Floats, Floats] | None = None
    ) -> None:
        self.task, self.played = task, played
        d = len(task.axes)
        self.u = rng.random((CANDIDATES, d))
        self.losses = task.score(self.u)
        self.good = np.argsort(self.losses)[:5]
        best = self.u[self.good]
        for width in (0.12, 0.04):  # sharpen the optimum by two rounds of perturbation
            near = np.repeat(best, 24, axis=0)
            moved = rng.random(near.shape) < max(0.4, 1.5 / d)
            near = np.clip(near + moved * rng.normal(0, width, near.shape), 0, 1 - 1e-9)
            near = np.concatenate([best, near])
            best = near[np.argsort(task.score(near))[:5]]
        self.best = best[0]
        others = (task.elsewhere(rng, self.u) for _ in range(2 * ELSEWHERE))
        self.elsewhere = [np.argsort(o)[: CANDIDATES // 12] for o in others if o is not None]

    def example(self, rng: Rng) -> Example:
        """A prompt with a history of up to `most_trials` trials, and near-optimal continuations."""
        task, u = self.task, self.u
        targets = np.stack([self.best, u[self.good[rng.integers(5)]]])
        n = 0 if rng.random() < 0.1 else 1 + int(rng.exponential(7.0))
        n = min(n, dialect.most_trials(task.axes))
        if self.played is not None:
            n = min(n, len(self.played[0]))
        chosen, scores = self._history(rng, n)
        points = [task.point(row) for row in task.bins(chosen)] if n else []
        reported: list[float | None] = list(scores)
        if n > 2 and rng.random() < 0.1:
            worst = int(np.argmax(scores))
            reported[worst] = None
        prompt = dialect.header(task.estimator, task.facts, task.axes)
        incumbent = None
        if n:
            ahead, running = _beside(rng, task, u, chosen)
            prompt += dialect.history(task.axes, points, reported, dialect.VERSION, ahead, running)
            known = [i for i in range(n) if reported[i] is not None]
            incumbent = points[min(known, key=lambda i: scores[i])]
        prompt.append(dialect.INDEX["<propose>"])
        continuations = []
        for row in task.bins(targets):
            target = task.point(row)
            tokens = dialect.plan(task.axes, incumbent, target) + [dialect.INDEX["<config>"]]
            for a, value in target.items():
                tokens += [task.axes[a].token, task.axes[a].value_token(value)]
            continuations.append(tokens)
        return Example(prompt, continuations)

    def _history(self, rng: Rng, n: int) -> tuple[Floats, Floats]:
        """n points as a study would try them, without knowing the answer.

        Either at random, or what does well on other surfaces; then perhaps near the incumbent. The
        library's default often comes first.
        """
        task, u, losses = self.task, self.u, self.losses
        if n == 0:
            return u[:0], losses[:0]
        if self.played is not None:
            return self.played[0][:n], self.played[1][:n]
        rows = rng.permutation(CANDIDATES)[:n]
        if self.elsewhere and rng.random() < 0.6:
            tops = [self.elsewhere[i] for i in rng.permutation(len(self.elsewhere))[:ELSEWHERE]]
            rows = rng.choice(np.unique(np.concatenate(tops)), size=n, replace=False)
        chosen, scores = u[rows].copy(), losses[rows].copy()
        first = task.default()
        if first is not None and rng.random() < 0.6:
            chosen[0] = first
            scores[:1] = task.score(chosen[:1])
        if rng.random() < 0.4 and n > 2:  # the later part perturbs what was best
            k = int(rng.integers(1, n))
            width = rng.uniform(0.03, 0.25)
            source = chosen[np.argmin(scores[: n - k])]
            moved = rng.random((k, u.shape[1])) < 0.6
            near = source + moved * rng.normal(0, width, (k, u.shape[1]))
            chosen[n - k :] = np.clip(near, 0, 1 - 1e-9)
            scores[n - k :] = task.score(chosen[n - k :])
        usual = 0.0 if rng.random() < 0.4 else rng.uniform(0.01, 0.15)
        noise = losses.std() * (usual if task.noise is None else task.noise)
        return chosen, scores + noise * rng.standard_normal(n)


def _beside(
    rng: Rng, task: Task, u: Floats, chosen: Floats
) -> tuple[list[float | None], list[dialect.Point]]:
    """How far training is ahead in each trial, and trials that still run, for a part of studies."""
    ahead = task.ahead(chosen) if rng.random() < 0.6 else None
    count = int(rng.integers(1, 4)) if rng.random() < 0.2 else 0
    running: list[dialect.Point] = [
        task.point(row) for row in task.bins(u[rng.integers(len(u), size=count)])
    ]
    return ([] if ahead is None else [float(a) for a in ahead]), running


# How often each family is drawn; real surfaces of a family share its weight.
WEIGHTS = {"xgboost": 2.0, "mlp": 2.5, "svm": 1.2, "decision_tree": 1.2, "random_forest": 1.2,
           "hist_gradient_boosting": 1.0, "extra_trees": 0.7, "linear": 0.7, "sgd": 0.7,
           "knn": 0.5, "lightgbm": 2.0, "catboost": 1.5, "net": 2.0}


def weights_of_families(surfaces: Sequence[FittedSurface]) -> tuple[list[str], Floats]:
    """The families of surfaces, and how often each is drawn, shape (n_families,)."""
    names = sorted({s.family for s in surfaces})
    weights = np.array([WEIGHTS.get(n, 1.0) for n in names])
    return names, weights / weights.sum() if names else weights


class Study(Protocol):
    """A study whose beginnings are histories."""

    def asked(self, rng: Rng) -> Asked:
        """Its task, from which examples are drawn."""


class Source:
    """Draws training sequences without end; sequence number i is a pure function of (seed, i)."""

    def __init__(
        self, surfaces: Sequence[FittedSurface], seed: int, synthetic: float,
        played: Sequence[Study] = (),
    ) -> None:  # fmt: skip
        self.by_family: dict[str, list[FittedSurface]] = {}
        self.alike: dict[tuple[str, int], list[FittedSurface]] = {}
        for s in surfaces:
            self.by_family.setdefault(s.family, []).append(s)
            self.alike.setdefault((s.family, len(s.space)), []).append(s)
        self.names, self.weights = weights_of_families(surfaces)
        self.played = played
        self.seed, self.synthetic = seed, synthetic
        self._last: tuple[int, Asked] | None = None

    def draw(self, i: int) -> Example:
        return self._asked(i // EXAMPLES).example(np.random.default_rng([self.seed, i, 1]))

    def _asked(self, number: int) -> Asked:
        if self._last is None or self._last[0] != number:
            rng = np.random.default_rng([self.seed, number])
            if self.played and rng.random() < PLAYED:
                asked = self.played[int(rng.integers(len(self.played)))].asked(rng)
            else:
                asked = Asked(rng, self._task(rng))
            self._last = number, asked
        return self._last[1]

    def _task(self, rng: Rng) -> Task:
        if not self.names or rng.random() < self.synthetic:
            return SyntheticTask(rng)
        mine = self.by_family[str(rng.choice(self.names, p=self.weights))]
        surface = mine[int(rng.integers(len(mine)))]
        return RealTask(rng, surface, self.alike[surface.family, len(surface.space)])
