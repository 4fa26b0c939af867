"""The second corpus: many tables, few configurations each at first, then more and larger.

The work is a list of units, (target, family, level), in one order that every call follows and goes
on from where it was stopped. A unit keeps the loss of each configuration on each fold, on the rows
it was fitted to, and on fresh rows that no fold holds, and the time of a fit. Levels differ in rows
and configurations. Cheap families come first: the order is by (level x targets + number of the
target) x `PACE`, so that a family of pace 4 has a quarter of the targets when the cheap ones have
all. Nothing of a table but its counts is kept.
"""

from __future__ import annotations

import gzip
import json
import lzma
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperllama.core.estimators import Facts, family
from hyperllama.core.evaluate.pipeline import built, recipe
from hyperllama.core.evaluate.steps import ColumnLayout, FitSetting, trial_recipe
from hyperllama.core.space import Config, SearchSpace
from workshop.corpus import affordable_epochs, facts_of
from workshop.datasets import Dataset, Floats
from workshop.nets import NetClassifier, NetRegressor
from workshop.spaces import WITHOUT_FAMILY, wide_space
from workshop.targets import Target, number_of, read

PACE = {
    "decision_tree": 1, "linear": 1, "knn": 1, "svm": 1, "sgd": 1, "lightgbm": 1, "net": 2,
    "xgboost": 2, "mlp": 4, "random_forest": 4, "extra_trees": 4, "catboost": 4,
    "hist_gradient_boosting": 4, "pipeline": 4,
}  # fmt: skip
ROWS = (400, 1000, 200, 2000, 400, 700)
"""Rows that are split into folds, level by level."""
CONFIGS, FOLDS, FRESH_ROWS = 16, 3, 600
GRID = 256
UNIT_SECONDS = 90.0
"""A unit that takes longer ends with the configurations that it has."""
METRICS = {
    "binary": ("error", "log_loss", "auc_loss"),
    "multiclass": ("error", "log_loss", "balanced_error"),
    "regression": ("rmse", "mae"),
}


@dataclass(frozen=True)
class Unit:
    """What one family scored on one target at one level.

    Attributes:
        target, family, level: which it is.
        kind: "binary", "multiclass" or "regression".
        facts: of the rows that were split.
        names: the free hyperparameters, in the order of the points' coordinates.
        points: each configuration in 256ths of the wide space's unit interval, -1 where inactive;
            the first is the library's default, of which the nearest are given.
        scores: losses in ten thousandths, shape (configs, metrics, FOLDS + 2): of each fold, on the
            rows fitted to, on fresh rows (-1: there are none). Empty where it failed.
            Metrics: those of `METRICS`; "rmse" and "mae" over the target's standard deviation.
        chance: the same for a constant: one number a metric.
        times: mean milliseconds of processor time of a fit.
    """

    target: str
    family: str
    level: int
    kind: str
    facts: dict[str, Any]
    names: list[str]
    points: list[list[int]]
    scores: list[list[list[int]]]
    chance: list[int]
    times: list[int]

    @property
    def key(self) -> tuple[str, str, int]:
        return self.target, self.family, self.level


def plan(targets: Sequence[Target], families: Sequence[str]) -> list[tuple[Target, str, int]]:
    """All units, in the order in which they are worked on."""
    count = len(targets)
    units = [
        ((level * count + i) * PACE[f], i, f, level)
        for i in range(count) for f in families for level in range(len(ROWS))
    ]  # fmt: skip
    return [(targets[i], f, level) for _, i, f, level in sorted(units)]


def evaluate(trainer: Trainer, target: Target, name: str, level: int) -> Unit:
    """Train the configurations of a unit."""
    facts, kind = trainer.facts, trainer.data.kind
    space = wide_space(name, kind, facts)
    unit = Unit(target.name, name, level, trainer.kind, _short(asdict(facts)),
                [p.name for p in space.free], [], [], [], [])
    if not trainer.usable:
        return unit
    rng = np.random.default_rng([number_of(f"{target.name}/{level}"), number_of(name)])
    points = _points(rng, space, name, kind, facts)
    started, scores, times = time.process_time(), [], []
    for i, point in enumerate(points):
        config = space.default() if i == 0 else config_at(space, point)
        found, seconds = trainer.scores(name, config)
        scores.append(found)
        times.append(round(1000 * seconds))
        if time.process_time() - started > UNIT_SECONDS:
            break
    return replace(unit, points=points[: len(scores)], scores=scores, times=times,
                   chance=trainer.chance())


