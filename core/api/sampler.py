"""`LlamaSampler`: HyperLlama's proposers as an Optuna sampler."""

from __future__ import annotations

import math
import secrets
import statistics
import threading
from collections.abc import Collection, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from hyperllama.core.errors import SpaceError
from hyperllama.core.estimators import Facts, canonical_name, families, likely_family
from hyperllama.core.propose import make_proposer
from hyperllama.core.space import SearchSpace
from hyperllama.core.text import allowed
from hyperllama.core.trials import AskContext, Exhausted, Observed, Proposer, ProposerSetting
from hyperllama.core.trials.history import rng_for

STRATEGIES = ("hybrid", "llama")
_KINDS = ("classification", "regression", "binary", "multiclass")
_FACTS = ("kind", "rows", "features", "classes", "minority_share")
_CONFIG = "hyperllama:config"  # the whole proposal, in a system attribute of the trial
_GREATEST = 1e100  # its square is finite, too
_FAR = 100.0  # median absolute deviations below the median beyond which a score counts as that far


class SeveralObjectives(SpaceError, ValueError):
    """A study with several objectives; Optuna's own samplers raise ValueError."""


class LlamaSampler(optuna.samplers.BaseSampler):
    """Propose configurations with a local language model, as an Optuna sampler.

    Parameters
    ----------
    search_space : mapping of str to BaseDistribution
        Hyperparameter names and their Optuna distributions. Hyperparameters that the objective
        suggests beyond these are drawn at random.
    estimator : str, optional
        What is tuned, for example "xgboost", "MLPClassifier", "svm" or "random_forest". Without it
        the family whose hyperparameters have most of the same names is taken, if there is one.
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
        A distribution is of an unknown kind, or a name in the other arguments is unknown.
    SeveralObjectives
        At the first trial of a study with several objectives; a ValueError, too.

    Notes
    -----
    One sampler may serve several studies, one after the other or in turns, and several threads
    (``n_jobs``), which wait for one another. Trials that are running elsewhere count as if they had
    the median score, so that no configuration is proposed twice. It can be pickled and copied; the
    copy starts an engine of its own.

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
        _check("strategy", strategy, STRATEGIES)
        _check("direction", direction, ("minimize", "maximize"))
        known_task = _known_task(task or {})
        known = canonical_name(estimator) if estimator else likely_family(search_space)
        if known is None and estimator:
            _check("estimator", estimator, families())
        self._distributions = dict(search_space)
        SearchSpace.from_distributions(self._distributions)  # raises for an unknown kind
        self._independent = optuna.samplers.RandomSampler(seed=seed)
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
        self._open: _OpenProposer | None = None
        self._lock = threading.RLock()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": None, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.RLock()

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """The space given at construction."""
        _check_objectives(study)
        return {n: d for n, d in self._distributions.items() if not d.single()}

    def sample_relative(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        search_space: dict[str, BaseDistribution],
    ) -> dict[str, Any]:
        """The next configuration, of the names in `search_space`, from the study's finished and
        running trials; a random one where all were tried."""
        _check_objectives(study)
        if not search_space:
            return {}
        with self._lock:
            opened = self._opened_for(study, search_space)
            opened.tell(study, trial.number)
            try:
                proposal = opened.proposer.ask(opened.space, AskContext(number=trial.number))
            except Exhausted:
                return opened.space.sample(rng_for(self._setting.seed, trial.number))
            config = dict(proposal.config)
            set_attr, trial_id = study._storage.set_trial_system_attr, trial._trial_id
            set_attr(trial_id, "hyperllama:proposer", proposal.proposer)
            set_attr(trial_id, _CONFIG, config)
            return config

    def _opened_for(
        self, study: optuna.Study, search_space: dict[str, BaseDistribution]
    ) -> _OpenProposer:
        """The proposer of a study and a search space; that of another one is closed."""
        key = (id(study._storage), study._study_id, tuple(search_space.items()))
        if self._open is None or self._open.key != key:
            self.close()
            proposer = make_proposer(self._strategy, setting=self._setting)
            space = SearchSpace.from_distributions(search_space)
            self._open = _OpenProposer(key, space, proposer, study._storage)
        return self._open

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """A random value for a hyperparameter outside the space."""
        _check_objectives(study)
        return self._independent.sample_independent(study, trial, param_name, param_distribution)

    def reseed_rng(self) -> None:
        """Draw other values for hyperparameters outside the space from now on."""
        self._independent.reseed_rng()

    def close(self) -> None:
        """End the engine's process. Idempotent; the sampler may be used again afterwards."""
        with self._lock:
            if self._open is not None:
                self._open.proposer.close()
                self._open = None

    def __enter__(self) -> LlamaSampler:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class _OpenProposer:
    """A proposer that is open for one study, and what it was told.

    Args:
        key: of the study and the search space.
        storage: kept so that no other storage gets its id.
    """

    def __init__(
        self, key: object, space: SearchSpace, proposer: Proposer, storage: object
    ) -> None:
        self.key, self.space, self.proposer, self._storage = key, space, proposer, storage
        self._told: dict[int, Observed] = {}

    def tell(self, study: optuna.Study, number: int) -> None:
        """Tell the proposer of what has finished, and of what runs beside the trial `number`."""
        trials = study._get_trials(deepcopy=False, states=_COUNTED, use_cache=False)
        seen = [_observed(t, study.direction, self.space) for t in trials if t.number != number]
        values = sorted(t.value for t in seen if t.value is not None and math.isfinite(t.value))
        middle = statistics.median(values) if values else None
        lowest = _lowest(values)
        for one in seen:
            value = one.value
            if one.reason == "running":
                value = middle
            elif value is not None:
                value = min(max(value, lowest), _GREATEST)
            told = replace(one, value=value)
            if self._told.get(one.number) != told:
                self._told[one.number] = told
                self.proposer.tell(told)


