"""The steps of a pipeline beside its estimator, as the choices of `task.pipeline_space` make them.

Only classes of scikit-learn: a fitted pipeline is loaded, and its script run, without HyperLlama.
Without any choice the pipeline is that of `pipeline.recipe`. Members of a vote have fixed settings
that did well on other tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hyperllama.core.estimators import Constructor, Family, family, split
from hyperllama.core.evaluate.pipeline import (
    Reference,
    imputer,
    model_recipe,
    one_hot,
    recipe,
    scaler,
)
from hyperllama.core.objectives import COSTS
from hyperllama.core.space import Config
from hyperllama.core.task.pipeline_space import PERIODS, PREFIX

if TYPE_CHECKING:
    from hyperllama.core.task import Problem

_KNOTS = 5
Part = tuple[str, Constructor, list[int]]


@dataclass(frozen=True)
class ColumnLayout:
    """What the columns of X are, by position.

    Attributes:
        numbers: neither categories nor parts of dates that begin anew.
        categories: codes.
        periods: part of a date ("month", "weekday", "hour") -> its columns.
    """

    numbers: list[int]
    categories: list[int]
    periods: dict[str, list[int]]

    @classmethod
    def of(cls, categorical: Sequence[bool], parts: Sequence[str] = ()) -> ColumnLayout:
        """The layout of X.

        Args:
            categorical: per column, whether it holds codes.
            parts: per column, `Column.part`; empty where there are no dates.
        """
        parts = parts or [""] * len(categorical)
        every = list(enumerate(zip(categorical, parts, strict=True)))
        return cls(
            [i for i, (coded, part) in every if not coded and part not in PERIODS],
            [i for i, (coded, _) in every if coded],
            {p: at for p in PERIODS if (at := [i for i, (_, part) in every if part == p])},
        )

    @property
    def every_number(self) -> list[int]:
        """All columns that are no categories."""
        return sorted([*self.numbers, *(i for at in self.periods.values() for i in at)])

    @property
    def categorical(self) -> list[bool]:
        """Per column, whether it holds codes."""
        count = len(self.numbers) + len(self.categories) + sum(map(len, self.periods.values()))
        return [i in self.categories for i in range(count)]


def response_of(scorers: Sequence[Any]) -> str:
    """What scorers ask a model for; probabilities where any of them needs those."""
    asked = [str(scorer._response_method) for scorer in scorers]
    if "predict_proba" in asked:
        return "predict_proba"
    return next((text for text in asked if "predict_proba" in text), asked[0])


@dataclass(frozen=True)
class FitSetting:
    """What a recipe depends on beside the configuration.

    Attributes:
        kind: "classification" or "regression".
        estimators: the families that a configuration may choose among.
        columns: of X.
        seed, threads: of the estimators.
        response: what the scorer asks the model for.
    """

    kind: str
    estimators: Sequence[str]
    columns: ColumnLayout
    seed: int = 0
    threads: int = 1
    response: str = ""

    @classmethod
    def of(cls, problem: Problem, seed: int) -> FitSetting:
        """How trials of a problem are fitted, with one thread."""
        from sklearn.metrics import get_scorer

        columns = problem.columns
        layout = ColumnLayout.of([c.kind == "category" for c in columns], [c.part for c in columns])
        measured = (name for name in problem.measured if name not in COSTS)
        response = response_of([get_scorer(name) for name in (problem.metric, *measured)])
        return cls(problem.kind, problem.estimators, layout, seed, 1, response)


def trial_recipe(config: Config, setting: FitSetting) -> tuple[Family, Constructor, bool]:
    """Family and pipeline of a trial; and whether its last step is the family's own estimator."""
    name, params = split(config, setting.estimators)
    choices = {k.removeprefix(PREFIX): v for k, v in config.items() if k.startswith(PREFIX)}
    params = {k: v for k, v in params.items() if not k.startswith(PREFIX)}
    if _plain(choices):
        made = recipe(name, setting.kind, params, setting.columns.categorical, setting.seed,
                      setting.threads, response=setting.response)  # fmt: skip
        return family(name), made, True
    return family(name), _PipelineSteps(setting, choices).whole(family(name), params), False


def _plain(choices: Config) -> bool:
    """Whether every choice is what a study without programs does."""
    usual = ("alone", "scaled", "codes", "plain", "numbers", "nothing", "all", "none")
    return all(v in usual for v in choices.values() if isinstance(v, str))


