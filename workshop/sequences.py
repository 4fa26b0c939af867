"""Training sequences: a task, a history of trials, and where the optimum lies.

An example is a prompt in the dialect and two continuations: plan and configuration of the optimum,
and of a point among the best 1.5 %. All follows from a seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hyperllama.models.embedded import dialect
from workshop.surfaces import FittedSurface, Floats
from workshop.tasks import RealTask, Rng, SyntheticTask, Task

CANDIDATES = 320


@dataclass(frozen=True)
class Example:
    """One training example.

    Attributes:
        prompt: token ids up to and including <propose>.
        continuations: plan, <config>, and the target configuration, each.
    """

    prompt: list[int]
    continuations: list[list[int]]


def sequence(rng: Rng, task: Task) -> Example:
    """A prompt with a history of up to `most_trials` trials, and near-optimal continuations."""
    d = len(task.axes)
    u = rng.random((CANDIDATES, d))
    losses = task.score(u)
    order = np.argsort(losses)
    best = u[order[:5]]
    for width in (0.12, 0.04):  # sharpen the optimum by two rounds of perturbation
        near = np.repeat(best, 24, axis=0)
        moved = rng.random(near.shape) < max(0.4, 1.5 / d)
        near = np.clip(near + moved * rng.normal(0, width, near.shape), 0, 1 - 1e-9)
        near = np.concatenate([best, near])
        scored = task.score(near)
        best = near[np.argsort(scored)[:5]]
    good = u[order[rng.integers(5)]]
    targets = np.stack([best[0], good])
    n = 0 if rng.random() < 0.1 else 1 + int(rng.exponential(7.0))
    n = min(n, dialect.most_trials(task.axes))
    chosen, scores = _history(rng, task, u, losses, n)
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


def _history(
    rng: Rng, task: Task, u: Floats, losses: Floats, n: int
) -> tuple[Floats, Floats]:
    """n points as a study would try them, without knowing the answer.

    Either at random, or what does well on other surfaces; then perhaps near the incumbent. The
    library's default often comes first.
    """
    if n == 0:
        return u[:0], losses[:0]
    rows = np.arange(n)
    if rng.random() < 0.6 and task.elsewhere(rng, u[:2]) is not None:
        tops = []
        for _ in range(3):
            other = task.elsewhere(rng, u)
            assert other is not None
            tops.append(np.argsort(other)[: CANDIDATES // 12])
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
        chosen[n - k :] = np.clip(source + moved * rng.normal(0, width, (k, u.shape[1])), 0,
                                  1 - 1e-9)
        scores[n - k :] = task.score(chosen[n - k :])
    usual = 0.0 if rng.random() < 0.4 else rng.uniform(0.01, 0.15)
    noise = losses.std() * (usual if task.noise is None else task.noise)
    return chosen, scores + noise * rng.standard_normal(n)


# How often each family is drawn; real surfaces of a family share its weight.
WEIGHTS = {"xgboost": 2.0, "mlp": 2.5, "svm": 1.2, "decision_tree": 1.2, "random_forest": 1.2,
           "hist_gradient_boosting": 1.0, "extra_trees": 0.7, "linear": 0.7, "sgd": 0.7,
           "knn": 0.5, "lightgbm": 2.0, "catboost": 1.5, "net": 2.0}


class Source:
    """Draws training sequences without end; sequence number i is a pure function of (seed, i)."""

    def __init__(self, surfaces: Sequence[FittedSurface], seed: int, synthetic: float) -> None:
        self.by_family: dict[str, list[FittedSurface]] = {}
        for s in surfaces:
            self.by_family.setdefault(s.family, []).append(s)
        self.names = sorted(self.by_family)
        weights = np.array([WEIGHTS.get(n, 1.0) for n in self.names])
        self.weights = weights / weights.sum() if len(weights) else weights
        self.seed, self.synthetic = seed, synthetic

    def draw(self, i: int) -> Example:
        rng = np.random.default_rng([self.seed, i])
        if not self.names or rng.random() < self.synthetic:
            return sequence(rng, SyntheticTask(rng))
        mine = self.by_family[str(rng.choice(self.names, p=self.weights))]
        return sequence(rng, RealTask(rng, mine[int(rng.integers(len(mine)))], mine))
