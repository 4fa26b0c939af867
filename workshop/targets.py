"""Which columns of a folder of tables are targets to learn from: chosen by a rule, not by hand.

A column is a target where the project reads the table with it as one, no other column gives it away
(`core.data.leaks`), it is no running number, and a quick model beats a constant by more than noise
and less than all. A table gives at most `MOST` targets. Tables that measure elsewhere are left out.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from workshop.datasets import Dataset, from_table

MOST, LOOKED_AT = 2, 6
FEWEST_ROWS, FEWEST_COLUMNS, MOST_CLASSES = 120, 3, 12
LEAST_SIGNAL, MOST_SIGNAL = 0.06, 0.995
RESERVED_SHARE = 0.2

MEASURES = frozenset({
    "iris", "iris3", "penguins", "penguins_raw", "penguins_bayes", "pbcseq", "wine",
    "germancredit", "credit_data", "wa_churn", "attrition", "stroke_classification", "hpc_data",
    "hpc_cv", "cells", "segmentationdata", "stackoverflow", "arrests", "pbc", "hitters",
    "concrete", "saratogahouses", "loans_full_schema", "vehicle", "segment", "breastcancer",
    "biopsy", "diabetes", "boston",
})  # fmt: skip
"""Tables by which the project measures itself, or that scikit-learn bundles, in lower case."""


@dataclass(frozen=True)
class Target:
    """A task of the corpus: a table and a column of it.

    Attributes:
        name: unique, "TABLE:COLUMN".
        table: name of the table, without ".csv.gz".
        column: the target.
        group: tables with a column in common have one group.
        signal: share of what a constant gets wrong that a quick model gets right.
        rows: with a value of the target.
    """

    name: str
    table: str
    column: str
    group: str
    signal: float
    rows: int

    @property
    def reserved(self) -> bool:
        """Whether nothing may be learnt from it: one group in five, by a hash of its name."""
        return is_reserved(self.group)


def is_reserved(group: str) -> bool:
    """Whether a group of tables is kept for measuring."""
    return int(hashlib.sha256(group.encode()).hexdigest()[:8], 16) < RESERVED_SHARE * 2**32


def number_of(name: str) -> int:
    """A number below 2**32 that follows from a name: seeds and orders come from it."""
    return int(hashlib.sha256(name.encode()).hexdigest()[:8], 16)


def groups_of(tables: list[Path]) -> dict[str, str]:
    """Table -> group. Tables that share a column of 40 or more different cells are one group."""
    parent = {t.name: t.name for t in tables}

    def root(name: str) -> str:
        while parent[name] != name:
            name = parent[name]
        return name

    owner: dict[int, str] = {}
    for path in tables:
        with gzip.open(path, "rt", encoding="utf8", newline="") as lines:
            rows = list(csv.reader(lines))
        for cells in zip(*rows[1:], strict=False):
            kinds = frozenset(cells)
            if len(kinds) < 40 or _running(cells):
                continue
            first = owner.setdefault(hash_of(kinds), path.name)
            one, other = sorted((root(path.name), root(first)))
            parent[other] = one
    return {t.name.removesuffix(".csv.gz"): root(t.name).removesuffix(".csv.gz") for t in tables}


def hash_of(cells: frozenset[str]) -> int:
    """A number for a set of cells, the same in every process."""
    return number_of("\n".join(sorted(cells)))


def _running(cells: Any) -> bool:
    """Whether whole numbers rise or fall evenly, as numbers of rows do, or years."""
    try:
        numbers = np.unique(np.array(cells, dtype=float))
    except ValueError:
        return False
    return len(numbers) > 2 and len(np.unique(np.diff(numbers))) == 1


def find(folder: Path) -> Iterator[Target]:
    """The targets of a folder of tables, table by table in the order of their hash."""
    tables = sorted(folder.glob("*.csv.gz"))
    groups = groups_of(tables)
    for path in sorted(tables, key=lambda p: number_of(p.name)):
        table = path.name.removesuffix(".csv.gz")
        if table.lower() in MEASURES or groups[table].lower() in MEASURES:
            continue
        with gzip.open(path, "rt", encoding="utf8", newline="") as lines:
            names = next(csv.reader(lines))
        found = 0
        for column in sorted(names, key=lambda n: number_of(f"{table}:{n}"))[:LOOKED_AT]:
            data = read(path, column)
            if data is None:
                continue
            signal = signal_of(data)
            if LEAST_SIGNAL < signal < MOST_SIGNAL:
                yield Target(f"{table}:{column}", table, column, groups[table], round(signal, 4),
                             len(data.y))
                found += 1
            if found == MOST:
                break


def read(path: Path, column: str) -> Dataset | None:
    """A table with this target; None where it is none, or is given away."""
    from hyperllama.core.data import DataSpec, TableSource, load_table
    from hyperllama.core.errors import HyperLlamaError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = load_table(TableSource(DataSpec(path=path, target=column)))
    except HyperLlamaError:
        return None
    fits = table.n_rows >= FEWEST_ROWS and table.n_features >= FEWEST_COLUMNS
    if table.leaks or not fits or len(table.classes) > MOST_CLASSES:
        return None
    if table.kind == "regression" and len(np.unique(np.sign(np.diff(table.y)))) < 2:
        return None
    return from_table(path, column, 0)


def signal_of(data: Dataset) -> float:
    """Share of a constant's log loss or squared error that a quick forest takes away, in folds."""
    from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor
    from sklearn.model_selection import cross_val_predict

    rows = np.random.default_rng(0).permutation(len(data.y))[:600]
    x, y = np.nan_to_num(data.x[rows], nan=-1.0), data.y[rows]
    usual: dict[str, Any] = {"n_estimators": 30, "min_samples_leaf": 3, "random_state": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if not data.classes:
            guess = cross_val_predict(ExtraTreesRegressor(**usual), x, y, cv=_shuffled(False))
            # as ranks: one large value would decide otherwise
            order = np.argsort(np.argsort(y)) / len(y)
            step = float(np.corrcoef(np.argsort(np.argsort(guess)), order)[0, 1])
            return max(step, 0.0) ** 2
        counts = np.bincount(y.astype(int))
        if counts[counts > 0].min() < 6 or len(counts[counts > 0]) < 2:
            return 0.0
        codes = np.unique(y, return_inverse=True)[1]
        p = cross_val_predict(ExtraTreesClassifier(**usual), x, codes, cv=_shuffled(True),
                              method="predict_proba")
    share = np.bincount(codes) / len(codes)
    truth = np.clip(p[np.arange(len(codes)), codes], 1e-3, 1)
    return float(1 - np.log(truth).mean() / np.log(share[codes]).mean())


def _shuffled(classes: bool) -> Any:
    from sklearn.model_selection import KFold, StratifiedKFold

    return (StratifiedKFold if classes else KFold)(3, shuffle=True, random_state=0)


def save(targets: list[Target], path: Path) -> None:
    """One JSON line a target."""
    path.write_text("".join(json.dumps(asdict(t)) + "\n" for t in targets), encoding="utf8")


def load(path: Path) -> list[Target]:
    """The targets of a file that `save` wrote."""
    return [Target(**json.loads(line)) for line in path.read_text(encoding="utf8").splitlines()]
