"""How a study tells what it did: trials, proposals and search spaces as events."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from hyperllama.core.events import Event, ProposalMade, TrialFinished
from hyperllama.core.space import number
from hyperllama.core.space.describe import describe_space as describe_space
from hyperllama.core.storage.store import StoredTrial, jsonable
from hyperllama.core.study.progress import Progress
from hyperllama.core.trials import Observed, Proposal


def proposal_made(
    trial: int, proposal: Proposal, progress: Progress, awaits_approval: bool = False
) -> ProposalMade:
    return ProposalMade(
        number=trial,
        proposer=proposal.proposer,
        config=proposal.config,
        reasoning=proposal.reasoning,
        fallback=proposal.fallback,
        tokens=counts(proposal.record),
        beliefs=jsonable(proposal.beliefs),
        changes=progress.changes(proposal.config),
        awaits_approval=awaits_approval,
    )


def trial_finished(trial: Observed, proposal: Proposal, improved: bool) -> TrialFinished:
    return TrialFinished(
        number=trial.number,
        state="fail" if trial.value is None else "complete",
        config=trial.config,
        value=trial.value,
        fold_scores=trial.fold_scores,
        std=None if trial.value is None else _std(trial.fold_scores),
        train_value=trial.train_value,
        seconds=trial.seconds,
        proposer=trial.proposer,
        reason=trial.reason,
        reasoning=proposal.reasoning,
        fallback=proposal.fallback,
        incumbent=improved,
        tokens=counts(proposal.record),
    )


def retold(
    trial: StoredTrial, progress: Progress, beliefs: Mapping[str, Any]
) -> Iterator[tuple[Event, float]]:
    """The events of a trial that ended before this process began, and when they happened."""
    started = trial.started.timestamp() if trial.started else 0.0
    ended = trial.ended.timestamp() if trial.ended else started
    seen, proposal = trial.observed(), replace(proposal_of(trial), beliefs=beliefs)
    yield proposal_made(trial.number, proposal, progress), started
    yield trial_finished(seen, proposal, progress.improves(seen.value)), ended


def proposal_of(trial: StoredTrial) -> Proposal:
    """The proposal as far as the storage keeps it; the whole record is in the proposal log."""
    return Proposal(
        config=trial.config,
        proposer=trial.proposer or "queue",
        reasoning=trial.reasoning,
        fallback=trial.fallback,
        record={"tokens": dict(trial.tokens)} if trial.tokens else {},
    )


def counts(record: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers of a proposal's record that are shown with the trial: tokens, speed, seconds.

    "parts" are the tokens in the context by part: instructions, task, history, reasoning, reply.
    Of the plan of its prompt: tokens kept for the "reserve" (reasoning and reply), how many trials
    were "listed" and how many "left_out" (they count in the "facts"), how many facts found no room
    ("facts_left_out"), and in words what else gave way ("dropped").
    """
    tokens, plan = record.get("tokens"), record.get("plan")
    found = dict(tokens) if isinstance(tokens, Mapping) else {}
    if isinstance(plan, Mapping) and "reply" in plan:
        found |= {name: plan[name] for name in ("left_out", "facts", "facts_left_out")}
        found |= {"reserve": plan["reasoning"] + plan["reply"], "listed": len(plan["listed"])}
        found["dropped"] = list(plan["dropped"])
    if "seconds" in record:
        found.setdefault("seconds", record["seconds"])
    return {str(name): value for name, value in found.items() if _showable(value)}


def _showable(value: object) -> bool:
    return isinstance(value, (Mapping, list)) or (
        isinstance(value, (int, float)) and math.isfinite(value)
    )


def in_words(config: Mapping[str, Any], progress: Progress) -> str:
    """What a configuration changes against the incumbent, in one line; all of it at first."""
    changed = {name: pair[1] for name, pair in progress.changes(dict(config)).items()}
    return ", ".join(
        f"{name} = {number(v) if isinstance(v, float) else v}"
        for name, v in (changed or config).items()
    )


def _std(scores: tuple[float, ...]) -> float | None:
    """Standard deviation (n in the denominator); None with fewer than two scores."""
    if len(scores) < 2:
        return None
    mean = sum(scores) / len(scores)
    return math.sqrt(sum((s - mean) ** 2 for s in scores) / len(scores))
