"""The proposer `hybrid`: the model opens, a Gaussian process goes on, the model keeps a share.

The embedded model makes the first `OPENING` proposals. Then the GP maximises expected improvement,
with the embedded model's beliefs as its prior (piBO) and its sample among its candidates. Every few
trials the model proposes again, as long as that pays: the interval doubles after a proposal of its
own that brought no new incumbent, and is reset after one that did. After `LATE` trials TPE makes
every other proposal. Where the embedded model does not know the family, the opening is that of the
fixed list (`portfolio`); where that has none and no hyperparameter is known either, the model opens
once and the GP goes on. In families that the embedded model does not know, networks of people's own
scripts among them, the GP begins with the family prior; in the others that made it no better.

With a chat model all this stays as it is, but that some of the GP's turns are the chat model's
(`chat_turn`), as long as that pays, and that it opens where the embedded model knows nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from hyperllama.core.estimators import CHOICE
from hyperllama.core.events import Event, ModelLoaded, ModelLoading
from hyperllama.core.programs.store import CHOICE as PROGRAM
from hyperllama.core.propose.chat import ChatProposer
from hyperllama.core.propose.chat_turn import ChatTurn, ask_chat, known_to_hybrid, log_prior
from hyperllama.core.propose.classical import TPEProposer
from hyperllama.core.propose.embedded import EmbeddedProposer
from hyperllama.core.propose.embedded import knows as knows_family
from hyperllama.core.propose.embedded.model import Draws
from hyperllama.core.propose.families import FEWEST, one_family
from hyperllama.core.propose.findings import findings
from hyperllama.core.propose.gp.acquisition import LogPrior, Suggestion, suggest
from hyperllama.core.propose.gp.earlier import EarlierTrials
from hyperllama.core.propose.gp.family_prior import FamilyPrior
from hyperllama.core.propose.llama import open_model
from hyperllama.core.space import SearchSpace
from hyperllama.core.task.pipeline_space import openings
from hyperllama.core.trials import (
    Answer,
    AskContext,
    Cancelled,
    Exhausted,
    Observed,
    Proposal,
    ProposerSetting,
    Question,
)
from hyperllama.core.trials.chance import without_chance
from hyperllama.core.trials.goals import Goals
from hyperllama.core.trials.history import TrialHistory, rng_for
from hyperllama.models.errors import ModelFileError

OPENING = 3
INTERVAL = 6
PRIOR_WEIGHT = 1.0
"""How many proposals the model opens with, how many of the GP's lie between its own, and what its
beliefs weigh. On held-out surfaces of the corpus, smooth or roughened, that left a tenth less
regret after ten trials than 4, 4 and 2, and no more after fifteen."""
CHAT_INTERVAL = 3
"""How many of the others' lie between a chat model's: at most a quarter of the proposals after the
opening are its own."""
BESIDE = "embedded"
"""The embedded model's name where a chat model is the one that was chosen."""
PIPELINE_OPENING = 4
"""As `OPENING`, where whole pipelines are tried: three of them, then the best of these again."""
LATE = 30
"""Trials after which every other proposal of the GP is TPE's: by then the GP trusts its picture too
much where scores are rough. On roughened held-out surfaces that was better after 60 and 100 trials
than either alone."""


