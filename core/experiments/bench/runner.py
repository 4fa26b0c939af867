"""Running methods on problems: resumable, in this process or in workers, with an estimate of time.

Workers are described in `workers.py`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hyperllama.core.errors import HyperLlamaError, StudyError
from hyperllama.core.experiments.bench.engines import close_engines
from hyperllama.core.experiments.bench.methods import Method, parse_method
from hyperllama.core.experiments.bench.problem import Problem, open_problem
from hyperllama.core.experiments.bench.results import Facts, Results, Run, Writer, load_results
from hyperllama.core.experiments.bench.workers import Workers
from hyperllama.core.storage.paths import home
from hyperllama.core.trials import AskContext, Exhausted, Observed

STARTS = ("default", "none")
_POOL_CHUNK = 20


@dataclass(frozen=True)
class Progress:
    """How far a bench is.

    Attributes:
        done, total: pieces of work, those found finished not counted.
        elapsed_s: since the start.
        remaining_s: estimate; None before the first piece is done.
        label: what was finished last.
        error: why that piece failed; empty otherwise.
    """

    done: int
    total: int
    elapsed_s: float
    remaining_s: float | None
    label: str
    error: str = ""


def play(problem: Problem, method: Method, start: str, seed: int, budget: int) -> Run:
    """One run. Errors of a method end up in `Run.error`."""
    failed = problem.failed_loss(seed)
    run = Run(
        problem.name, problem.fingerprint, method.label, method.identity, start, seed, budget,
        failed_loss=failed,
    )  # fmt: skip
    noisy = type(problem).judge is not Problem.judge and problem.seeded
    error = ""
    try:
        proposer = method.make(problem, seed, budget)
    except HyperLlamaError as caught:
        return _broken(run, caught.message)
    try:
        for number in range(budget):
            if number == 0 and start == "default":
                config, by = problem.space.default(), "default"
            else:
                began = time.perf_counter()
                context = AskContext(number=number, trials_left=budget - number)
                proposal = proposer.ask(problem.space, context)
                run.ask_s.append(round(time.perf_counter() - began, 6))
                config, by = problem.space.validate(proposal.config), proposal.proposer
                if proposal.fallback:
                    run.fell_back.append(number)
            loss = problem.observe(config, seed)
            run.observed.append(loss)
            if noisy:
                run.judged.append(problem.judge(config, seed))
            run.points.append([round(float(u), 4) for u in problem.space.to_unit(config)])
            run.by.append(by)
            value = None if loss is None else -loss
            proposer.tell(Observed(number, config, value, proposer=by))
    except Exhausted:
        _pad(run, budget)
    except Exception as caught:  # a method that breaks must not end the bench of the others
        error = f"evaluation {len(run.observed) + 1}: {type(caught).__name__}: {caught}"
    finally:
        proposer.close()
    return _broken(run, error) if error else run


def _pad(run: Run, budget: int) -> None:
    """Nothing is left to try: the rest of the budget changes nothing."""
    missing = budget - len(run.observed)
    run.observed.extend([None] * missing)
    run.by.extend(["nobody"] * missing)
    if run.judged:
        run.judged.extend([None] * missing)


def _broken(run: Run, error: str) -> Run:
    return Run(**{**asdict(run), "error": error.splitlines()[0][:300]})


def facts_of(problem: Problem, seeds: Sequence[int], budget: int) -> Facts:
    """The problem's record, with what random search reaches under each seed."""
    from hyperllama.core.experiments.bench.landscapes import is_evidence

    keys = [(str(s), s) for s in seeds] if problem.seeded else [("*", 0)]
    chances = {name: problem.chance(seed) for name, seed in keys}
    expected = {
        start: {n: [float(v) for v in c.curve(budget, start)] for n, c in chances.items()}
        for start in STARTS
    }
    return Facts(
        name=problem.name,
        problem_id=problem.fingerprint,
        suite=problem.suite,
        group=problem.group,
        loss_name=problem.loss_name,
        best=problem.best,
        median=sum(c.median for c in chances.values()) / len(chances),
        expected=expected,
        spec=dict(problem.spec) if problem.spec else None,
        family=problem.family,
        evidence=is_evidence(problem),
    )


