"""Keeps a chat model's replies moving: what is worn is drawn anew, what repeats is rejected."""

from __future__ import annotations

from collections.abc import Callable

from hyperllama.core.errors import SpaceError
from hyperllama.core.estimators import rounds_names
from hyperllama.core.prompt.wording import score_text
from hyperllama.core.propose.chat.decoding import Reply
from hyperllama.core.space import Config, SearchSpace
from hyperllama.core.trials import Observed, ProposerSetting
from hyperllama.core.trials.history import TrialHistory, rng_for, succeeded
from hyperllama.core.trials.movement import alike, held_near_best, near, redrawn, worn

MOST_DRAWN = 0.5
"""Share of the hyperparameters that may be drawn for the model; beyond it the turn was in vain."""
NAME = "llama"  # whose trials are the model's own turns


class Guards:
    """The rules of `core.trials.movement`, for one chat model in one study.

    Args:
        history: the trials, as they come in.
    """

    def __init__(self, setting: ProposerSetting, history: TrialHistory) -> None:
        self._seed, self._history = setting.seed, history
        self._rounds = tuple(rounds_names(setting.estimators).values())

    @property
    def own(self) -> list[Observed]:
        """The trials that the model proposed."""
        return [t for t in self._history.trials if t.proposer == NAME]

    def move(
        self, space: SearchSpace, reply: Reply, number: int, optimised: Callable[[], Config]
    ) -> None:
        """Hold a reply near the best trial after a turn in vain, and draw its worn values anew.

        Args:
            number: of the trial.
            optimised: the optimiser's proposal, which other values are taken from.
        """
        if not space.contains(reply.config):
            return
        rng = rng_for(self._seed, number, reply.seed)
        if self._last_in_vain():
            reply.config, reply.moved = held_near_best(
                space, self._history.trials, reply.config, rng
            )
        names = worn(space, self.own, reply.config)
        if 0 < len(names) <= MOST_DRAWN * len(space.free):
            reply.config = redrawn(space, reply.config, names, optimised(), rng)
            reply.drawn = tuple(names)

    def _last_in_vain(self) -> bool:
        """Whether the model's last turn brought no new best; no where it had none."""
        own = self.own
        before = [t.value for t in self._history.trials
                  if own and t.number < own[-1].number and succeeded(t)]  # fmt: skip
        last = own[-1].value if own else None
        return bool(own) and (last is None or any(v is not None and v >= last for v in before))

    def problem(self, space: SearchSpace, config: Config) -> str:
        """Why a configuration is rejected; empty if it is not."""
        try:
            valid = space.validate(config)
        except SpaceError as error:
            return f"{error.message}. {error.hint}"
        trials = self._history.trials
        same = alike(space, trials, valid, self._rounds)
        if same is not None:
            trial, idle = same
            without = f"; {', '.join(idle)} had no effect there" if idle else ""
            return f"it repeats trial {trial.number} ({_outcome(trial)}){without}."
        close = near(space, trials, valid)
        if close is not None:
            return f"it nearly repeats trial {close.number} ({_outcome(close)})."
        names = worn(space, self.own, valid)
        if names:
            return f"it repeats the usual values of {', '.join(names)}."
        return ""


def _outcome(trial: Observed) -> str:
    score = score_text(trial.value)
    return f"score {score}" if score else "failed"


def moved_words(reply: Reply) -> str:
    """What is said of values that are not the model's; empty where all are."""
    lines = []
    if reply.moved:
        lines.append("Near the best trial but for " + " and ".join(reply.moved) + ", which the "
                     "model moves most: its last turn brought no new best.")  # fmt: skip
    if reply.drawn:
        lines.append(
            f"Drawn by TPE, because the model keeps to one value: {', '.join(reply.drawn)}."
        )
    return "\n".join(lines)
