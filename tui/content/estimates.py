"""How long the contenders of a comparison will take, from what earlier ones took. No widgets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median

from hyperllama.core.experiments.reading import Comparison, all_comparisons
from hyperllama.models.paths import model_name
from hyperllama.tui.preferences import settings

GUESSED_S = 1.0
"""Of a trial while no comparison was run yet."""
_ASKED_S = 0.1  # of a proposal that nothing is known of
_PROMPT_TOKENS, _REPLY_TOKENS = 600, 60  # of a proposal, when nothing was measured yet


@dataclass(frozen=True)
class KnownSpeeds:
    """Median seconds so far.

    Attributes:
        asks: of a proposal, by contender.
        trains: of a trial, by task; "" for all tasks together.
    """

    asks: Mapping[str, float] = field(default_factory=dict)
    trains: Mapping[str, float] = field(default_factory=dict)

    @property
    def basis(self) -> str:
        """What an estimate is from, in words."""
        if self.trains:
            return "estimated from earlier comparisons"
        return "a guess: one second per trial; no comparison was run yet"

    def seconds(self, contender: str, model: str, task: str) -> float:
        """Of a trial with its proposal; `model`: the path of its file, or empty."""
        ask = self.asks.get(contender)
        if ask is None and model:
            speed = settings.of_model(model).speed
            if speed:
                ask = _PROMPT_TOKENS / speed["read"] + _REPLY_TOKENS / speed["write"]
        train = self.trains.get(task, self.trains.get("", GUESSED_S))
        return (_ASKED_S if ask is None else ask) + train


def known_speeds() -> KnownSpeeds:
    """What all comparisons in the data folder took."""
    asks: dict[str, list[float]] = {}
    trains: dict[str, list[float]] = {}
    for found in all_comparisons():
        for facts in found.cells:
            for trial in facts.asked:
                asks.setdefault(facts.cell.contender, []).append(trial["ask_s"])
            for trial in facts.trials:
                if not trial["known"]:
                    for task in (facts.cell.task, ""):
                        trains.setdefault(task, []).append(trial["seconds"])
    return KnownSpeeds(
        {name: median(values) for name, values in asks.items()},
        {task: median(values) for task, values in trains.items()},
    )


def left_by_contender(found: Comparison, speeds: KnownSpeeds) -> dict[str, float]:
    """Seconds that each contender still needs; only those with something left to do."""
    left: dict[str, float] = {}
    for facts in found.cells:
        cell = facts.cell
        if facts.state in ("waiting", "running", "broken off", "failed"):
            model = found.grid.contender(cell.contender).model
            trials = found.grid.budget_of(cell) - len(facts.trials)
            seconds = speeds.seconds(cell.contender, model, cell.task)
            left[cell.contender] = left.get(cell.contender, 0.0) + max(0, trials) * seconds
    return left


def label_of(contender: str) -> str:
    """What a contender that is named by a file or a proposer is called."""
    return model_name(contender) if "/" in contender else contender
