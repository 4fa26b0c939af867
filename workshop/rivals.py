"""Two rivals from other libraries, SMAC3 and FLAML's BlendSearch, for `workshop measure`.

    pip install smac flaml[blendsearch]

Both are used as their users do, from the trials that they are told of: all methods begin with the
default, so it is the first point that both know. FLAML asks for an older Optuna; it works with
Optuna 5 when installed with --no-deps.
"""

from __future__ import annotations

import logging
import tempfile
import warnings
from typing import Any, Protocol

from hyperllama.core.space import Categorical, Config, Float, SearchSpace
from hyperllama.core.trials import AskContext, Observed, Proposal, ProposerSetting

RIVALS = ("smac", "flaml")
_STARTUP = 3
_ATTEMPTS = 100


class _Optimiser(Protocol):
    def ask(self) -> Config: ...
    def tell(self, config: Config, loss: float | None) -> None: ...


class RivalProposer:
    """Another library's optimiser, made at the first question.

    Args:
        which: "smac" or "flaml".
    """

    def __init__(self, which: str, setting: ProposerSetting) -> None:
        self.name, self._seed = which, setting.seed
        self._optimiser: _Optimiser | None = None
        self._early: list[Observed] = []

    def ask(self, space: SearchSpace, context: AskContext) -> Proposal:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if self._optimiser is None:
                trials = context.number + (context.trials_left or 100)
                made = Smac if self.name == "smac" else BlendSearch
                self._optimiser = made(space, self._seed, trials)
                for trial in self._early:
                    self.tell(trial)
            return Proposal(space.complete(self._optimiser.ask()), self.name)

    def tell(self, trial: Observed) -> None:
        if self._optimiser is None:
            self._early.append(trial)
        else:
            self._optimiser.tell(trial.config, None if trial.value is None else -trial.value)

    def close(self) -> None:
        pass


class Smac:
    """SMAC3's facade for hyperparameters, a random forest that is fitted after every eighth trial;
    three trials before the first, the default counted. A failed one counts as the worst so far."""

    def __init__(self, space: SearchSpace, seed: int, trials: int) -> None:
        from smac import HyperparameterOptimizationFacade as Facade
        from smac import Scenario

        logging.getLogger("smac").setLevel(logging.ERROR)
        self._space, self._worst = space, 1.0
        self._pending: Any = None
        self._folder = tempfile.TemporaryDirectory(prefix="smac")
        scenario = Scenario(_config_space(space, seed), deterministic=True, n_trials=trials,
                            seed=seed, output_directory=self._folder.name)  # type: ignore[arg-type]
        self._facade = Facade(
            scenario, lambda config, seed: 0.0, overwrite=True, logging_level=False,
            initial_design=Facade.get_initial_design(
                scenario, n_configs=_STARTUP - 1, max_ratio=1.0))

    def ask(self) -> Config:
        self._pending = self._facade.ask()
        found = dict(self._pending.config)
        return {n: _value(self._space, n, v) for n, v in found.items()}

    def tell(self, config: Config, loss: float | None) -> None:
        from ConfigSpace import Configuration
        from smac.runhistory import StatusType, TrialInfo, TrialValue

        info, self._pending = self._pending, None
        if info is None:
            coded = {n: _code(self._space, n, v) for n, v in config.items()}
            info = TrialInfo(Configuration(self._facade.scenario.configspace, coded), seed=0)
        status = StatusType.CRASHED if loss is None else StatusType.SUCCESS
        self._worst = self._worst if loss is None else max(self._worst, loss)
        self._facade.tell(info, TrialValue(self._worst if loss is None else loss, status=status),
                          save=False)


class BlendSearch:
    """FLAML's BlendSearch: local search from the default, and Optuna's TPE beside it. All trials
    cost the same."""

    def __init__(self, space: SearchSpace, seed: int, trials: int) -> None:
        from flaml import BlendSearch as Search

        logging.getLogger("flaml").setLevel(logging.ERROR)
        self._space, self._asked = space, 0
        start = {p.name: _code(space, p.name, p.start) for p in space.free}
        self._search = Search("loss", "min", _flaml_space(space), points_to_evaluate=[start],
                              num_samples=trials, seed=seed + 20)
        self._pending: tuple[str, dict[str, Any]] | None = self._suggested()

    def ask(self) -> Config:
        self._pending = self._pending or self._suggested()
        return {n: _value(self._space, n, v) for n, v in self._pending[1].items()}

    def tell(self, config: Config, loss: float | None) -> None:
        assert self._pending is not None
        (number, asked), self._pending = self._pending, None
        result = {"config": asked, "loss": loss, "training_iteration": 1}
        self._search.on_trial_complete(number, {} if loss is None else result, loss is None)

    def _suggested(self) -> tuple[str, dict[str, Any]]:
        """A point that is new to it; it passes over what it knows."""
        for _ in range(_ATTEMPTS):
            self._asked += 1
            found = self._search.suggest(str(self._asked))
            if found is not None:
                return str(self._asked), found
        raise RuntimeError("BlendSearch proposes nothing new")


def _config_space(space: SearchSpace, seed: int) -> Any:
    """The space as SMAC has it; choices by their number."""
    from ConfigSpace import ConfigurationSpace, InCondition
    from ConfigSpace import Float as RealRange
    from ConfigSpace import Integer as WholeRange
    from ConfigSpace.api import Categorical as Choice

    found = ConfigurationSpace(seed=seed)
    for p in space.free:
        d, start = p.domain, _code(space, p.name, p.start)
        if isinstance(d, Categorical):
            made: Any = Choice(p.name, list(range(len(d.choices))), default=start)
        else:
            kind = RealRange if isinstance(d, Float) else WholeRange
            made = kind(p.name, (d.low, d.high), log=d.log, default=start)
        found.add(made)
    for p in space.free:
        if p.when is not None:
            codes = [_code(space, p.when.parent, v) for v in p.when.values]
            found.add(InCondition(found[p.name], found[p.when.parent], codes))
    return found


def _flaml_space(space: SearchSpace) -> dict[str, Any]:
    """The space as FLAML has it, without conditions; choices by their number."""
    from flaml import tune

    found: dict[str, Any] = {}
    for p in space.free:
        d = p.domain
        if isinstance(d, Categorical):
            found[p.name] = tune.choice(list(range(len(d.choices))))
        elif isinstance(d, Float):
            found[p.name] = (tune.loguniform if d.log else tune.uniform)(d.low, d.high)
        else:  # the upper end is not included
            found[p.name] = (tune.lograndint if d.log else tune.randint)(d.low, d.high + 1)
    return found


def _code(space: SearchSpace, name: str, value: Any) -> Any:
    """The number of a choice; any other value as it is."""
    d = space[name].domain
    if not isinstance(d, Categorical):
        return value
    return next(i for i, v in enumerate(d.choices) if v == value and type(v) is type(value))


def _value(space: SearchSpace, name: str, code: Any) -> Any:
    """The value of a code."""
    d = space[name].domain
    return d.choices[int(code)] if isinstance(d, Categorical) else d.cast(code)
