"""Real response surfaces: the project's own estimators trained over many data sets.

One gzipped JSON line a (data set, family): the configurations tried and their losses. Nothing of
a table but its counts is kept. Families are sampled over ranges wider than their default spaces, so
that the surfaces also serve spaces that other people made.
"""

from __future__ import annotations

import gzip
import json
import time
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hyperllama.core.estimators import Facts, family
from hyperllama.core.space import Config
from workshop.datasets import Dataset, Floats
from workshop.spaces import FAMILY, wide_space

TRAIN_ROWS = 600
SCORED_ROWS = 1000


@dataclass(frozen=True)
class Surface:
    """What one family scored on one data set.

    Attributes:
        losses: metric name -> loss of each configuration (lower is better), None where it failed.
            Classification: "error", "balanced_error", "log_loss", "auc_loss" (1 - AUC); regression:
            "rmse" and "mae", both over the standard deviation of the target.
    """

    dataset: str
    family: str
    kind: str
    facts: dict[str, Any]
    configs: list[Config]
    losses: dict[str, list[float | None]]
    seconds: float


def facts_of(data: Dataset) -> Facts:
    """The facts that proposers get."""
    share = 0.0
    if data.classes:
        share = float(np.bincount(data.y.astype(int), minlength=data.classes).min() / len(data.y))
    return Facts(
        rows=len(data.y),
        features=data.x.shape[1],
        classes=data.classes,
        minority_share=share,
        categorical_share=len(data.categorical) / data.x.shape[1],
        missing_share=float(np.isnan(data.x).mean()),
    )


def evaluate_surface(data: Dataset, name: str, n_configs: int, seed: int) -> Surface:
    """Train `n_configs` random configurations of a family on one split of a data set."""
    started = time.perf_counter()
    rng = np.random.default_rng([seed, 11])
    order = rng.permutation(len(data.y))
    n_train = min(TRAIN_ROWS, int(0.6 * len(order)))
    train, test = order[:n_train], order[n_train : n_train + SCORED_ROWS]
    if data.classes:  # every class has to be in the training part
        train = np.concatenate([train, [np.flatnonzero(data.y == c)[0] for c in np.unique(data.y)]])
    space = wide_space(name, data.kind)
    configs = [space.sample(rng) for _ in range(n_configs)]
    if name == "svm":  # half of them on the kernel that people use
        configs = [{**c, "kernel": "rbf"} if i % 2 else c for i, c in enumerate(configs)]
        configs = [space.complete(c) for c in configs]
    if name == "mlp":  # few of the very dear ones
        large = [c["depth"] * c["width"] ** 2 > 150_000 for c in configs]
        configs = [c for i, c in enumerate(configs) if not large[i] or i % 3 == 0]
    parts = _prepared(data, train, test, family(FAMILY.get(name, name)).encoding == "onehot")
    losses: dict[str, list[float | None]] = {}
    for config in configs:
        found = _losses(data, name, config, parts, train, test, seed)
        for metric in _METRICS[data.kind]:
            losses.setdefault(metric, []).append(found.get(metric) if found else None)
    return Surface(data.name, name, data.kind, asdict(facts_of(data)), configs, losses,
                   round(time.perf_counter() - started, 2))


_METRICS = {
    "classification": ("error", "balanced_error", "log_loss", "auc_loss"),
    "regression": ("rmse", "mae"),
}


def _prepared(data: Dataset, train: Any, test: Any, onehot: bool) -> tuple[Floats, Floats]:
    x = data.x.copy()
    middle = np.nan_to_num(np.nanmedian(x[train], axis=0))
    x = np.where(np.isnan(x), middle, x)
    if not onehot:
        return x[train], x[test]
    numbers = [j for j in range(x.shape[1]) if j not in data.categorical]
    mean, std = x[train][:, numbers].mean(axis=0), x[train][:, numbers].std(axis=0) + 1e-9
    blocks = [np.clip((x[:, numbers] - mean) / std, -8, 8)]
    for j in data.categorical:
        blocks.append((x[:, j : j + 1] == np.unique(x[train, j])[None, :]).astype(float))
    encoded = np.hstack(blocks)
    return encoded[train], encoded[test]