class _PipelineSteps:
    """Makes the recipe of one configuration."""

    def __init__(self, setting: FitSetting, choices: Config) -> None:
        self._s, self._choices = setting, choices
        self._classes = setting.kind == "classification"
        self._columns = setting.columns

    def _is(self, name: str, value: str) -> bool:
        return bool(self._choices.get(name) == value)

    def whole(self, f: Family, params: Config) -> Constructor:
        """The pipeline with everything around it."""
        vote = self._choices.get("vote", "alone")
        members = [("own", self._member(f, self._own(f, params, vote != "alone")))]
        if vote in ("linear", "both"):
            members.append(("linear", self._member(family("linear"), self._linear())))
        if vote in ("trees", "both"):
            members.append(("trees", self._member(family("extra_trees"), self._trees())))
        made = members[0][1]
        if len(members) > 1:
            weights = [self._choices.get("own_weight", 1.0), *(1.0 for _ in members[1:])]
            if self._classes:
                made = _ensemble("VotingClassifier", estimators=members, voting="soft",
                                 weights=weights)  # fmt: skip
            else:
                made = _ensemble("VotingRegressor", estimators=members, weights=weights)
        if (target := self._target()) is not None:
            made = _compose("TransformedTargetRegressor", regressor=made, transformer=target)
        method = self._choices.get("calibration", "none")
        if method != "none":
            made = Constructor("sklearn.calibration", "CalibratedClassifierCV",
                               {"estimator": made, "method": method, "cv": 3, "ensemble": False})
        if made.name == "Pipeline":
            return made
        return Constructor("sklearn.pipeline", "Pipeline", {"steps": [("model", made)]})

    def _member(self, f: Family, model: Constructor) -> Constructor:
        steps = [("prepare", self._preparation(f))]
        if self._is("kept", "best"):
            test = "f_classif" if self._classes else "f_regression"
            chosen = {
                "score_func": Reference("sklearn.feature_selection", test),
                "percentile": self._choices.get("kept_percent", 50),
            }
            steps.append(
                ("kept", Constructor("sklearn.feature_selection", "SelectPercentile", chosen))
            )
        return Constructor("sklearn.pipeline", "Pipeline", {"steps": [*steps, ("model", model)]})

    # -- the estimators ------------------------------------------------------------------------

    def _own(self, f: Family, params: Config, votes: bool) -> Constructor:
        if self._is("weights", "balanced") and f.class_weights:
            params = {**params, f.class_weights: "balanced"}
        response = "predict_proba" if votes else self._s.response
        return model_recipe(f, self._s.kind, params, self._s.seed, self._s.threads, response)

    @property
    def _balanced(self) -> dict[str, str]:
        return {"class_weight": "balanced"} if self._is("weights", "balanced") else {}

    def _linear(self) -> Constructor:
        curved = self._is("numbers", "splines")
        if self._classes:
            arguments = {"C": 0.2 if curved else 0.5, "max_iter": 1000, **self._balanced}
            return Constructor("sklearn.linear_model", "LogisticRegression", arguments)
        ridge = Constructor("sklearn.linear_model", "Ridge", {"alpha": 10.0 if curved else 3.0})
        return _compose("TransformedTargetRegressor", regressor=ridge, transformer=scaler())

    def _trees(self) -> Constructor:
        arguments = {
            "n_estimators": 100, "min_samples_leaf": 2, "max_features": 0.5, **self._balanced,
            "random_state": self._s.seed, "n_jobs": self._s.threads,
        }  # fmt: skip
        name = "ExtraTreesClassifier" if self._classes else "ExtraTreesRegressor"
        return _ensemble(name, **arguments)

    def _target(self) -> Constructor | None:
        if self._is("target", "ranks"):
            return _ranks()
        if self._is("target", "logs"):
            ways = {"func": "arcsinh", "inverse_func": "sinh"}  # logarithms that take any number
            functions = {way: Reference("numpy", name) for way, name in ways.items()}
            return Constructor("sklearn.preprocessing", "FunctionTransformer", functions)
        return None

    # -- the columns ---------------------------------------------------------------------------

    def _preparation(self, f: Family) -> Constructor:
        """Every column as the family wants it, and the columns that are added."""
        c, circles = self._columns, self._is("dates", "circles")
        numbers = c.numbers if circles else c.every_number
        parts: list[Part] = []
        if f.encoding == "onehot":
            parts = [("numbers", self._scaled(), numbers), ("categories", one_hot(), c.categories)]
        else:
            parts = [("numbers", self._filled(f), numbers),
                     ("categories", self._coded(f), c.categories)]
        if circles:
            parts += [(part, _circle(part, len(at)), at) for part, at in c.periods.items()]
        if (added := self._added()) is not None:
            parts += [(name, _steps(made), c.numbers) for name, made in added]
        used = [part for part in parts if part[2]]
        return _compose("ColumnTransformer", transformers=used)

    def _scaled(self) -> Constructor:
        fill = imputer(strategy="median", add_indicator=True, keep_empty_features=True)
        steps = [("fill", fill), ("scale", scaler())]
        if self._is("numbers", "ranks"):
            steps[1] = ("ranks", _ranks())
        if self._is("numbers", "splines"):
            curves = {"n_knots": _KNOTS, "knots": "quantile", "extrapolation": "linear"}
            steps.append(("curves", Constructor("sklearn.preprocessing", "SplineTransformer",
                                                curves)))  # fmt: skip
        return Constructor("sklearn.pipeline", "Pipeline", {"steps": steps})

    def _filled(self, f: Family) -> Any:
        marked = self._is("missing", "marked")
        if f.missing and not marked and not self._is("kept", "best"):
            return "passthrough"
        marks = {"add_indicator": True} if marked else {}
        return imputer(strategy="median", keep_empty_features=True, **marks)

    def _coded(self, f: Family) -> Any:
        if self._is("categories", "columns"):
            return one_hot()
        if self._is("categories", "targets"):
            known = {} if self._classes else {"target_type": "continuous"}
            arguments = {**known, "cv": 3, "random_state": self._s.seed}
            return Constructor("sklearn.preprocessing", "TargetEncoder", arguments)
        if f.missing and not self._is("kept", "best"):
            return "passthrough"
        return imputer(strategy="constant", fill_value=-1.0, keep_empty_features=True)

    def _added(self) -> list[tuple[str, Constructor]] | None:
        added = self._choices.get("added", "nothing")
        if added == "products":
            pairs = {"degree": 2, "interaction_only": True, "include_bias": False}
            return [("products", Constructor("sklearn.preprocessing", "PolynomialFeatures", pairs))]
        if added == "components":
            count = {"n_components": self._choices.get("components", 3),
                     "random_state": self._s.seed}  # fmt: skip
            return [("components", Constructor("sklearn.decomposition", "PCA", count))]
        if added == "aggregates":
            return [(f"row_{name}", Constructor(
                "sklearn.preprocessing", "FunctionTransformer",
                {"func": Reference("numpy", name), "kw_args": {"axis": 1, "keepdims": True}},
            )) for name in ("mean", "std")]  # fmt: skip
        return None


