"""Search spaces and configurations in the embedded models' dialect, and back.

Names are looked up among those that the models learned, through the family's aliases; a choice
among rising numbers is encoded as a number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from hyperllama.core.estimators import canonical_name, family
from hyperllama.core.space import (
    Categorical,
    Config,
    Domain,
    Float,
    Integer,
    Param,
    SearchSpace,
    Value,
)
from hyperllama.core.trials import Observed, ProposerSetting
from hyperllama.models.embedded import dialect

FEWEST = 4
"""Trials from which the noise of scores is told."""


@dataclass(frozen=True)
class EncodedParam:
    """One free hyperparameter as the dialect has it.

    Attributes:
        axis: its name, kind and range in the dialect.
        values: value index -> value, where only few values are possible.
    """

    param: Param
    axis: dialect.DialectParam
    values: Mapping[int, Value] | None

    def index(self, value: Value) -> int:
        """The value index nearest to a value of the domain."""
        d = self.param.domain
        if isinstance(d, Categorical):
            assert self.values is not None
            return next(i for i, v in self.values.items() if Categorical((v,)).contains(value))
        return _bin(d.to_unit(value))

    def value(self, index: int, fraction: float) -> Value:
        """A value of the index's bin; `fraction` in [0, 1) chooses within it."""
        if self.values is not None:
            return self.values[index]
        d = self.param.domain
        assert not isinstance(d, Categorical)
        return d.from_unit((index + fraction) / dialect.BINS)


def knows(family_name: str, version: int = 1) -> bool:
    """Whether models of this version of the dialect were trained on this family of estimators."""
    return canonical_name(family_name) in dialect.families(version)


def encoded(
    space: SearchSpace, estimator: str, prefix: str = "", version: int = 1
) -> list[EncodedParam]:
    """The free hyperparameters of a space whose names have the prefix, in its order.

    Those with a prior of their own are left out, unless there are no others: the models were not
    trained on them. So are unknown names beyond those that a prompt can hold: they stay at their
    default where the model proposes.

    Args:
        estimator: the family's name; "" if unknown.
        version: of the dialect that the model was trained in.
    """
    known = canonical_name(estimator) if estimator else None
    aliases = {**family(known).aliases, **family(known).embedded_names} if known else {}
    if version > 1 and dialect.is_net(space.names):
        aliases = {}
    taken: set[int] = set()
    free = [p for p in space.free if not p.prior] or list(space.free)
    names = {p: p.name.removeprefix(prefix) for p in free if p.name.startswith(prefix)}
    found = []
    for p, name in names.items():
        with suppress(ValueError):
            found.append(_encoded(p, dialect.identity(aliases.get(name, name), taken, version)))
    return found


def header(
    estimator: str, setting: ProposerSetting, params: Sequence[EncodedParam], version: int = 1,
    default: float | None = None, noise: float | None = None,
) -> list[int]:  # fmt: skip
    """The stable part of the prompt, as tokens: what is known of the table, and the space.

    Args:
        version: of the dialect that the model was trained in.
        default: score of the default configuration, where it is known.
        noise: of a score, see `dialect.TableFacts`, where it is known.
    """
    name = canonical_name(estimator) if estimator else None
    kind, facts, table = setting.kind, setting.facts, dialect.TableFacts()
    if facts is not None:
        table = dialect.TableFacts(
            _kind(kind, facts.classes), facts.rows, facts.features, facts.minority_share,
            facts.categorical_share, facts.missing_share, facts.classes,
            _left(setting, default), dialect.metric_kind(setting.metric or ""), noise,
        )  # fmt: skip
    elif kind:
        table = dialect.TableFacts(_kind(kind, 0))
    if version > 1 and dialect.is_net([p.param.name for p in params]):
        name = "net"
    return dialect.header(name or "?", table, [p.axis for p in params], version)


def _left(setting: ProposerSetting, score: float | None) -> float | None:
    """The share of a constant's loss that a score leaves, None where that is unknown.

    A perfect score is 0 for scorers that negate a loss, else 1.
    """
    if score is None or not setting.chance or not setting.metric:
        return None
    best = 0.0 if setting.metric.startswith("neg_") else 1.0
    constant = sum(setting.chance) / len(setting.chance)
    return (best - score) / (best - constant) if constant < best else None