def _losses(
    data: Dataset, name: str, config: Config, parts: tuple[Floats, Floats],
    train: Any, test: Any, seed: int,
) -> dict[str, float] | None:
    from sklearn import metrics

    config = dict(config)
    if name == "mlp":
        config["batch_size"] = min(config["batch_size"], len(train))
        config["max_iter"] = affordable_epochs(config, len(train), parts[0].shape[1])
        parts = (parts[0].astype(np.float32), parts[1].astype(np.float32))
    if name == "svm":
        config["max_iter"] = 20_000
    y = data.y.copy()
    if not data.classes:
        y = (y - y[train].mean()) / (y[train].std() + 1e-12)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            model = _built(name, data.kind, config, seed)
            model.fit(parts[0], y[train])
            if not data.classes:
                p = np.clip(np.nan_to_num(model.predict(parts[1]), nan=1e3), -1e3, 1e3)
                return {
                    "rmse": float(np.sqrt(np.mean((p - y[test]) ** 2))),
                    "mae": float(np.mean(np.abs(p - y[test]))),
                }
            truth = y[test].astype(int)
            if hasattr(model, "predict_proba"):
                p = np.clip(model.predict_proba(parts[1]), 1e-6, 1)
                p = p / p.sum(axis=1, keepdims=True)
                label = model.classes_[p.argmax(axis=1)]
            else:
                p = model.decision_function(parts[1])
                label = model.predict(parts[1])
            result = {
                "error": float(np.mean(label != truth)),
                "balanced_error": float(1 - metrics.balanced_accuracy_score(truth, label)),
            }
            if hasattr(model, "predict_proba"):
                result["log_loss"] = float(metrics.log_loss(truth, p, labels=model.classes_))
            score = p[:, 1] if p.ndim == 2 and data.classes == 2 else p
            if data.classes == 2:
                result["auc_loss"] = float(1 - metrics.roc_auc_score(truth, score))
            return result
        except ValueError:  # diverged: the configuration failed, which is a fact about it
            return None


def _built(name: str, kind: str, config: Config, seed: int) -> Any:
    if name != "sgd":
        return family(name).build(kind, config, seed, 1)
    from sklearn.linear_model import SGDClassifier, SGDRegressor

    arguments = {"alpha": config["alpha"], "eta0": config["learning_rate"], "max_iter": 100,
                 "learning_rate": "adaptive", "random_state": seed}
    if kind == "regression":
        return SGDRegressor(**arguments)
    return SGDClassifier(loss="log_loss", **arguments)


def affordable_epochs(config: Config, rows: int, features: int) -> int:
    """Epochs, 4 to 60, that keep one MLP near a second on one core, but at least 150 updates."""
    layers = int(config["width"]) * (features + (config["depth"] - 1) * int(config["width"]))
    update_s = 1.2e-4 + layers * (1e-8 + 2e-10 * config["batch_size"])
    updates = rows / config["batch_size"]
    epochs = max(0.8 / (updates * update_s), 150 / updates, 4)
    return int(min(epochs, 60))


def append(path: Path, surface: Surface) -> None:
    """Add one line; a gzip member of its own, so that a crash harms at most the last."""
    with path.open("ab") as raw, gzip.GzipFile(fileobj=raw, mode="wb", mtime=0) as out:
        compact = asdict(surface)
        compact["configs"] = [
            {k: float(f"{v:.5g}") if isinstance(v, float) else v for k, v in c.items()}
            for c in surface.configs
        ]
        compact["losses"] = {
            m: [None if v is None else round(v, 5) for v in vs] for m, vs in surface.losses.items()
        }
        out.write((json.dumps(compact, separators=(",", ":")) + "\n").encode())


def read(path: Path) -> Iterator[Surface]:
    """The surfaces of a corpus file, in the order in which they were written."""
    if not path.exists():
        return
    with gzip.open(path, "rt", encoding="utf8") as lines:
        try:
            for line in lines:
                yield Surface(**json.loads(line))
        except (EOFError, ValueError):  # the last member was cut by a crash
            return
