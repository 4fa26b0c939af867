"""What is kept of a bench's problems: all that figures need, so that none has to be opened."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hyperllama.core.errors import DataError
from hyperllama.core.storage.folder import write_atomically

PROBLEMS_FILE = "problems.json"
EVERY_SEED = "*"


@dataclass(frozen=True)
class ProblemRecord:
    """A benchmark problem.

    Attributes:
        name, suite, loss_name, best, evidence, spec: of `BenchProblem`.
        problem_id: `BenchProblem.fingerprint`.
        median: median loss of one random configuration, mean over seeds.
        expected: start -> seed (as text; "*" where all seeds are alike) -> mean loss of random
            search's incumbent after 1, 2, ... evaluations.
        failed: seed as above -> the loss that stands for a failure.
    """

    name: str
    problem_id: str
    suite: str
    loss_name: str
    best: float | None
    median: float
    expected: Mapping[str, Mapping[str, Sequence[float]]]
    failed: Mapping[str, float] = field(default_factory=dict)
    spec: Mapping[str, Any] | None = None
    evidence: bool = True

    def random_curve(self, start: str, seed: int) -> Sequence[float]:
        """Expected incumbent of random search under `seed`; empty where it is not known."""
        by_seed = self.expected.get(start, {})
        return by_seed.get(str(seed), by_seed.get(EVERY_SEED, ()))

    def failed_loss(self, seed: int) -> float:
        """The loss that stands for a failure under `seed`."""
        return self.failed.get(str(seed), self.failed.get(EVERY_SEED, math.inf))


def read_records(folder: Path) -> dict[str, ProblemRecord]:
    """The problems of an experiment by name; empty where it has none.

    Raises:
        DataError: the file is damaged.
    """
    file = folder / PROBLEMS_FILE
    if not file.is_file():
        return {}
    try:
        return {n: ProblemRecord(**raw) for n, raw in json.loads(file.read_text("utf8")).items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise DataError(f"{file} cannot be read: {error}", "delete it and run again") from error


def write_records(folder: Path, records: Mapping[str, ProblemRecord]) -> None:
    """Replace the file of the problems at once."""
    raw = {name: asdict(record) for name, record in records.items()}
    write_atomically(folder / PROBLEMS_FILE, json.dumps(raw) + "\n")
