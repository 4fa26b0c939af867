"""The proposer `llama+screen`: the model makes several candidates, a surrogate picks one of them.

The surrogate is the Gaussian process of `core/surrogate.py`, fitted to the history; it picks the
candidate with the largest expected improvement. Until `MIN_TRIALS` trials have a score there is
nothing to fit, and the model's first candidate is taken. `options["candidates"]` sets how many
there are.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hyperllama.core.propose import make_proposer
from hyperllama.core.propose.chat.proposer import ChatProposer
from hyperllama.core.propose.chat.reasoning import in_words
from hyperllama.core.propose.embedded.proposer import EmbeddedProposer
from hyperllama.core.propose.gp.acquisition import Promise, promises
from hyperllama.core.space import SearchSpace
from hyperllama.core.trials import AskContext, Cancelled, Observed, Proposal, ProposerSetting
from hyperllama.core.trials.history import History

CANDIDATES = 8
"""Of an embedded model, which makes them side by side in milliseconds."""
CHAT_CANDIDATES = 4
MIN_TRIALS = 3


class ScreenProposer:
    """Several of the model's proposals, the most promising one taken."""

    name = "llama+screen"

    def __init__(self, setting: ProposerSetting) -> None:
        self._setting = setting
        self._model = make_proposer("llama", setting=setting)
        self._history = History()
        usual = CANDIDATES if isinstance(self._model, EmbeddedProposer) else CHAT_CANDIDATES
        self._count = max(1, int(setting.options.get("candidates", usual)))

    def ask(self, space: SearchSpace, context: AskContext) -> Proposal:
        if context.should_stop():
            raise Cancelled
        started = time.perf_counter()
        screened = bool(space.free) and len(self._history.scored(space)) >= MIN_TRIALS
        made = self._candidates(space, context, self._count if screened else 1)
        if not screened or len(made) < 2:
            return replace(made[0], proposer=made[0].proposer if made[0].fallback else self.name)
        found = promises(space, self._history, [p.config for p in made])
        best = max(range(len(made)), key=lambda i: found[i].log_ei)
        chosen = made[best]
        words = _words(found, best, max(v for _, v in self._history.scored(space)))
        context.on_text(f"\n{words}")
        record = {
            **chosen.record,
            "candidates": [
                {"config": p.config, "mean": f.mean, "std": f.std, "log_ei": f.log_ei}
                for p, f in zip(made, found, strict=True)
            ],
            "tokens": _tokens(made),
            "seconds": time.perf_counter() - started,
        }
        reasoning = f"{chosen.reasoning}\n\n{words}".strip()
        return replace(chosen, proposer=self.name, reasoning=reasoning, record=record)

    def tell(self, trial: Observed) -> None:
        self._history.tell(trial)
        self._model.tell(trial)

    def close(self) -> None:
        self._model.close()

    def _candidates(
        self, space: SearchSpace, context: AskContext, count: int
    ) -> list[Proposal]:
        """Different configurations nobody tried, by the model; one by another if it has none."""
        model, made = self._model, list[Proposal]()
        seen: set[object] = set()

        def add(proposal: Proposal) -> None:
            key = space.key(proposal.config)
            if key not in seen:
                seen.add(key)
                made.append(proposal)

        if isinstance(model, EmbeddedProposer):
            spoke, fixed = model.speak(space, context.number, context.attempt, count)
            for config, plan in zip(spoke.configs, spoke.plans, strict=True):
                whole = space.validate({**fixed, **config})
                if self._history.is_new(space, whole):
                    words = in_words(spoke, plan, config, _estimator(fixed))
                    add(Proposal(whole, "llama", words, beliefs=spoke.beliefs,
                                 record=spoke.record))  # fmt: skip
        elif isinstance(model, ChatProposer):
            for proposal in model.several(space, context, count):
                add(proposal)
        own = [p for p in made if not p.fallback]
        return own or made or [model.ask(space, context)]


def _estimator(fixed: Any) -> str:
    from hyperllama.core.estimators import CHOICE

    return str(fixed.get(CHOICE, ""))


def _words(found: Sequence[Promise], best: int, incumbent: float) -> str:
    """Why the surrogate chose it, in plain words."""
    p, others = found[best], [f.mean for i, f in enumerate(found) if i != best]
    return (
        f"Chosen among {len(found)} candidates of the model: {p.mean:.4g} ± {p.std:.2g} is "
        f"expected here, {min(others):.4g} to {max(others):.4g} of the others; the incumbent has "
        f"{incumbent:.4g}."
    )


def _tokens(made: Sequence[Proposal]) -> dict[str, float]:
    """Token counts of all candidates; those of one run have its seed."""
    runs = list({p.record.get("seed"): p.record for p in made}.values())
    counts = [dict(r["tokens"]) for r in runs if isinstance(r.get("tokens"), dict)]
    if not counts:
        return {}
    total = dict(counts[-1])
    for name in ("evaluated", "generated"):
        total[name] = sum(c.get(name, 0.0) for c in counts)
    return total