_COUNTED = (TrialState.COMPLETE, TrialState.FAIL, TrialState.PRUNED, TrialState.RUNNING)


def _lowest(values: list[float]) -> float:
    """The score that worse ones count as: a penalty of 1e30 must not hide all other differences.

    Args:
        values: finite scores, sorted, greater is better.
    """
    if not values:
        return -_GREATEST
    middle = statistics.median(values)
    spread = statistics.median([abs(v - middle) for v in values])
    near = [v for v in values if v >= middle - _FAR * spread]
    return near[0] - (values[-1] - near[0] if len(near) < len(values) else 0.0)


def _check_objectives(study: optuna.Study) -> None:
    if len(study.directions) > 1:
        raise SeveralObjectives(
            f"LlamaSampler optimises one objective, this study has {len(study.directions)}",
            "choose another sampler, for example optuna.samplers.NSGAIISampler",
        )


def _check(what: str, given: str, known: Collection[str]) -> None:
    if given not in known:
        raise SpaceError(f"unknown {what} {given!r}", allowed(list(known), given))


def _known_task(task: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of the data, checked."""
    for name, value in task.items():
        _check("fact of the task", str(name), _FACTS)
        if name == "kind":
            _check("kind of task", str(value), _KINDS)
        elif isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
            raise SpaceError(f"{name} of the task is a number, 0 or greater, not {value!r}")
    return dict(task)


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
    value, proposed = None, trial.system_attrs.get(_CONFIG)
    if trial.state is TrialState.COMPLETE and trial.values:
        value = trial.values[0]
        value = value if direction == optuna.study.StudyDirection.MAXIMIZE else -value
    known = {**(proposed if isinstance(proposed, dict) else {}), **trial.params}
    return Observed(
        trial.number,
        {k: v for k, v in known.items() if k in space},
        value,
        reason="" if value is not None else trial.state.name.lower(),
        proposer=str(trial.system_attrs.get("hyperllama:proposer", "")),
    )
