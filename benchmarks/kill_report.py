"""What a storm of kills did in each phase of a study's life, and what was wrong afterwards."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

RUNNING = ("loading", "proposing", "training", "telling")
AFTER = ("confirming", "exporting", "renaming", "archiving", "repairing")
PHASES = (*RUNNING, *AFTER)


@dataclass(frozen=True)
class Kill:
    """One kill: the study's proposer, the phase it hit, what was killed, and after how many seconds
    its children were gone."""

    proposer: str
    phase: str
    victim: str
    gone_s: float = 0.0


@dataclass
class Report:
    """What a storm did and what it found; `wrong` holds everything that should not have been."""

    kills: list[Kill] = field(default_factory=list)
    studies: int = 0
    trials: int = 0
    resumed: int = 0
    wrong: list[str] = field(default_factory=list)

    def add(self, other: Report) -> None:
        """Put what another storm found to this."""
        self.kills += other.kills
        self.studies += other.studies
        self.trials += other.trials
        self.resumed += other.resumed
        self.wrong += other.wrong

    def lines(self) -> list[str]:
        victims = Counter(kill.victim for kill in self.kills)
        phases = Counter(kill.phase for kill in self.kills)
        proposers = Counter(kill.proposer for kill in self.kills)
        slowest = max((kill.gone_s for kill in self.kills), default=0.0)
        return [
            f"{len(self.kills)} kills ({_counted(victims)}) in {self.studies} studies",
            f"phases: {_counted({p: phases[p] for p in [*PHASES, *(phases.keys() - PHASES)]})}",
            f"proposers: {_counted(proposers)}",
            f"{self.trials} trials finished, {self.resumed} resumes; "
            f"children gone after at most {slowest:.2f} s",
            *(f"WRONG: {w}" for w in self.wrong),
        ]


def _counted(counts: Any) -> str:
    return ", ".join(f"{n} {what}" for what, n in dict(counts).items())
