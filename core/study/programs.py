"""The program that a trial runs: its text for the log of proposals, and what it says it tries."""

from __future__ import annotations

from hyperllama.core.programs.contract import with_values
from hyperllama.core.programs.store import CHOICE
from hyperllama.core.storage.proposal_log import read_proposals
from hyperllama.core.study.parts import StudyParts
from hyperllama.core.study.record import EventRecord
from hyperllama.core.trials import Proposal


def program_of(proposal: Proposal, record: EventRecord, parts: StudyParts) -> dict[str, str]:
    """The program that a proposal stands for, as the log keeps it; empty without one."""
    if CHOICE in proposal.config:
        program, values = record.programs.trial(proposal.config)
        return {"program": with_values(program.text, values)}
    text = parts.program(proposal.config, str(proposal.record.get("tries", "")))
    return {"program": text} if text else {}


def what_it_tries(
    number: int, proposal: Proposal, record: EventRecord, parts: StudyParts
) -> str:
    """The first line of the docstring of a trial's program; empty without a program.

    The line is its writer's, which only the log keeps: read where there is a program at all.
    """
    if not program_of(proposal, record, parts):
        return ""
    text = ""
    for kept in read_proposals(parts.proposals.path, number):
        text = str(kept.get("program", ""))
    opened = text.split('"""', 2)
    return opened[1].strip().partition("\n")[0] if len(opened) == 3 else ""