def config_at(space: SearchSpace, point: Sequence[int]) -> Config:
    """The configuration at a point of the grid."""
    return space.from_unit((np.array(point) + 0.5) / GRID)


def coordinates(unit: Unit, space: SearchSpace) -> Floats:
    """Coordinates of a unit's configurations, shape (configs, names); 0.5 where inactive."""
    points = (np.array(unit.points, dtype=float) + 0.5) / GRID
    points[np.array(unit.points) < 0] = 0.5
    points[0] = space.to_unit(space.default())
    return np.asarray(points)


def _points(
    rng: np.random.Generator, space: SearchSpace, name: str, kind: str, facts: Facts
) -> list[list[int]]:
    """The default, then by turns from all of the space and from the family's own default space."""
    usual = None if name in WITHOUT_FAMILY else family(name).space(kind, facts)
    found = [_point(space, space.default())]
    while len(found) < CONFIGS:
        if usual is not None and len(found) % 2:
            drawn = usual.sample(rng)
            inside = {n: v for n, v in drawn.items() if n in space}
            config = space.complete(inside)
        else:
            config = space.sample(rng)
        if name == "svm" and len(found) % 3:
            config = space.complete({**config, "kernel": "rbf"})
        if _dear(name, config) and rng.random() < 0.7:
            continue
        found.append(_point(space, config))
    return found


def _dear(name: str, config: Config) -> bool:
    if name == "mlp":
        return bool(config["depth"] * config["width"] ** 2 > 60_000)
    if name == "net":
        return bool(config["num_layers"] * config["hidden_size"] ** 2 * config["epochs"]
                    / config["batch_size"] > 2e5)
    if name == "catboost":
        return bool(config["iterations"] * 2 ** config["depth"] > 12_000)
    return False


def _point(space: SearchSpace, config: Config) -> list[int]:
    return [
        min(int(p.domain.to_unit(config[p.name]) * GRID), GRID - 1) if p.name in config else -1
        for p in space.free
    ]


def _split(data: Dataset, level: int, seed: int) -> tuple[NDArray[Any], NDArray[Any], Floats]:
    """Rows to split, fresh rows, and y without classes of fewer than six rows among the first."""
    order = np.random.default_rng(seed).permutation(len(data.y))
    n = min(ROWS[level], len(order))
    rows, fresh, y = order[:n], order[n : n + FRESH_ROWS], data.y.copy()
    if data.classes:
        kinds, counts = np.unique(y[rows], return_counts=True)
        kept = kinds[counts >= 2 * FOLDS]
        rows, fresh = rows[np.isin(y[rows], kept)], fresh[np.isin(y[fresh], kept)]
        y = np.searchsorted(kept, y).astype(float)
    return rows, fresh if len(fresh) >= 50 else fresh[:0], y


