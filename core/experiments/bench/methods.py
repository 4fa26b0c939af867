"""The methods that are compared: HyperLlama's proposers, Optuna's own samplers, and two baselines.

A method is named by a text: "tpe", "hybrid", "llama:path/to/model.gguf", "path/to/model.gguf" (the
same), "hybrid?opening=4,turns=2" (options of the proposer).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyperllama.core.errors import DataError, SpaceError
from hyperllama.core.experiments.bench.engines import shared_engine
from hyperllama.core.experiments.bench.problem import Problem
from hyperllama.core.propose import make_proposer
from hyperllama.core.trials import AskContext, Observed, Proposal, Proposer, ProposerSetting

if TYPE_CHECKING:
    from hyperllama.core.space import Config, SearchSpace

Factory = Callable[[ProposerSetting], Proposer]

ABOUT = {
    "random": "random search; its mean is computed where that is possible, not sampled",
    "tpe": "Optuna's TPE, 3 startup trials",
    "gp": "HyperLlama's Gaussian process",
    "cmaes": "CMA-ES",
    "optuna-tpe": "Optuna's TPESampler as Optuna runs it, 3 startup trials",
    "optuna-gp": "Optuna's GPSampler, 3 startup trials; needs PyTorch",
    "optuna-cmaes": "Optuna's CmaEsSampler, 3 startup trials",
    "portfolio": "a fixed list of ten configurations per estimator, then random search",
    "llama": "the embedded model, or llama:FILE.gguf",
    "llama-no-history": "the same model, shown no trial; it repeats none either",
    "hybrid": "the model opens, a Gaussian process goes on; or hybrid:FILE.gguf",
}
_MODELS = ("llama", "llama-no-history", "hybrid")
_MODEL_LESS = ("random", "tpe", "gp", "cmaes")


@dataclass(frozen=True)
class Method:
    """A way to make a proposer for a problem.

    Attributes:
        text: what it was asked for by; another process makes the same method from it.
        label: for tables and plots.
        identity: changes with the model's file, so that results of an older one are not reused.
        factory: makes the proposer.
    """

    text: str
    label: str
    identity: str
    factory: Factory = field(compare=False)
    model: str = ""
    options: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def make(self, problem: Problem, seed: int, budget: int) -> Proposer:
        """A proposer that knows of the problem what a study would tell it."""
        setting = ProposerSetting(
            seed=seed,
            kind=problem.kind,
            estimators=(problem.family,) if problem.family else (),
            facts=problem.facts,
            budget_trials=budget,
            options=dict(self.options),
        )
        if self.model:
            setting = replace(setting, model=self.model, make_engine=shared_engine)
        return self.factory(setting)


def parse_method(text: str) -> Method:
    """The method that a text names.

    Raises:
        SpaceError: there is no such method.
        ModelFileError: a model's file is missing.
        DataError: the portfolio's file is missing.
    """
    head, _, query = text.strip().partition("?")
    name, _, model = head.partition(":")
    if head.endswith(".gguf") and name not in ABOUT:
        name, model = "llama", head
    if name not in ABOUT or (model and name not in _MODELS):
        raise SpaceError(f"unknown method {text!r}", f"allowed: {', '.join(ABOUT)}, FILE.gguf")
    label = f"{name}:{Path(model).stem}" if model else name
    label += f"?{query}" if query else ""
    identity = label
    if name in _MODELS:
        from hyperllama.models.gguf import resolve_model

        model = model or "embedded"
        identity += "@" + _digest(resolve_model(model))
    elif name == "portfolio":
        identity += "@" + _digest(portfolio_file())
    return Method(text, label, identity, _factory(name), model, _options(query))


def _factory(name: str) -> Factory:
    if name in _MODEL_LESS or name in ("llama", "hybrid"):
        return lambda setting: make_proposer(name, setting=setting)
    if name == "llama-no-history":
        return lambda setting: WithoutHistory(make_proposer("llama", setting=setting))
    if name == "portfolio":
        return PortfolioProposer
    return lambda setting: OptunaProposer(setting, name)


def _options(query: str) -> dict[str, Any]:
    """"a=1,b=x" as a dict; values are JSON where they can be read as such, else text."""
    found: dict[str, Any] = {}
    for part in filter(None, query.split(",")):
        key, _, value = part.partition("=")
        try:
            found[key] = json.loads(value)
        except json.JSONDecodeError:
            found[key] = value
    return found


@lru_cache(maxsize=64)
def _digest(file: Path) -> str:
    digest = hashlib.sha256()
    try:
        with file.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                digest.update(chunk)
    except OSError as error:
        raise DataError(f"{file}: {error.strerror or error}", "check the path") from error
    return digest.hexdigest()[:8]


def portfolio_file() -> Path:
    """Where the fixed configurations stand: {family: [configuration, ...]}, best first."""
    return Path(__file__).resolve().parents[2] / "models" / "embedded" / "portfolio.json"


class PortfolioProposer:
    """The configurations of a fixed list in order, moved into the space; random search after it."""

    name = "portfolio"

    def __init__(self, setting: ProposerSetting) -> None:
        family = setting.estimators[0] if setting.estimators else ""
        known: dict[str, list[Config]] = json.loads(portfolio_file().read_text(encoding="utf-8"))
        self._waiting = list(known.get(family, ()))
        self._rest = make_proposer("random", setting=setting)
        self._told: set[object] = set()

    def ask(self, space: SearchSpace, context: AskContext) -> Proposal:
        while self._waiting:
            config = _moved_into(space, self._waiting.pop(0))
            if space.key(config) not in self._told:
                return Proposal(config, self.name)
        return self._rest.ask(space, context)

    def tell(self, trial: Observed) -> None:
        self._told.add(_key(trial.config))
        self._rest.tell(trial)

    def close(self) -> None:
        self._rest.close()


def _key(config: Config) -> Any:
    from hyperllama.core.space import SearchSpace

    return SearchSpace(()).key(config)


def _moved_into(space: SearchSpace, config: Config) -> Config:
    """`config` with values outside their range at its end, and choices there are not left out."""
    from hyperllama.core.space import Categorical

    values = {
        n: v
        for n, v in config.items()
        if n in space
        and (space[n].domain.contains(v) or not isinstance(space[n].domain, Categorical))
    }
    return space.complete(values)


class WithoutHistory:
    """A proposer that is never told a score. It knows what was tried all the same, so that a
    comparison shows what reading the scores is worth, and not what avoiding repeats is worth."""

    def __init__(self, inner: Proposer) -> None:
        self._inner = inner
        self.name = f"{inner.name}-no-history"

    def ask(self, space: SearchSpace, context: AskContext) -> Proposal:
        return replace(self._inner.ask(space, context), proposer=self.name)

    def tell(self, trial: Observed) -> None:
        self._inner.tell(replace(trial, value=None))

    def close(self) -> None:
        self._inner.close()


class OptunaProposer:
    """One of Optuna's own samplers, asked and told as Optuna's users do; 3 startup trials.

    Args:
        which: "optuna-tpe", "optuna-gp" (imports PyTorch) or "optuna-cmaes".
    """

    def __init__(self, setting: ProposerSetting, which: str) -> None:
        import warnings

        import optuna

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
                        "optuna-gp needs PyTorch", "pip install torch, or leave the method out"
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
        import warnings

        self._space = space
        for told in self._early:
            self._add(told, space)
        self._early = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trial = self._study.ask()
            config = self._suggested(trial, space)
        self._pending = trial, config
        return Proposal(config, self.name)

    def _suggested(self, trial: Any, space: SearchSpace) -> Config:
        from hyperllama.core.space import Categorical, Float

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
        import optuna

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
        import optuna

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


__all__ = [
    "ABOUT",
    "Method",
    "OptunaProposer",
    "PortfolioProposer",
    "WithoutHistory",
    "parse_method",
    "portfolio_file",
]