def score_noise(trials: Sequence[Observed]) -> float | None:
    """The noise of a mean score over the spread of the trials' scores, as the corpus has it: how
    much a trial's folds differ, without what they differ by in all trials.

    None for fewer than `FEWEST` trials with scores on the same two or more folds.
    """
    kept = [t.fold_scores for t in trials if t.value is not None and len(t.fold_scores) > 1]
    if len(kept) < FEWEST or len({len(scores) for scores in kept}) > 1:
        return None
    folds = np.array(kept)
    mean = folds.mean(axis=1, keepdims=True)
    rest = (folds - mean) - (folds - mean).mean(axis=0)
    spread = float(mean.std())
    if not np.isfinite(spread) or spread <= 0:
        return None
    return min(float(np.median(rest.std(axis=1))) / math.sqrt(folds.shape[1]) / spread, 1.0)


def point(params: Sequence[EncodedParam], config: Config) -> dict[int, int]:
    """A configuration as axis number -> value index, active ones only."""
    named = ((i, p) for i, p in enumerate(params) if p.param.name in config)
    return {i: p.index(config[p.param.name]) for i, p in named}


def _kind(kind: str, classes: int) -> str:
    if kind == "classification":
        return "multiclass" if classes > 2 else "binary" if classes == 2 else "?"
    return "regression" if kind == "regression" else "?"


def _encoded(p: Param, token: int) -> EncodedParam:
    d = p.domain
    if isinstance(d, Categorical):
        numbers = _rising(d)
        if numbers is not None:
            return _number_choice(p, d, numbers, token)
        values = dict(enumerate(d.choices[: dialect.MAX_CHOICES]))
        choices = tuple(map(str, values.values()))
        axis = dialect.DialectParam(token, "choice", choices=choices, bins=tuple(values))
        return EncodedParam(p, axis, values)
    few = _few_values(d)
    bins = tuple(few) if few else tuple(range(dialect.BINS))
    kind = _number_kind(isinstance(d, Integer), d.log)
    return EncodedParam(p, dialect.DialectParam(token, kind, d.low, d.high, bins=bins), few)


def _few_values(d: Float | Integer) -> dict[int, Value] | None:
    """Index -> value for a domain with fewer values than there are bins."""
    if d.step is None:
        return None
    steps = math.floor((d.high - d.low) / d.step + 1e-9)
    if steps >= dialect.BINS:
        return None
    values = [d.cast(d.low + i * d.step) for i in range(steps + 1)]
    return {_bin(d.to_unit(v)): v for v in values}


def _number_choice(p: Param, d: Categorical, numbers: list[float], token: int) -> EncodedParam:
    """Rising numbers to choose from: a numeric axis of which a few values are allowed."""
    low, high = numbers[0], numbers[-1]
    log = low > 0 and high / low > 20
    domain: Domain = Float(low, high, log)
    bins: dict[int, Value] = {}
    for number, choice in zip(numbers, d.choices, strict=True):
        at = _bin(domain.to_unit(number))
        while at in bins and at < dialect.BINS - 1:
            at += 1
        bins[at] = choice
    kind = _number_kind(all(n.is_integer() for n in numbers), log)
    return EncodedParam(p, dialect.DialectParam(token, kind, low, high, bins=tuple(bins)), bins)


def _rising(d: Categorical) -> list[float] | None:
    """The choices as numbers if they are three or more that rise."""
    if not 3 <= len(d.choices) <= dialect.BINS // 2:
        return None
    numbers = [float(c) for c in d.choices if isinstance(c, (int, float))
               and not isinstance(c, bool)]  # fmt: skip
    rising = len(numbers) == len(d.choices) and numbers == sorted(set(numbers))
    return numbers if rising else None


def _number_kind(whole: bool, log: bool) -> str:
    return ("int" if whole else "float") + (":log" if log else "")


def _bin(u: float) -> int:
    return min(int(u * dialect.BINS), dialect.BINS - 1)