def run(
    problems: Sequence[Problem],
    methods: Sequence[str | Method],
    *,
    seeds: int | Sequence[int] = 20,
    budget: int = 30,
    starts: Sequence[str] = ("default",),
    out: str | Path | None = None,
    jobs: int = 1,
    fresh: Sequence[str] = (),
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Results:
    """Run every method on every problem under every seed, and return all results in `out`.

    What `out` already holds is not run again; "random" is never run, its mean is computed.

    Args:
        problems: see `landscape_problems`, `table_problems`, `tabular_problems`.
        methods: see `methods.ABOUT`.
        seeds: how many (0, 1, ...), or which.
        budget: evaluations of one run.
        starts: "default" and/or "none".
        out: folder of `results.jsonl`; None keeps results in memory.
        jobs: processes; 1 runs everything in this one.
        fresh: labels of methods to run again, because their code has changed; their new results
            replace the old ones.

    Raises:
        StudyError: a problem made by hand cannot be run by workers; names repeat.
        SpaceError, ModelFileError, DataError: an unknown method, a missing model or table.
    """
    chosen = [m if isinstance(m, Method) else parse_method(m) for m in methods]
    numbers = tuple(range(seeds)) if isinstance(seeds, int) else tuple(seeds)
    if len({p.name for p in problems}) != len(problems):
        raise StudyError("two problems have the same name", "name each problem once")
    if any(s not in STARTS for s in starts):
        raise StudyError(f"unknown start in {list(starts)}", f"allowed: {', '.join(STARTS)}")
    if jobs > 1:
        for p in problems:
            if p.spec is None:
                raise StudyError(f"{p.name} was made by hand", "run it with jobs=1")
    results = load_results(out) if out is not None else Results()
    writer = Writer(out) if out is not None else None

    def keep(record: Facts | Run) -> None:
        results.add(record)
        if writer is not None:
            writer.write(record)

    try:
        log = (Path(out) if out is not None else home() / "bench") / "workers.log"
        _work(list(_pools(problems)), jobs, log, on_progress, lambda record: None)
        for problem in problems:
            _describe(problem, numbers, budget, results, keep)
        pieces = [
            piece
            for piece in _runs(problems, chosen, numbers, budget, starts)
            if _key(piece) not in results.runs
            or results.runs[_key(piece)].error
            or (piece.method is not None and piece.method.label in fresh)
        ]
        _work(pieces, jobs, log, on_progress, keep)
    finally:
        close_engines()
        if writer is not None:
            writer.close()
    return results


@dataclass(frozen=True)
class Piece:
    """A piece of work: one run, or (without a method) a part of a problem's random pool."""

    problem: Problem
    method: Method | None = None
    start: str = ""
    seed: int = 0
    budget: int = 0
    pool: tuple[int, int] = (0, 0)

    @property
    def label(self) -> str:
        what = f"random pool {self.pool[1]}" if self.method is None else self.method.label
        return f"{self.problem.name}: {what}" + (f", seed {self.seed}" if self.method else "")

    def here(self) -> Run | None:
        """Do it in this process."""
        if self.method is None:
            self.problem.fill(*self.pool)
            return None
        return play(self.problem, self.method, self.start, self.seed, self.budget)

    def message(self) -> dict[str, Any]:
        """What a worker needs to do it."""
        return {
            "problem": dict(self.problem.spec or {}),
            "method": self.method.text if self.method else None,
            "start": self.start,
            "seed": self.seed,
            "budget": self.budget,
            "pool": list(self.pool),
        }


def done_here(message: Mapping[str, Any], opened: dict[str, Problem]) -> Run | None:
    """What a worker does with a message; `opened` keeps problems open between messages."""
    name = json.dumps(message["problem"], sort_keys=True)
    if name not in opened:
        opened[name] = open_problem(message["problem"])
    method = parse_method(message["method"]) if message["method"] else None
    first, last = message["pool"]
    piece = Piece(
        opened[name], method, message["start"], message["seed"], message["budget"], (first, last)
    )
    return piece.here()


def _key(piece: Piece) -> tuple[str, str, str, int, int]:
    assert piece.method is not None
    return (
        piece.problem.fingerprint, piece.method.identity, piece.start, piece.seed, piece.budget,
    )  # fmt: skip


def _pools(problems: Sequence[Problem]) -> Iterator[Piece]:
    for problem in problems:
        for first in problem.missing(_POOL_CHUNK):
            yield Piece(problem, pool=(first, first + _POOL_CHUNK))


def _runs(
    problems: Sequence[Problem], methods: Sequence[Method], seeds: Sequence[int], budget: int,
    starts: Sequence[str],
) -> Iterator[Piece]:  # fmt: skip
    for seed in seeds:
        for problem in problems:
            for start in starts:
                for method in methods:
                    if method.text != "random":
                        yield Piece(problem, method, start, seed, budget)


def _describe(
    problem: Problem, seeds: Sequence[int], budget: int, results: Results,
    keep: Callable[[Facts | Run], None],
) -> None:  # fmt: skip
    """Write the problem's record unless one with all these seeds and this budget is there."""
    old = results.problems.get(problem.fingerprint)
    if old is not None:
        wanted = seeds if problem.seeded else (0,)
        if all(len(old.random_curve("none", s)) >= budget for s in wanted):
            return
        seeds = sorted({*seeds, *(int(s) for s in old.expected["none"] if s != "*")})
        budget = max(budget, *(len(c) for c in old.expected["none"].values()))
    keep(facts_of(problem, seeds, budget))


def _work(
    pieces: Sequence[Piece], jobs: int, log: Path,
    on_progress: Callable[[Progress], None], keep: Callable[[Facts | Run], None],
) -> None:  # fmt: skip
    """Do all pieces and keep each run as it is finished."""
    began = time.monotonic()
    for done, (piece, finished) in enumerate(_finished(pieces, jobs, log), 1):
        if finished is not None:
            keep(finished)
        elapsed = time.monotonic() - began
        left = elapsed / done * (len(pieces) - done)
        error = finished.error if finished is not None else ""
        on_progress(Progress(done, len(pieces), elapsed, left, piece.label, error))


def _finished(
    pieces: Sequence[Piece], jobs: int, log: Path
) -> Iterator[tuple[Piece, Run | None]]:
    if jobs <= 1 or len(pieces) < 2:
        for piece in pieces:
            yield piece, piece.here()
        return
    with Workers(min(jobs, len(pieces)), log) as workers:
        yield from workers.map(pieces)
