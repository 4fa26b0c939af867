"""Proposers that only experiments use: a fixed list, a model without history, Optuna's samplers."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import optuna

from hyperllama.core.errors import SpaceError, pip_install
from hyperllama.core.propose import make_proposer
from hyperllama.core.propose.llama import LlamaProposer
from hyperllama.core.propose.portfolio import moved_into, portfolio
from hyperllama.core.propose.program_turns import tuned
from hyperllama.core.space import Categorical, Config, Float, SearchSpace
from hyperllama.core.trials import AskContext, Observed, Proposal, Proposer, ProposerSetting
from hyperllama.models.gguf import read_metadata, resolve_model


class ListProposer:
    """The configurations of a list in order, moved into the space; random search after it."""

    name = "portfolio"

    def __init__(self, configs: Iterable[Config], setting: ProposerSetting) -> None:
        self._waiting = list(configs)
        self._rest = make_proposer("random", setting=setting)
        self._seen: set[object] = set()

    def ask(self, space: SearchSpace, context: AskContext) -> Proposal:
        while self._waiting:
            config = moved_into(space, self._waiting.pop(0))
            if space.key(config) not in self._seen:
                return Proposal(config, self.name)
        return self._rest.ask(space, context)

    def tell(self, trial: Observed) -> None:
        self._seen.add(SearchSpace(()).key(trial.config))
        self._rest.tell(trial)

    def close(self) -> None:
        self._rest.close()


def portfolio_proposer(setting: ProposerSetting) -> ListProposer:
    """The fixed list of the setting's family, see `propose.portfolio`."""
    return ListProposer(portfolio(next(iter(setting.estimators), "")), setting)


class WithTurns:
    """A model that writes programs, in the order of a study: halving says whose turn it is."""

    def __init__(self, inner: Proposer, setting: ProposerSetting) -> None:
        assert setting.programs is not None
        self.name = inner.name
        self._inner, self._seed, self._store = inner, setting.seed, setting.programs.store
        self._trials: list[Observed] = []

    def ask(self, space: SearchSpace, context: AskContext) -> Proposal:
        of_program = tuned(self._trials, {}, self._store, self._seed, context)
        return of_program or self._inner.ask(space, context)

    def tell(self, trial: Observed) -> None:
        self._trials.append(trial)
        self._inner.tell(trial)

    def close(self) -> None:
        self._inner.close()


class WithoutHistory:
    """A proposer that gets no scores. It still knows what was tried, so that a comparison shows the
    effect of reading scores and not the effect of avoiding repeats."""

    def __init__(self, inner: Proposer) -> None:
        self._inner = inner
        self.name = f"{inner.name}-no-history"

    def ask(self, space: SearchSpace, context: AskContext) -> Proposal:
        return replace(self._inner.ask(space, context), proposer=self.name)

    def tell(self, trial: Observed) -> None:
        self._inner.tell(replace(trial, value=None))

    def close(self) -> None:
        self._inner.close()


class EvenDraws(LlamaProposer):
    """`llama` with a chat model, whose beliefs the Gaussian process's candidates are not drawn
    from: a comparison with `llama` shows what the beliefs are worth."""

    def taken(self, space: SearchSpace, context: AskContext, made: Proposal) -> Proposal:
        even = dict.fromkeys(made.beliefs, ())
        found = super().taken(space, context, replace(made, beliefs=even))
        return replace(found, beliefs=made.beliefs)


def even_draws(setting: ProposerSetting) -> EvenDraws:
    """`EvenDraws` for the setting's model.

    Raises:
        SpaceError: an embedded model, from whose beliefs nothing is drawn.
    """
    if read_metadata(resolve_model(setting.model)).is_embedded_dialect:
        raise SpaceError("llama-even needs a chat model", "llama-even:FILE.gguf")
    return EvenDraws(setting)


class OptunaProposer:
    """One of Optuna's own samplers, used as Optuna's users do; 3 startup trials.

    Args:
        which: "optuna-tpe", "optuna-gp" (imports PyTorch) or "optuna-cmaes".
    """

    def __init__(self, setting: ProposerSetting, which: str) -> None:
        self.name = which
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sampler: optuna.samplers.BaseSampler
            if which == "optuna-gp":
                try:
                    import torch
                except ImportError as error:
                    raise SpaceError(
                        "optuna-gp needs PyTorch",
                        f"{pip_install('torch')}, or leave the method out",
                    ) from error
                torch.set_num_threads(1)
                sampler = optuna.samplers.GPSampler(seed=setting.seed, n_startup_trials=3)
            elif which == "optuna-cmaes":
                sampler = optuna.samplers.CmaEsSampler(seed=setting.seed, n_startup_trials=3)
            else:
                sampler = optuna.samplers.TPESampler(
                    seed=setting.seed, n_startup_trials=3, multivariate=True, group=True
                )
            self._study = optuna.create_study(direction="maximize", sampler=sampler)
        self._pending: tuple[Any, Config] | None = None
        self._space: SearchSpace | None = None
        self._early: list[Observed] = []

    def ask(self, space: SearchSpace, context: AskContext) -> Proposal:
        self._space = space
        for trial in self._early:
            self._add(trial, space)
        self._early = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            asked = self._study.ask()
            config = self._suggested(asked, space)
        self._pending = asked, config
        return Proposal(config, self.name)

    def _suggested(self, trial: Any, space: SearchSpace) -> Config:
        config: Config = {}
        for p in space:
            if not space.is_active(p.name, config):
                continue
            d = p.domain
            if p.frozen:
                value: Any = p.start
            elif isinstance(d, Categorical):
                value = trial.suggest_categorical(p.name, d.choices)
            elif isinstance(d, Float):
                value = trial.suggest_float(p.name, d.low, d.high, log=d.log, step=d.step)
            else:
                value = trial.suggest_int(p.name, d.low, d.high, log=d.log, step=d.step)
            config[p.name] = d.cast(value)
        return config

    def tell(self, trial: Observed) -> None:
        if self._pending is not None and self._pending[1] == trial.config:
            asked = self._pending[0]
            self._pending = None
            if trial.value is None:
                self._study.tell(asked, state=optuna.trial.TrialState.FAIL)
            else:
                self._study.tell(asked, trial.value)
        elif self._space is None:
            self._early.append(trial)
        else:
            self._add(trial, self._space)

    def _add(self, trial: Observed, space: SearchSpace) -> None:
        if trial.value is None:
            return
        every = space.to_distributions()
        names = [n for n in trial.config if not space[n].frozen]
        self._study.add_trial(
            optuna.trial.create_trial(
                params={n: trial.config[n] for n in names},
                distributions={n: every[n] for n in names},
                value=trial.value,
            )
        )

    def close(self) -> None:
        pass
