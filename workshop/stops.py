"""How often the advice to stop is right: studies on held-out surfaces that go on in spite of it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hyperllama.core.study.findings.plateau import due
from hyperllama.core.trials.noise import LEVEL, t_quantile
from workshop.replay import Floats, ReplayTask, trials

_FOLDS = 5


@dataclass(frozen=True)
class Stop:
    """A study at which the advice was given, and what came after it.

    Attributes:
        after: trials that had ended.
        gain: of the judged loss of the incumbent until then, from the default on.
        missed: the same of the `more` trials that followed.
        margin: the noise of the study when the advice was given.
    """

    after: int
    gain: float
    missed: float
    margin: float


def margin_of(task: ReplayTask, others: int) -> float:
    """The noise of a study (`core.trials.noise`) that has tried `others` beside the default."""
    model = task.surface.models[task.which]
    error = math.sqrt(2.0) * model.std * math.sqrt(model.noise)
    freedom = round(4 * (_FOLDS - 1) * others / (others + 3))
    return t_quantile(1 - (1 - LEVEL) / 2 / others, freedom) * error


def first_stop(task: ReplayTask, seen: Floats, judged: Floats, more: int) -> Stop | None:
    """The first time that the advice is given, `more` trials before the end at the latest."""
    for n in range(2, len(seen) - more + 1):
        margin = margin_of(task, n - 1)
        reached = int(np.argmax(seen[:n] <= seen[:n].min() + margin))
        if due(n - reached - 1, n):
            best = judged[[int(np.argmin(seen[:n])), int(np.argmin(seen[: n + more]))]]
            return Stop(n, float(judged[0] - best[0]), float(best[0] - best[1]), margin)
    return None


def study(
    every: Sequence[ReplayTask], method: str, budget: int, more: int, kept: Path,
    say: Callable[[str], None] = print,
) -> list[Stop]:  # fmt: skip
    """Play a method on every task, and look at the first advice of each.

    Args:
        kept: a file of trials, one JSON line each: it is added to, and gone on from.
    """
    lines = kept.read_text(encoding="utf8").splitlines() if kept.exists() else []
    known = {key: (np.array(a), np.array(b)) for key, a, b in map(json.loads, lines)}
    stops = []
    for task in every:
        if len(known.get(task.key, ((),))[0]) < budget:
            known[task.key] = trials(task, method, 0, budget)[:2]
            with kept.open("a", encoding="utf8") as out:
                out.write(json.dumps([task.key, *(v.tolist() for v in known[task.key])]) + "\n")
        seen, judged = known[task.key]
        stop = first_stop(task, seen[:budget], judged[:budget], more)
        if stop is not None:
            stops.append(stop)
    if stops:
        right = np.array([s.missed <= s.margin for s in stops])
        error = 1.645 * math.sqrt(right.mean() * (1 - right.mean()) / len(stops))
        whole = sum(s.gain + s.missed for s in stops)
        say(f"advice in {len(stops)} of {len(every)} studies, after "
            f"{np.median([s.after for s in stops]):.0f} trials (median); in {right.mean():.1%} "
            f"± {error:.1%} of them {more} more trials gained no more than the noise; "
            f"{sum(s.missed for s in stops) / whole:.1%} of the gain came later")
    return stops