class Trainer:
    """Fits configurations on the folds of some rows of a target."""

    def __init__(self, data: Dataset, level: int, seed: int) -> None:
        from sklearn.model_selection import KFold, StratifiedKFold

        rows, fresh, y = _split(data, level, seed)
        classes = len(np.unique(y[rows])) if data.classes else 0
        self.data = Dataset(data.name, data.x[rows], y[rows], data.categorical, classes)
        self.facts = facts_of(self.data)
        self.kind = "regression" if not data.classes else ("binary", "multiclass")[classes > 2]
        self.usable = classes != 1 and len(rows) >= 60
        self._seed, self._x_fresh = seed % 2**31, data.x[fresh]
        self._centre, self._scale = 0.0, 1.0
        if not classes:
            self._centre, self._scale = float(y[rows].mean()), float(y[rows].std()) + 1e-12
        self._y, self._y_fresh = self._standard(y[rows]), self._standard(y[fresh])
        if self.usable:
            folds = (StratifiedKFold if classes else KFold)(
                FOLDS, shuffle=True, random_state=self._seed)
            self._folds = list(folds.split(self.data.x, self._y))
        coded = [j in data.categorical for j in range(data.x.shape[1])]
        self._layout = ColumnLayout.of(coded)
        self._parts: dict[str, list[tuple[Floats, ...]]] = {}

    def _standard(self, y: Floats) -> Floats:
        return y.astype(int) if self.data.classes else (y - self._centre) / self._scale

    def scores(self, name: str, config: Config) -> tuple[list[list[int]], float]:
        """Losses in ten thousandths, shape (metrics, FOLDS + 2), and the seconds of a fit."""
        held_out: list[list[float]] = []
        seen, fresh, seconds = [], [], 0.0
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                for (train, held), parts in zip(self._folds, self._prepared(name), strict=True):
                    started = time.process_time()
                    model = self._model(name, config, len(train)).fit(parts[0], self._y[train])
                    seconds += (time.process_time() - started) / FOLDS
                    held_out.append(self._losses(model, parts[1], self._y[held]))
                    seen.append(self._losses(model, parts[0], self._y[train]))
                    if len(self._y_fresh):
                        fresh.append(self._losses(model, parts[2], self._y_fresh))
            except Exception:  # whatever a library raises: the configuration failed
                return [], seconds
        rows = [*held_out, np.mean(seen, axis=0)]
        rows.append(np.mean(fresh, axis=0) if fresh else np.full(len(rows[0]), -1e-4))
        table = np.array(rows).T
        if not np.isfinite(table).all():
            return [], seconds
        return [[int(v) for v in row] for row in np.round(np.clip(table, -1, 10) * 1e4)], seconds

    def chance(self) -> list[int]:
        """The losses of a constant on the rows."""
        if self.kind == "regression":
            found = [1.0, float(np.mean(np.abs(self._y - np.median(self._y))))]
        else:
            share = np.bincount(self._y) / len(self._y)
            found = [1 - float(share.max()), -float(np.sum(share * np.log(share))),
                     0.5 if self.kind == "binary" else 1 - 1 / len(share)]
        return [round(1e4 * v) for v in found]

    def _prepared(self, name: str) -> list[tuple[Floats, ...]]:
        """Per fold, the columns as a family wants them: to fit to, held out, fresh."""
        f = family({"sgd": "linear", "net": "mlp"}.get(name, name)) if name != "pipeline" else None
        key = f"{f.encoding} {f.missing}" if f else ""
        if key not in self._parts:
            found: list[tuple[Floats, ...]] = []
            for train, held in self._folds:
                x = self.data.x
                parts: tuple[Floats, ...] = (x[train], x[held], self._x_fresh)
                steps = [] if f is None else recipe(
                    f.name, self.data.kind, {}, self._layout.categorical, 0).arguments["steps"][:-1]
                for _, step in steps:
                    made = built(step).fit(parts[0], self._y[train])
                    parts = tuple(made.transform(p) if len(p) else p for p in parts)
                found.append(parts)
            self._parts[key] = found
        return self._parts[key]

    def _losses(self, model: Any, x: Floats, y: Any) -> list[float]:
        if self.kind == "regression":
            gap = np.asarray(model.predict(x)).ravel() - y
            return [float(np.sqrt(np.mean(gap**2))), float(np.mean(np.abs(gap)))]
        p = _probabilities(model, x)
        label = p.argmax(axis=1)
        found = [float(np.mean(label != y)), float(-np.log(p[np.arange(len(y)), y]).mean())]
        if self.kind == "binary":
            return [*found, _auc_loss(p[:, 1], y)]
        right = [np.mean(label[y == c] == c) for c in np.unique(y)]
        return [*found, float(1 - np.mean(right))]

    def _model(self, name: str, config: Config, rows: int) -> Any:
        kind, config = self.data.kind, dict(config)
        if name == "pipeline":
            setting = FitSetting(kind, ("lightgbm",), self._layout, self._seed, 1,
                                 "predict_proba" if self.data.classes else "predict")
            return built(trial_recipe(config, setting)[1])
        if name in ("mlp", "net"):
            config["batch_size"] = min(config["batch_size"], rows)
        if name == "mlp":
            config["max_iter"] = affordable_epochs(config, rows, self.data.x.shape[1])
        if name == "svm":
            config["max_iter"] = 20_000
        if name == "net":
            return (NetClassifier if self.data.classes else NetRegressor)(
                **config, random_state=self._seed)
        if name == "sgd":
            from sklearn.linear_model import SGDClassifier, SGDRegressor

            usual = {"alpha": config["alpha"], "eta0": config["learning_rate"], "max_iter": 60,
                     "learning_rate": "adaptive", "random_state": self._seed}
            return (SGDClassifier(loss="log_loss", **usual) if self.data.classes
                    else SGDRegressor(**usual))
        return family(name).build(kind, config, self._seed, 1)