def _steps(last: Constructor) -> Constructor:
    """Filled and standardised numbers, then this."""
    fill = imputer(strategy="median", keep_empty_features=True)
    steps = [("fill", fill), ("scale", scaler()), ("make", last)]
    return Constructor("sklearn.pipeline", "Pipeline", {"steps": steps})


def _circle(part: str, columns: int) -> Constructor:
    """Smooth curves over one period, whose ends meet, for as many columns."""
    first, length = PERIODS[part]
    knots = [[first + length * i / (_KNOTS - 1)] * columns for i in range(_KNOTS)]
    curves = {"knots": knots, "extrapolation": "periodic", "include_bias": False}
    steps = [
        ("fill", imputer(strategy="most_frequent", keep_empty_features=True)),
        ("curves", Constructor("sklearn.preprocessing", "SplineTransformer", curves)),
    ]
    return Constructor("sklearn.pipeline", "Pipeline", {"steps": steps})


def _ranks() -> Constructor:
    arguments = {"output_distribution": "normal", "n_quantiles": 100, "random_state": 0}
    return Constructor("sklearn.preprocessing", "QuantileTransformer", arguments)


def _compose(name: str, **arguments: Any) -> Constructor:
    return Constructor("sklearn.compose", name, arguments)


def _ensemble(name: str, **arguments: Any) -> Constructor:
    return Constructor("sklearn.ensemble", name, arguments)