class HybridProposer:
    """The model first, then the Gaussian process, with a share of proposals for the model."""

    name = "hybrid"

    def __init__(self, setting: ProposerSetting) -> None:
        self._seed, self._chance, self._goals = setting.seed, setting.chance, setting.goals
        model = open_model(setting)
        self._chat = model if isinstance(model, ChatProposer) else None
        self._embedded = _beside(setting) if isinstance(model, ChatProposer) else model
        self._tpe = TPEProposer(setting)
        self._history = TrialHistory()
        self._earlier = EarlierTrials(setting.earlier, FamilyPrior.of_others(setting, knows_family))
        self._opening = int(setting.options.get("opening", OPENING))
        self._interval = int(setting.options.get("interval", INTERVAL))
        self._weight = float(setting.options.get("prior_weight", PRIOR_WEIGHT))

    def ask(self, space: SearchSpace, context: AskContext) -> Proposal:
        if context.should_stop():
            raise Cancelled
        space, left = without_chance(space, self._history.trials, self._chance, CHOICE)
        scored = len(self._history.scored(space))
        knows = self._embedded is not None and self._embedded.knows(space)
        opening = max(self._opening, PIPELINE_OPENING) if openings(space) else self._opening
        listed = self._embedded is not None and bool(self._embedded.listed(space))
        opens = context.number <= (opening if knows or listed else 1)
        if opens or not space.free or scored < 2:
            return self._opened(space, context, knows or listed)
        if self._chat is not None and self._due(CHAT_INTERVAL, _is_chat, opening):
            return self._by_chat(self._chat, space, context, knows, left)
        own = _is_embedded if self._chat else _is_model
        several = bool(self._goals.objectives)  # the embedded model knows of the first one alone
        if knows and not several and self._due(self._interval, own, opening):
            return self._opened(space, context, knows)
        if context.number > LATE and context.number % 2:
            return self._tpe.ask(space, context)
        alone = one_family(space, self._history)
        if alone != space and len(self._history.scored(alone)) < FEWEST:
            return self._opened(space, context, knows)
        try:
            return self._by_gp(space, alone, context, knows)
        except Exhausted:  # of that family
            return self._opened(space, context, knows)

    def check_room(self, space: SearchSpace) -> None:
        """Make sure that a chat model has room for the task, see `ChatProposer`."""
        if self._chat is not None:
            self._chat.check_room(space)

    def _opened(self, space: SearchSpace, context: AskContext, knows: bool) -> Proposal:
        """A proposal as the search begins: the embedded model's where it knows anything."""
        if self._embedded is not None and (knows or self._chat is None):
            proposal = self._embedded.ask(space, context)
            beside = self._chat is not None and proposal.proposer == EmbeddedProposer.name
            return replace(proposal, proposer=BESIDE) if beside else proposal
        assert self._chat is not None
        return self._chat.ask(space, context)

    def _due(self, interval: int, own: Callable[[Observed], bool], opening: int) -> bool:
        """Whether the next proposal is a model's, from who proposed what in the history.

        Args:
            own: whether a trial after the first `opening` was a turn of that model.
        """
        wait, since = interval, 0
        trials = self._history.trials
        for t, advanced in zip(trials, self._goals.advances(trials), strict=True):
            if t.number > opening:
                if own(t):
                    improved = advanced and not t.fallback
                    wait, since = (interval if improved else 2 * wait), 0
                else:
                    since += 1
        return since >= wait

    def _by_chat(
        self, chat: ChatProposer, space: SearchSpace, context: AskContext, knows: bool,
        left: tuple[str, ...],
    ) -> Proposal:  # fmt: skip
        own = [t.number for t in self._history.trials if t.number and _is_chat(t)]
        rng = rng_for(self._seed, context.number)
        known = known_to_hybrid(
            space, self._history, self._chance, own, rng, self._earlier, self._goals
        )
        turn = ask_chat(chat, space, self._history, context, replace(known, left=left))
        if PROGRAM in turn.made[0].config:
            return turn.made[0]  # a program of its own: the GP knows nothing of it
        draws = self._drawn(space, context, knows)
        found = self._suggested(space, context, draws, turn)
        prior = None
        if draws is not None and not self._goals.objectives:
            prior = log_prior(space, draws.beliefs)
        proposal = turn.decided(space, self._history, found, self._earlier, prior, self._weight,
                                self._goals)
        if proposal.fallback:
            context.on_text(f"\n{proposal.fallback}")
        return proposal

    def _by_gp(
        self, space: SearchSpace, alone: SearchSpace, context: AskContext, knows: bool
    ) -> Proposal:
        """The GP's proposal in `alone`, the part of `space` that has the family that is due."""
        started = time.perf_counter()
        draws = self._drawn(alone, context, knows)
        found = self._suggested(alone, context, draws)
        prior = draws is not None and not self._goals.objectives
        words = _explained(found, self._history, space, prior, self._goals)
        if not knows:
            words += "\nThe model knows neither the estimator nor any of these hyperparameters."
        context.on_text(words)
        record = {**draws.record, "prior_weight": self._weight} if draws is not None else {}
        record["seconds"] = time.perf_counter() - started
        beliefs = draws.beliefs if draws is not None else {}
        return Proposal(found.config, "gp", words, beliefs=beliefs, record=record)

    def _drawn(self, space: SearchSpace, context: AskContext, knows: bool) -> Draws | None:
        """A sample and the beliefs of the embedded model, where it knows anything."""
        if self._embedded is None or not knows:
            return None
        return self._embedded.draw(space, context.number, context.attempt)

    def _suggested(
        self, space: SearchSpace, context: AskContext, draws: Draws | None,
        turn: ChatTurn | None = None,
    ) -> Suggestion:  # fmt: skip
        """The GP's proposal, with the beliefs of the models as its prior."""
        priors: list[tuple[LogPrior, float]] = []
        if draws is not None and not self._goals.objectives:
            priors.append((log_prior(space, draws.beliefs), self._weight))
        candidates = [*(draws.configs if draws is not None else ())]
        if turn is not None and turn.weight > 0:
            if not self._goals.objectives:
                priors.append((turn.prior, turn.weight))
            candidates += [p.config for p in turn.made]
        rng = rng_for(self._seed, context.number, context.attempt)
        return suggest(space, self._history, rng, candidates, priors, self._earlier, self._goals)

    def tell(self, trial: Observed) -> None:
        self._history.tell(trial)
        self._tpe.tell(trial)
        if self._chat is not None:
            self._chat.tell(trial)
            # to the embedded model, its own proposals are those that go by its usual name
            names = {BESIDE: EmbeddedProposer.name, EmbeddedProposer.name: "chat"}
            trial = replace(trial, proposer=names.get(trial.proposer, trial.proposer))
        if broken := self._goals.broken(trial) if trial.value is not None else ():
            trial = replace(trial, value=None, reason=f"it breaks {', '.join(broken)}")
        if self._embedded is not None:
            self._embedded.tell(trial)

    def close(self) -> None:
        for model in (self._chat, self._embedded):
            if model is not None:
                model.close()

    @property
    def can_answer(self) -> bool:
        """Whether its model answers questions."""
        return self._chat is not None

    def answer(self, question: Question) -> Answer:
        """Its model's answer; only where it `can_answer`."""
        assert self._chat is not None
        return self._chat.answer(question)


