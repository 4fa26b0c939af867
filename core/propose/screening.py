"""The proposer `llama+screen`: the model makes several candidates, the GP picks one of them.

The Gaussian process is fitted to the history; it picks the candidate with the largest expected
improvement. Until `MIN_TRIALS` trials have a score there is nothing to fit, and the model's first
candidate is proposed. `options["candidates"]` sets how many there are.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from hyperllama.core.propose.gp.acquisition import Expected, expectations
from hyperllama.core.propose.llama import open_model
from hyperllama.core.space import SearchSpace
from hyperllama.core.trials import AskContext, Cancelled, Observed, Proposal, ProposerSetting
from hyperllama.core.trials.history import TrialHistory

MIN_TRIALS = 3


class ScreeningProposer:
    """Proposes the model's candidate of which the Gaussian process expects most."""

    name = "llama+screen"

    def __init__(self, setting: ProposerSetting) -> None:
        self._model = open_model(setting)
        self._history = TrialHistory()
        self._count = max(1, int(setting.options.get("candidates", self._model.candidates)))

    def ask(self, space: SearchSpace, context: AskContext) -> Proposal:
        if context.should_stop():
            raise Cancelled
        started = time.perf_counter()
        screened = bool(space.free) and len(self._history.scored(space)) >= MIN_TRIALS
        made = self._model.several(space, context, self._count if screened else 1)
        made = [p for p in made if not p.fallback] or made
        if not screened or len(made) < 2:
            return replace(made[0], proposer=made[0].proposer if made[0].fallback else self.name)
        found = expectations(space, self._history, [p.config for p in made])
        best = max(range(len(made)), key=lambda i: found[i].log_ei)
        words = _explained(found, best, max(v for _, v in self._history.scored(space)))
        context.on_text(f"\n{words}")
        record = {
            **made[best].record,
            "candidates": [
                {"config": p.config, **vars(e)} for p, e in zip(made, found, strict=True)
            ],
            "tokens": _tokens(made),
            "seconds": time.perf_counter() - started,
        }
        reasoning = f"{made[best].reasoning}\n\n{words}".strip()
        return replace(made[best], proposer=self.name, reasoning=reasoning, record=record)

    def tell(self, trial: Observed) -> None:
        self._history.tell(trial)
        self._model.tell(trial)

    def close(self) -> None:
        self._model.close()


def _explained(found: Sequence[Expected], best: int, incumbent: float) -> str:
    """Why the Gaussian process chose it."""
    e, others = found[best], [f.mean for i, f in enumerate(found) if i != best]
    return (
        f"Chosen among {len(found)} candidates of the model: {e.mean:.4g} ± {e.std:.2g} is "
        f"expected here, {min(others):.4g} to {max(others):.4g} of the others; the incumbent has "
        f"{incumbent:.4g}."
    )


def _tokens(made: Sequence[Proposal]) -> dict[str, float]:
    """Token counts of all candidates; those of one run share its seed."""
    runs = {p.record.get("seed"): p.record for p in made}.values()
    counts = [dict(r["tokens"]) for r in runs if isinstance(r.get("tokens"), dict)]
    if not counts:
        return {}
    sums = {n: sum(c.get(n, 0.0) for c in counts) for n in ("evaluated", "generated")}
    return {**counts[-1], **sums}
