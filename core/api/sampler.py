"""`LlamaSampler`: HyperLlama's proposers as an Optuna sampler."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from hyperllama.core.errors import SpaceError
from hyperllama.core.estimators import Facts, canonical_name, likely_family
from hyperllama.core.propose import make_proposer
from hyperllama.core.space import SearchSpace
from hyperllama.core.trials import AskContext, Exhausted, Observed, Proposer, ProposerSetting

STRATEGIES = ("hybrid", "llama")


class LlamaSampler(optuna.samplers.BaseSampler):
    """Propose configurations with a local language model, as an Optuna sampler.

    Parameters
    ----------
    search_space : mapping of str to BaseDistribution
        Hyperparameter names and their Optuna distributions. Hyperparameters that the objective
        suggests beyond these are drawn at random.
    estimator : str, optional
        What is tuned, for example "xgboost", "MLPClassifier", "svm" or "random_forest". A name
        that is none of HyperLlama's families is replaced by the family whose hyperparameters have
        most of the same names, if there is one.
    task : mapping, optional
        What is known of the data: "kind" ("classification" or "regression"), "rows", "features",
        "classes"; each is optional.
    metric : str, optional
        Name of what the objective returns, for a chat model to read.
    direction : {"minimize", "maximize"}, default="minimize"
        Of the objective. The study's own direction counts where it differs.
    model : str, default="embedded"
        "embedded", or the name or path of a GGUF file.
    seed : int, optional
        Makes the proposals repeatable; without it they differ from run to run.
    strategy : {"hybrid", "llama"}, default="hybrid"
        "hybrid": the model opens and a Gaussian process goes on; "llama": the model alone.

    Raises
    ------
    SpaceError
        A distribution is of an unknown kind, or the strategy or the direction is unknown.

    Examples
    --------
    >>> space = {"eta": optuna.distributions.FloatDistribution(1e-3, 1.0, log=True)}
    >>> with LlamaSampler(space, estimator="xgboost", seed=0) as sampler:
    ...     study = optuna.create_study(sampler=sampler)
    ...     study.optimize(objective, n_trials=20)
    """

    def __init__(
        self,
        search_space: Mapping[str, BaseDistribution],
        *,
        estimator: str | None = None,
        task: Mapping[str, Any] | None = None,
        metric: str | None = None,
        direction: str = "minimize",
        model: str = "embedded",
        seed: int | None = None,
        strategy: str = "hybrid",
    ) -> None:
        if strategy not in STRATEGIES:
            raise SpaceError(f"unknown strategy {strategy!r}", f"allowed: {', '.join(STRATEGIES)}")
        if direction not in ("minimize", "maximize"):
            raise SpaceError(f"unknown direction {direction!r}", "allowed: minimize, maximize")
        self._distributions = dict(search_space)
        self._space = SearchSpace.from_distributions(self._distributions)
        self._independent = optuna.samplers.RandomSampler(seed=seed)
        known = (canonical_name(estimator) if estimator else None) or likely_family(search_space)
        known_task = dict(task or {})
        kind = str(known_task.get("kind", ""))
        self._setting = ProposerSetting(
            seed=secrets.randbits(31) if seed is None else seed,
            kind="classification" if kind in ("binary", "multiclass") else kind,
            metric=metric or "",
            estimators=(known,) if known else (),
            facts=_facts(known_task),
            model=model,
        )
        self._strategy = strategy
        self._proposer: Proposer | None = None
        self._told: set[int] = set()  # numbers of the trials that the proposer knows

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """The space given at construction."""
        return self._distributions

    def sample_relative(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        search_space: dict[str, BaseDistribution],
    ) -> dict[str, Any]:
        """The next configuration, from the study's finished trials; empty where all were tried."""
        if not search_space:
            return {}
        if self._proposer is None:
            self._proposer = make_proposer(self._strategy, setting=self._setting)
            self._told = set()
        states = (TrialState.COMPLETE, TrialState.FAIL, TrialState.PRUNED)
        for t in study._get_trials(deepcopy=False, states=states, use_cache=True):
            if t.number not in self._told:
                self._told.add(t.number)
                self._proposer.tell(_observed(t, study.direction, self._space))
        try:
            proposal = self._proposer.ask(self._space, AskContext(number=trial.number))
        except Exhausted:  # Optuna repeats a configuration then
            return {}
        study._storage.set_trial_system_attr(
            trial._trial_id, "hyperllama:proposer", proposal.proposer
        )
        return dict(proposal.config)

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """A random value for a hyperparameter outside the space."""
        return self._independent.sample_independent(study, trial, param_name, param_distribution)

    def reseed_rng(self) -> None:
        """Draw other values for hyperparameters outside the space from now on."""
        self._independent.reseed_rng()

    def close(self) -> None:
        """End the engine's process. Idempotent; the sampler may be used again afterwards."""
        if self._proposer is not None:
            self._proposer.close()
            self._proposer = None

    def __enter__(self) -> LlamaSampler:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _facts(task: Mapping[str, Any]) -> Facts | None:
    if "rows" not in task or "features" not in task:
        return None
    classes = int(task.get("classes") or 0)
    return Facts(
        rows=int(task["rows"]),
        features=int(task["features"]),
        classes=classes,
        minority_share=float(task.get("minority_share", 1 / classes if classes else 0.0)),
    )


def _observed(
    trial: FrozenTrial, direction: optuna.study.StudyDirection, space: SearchSpace
) -> Observed:
    values: Sequence[float] | None = trial.values
    value = None
    if trial.state is TrialState.COMPLETE and values:
        value = values[0] if direction == optuna.study.StudyDirection.MAXIMIZE else -values[0]
    return Observed(
        trial.number,
        {k: v for k, v in trial.params.items() if k in space},
        value,
        reason="" if value is not None else trial.state.name.lower(),
        proposer=str(trial.system_attrs.get("hyperllama:proposer", "")),
    )