def _is_model(trial: Observed) -> bool:
    return trial.proposer == "llama"


def _is_embedded(trial: Observed) -> bool:
    return trial.proposer == BESIDE


def _is_chat(trial: Observed) -> bool:
    """Whether it was a chat model's turn, also one that was handed over."""
    return trial.proposer == "llama" or bool(trial.fallback)


def _beside(setting: ProposerSetting) -> EmbeddedProposer | None:
    """The embedded model, beside a chat model; None where its file is missing."""

    def report(event: Event) -> None:
        if not isinstance(event, (ModelLoading, ModelLoaded)):  # what is shown is the chat model's
            setting.report(event)

    log = setting.log.with_name("engine.embedded.log") if setting.log is not None else None
    try:
        return EmbeddedProposer(
            replace(setting, model="embedded", engine=None, temperature=None, log=log,
                    cache=None, report=report)
        )  # fmt: skip
    except ModelFileError:
        return None


def _explained(
    found: Suggestion, history: TrialHistory, space: SearchSpace, prior: bool, goals: Goals
) -> str:
    """Why the GP proposes it, in plain words."""
    kept = [t.value for _, t in history.inside(space) if t.value is not None
            and not goals.broken(t)]  # fmt: skip
    expected = found.expected
    best = f"; the incumbent has {max(kept):.4g}" if kept else ", and seeks the constraints"
    lines = [
        "Proposed by the Gaussian process"
        + (", with the model's beliefs as its prior." if prior else "."),
        f"It expects {expected.mean:.4g} ± {expected.std:.2g} here{best}.",
    ]
    if goals.objectives:
        lines[1] += " It looks for the largest growth of the front."
    lengths = {n: s for n, s in found.lengths.items() if n != CHOICE}
    shortest = sorted(lengths, key=lambda n: lengths[n])[:2]
    if shortest and lengths[shortest[0]] < 1.0:
        lines.append(f"So far the score depends most on {', '.join(shortest)}.")
    lines += findings(history.trials, found.config)
    return "\n".join(lines)