def _probabilities(model: Any, x: Floats) -> Floats:
    """Shape (n, classes); of an SVM, its margins squashed."""
    if hasattr(model, "predict_proba"):
        p = np.asarray(model.predict_proba(x), dtype=float)
    else:
        z = np.asarray(model.decision_function(x), dtype=float)
        z = np.column_stack([-z, z]) if z.ndim == 1 else z
        e = np.exp(z - z.max(axis=1, keepdims=True))
        p = e / e.sum(axis=1, keepdims=True)
    p = np.clip(p, 1e-4, 1)
    return np.asarray(p / p.sum(axis=1, keepdims=True))


def _auc_loss(p: Floats, y: NDArray[Any]) -> float:
    """1 - area under the ROC curve: the share of pairs in the wrong order; 0.5 for one class."""
    if y.min() == y.max():
        return 0.5
    _, codes, counts = np.unique(p, return_inverse=True, return_counts=True)
    rank = (np.cumsum(counts) - (counts - 1) / 2)[codes]
    positive = int(y.sum())
    above = rank[y == 1].sum() - positive * (positive + 1) / 2
    return float(1 - above / (positive * (len(y) - positive)))


def _short(facts: dict[str, Any]) -> dict[str, Any]:
    return {k: round(v, 4) if isinstance(v, float) else v for k, v in facts.items()}


def append(path: Path, unit: Unit) -> None:
    """Add one line; a gzip member of its own, so that a crash harms at most the last."""
    with path.open("ab") as raw, gzip.GzipFile(fileobj=raw, mode="wb", mtime=0) as out:
        out.write((json.dumps(asdict(unit), separators=(",", ":")) + "\n").encode())


def units(path: Path) -> Iterator[Unit]:
    """The units of a file, as `append` (.gz) or `pack` (.xz) wrote it."""
    opened = lzma.open if path.suffix == ".xz" else gzip.open
    with opened(path, "rt", encoding="utf8") as lines:
        try:
            for line in lines:
                yield Unit(**json.loads(line))
        except (EOFError, ValueError):  # the last member was cut by a crash
            return


def all_units(folder: Path) -> dict[tuple[str, str, int], Unit]:
    """Every unit of a folder's files by its key."""
    return {u.key: u for f in sorted(folder.glob("units*.jsonl.*z")) for u in units(f)}


def pack(folder: Path) -> int:
    """Write the units of a folder's files as one compact file in their place; returns how many."""
    found = all_units(folder)
    lines = (json.dumps(asdict(found[key]), separators=(",", ":")) for key in
             sorted(found, key=lambda k: (k[1], k[2], k[0])))
    part = folder / "units.tmp"
    with lzma.open(part, "wt", encoding="utf8", preset=9) as out:
        out.writelines(line + "\n" for line in lines)
    part.replace(folder / "units.jsonl.xz")
    for file in folder.glob("units-*.jsonl.gz"):
        file.unlink()
    return len(found)


def work(
    folder: Path, tables: Path, targets: Sequence[Target], families: Sequence[str], part: int,
    parts: int,
) -> Iterator[Unit]:
    """Evaluate every `parts`-th unit that is not done, and add it to `folder`'s file."""
    done = set(all_units(folder))
    trainers: dict[tuple[str, int], Trainer | None] = {}
    out = folder / f"units-{part}.jsonl.gz"
    for i, (target, name, level) in enumerate(plan(targets, families)):
        if i % parts != part or (target.name, name, level) in done:
            continue
        if level and ROWS[level] > ROWS[0] and target.rows <= ROWS[0]:
            continue  # nothing that the first level has not
        key = target.name, level
        if key not in trainers:
            if len(trainers) > 8:
                del trainers[next(iter(trainers))]
            data = read(tables / f"{target.table}.csv.gz", target.column)
            seed = number_of(f"{target.name}/{level}")
            trainers[key] = None if data is None else Trainer(data, level, seed)
        trainer = trainers[key]
        if trainer is None:
            continue
        unit = evaluate(trainer, target, name, level)
        append(out, unit)
        yield unit
