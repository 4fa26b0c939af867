"""Which program of a study gets the next evaluation: successive halving, as programs come in.

A study's own search space counts as one of them; its proposer is the source of new programs: what
it proposes may be a configuration of the space or a program (`CHOICE` in a configuration). After 1,
2, 4, ... evaluations a program goes on only while its best score is in the better half of all that
had as many (ASHA with a reduction of 2: Li et al. 2020, arXiv 1810.05934). In place of that each
program may get a fixed number of evaluations. What is left goes to the study's own proposer. A
person may give a program evaluations, or drop it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from hyperllama.core.programs.contract import Program
from hyperllama.core.programs.store import CHOICE
from hyperllama.core.propose.gp.proposer import GPProposer
from hyperllama.core.trials import AskContext, Exhausted, Observed, Proposal, ProposerSetting

OWN = ""
"""The key of the study's own search space among the programs."""
_STARTUP = 2  # scored trials, the defaults among them, before the Gaussian process


class KnownPrograms(Protocol):
    """Where the programs of a study are kept."""

    def get(self, key: str) -> Program:
        """A program by its key."""


@dataclass(frozen=True)
class ProgramScores:
    """What is known of a program.

    Attributes:
        key: of the program; `OWN` for the study's own search space.
        values: the scores of its evaluations, in their order; None where one failed or still runs.
        total: how many evaluations a person wants it to have in all; 0: no further ones.
    """

    key: str
    values: tuple[float | None, ...]
    total: int | None = None

    def best(self, count: int) -> float:
        """The best of its first scores."""
        return max((v for v in self.values[:count] if v is not None), default=-math.inf)


@dataclass(frozen=True)
class Turn:
    """Whose evaluation is next, and why, in words that follow its name."""

    key: str
    why: str


def scores_by_program(
    trials: Sequence[Observed], wanted: Mapping[str, int]
) -> list[ProgramScores]:
    """The study's own space first, then its programs in the order of their first trials.

    Args:
        wanted: key -> `ProgramScores.total`.
    """
    found: dict[str, list[float | None]] = {OWN: []}
    for trial in sorted(trials, key=lambda t: t.number):
        found.setdefault(str(trial.config.get(CHOICE, OWN)), []).append(trial.value)
    return [ProgramScores(key, tuple(v), wanted.get(key)) for key, v in found.items()]


def next_turn(programs: Sequence[ProgramScores], each: int = 0) -> Turn:
    """Whose evaluation is next.

    Args:
        each: how many evaluations every program gets that does not fail; 0: halving decides.
    """
    for p in programs:
        if p.total is not None and len(p.values) < p.total:
            at = len(p.values) + 1
            return Turn(p.key, f"it gets evaluation {at} of the {p.total} that it was given")
    left = [p for p in programs if p.total != 0]
    if each:
        return _next_of_equals([p for p in left if p.key != OWN], each)
    count = 1 << max((len(p.values) for p in left), default=0).bit_length()
    while count:
        entered = [p for p in left if len(p.values) >= count]
        ranked = sorted(entered, key=lambda p: -p.best(count))  # equal ones stay in their order
        for p in ranked[: len(entered) // 2]:
            if len(p.values) < 2 * count and p.best(count) > -math.inf:
                times = "one evaluation" if count == 1 else f"{count} evaluations"
                why = f"it is in the better half of {len(entered)} after {times} each"
                return Turn(p.key, f"{why}, and gets evaluation {len(p.values) + 1} of {2 * count}")
        count //= 2
    return Turn(OWN, "")


def _next_of_equals(programs: Sequence[ProgramScores], each: int) -> Turn:
    """The first program that has fewer evaluations than `each` of them gets."""
    for p in programs:
        had = len(p.values)
        if had < each and p.best(had) > -math.inf:
            return Turn(p.key, f"it gets evaluation {had + 1} of the {each} that each program gets")
    return Turn(OWN, "")


def tuned(
    trials: Sequence[Observed], wanted: Mapping[str, int], programs: KnownPrograms, seed: int,
    context: AskContext, each: int = 0,
) -> Proposal | None:  # fmt: skip
    """Other values for the numbers of the program whose turn it is; None: the study's own turn.

    Args:
        wanted, each: see `scores_by_program` and `next_turn`.

    Raises:
        HyperLlamaError: a program of the study cannot be read any more.
    """
    known = scores_by_program(trials, wanted)
    while len(known) > 1:
        turn = next_turn(known, each)
        if turn.key == OWN:
            return None
        program = programs.get(turn.key)
        tuner = GPProposer(ProposerSetting(seed=seed, options={"n_startup_trials": _STARTUP}))
        for trial in trials:
            if trial.config.get(CHOICE) == turn.key:
                own = {n: v for n, v in trial.config.items() if n != CHOICE}
                tuner.tell(replace(trial, config=own))
        name = program.summary or turn.key
        try:
            if program.space.free:
                found = tuner.ask(program.space, context)
                config = {CHOICE: turn.key, **found.config}
                return replace(found, config=config, reasoning=f"{name}\n{_sentence(turn.why)}")
        except Exhausted:
            pass  # every configuration of it was tried: its turn is another's
        finally:
            tuner.close()
        known = [p for p in known if p.key != turn.key]
    return None


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."
