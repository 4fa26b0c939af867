"""One cell: a proposer on a task under a seed, every trial written down before the next begins.

The file of a cell has a line a trial, and a last line when it is over. A cell that was broken off
anywhere goes on after its last line: proposers follow from seed, number and history.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from hyperllama.core.errors import HyperLlamaError
from hyperllama.core.evaluate.results import Result
from hyperllama.core.experiments.compare.trials import KeptRunner
from hyperllama.core.storage.store import jsonable
from hyperllama.core.trials import (
    AskContext,
    Cancelled,
    Exhausted,
    Observed,
    Proposal,
    Proposer,
)
from hyperllama.models.process.usage import EnergyMeter


class Journal:
    """The file of one cell: what is in it, and appending to it. A torn last line is cut off."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self.trials: list[dict[str, Any]] = []
        raw = file.read_bytes() if file.exists() else b""
        whole = raw[: raw.rfind(b"\n") + 1]
        if len(whole) < len(raw):
            with file.open("r+b") as cut:
                cut.truncate(len(whole))
        for line in whole.splitlines():
            record = json.loads(line)
            if "trial" in record:
                self.trials.append(record["trial"])
        self._stream = file.open("a", encoding="utf8")

    def trial(self, trial: Mapping[str, Any]) -> None:
        self.trials.append(dict(trial))
        self._write({"trial": dict(trial)})

    def end(self, facts: Mapping[str, Any]) -> None:
        self._write({"end": dict(facts)})

    def close(self) -> None:
        self._stream.close()

    def _write(self, record: Mapping[str, Any]) -> None:
        self._stream.write(json.dumps(jsonable(record), ensure_ascii=False) + "\n")
        self._stream.flush()


class EngineUse(Protocol):
    """What is asked of the engine beside proposals."""

    def __call__(self) -> float:
        """Peak memory of its process so far, MiB; 0 without one."""


def play(
    journal: Journal,
    runner: KeptRunner,
    make: Callable[[], Proposer],
    budget: int,
    *,
    engine_mb: EngineUse = lambda: 0.0,
    should_stop: Callable[[], bool] = lambda: False,
    on_trial: Callable[[Mapping[str, Any]], None] = lambda trial: None,
    clock: Callable[[], float] = time.perf_counter,
) -> bool:
    """Go on with a cell until its budget is used; False if it was stopped before.

    What goes wrong with the proposer for good ends the cell, with a line that says so.

    Raises:
        HyperLlamaError: the trial runner cannot go on.
    """
    space = runner.problem.space
    proposer: Proposer | None = None
    try:
        for number in range(len(journal.trials), budget):
            if should_stop():
                return False
            meter, began = EnergyMeter(), clock()
            try:
                if number == 0:
                    proposal = Proposal(space.default(), "default")
                else:
                    proposer = proposer or _told(make(), journal)
                    left = budget - number
                    proposal = proposer.ask(
                        space, AskContext(number, left, should_stop=should_stop)
                    )
                config = space.validate(proposal.config)
            except Cancelled:
                return False
            except Exhausted as error:
                journal.end({"exhausted": error.message})
                return True
            except HyperLlamaError as error:
                journal.end({"error": error.message, "hint": error.hint})
                return True
            except Exception as error:  # a proposer that breaks must not end the others' cells
                journal.end({"error": f"{type(error).__name__}: {error}"})
                return True
            ask_s, joules = clock() - began, meter.joules()
            result, known = runner.evaluate(config, should_stop)
            if result.state == "cancelled":
                return False
            trial = _trial(number, replace(proposal, config=config), result)
            trial |= {"known": known, "ask_s": round(ask_s, 6), "joules": joules}
            trial["engine_mb"] = round(engine_mb(), 1)
            trial["repeat"] = any(
                space.key(t["config"]) == space.key(config) for t in journal.trials
            )
            journal.trial(jsonable(trial))
            if proposer is not None:
                proposer.tell(_observed(journal.trials[-1]))
            on_trial(journal.trials[-1])
    finally:
        if proposer is not None:
            proposer.close()
    journal.end(_tested(journal, runner, should_stop))
    return True


def _told(proposer: Proposer, journal: Journal) -> Proposer:
    for trial in journal.trials:
        proposer.tell(_observed(trial))
    return proposer


def _observed(trial: Mapping[str, Any]) -> Observed:
    return Observed(
        number=trial["number"],
        config=trial["config"],
        value=trial["value"],
        reason=trial["reason"],
        proposer=trial["proposer"],
        fold_scores=tuple(trial["fold_scores"]),
        train_value=trial["train_value"],
        seconds=trial["seconds"],
        facts=trial["facts"],
        reasoning=trial["reasoning"],
    )


def _trial(number: int, proposal: Proposal, result: Result) -> dict[str, Any]:
    from hyperllama.core.study.telling import counts

    replies, repeated, invalid = waste(proposal)
    return {
        "number": number,
        "config": proposal.config,
        "value": result.value if result.state == "complete" else None,
        "reason": result.reason,
        "proposer": proposal.proposer,
        "fallback": proposal.fallback,
        "reasoning": proposal.reasoning,
        "fold_scores": list(result.fold_scores),
        "train_value": result.train_value,
        "seconds": round(result.seconds, 4),
        "facts": dict(result.facts),
        "tokens": counts(proposal.record),
        "replies": replies,
        "repeated": repeated,
        "invalid": invalid,
    }


def waste(proposal: Proposal) -> tuple[int, int, int]:
    """Replies that a proposal took; how many repeated what was tried, how many were invalid."""
    record = proposal.record
    rejections = [str(r) for r in record.get("rejections", ())]
    repeated = sum("repeat" in r or "tried" in r for r in rejections)
    replies = max(len(record.get("attempts", ())), len(rejections) + 1)
    if "repeated itself" in str(record.get("note", "")) or (
        not rejections and "only repeats" in proposal.fallback
    ):
        repeated, replies = repeated + 1, replies + 1
    return replies, repeated, len(rejections) - sum("repeat" in r or "tried" in r
                                                    for r in rejections)  # fmt: skip


def _tested(
    journal: Journal, runner: KeptRunner, should_stop: Callable[[], bool]
) -> dict[str, Any]:
    """The incumbent's score on the rows that no trial saw, and the default's."""
    scored = [t for t in journal.trials if t["value"] is not None]
    if not scored:
        return {"error": f"every trial failed; the last: {journal.trials[-1]['reason']}"}
    best = max(scored, key=lambda t: float(t["value"]))
    try:
        return {
            "test_value": runner.test_score(best["config"], should_stop),
            "default_test_value": runner.test_score(journal.trials[0]["config"], should_stop),
        }
    except HyperLlamaError as error:
        return {"test_value": None, "no_test": error.message}
