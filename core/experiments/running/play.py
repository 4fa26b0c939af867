"""One cell: a contender on a task under a seed; every trial is written before the next begins.

The file of a cell has a line for each trial, and a last line when it is over. A cell that was
stopped anywhere goes on after its last line: proposers follow from seed, number and history.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hyperllama.core.errors import HyperLlamaError
from hyperllama.core.evaluate.results import Result
from hyperllama.core.experiments.problems.base import CellTask
from hyperllama.core.programs.store import CHOICE
from hyperllama.core.trials import (
    AskContext,
    Cancelled,
    Exhausted,
    Observed,
    Proposal,
    Proposer,
)
from hyperllama.models.process.usage import EnergyMeter


class CellFile:
    """The file of one cell: what is in it, and appending to it. A torn last line is cut off."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        raw = file.read_bytes() if file.exists() else b""
        whole = raw[: raw.rfind(b"\n") + 1]
        if len(whole) < len(raw):
            with file.open("r+b") as cut:
                cut.truncate(len(whole))
        records = map(json.loads, whole.splitlines())
        self.trials: list[dict[str, Any]] = [r["trial"] for r in records if "trial" in r]
        self._stream = file.open("a", encoding="utf8")

    def trial(self, trial: Mapping[str, Any]) -> None:
        self.trials.append(self._write("trial", trial))

    def end(self, facts: Mapping[str, Any]) -> None:
        self._write("end", facts)

    def close(self) -> None:
        self._stream.close()

    def _write(self, kind: str, record: Mapping[str, Any]) -> dict[str, Any]:
        """What a later reader will find."""
        from hyperllama.core.storage.store import jsonable

        found: dict[str, Any] = jsonable(record)
        self._stream.write(json.dumps({kind: found}, ensure_ascii=False) + "\n")
        self._stream.flush()
        return found


def _ignore(trial: Mapping[str, Any]) -> None: ...


@dataclass(frozen=True)
class PlayRules:
    """How a cell is played.

    Attributes:
        budget: trials.
        start: "default" (the default configuration is the first trial) or "none".
        engine_mb: peak memory of the engine's process so far, MiB; 0 without one.
        on_trial: is given each trial after it was written.
    """

    budget: int
    start: str = "default"
    engine_mb: Callable[[], float] = lambda: 0.0
    should_stop: Callable[[], bool] = lambda: False
    on_trial: Callable[[Mapping[str, Any]], None] = _ignore


def play(
    file: CellFile, task: CellTask, make: Callable[[], Proposer], rules: PlayRules
) -> bool:
    """Go on with a cell until its budget is used; False if it was stopped before.

    What goes wrong with the proposer for good ends the cell, with a line that says so.

    Raises:
        HyperLlamaError: the task cannot be evaluated any more.
    """
    proposer: Proposer | None = None
    seen = {task.space.key(t["config"]) for t in file.trials}
    try:
        for number in range(len(file.trials), rules.budget):
            if rules.should_stop():
                return False
            meter, began = EnergyMeter(), time.perf_counter()
            try:
                if number == 0 and rules.start == "default":
                    proposal = Proposal(task.space.default(), "default")
                else:
                    proposer = proposer or _informed(make(), file)
                    context = AskContext(
                        number, rules.budget - number, should_stop=rules.should_stop
                    )
                    proposal = proposer.ask(task.space, context)
                ask_s, joules = time.perf_counter() - began, meter.joules()
                config = proposal.config
                if CHOICE not in config:  # a program's own values are checked where it is run
                    config = task.space.validate(config)
            except Cancelled:
                return False
            except Exhausted as error:
                file.end({"exhausted": error.message})
                return True
            except Exception as error:  # a proposer that breaks must not end the others' cells
                file.end(_failure(error, number))
                return True
            result, known = task.evaluate(config, rules.should_stop)
            if result.state == "cancelled":
                return False
            trial = _trial(number, replace(proposal, config=config), result)
            trial |= {"known": known, "ask_s": round(ask_s, 6), "joules": joules}
            trial |= {"engine_mb": round(rules.engine_mb(), 1)}
            trial |= {"repeat": task.space.key(config) in seen}
            if (judged := task.judged(config)) is not None:
                trial["judged"] = judged
            seen.add(task.space.key(config))
            file.trial(trial)
            if proposer is not None:
                proposer.tell(_observed(file.trials[-1]))
            rules.on_trial(file.trials[-1])
    finally:
        if proposer is not None:
            proposer.close()
    end = task.ended(file.trials, rules.should_stop)
    if end is not None:
        file.end(end)
    return end is not None


def _failure(error: Exception, number: int) -> dict[str, Any]:
    if isinstance(error, HyperLlamaError):
        return {"error": error.message, "hint": error.hint}
    lines = f"evaluation {number + 1}: {type(error).__name__}: {error}".splitlines()
    return {"error": lines[0][:300]}


def _informed(proposer: Proposer, file: CellFile) -> Proposer:
    for trial in file.trials:
        proposer.tell(_observed(trial))
    return proposer


def _observed(trial: Mapping[str, Any]) -> Observed:
    kept = {f: trial[f] for f in Observed.__dataclass_fields__}
    return Observed(**{**kept, "fold_scores": tuple(trial["fold_scores"])})


def _trial(number: int, proposal: Proposal, result: Result) -> dict[str, Any]:
    from hyperllama.core.study.proposals import counts

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
    invalid = len(rejections) - repeated
    replies = max(len(record.get("attempts", ())), len(rejections) + 1)
    if "repeated itself" in str(record.get("note", "")) or (
        not rejections and "only repeats" in proposal.fallback
    ):
        repeated, replies = repeated + 1, replies + 1
    return replies, repeated, invalid
