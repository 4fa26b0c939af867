"""Results on benchmark problems, as the figures need them; read from an experiment's folder."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hyperllama.core.errors import DataError
from hyperllama.core.experiments.grid import FILE, folder_name
from hyperllama.core.experiments.reading import CellFacts, read_comparison
from hyperllama.core.storage.folder import write_atomically

PROBLEMS_FILE = "problems.json"
EVERY_SEED = "*"


@dataclass(frozen=True)
class ProblemRecord:
    """A problem, as far as the figures need it.

    Attributes:
        name, suite, group, loss_name, best, family, evidence, spec: of `BenchProblem`.
        problem_id: `BenchProblem.fingerprint`.
        median: median loss of one random configuration, mean over seeds.
        expected: start -> seed (as text; "*" where all seeds are alike) -> mean loss of random
            search's incumbent after 1, 2, ... evaluations.
        failed: seed as above -> the loss that stands for a failure.
    """

    name: str
    problem_id: str
    suite: str
    group: str
    loss_name: str
    best: float | None
    median: float
    expected: Mapping[str, Mapping[str, Sequence[float]]]
    failed: Mapping[str, float] = field(default_factory=dict)
    spec: Mapping[str, Any] | None = None
    family: str | None = None
    evidence: bool = True

    def random_curve(self, start: str, seed: int) -> Sequence[float]:
        """Expected incumbent of random search under `seed`; empty where it is not known."""
        by_seed = self.expected.get(start, {})
        return by_seed.get(str(seed), by_seed.get(EVERY_SEED, ()))

    def failed_loss(self, seed: int) -> float:
        """The loss that stands for a failure under `seed`."""
        return self.failed.get(str(seed), self.failed.get(EVERY_SEED, math.inf))


@dataclass(frozen=True)
class BenchRun:
    """One contender on one problem under one seed.

    Attributes:
        problem, problem_id, method, method_id: which; see `BenchProblem` and `Contender`.
        start: "default" (the default configuration was evaluated first) or "none".
        budget: evaluations, which the contender knew beforehand.
        curve: judged loss of the incumbent (the best observed so far) after each evaluation, shape
            (budget,); shorter where the run broke off.
        ask_s: seconds of each proposal (not of the default configuration).
        fell_back: numbers of the trials that another proposer had to step in for.
        configs: what was evaluated.
        error: why the run broke off; empty for a whole run.
    """

    problem: str
    problem_id: str
    method: str
    method_id: str
    start: str
    seed: int
    budget: int
    curve: Sequence[float]
    ask_s: Sequence[float] = ()
    fell_back: Sequence[int] = ()
    configs: Sequence[Mapping[str, Any]] = ()
    error: str = ""

    @property
    def key(self) -> tuple[str, str, str, int, int]:
        """What makes two runs the same."""
        return (self.problem_id, self.method_id, self.start, self.seed, self.budget)

    @classmethod
    def of(cls, facts: CellFacts, record: ProblemRecord, method_id: str, budget: int) -> BenchRun:
        """A finished cell as a run; after the last possible configuration nothing changes."""
        cell, failed = facts.cell, record.failed_loss(facts.cell.seed)
        curve = [-v if math.isfinite(v) else failed for v in facts.curve]
        if not facts.error:
            curve += [curve[-1] if curve else failed] * (budget - len(curve))
        fell_back = tuple(t["number"] for t in facts.trials if t["fallback"])
        return cls(
            record.name, record.problem_id, cell.contender, method_id, cell.start, cell.seed,
            budget, curve, [t["ask_s"] for t in facts.asked], fell_back,
            [t["config"] for t in facts.trials], _error(facts),
        )  # fmt: skip


def _error(facts: CellFacts) -> str:
    if not facts.error:
        return ""
    return f"evaluation {len(facts.trials) + 1}: {facts.error}".splitlines()[0][:300]


@dataclass
class BenchResults:
    """Problems by id and runs by key; later ones replace earlier ones of the same key."""

    problems: dict[str, ProblemRecord] = field(default_factory=dict)
    runs: dict[tuple[str, str, str, int, int], BenchRun] = field(default_factory=dict)

    def add(self, record: ProblemRecord | BenchRun) -> None:
        if isinstance(record, ProblemRecord):
            self.problems[record.problem_id] = record
        else:
            self.runs[record.key] = record

    def whole(self) -> list[BenchRun]:
        """The runs that did not break off."""
        return [r for r in self.runs.values() if not r.error]

    def only(self, problem_ids: Collection[str]) -> BenchResults:
        """What is known of some problems."""
        return BenchResults(
            {i: p for i, p in self.problems.items() if i in problem_ids},
            {k: r for k, r in self.runs.items() if r.problem_id in problem_ids},
        )

    def merged(self, others: Iterable[BenchResults]) -> BenchResults:
        """These results and others as one."""
        result = BenchResults(dict(self.problems), dict(self.runs))
        for other in others:
            result.problems.update(other.problems)
            result.runs.update(other.runs)
        return result


def load_results(folder: str | Path) -> BenchResults:
    """Results of a bench from its folder; empty where there are none.

    Raises:
        DataError: they were written by version 0.1.0. StudyError: a file is damaged.
    """
    target, results = Path(folder), BenchResults()
    if not (target / FILE).is_file():
        if (target / "results.jsonl").is_file():
            raise DataError(
                f"{target} holds results of version 0.1.0, which are not read any more",
                "run the same bench again",
            )
        return results
    records = read_records(target)
    for record in records.values():
        results.add(record)
    found = read_comparison(folder_name(target))
    identities = {c.label: c.identity for c in found.grid.contenders}
    for facts in found.cells:
        if facts.end and facts.cell.task in records:
            budget, method_id = found.grid.budget_of(facts.cell), identities[facts.cell.contender]
            results.add(BenchRun.of(facts, records[facts.cell.task], method_id, budget))
    return results


def read_records(folder: Path) -> dict[str, ProblemRecord]:
    """The problems of a bench by name; empty where none was described.

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
