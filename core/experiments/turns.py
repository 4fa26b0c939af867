"""Who made a contender's proposals: a hybrid's model and its Gaussian process, told apart.

Light enough for an interface.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from hyperllama.core.experiments.grid import Contender
from hyperllama.core.experiments.reading import CellFacts
from hyperllama.core.text import counted
from hyperllama.models.paths import model_name


@dataclass(frozen=True)
class ProposerTurns:
    """The proposals that one proposer made for a contender.

    Attributes:
        proposer: "llama" (the model), "gp", "tpe" ...
        proposals: how many; bests: how many of them became the incumbent.
        ask_s: median seconds of a proposal.
    """

    proposer: str
    proposals: int
    bests: int
    ask_s: float

    def words(self) -> str:
        """E.g. "llama 12 proposals, 3 new bests, 2.1 s each"."""
        return (
            f"{self.proposer} {counted(self.proposals, 'proposal')}, "
            f"{counted(self.bests, 'new best')}, {self.ask_s:.2g} s each"
        )


def not_its_own(contender: Contender, turns: Sequence[ProposerTurns]) -> str:
    """That a hybrid's chat model made none of the proposals under its name; else empty."""
    proposers = {turn.proposer for turn in turns}
    shipped = model_name(contender.model).startswith("embedded")
    if contender.proposer != "hybrid" or not contender.model or shipped:
        return ""
    if not proposers or "llama" in proposers:
        return ""
    return (
        f"{contender.label}: none of these proposals are this model's; hybrid opens without a chat "
        "model and gives it later turns that it earns, llama asks it every time"
    )


def turns_of(cells: Iterable[CellFacts]) -> tuple[ProposerTurns, ...]:
    """Of the cells of one contender; the proposer with the most proposals first."""
    asked: dict[str, list[float]] = {}
    bests: dict[str, int] = {}
    for cell in cells:
        best, proposed = -math.inf, {t["number"] for t in cell.asked}
        for trial in cell.trials:
            value, proposer = trial["value"], str(trial["proposer"])
            if trial["number"] in proposed:
                asked.setdefault(proposer, []).append(float(trial["ask_s"]))
                bests[proposer] = bests.get(proposer, 0) + (value is not None and value > best)
            best = max(best, -math.inf if value is None else value)
    turns = (ProposerTurns(p, len(s), bests[p], median(s)) for p, s in asked.items())
    return tuple(sorted(turns, key=lambda t: -t.proposals))
