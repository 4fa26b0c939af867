"""What a bench writes and reads again: a line of `results.jsonl` for each problem and each run."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from hyperllama.core.errors import DataError


@dataclass(frozen=True)
class Facts:
    """A problem, as far as the figures need it.

    Attributes:
        name, suite, group, loss_name, best: of `Problem`.
        problem_id: `Problem.fingerprint`.
        spec: recipe of the problem.
        median: median loss of one random configuration, mean over seeds.
        expected: start -> seed (as text; "*" where all seeds are alike) -> mean loss of random
            search's incumbent after 1, 2, ... evaluations.
        evidence: False where results prove nothing (unshifted Ackley).
    """

    name: str
    problem_id: str
    suite: str
    group: str
    loss_name: str
    best: float | None
    median: float
    expected: Mapping[str, Mapping[str, Sequence[float]]]
    spec: Mapping[str, Any] | None = None
    family: str | None = None
    evidence: bool = True

    def random_curve(self, start: str, seed: int) -> Sequence[float]:
        """Expected incumbent of random search under `seed`; empty where it is not known."""
        by_seed = self.expected.get(start, {})
        return by_seed.get(str(seed), by_seed.get("*", ()))


@dataclass(frozen=True)
class Run:
    """One method on one problem under one seed.

    Attributes:
        problem, problem_id, method, method_id: which; see `Problem` and `Method`.
        start: "default" (the default configuration was evaluated first) or "none".
        budget: evaluations, which the method knew beforehand.
        observed: losses as the method was told, lower is better; None for a failure.
        judged: losses as it is judged by; empty where they are the same.
        points: configurations as coordinates of the unit cube.
        ask_s: wall seconds of each proposal (not of the default configuration).
        by: who made each proposal.
        fell_back: numbers of the trials that another proposer had to step in for.
        failed_loss: what stands for a failure.
        error: why the run broke off; empty for a whole run.
    """

    problem: str
    problem_id: str
    method: str
    method_id: str
    start: str
    seed: int
    budget: int
    observed: list[float | None] = field(default_factory=list)
    judged: list[float | None] = field(default_factory=list)
    points: list[list[float]] = field(default_factory=list)
    ask_s: list[float] = field(default_factory=list)
    by: list[str] = field(default_factory=list)
    fell_back: list[int] = field(default_factory=list)
    failed_loss: float = math.inf
    error: str = ""

    @property
    def key(self) -> tuple[str, str, str, int, int]:
        """What makes two runs the same."""
        return (self.problem_id, self.method_id, self.start, self.seed, self.budget)

    @cached_property
    def curve(self) -> list[float]:
        """Judged loss of the incumbent (the best observed so far) after each evaluation."""
        judged = self.judged or self.observed
        incumbent, best, result = self.failed_loss, math.inf, []
        for seen, true in zip(self.observed, judged, strict=True):
            if seen is not None and seen < best:
                best, incumbent = seen, self.failed_loss if true is None else true
            result.append(incumbent)
        return result


@dataclass
class Results:
    """Everything known so far. Later lines replace earlier ones of the same key."""

    problems: dict[str, Facts] = field(default_factory=dict)
    runs: dict[tuple[str, str, str, int, int], Run] = field(default_factory=dict)
    skipped: int = 0

    def add(self, record: Facts | Run) -> None:
        if isinstance(record, Facts):
            self.problems[record.problem_id] = record
        else:
            self.runs[record.key] = record

    def whole(self) -> list[Run]:
        """The runs that were not broken off."""
        return [r for r in self.runs.values() if not r.error]

    def only(self, problem_ids: Collection[str]) -> Results:
        """What is known of some problems."""
        return Results(
            {i: p for i, p in self.problems.items() if i in problem_ids},
            {k: r for k, r in self.runs.items() if r.problem_id in problem_ids},
            self.skipped,
        )

    def merged(self, others: Iterable[Results]) -> Results:
        """These results and others as one."""
        result = Results(dict(self.problems), dict(self.runs), self.skipped)
        for other in others:
            result.problems.update(other.problems)
            result.runs.update(other.runs)
        return result


FILE = "results.jsonl"


def load_results(folder: str | Path) -> Results:
    """Results of a bench from its folder (or from a .jsonl file); empty where there are none.

    Raises:
        DataError: a line in the middle cannot be read. A last line cut short is left out.
    """
    file = _file(folder)
    results = Results()
    if not file.is_file():
        return results
    lines = file.read_text(encoding="utf-8").split("\n")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            results.add(_record(json.loads(line)))
        except (json.JSONDecodeError, TypeError, KeyError) as error:
            if number == len(lines):
                results.skipped += 1
                continue
            raise DataError(
                f"{file.name}, line {number}: {type(error).__name__}: {error}",
                "delete that line, or start in a new folder",
            ) from error
    return results


class Writer:
    """Appends records to a folder's results, each at once. A last line cut short is removed."""

    def __init__(self, folder: str | Path) -> None:
        file = _file(folder)
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.is_file():
            raw = file.read_bytes()
            if raw and not raw.endswith(b"\n"):
                with file.open("r+b") as cut:
                    cut.truncate(raw.rfind(b"\n") + 1)
        self._stream = file.open("a", encoding="utf-8")

    def write(self, record: Facts | Run) -> None:
        kind = "problem" if isinstance(record, Facts) else "run"
        self._stream.write(json.dumps({"type": kind, **asdict(record)}) + "\n")
        self._stream.flush()

    def close(self) -> None:
        self._stream.close()


def _file(folder: str | Path) -> Path:
    path = Path(folder)
    return path if path.suffix == ".jsonl" else path / FILE


def _record(raw: dict[str, Any]) -> Facts | Run:
    kind = raw.pop("type")
    return Facts(**raw) if kind == "problem" else Run(**raw)


def run_from_wire(raw: Mapping[str, Any]) -> Run:
    """A run as a worker sent it."""
    return Run(**raw)
