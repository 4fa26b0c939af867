"""Studies that a method plays on surfaces to learn from: histories such as a model makes itself."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hyperllama.core.space import Config
from workshop.draws import Rng
from workshop.replay import ReplayTask, trials
from workshop.sequences import Asked, weights_of_families
from workshop.surfaces import FittedSurface
from workshop.tasks import PlayedTask


@dataclass(frozen=True)
class Trajectory:
    """A study on a surface.

    Attributes:
        task: what was played.
        configs: of its trials, the first the default.
        losses: that the method was told, one a trial.
    """

    task: ReplayTask
    configs: list[Config]
    losses: list[float]

    def asked(self, rng: Rng) -> Asked:
        """The task, with histories that are beginnings of this one."""
        task = PlayedTask(rng, self.task.surface, self.task.which, self.task.space)
        return Asked(rng, task, (task.coordinates(self.configs), np.array(self.losses)))


def record(
    surfaces: Sequence[FittedSurface], method: str, path: Path, budget: int, seed: int,
    minutes: float,
) -> Iterator[Trajectory]:  # fmt: skip
    """Play a method on surfaces drawn as training draws them, one JSON line each, until time is up.

    Args:
        method: as `workshop.measure.made` takes it.
        path: a file that is added to.
    """
    rng = np.random.default_rng(seed)
    names, weights = weights_of_families(surfaces)
    ends = time.monotonic() + 60 * minutes
    while time.monotonic() < ends:
        name = str(rng.choice(names, p=weights))
        mine = [s for s in surfaces if s.family == name]
        surface = mine[int(rng.integers(len(mine)))]
        which, wide = int(rng.integers(len(surface.models))), bool(rng.random() < 0.4)
        task = ReplayTask(surface, which, False, wide)
        if len(task.space.free) < 2:
            continue
        played = trials(task, method, int(rng.integers(10**6)), budget)
        line = {"dataset": surface.dataset, "family": name, "rows": surface.facts.rows,
                "which": which, "wide": wide, "configs": played.configs,
                "losses": played.seen.round(6).tolist()}  # fmt: skip
        with path.open("a", encoding="utf8") as out:
            out.write(json.dumps(line) + "\n")
        yield Trajectory(task, played.configs, line["losses"])


def read(path: Path, surfaces: Sequence[FittedSurface]) -> list[Trajectory]:
    """The studies of a file whose surfaces are among those given."""
    known = {(s.dataset, s.family, s.facts.rows): s for s in surfaces}
    found = []
    for line in map(json.loads, path.read_text(encoding="utf8").splitlines()):
        surface = known.get((line["dataset"], line["family"], line["rows"]))
        if surface is not None and line["which"] < len(surface.models):
            task = ReplayTask(surface, line["which"], False, line["wide"])
            found.append(Trajectory(task, line["configs"], line["losses"]))
    return found
