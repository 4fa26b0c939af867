"""Proposals and results as events: the facts that are shown of them, and what they change."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from hyperllama.core.evaluate.results import STOPPED, Result
from hyperllama.core.events import ProposalMade, TrialFinished
from hyperllama.core.objectives import broken, judged
from hyperllama.core.programs.store import CHOICE, TRIES
from hyperllama.core.space import SearchSpace, number
from hyperllama.core.storage.store import jsonable
from hyperllama.core.storage.trial_rows import StoredTrial
from hyperllama.core.study.state import PRUNED, StudyState, TrialState
from hyperllama.core.text import percent
from hyperllama.core.trials import Observed, Proposal


def proposal_made(
    trial: int, proposal: Proposal, state: StudyState, awaits_approval: bool = False
) -> ProposalMade:
    """The event of a proposal for that trial."""
    return ProposalMade(
        number=trial,
        proposer=proposal.proposer,
        config=proposal.config,
        reasoning=proposal.reasoning,
        fallback=proposal.fallback,
        tokens=counts(proposal.record),
        beliefs=jsonable(proposal.beliefs),
        changes=changes(state, proposal.config),
        awaits_approval=awaits_approval,
    )


def proposal_of(trial: StoredTrial) -> Proposal:
    """The proposal as far as the storage keeps it; the whole record is in the proposal log."""
    return Proposal(
        config=trial.config,
        proposer=trial.proposer or "queue",
        reasoning=trial.reasoning,
        fallback=trial.fallback,
        record={"tokens": dict(trial.tokens)} if trial.tokens else {},
    )


def default_proposal(space: SearchSpace) -> Proposal:
    """The library's default configuration."""
    why = "The library's default configuration: what every other is compared with."
    return Proposal(space.default(), "default", why)


def outcome(result: Result) -> tuple[float | None, str]:
    """A trial's score, and why there is none: it failed, was stopped, or its score is no finite
    number."""
    if result.state == STOPPED:
        stopped, folds = result.facts[STOPPED], result.folds
        return None, (
            f"stopped after {len(folds)} of {folds[-1].folds} folds: a chance of "
            f"{percent(stopped['chance'])} to beat trial {stopped['rival']}"
        )
    value = result.value if result.state == "complete" else None
    if value is None or not math.isfinite(value):
        return None, result.reason or "its score is not a finite number"
    return value, ""


def trial_finished(
    number: int, proposal: Proposal, result: Result, state: StudyState, tries: str = ""
) -> TrialFinished:
    """The event of a trial's end, with numbers as a resumed study would read them back.

    Args:
        tries: the first line of its program's docstring, kept among its facts.
    """
    value, reason = outcome(result)
    facts = {**result.facts, TRIES: tries} if tries else result.facts
    if value is not None and state.opened is not None:
        facts = judged(facts, state.opened.metric, value, state.opened.constraints)
    return TrialFinished(
        number=number,
        state=PRUNED if result.state == STOPPED else "fail" if value is None else "complete",
        config=proposal.config,
        value=value,
        fold_scores=tuple(result.fold_scores),
        std=None if value is None else result.std,
        train_value=result.train_value,
        seconds=round(result.seconds, 4),
        proposer=proposal.proposer,
        reason=reason,
        reasoning=proposal.reasoning,
        fallback=proposal.fallback,
        incumbent=value is not None and value > _score_of(state.best) and not broken(facts),
        tokens=counts(proposal.record),
        facts=jsonable(facts),
        peak_memory_mb=round(result.peak_memory_mb, 1),
    )


def _score_of(incumbent: TrialState | None) -> float:
    """What a trial has to exceed to become the incumbent."""
    if incumbent is None or incumbent.value is None:
        return -math.inf
    return incumbent.value


def observed(trial: TrialState) -> Observed:
    """A finished trial as proposers are told it: what a resumed study would read back, too."""
    return Observed(
        number=trial.number,
        config=dict(trial.config),
        value=trial.value if trial.state != PRUNED else trial.expected,
        reason=trial.reason,
        proposer=trial.proposer,
        fold_scores=trial.fold_scores,
        train_value=trial.train_value,
        seconds=trial.seconds,
        facts=trial.facts,
        reasoning=trial.reasoning,
        fallback=trial.fallback,
    )


def observed_trials(state: StudyState) -> list[Observed]:
    """All finished trials, by number."""
    return [observed(trial) for trial in state.trials if trial.done]


def changes(state: StudyState, config: Mapping[str, Any]) -> dict[str, Any]:
    """What differs from the incumbent: name -> [its value, the new one]; empty without one."""
    return differences(state.best.config, config) if state.best is not None else {}


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """What differs between two configurations: name -> [old value, new value].

    Of two different programs only the new one's values: their names have nothing in common.
    """
    if old.get(CHOICE) != new.get(CHOICE):
        old = {n: v for n, v in old.items() if n == CHOICE}
    pairs = {name: [old.get(name), new.get(name)] for name in {**old, **new}}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


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


def in_words(config: Mapping[str, Any], state: StudyState) -> str:
    """What a configuration changes against the incumbent, in one line; all of it at first."""
    changed = {name: pair[1] for name, pair in changes(state, config).items()}
    return ", ".join(
        f"{name} = {number(v) if isinstance(v, float) else v}"
        for name, v in (changed or config).items()
    )
