"""The program that a trial runs: its text for the log of proposals, and what it says it tries."""

from __future__ import annotations

from dataclasses import replace

from hyperllama.core.programs.contract import with_values
from hyperllama.core.programs.store import CHOICE
from hyperllama.core.storage.proposal_log import read_proposals
from hyperllama.core.study.parts import StudyParts
from hyperllama.core.study.record import EventRecord
from hyperllama.core.trials import Proposal

PROGRAM = "program"
"""The name of the text in a proposal's record, and in the log."""


def with_program(proposal: Proposal, record: EventRecord, parts: StudyParts) -> Proposal:
    """A proposal with the program that it stands for in its record; itself without one, or where
    it is there already."""
    if PROGRAM in proposal.record:
        return proposal
    if CHOICE in proposal.config:
        program, values = record.programs.trial(proposal.config)
        text = with_values(program.text, values)
    else:
        text = parts.program(proposal.config, str(proposal.record.get("tries", "")))
    return replace(proposal, record={**proposal.record, PROGRAM: text}) if text else proposal


def what_it_tries(
    number: int, proposal: Proposal, record: EventRecord, parts: StudyParts
) -> str:
    """The first line of the docstring of a trial's program; empty without a program.

    The line is its writer's. Of a trial that was begun in an earlier session only the log keeps it:
    read where there is a program at all.
    """
    text = str(proposal.record.get(PROGRAM, ""))
    if not text and PROGRAM in with_program(proposal, record, parts).record:
        for kept in read_proposals(parts.proposals.path, number):
            text = str(kept.get(PROGRAM, ""))
    opened = text.split('"""', 2)
    return opened[1].strip().partition("\n")[0] if len(opened) == 3 else ""
