"""A table in memory, ready for cross-validation, and what is known of each of its columns."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hyperllama.core.estimators import Facts
from hyperllama.core.text import percent, shown

if TYPE_CHECKING:
    from hyperllama.core.data.leaks import Leak

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Column:
    """One column: of the file, or of X.

    Attributes:
        name: as in the file; untrusted text, escape it before a terminal. A part of a date is
            called "signed (month)".
        kind: "number", "category", "boolean", "date", "text", "id" or "constant".
        missing_share: share of empty cells among the rows used, in [0, 1].
        categories: the labels of a category or boolean; the code in X is the position.
        role: "feature", "target", "group", "time", "weight" or "dropped".
        note: why it was dropped, or how it was read; plain text.
        source: the column of the file it comes from.
        part: "day", "month", "weekday" or "hour" of a date; else empty.
        date_format: strptime format of a date's cells; empty where they came typed.
        distinct: number of different values, empty cells aside.
        marks: values that count as empty cells.
        any_case: whether labels that differ in capitals are one.
        way: how its text is read as numbers, see `cells`; "text" where labels are text.
    """

    name: str
    kind: str
    missing_share: float = 0.0
    categories: tuple[str, ...] = ()
    role: str = "feature"
    note: str = ""
    source: str = ""
    part: str = ""
    date_format: str = ""
    distinct: int = 0
    way: str = ""
    marks: tuple[int | float | str, ...] = ()
    any_case: bool = False


@dataclass(frozen=True, eq=False)
class Table:
    """Rows with a known target, in the order of the file.

    Attributes:
        x: shape (n_rows, n_features); NaN where empty, codes 0..k-1 in categories and booleans.
        y: shape (n_rows,); class codes (int64) or numbers (float64).
        columns: the features, one for each column of x.
        target: the target column.
        kind: "classification" or "regression".
        classes: labels as in the file, the code is the position; empty for regression. Of two
            classes the second is the positive one.
        groups: shape (n_rows,), int64 codes, or None.
        times: shape (n_rows,), float64, or None.
        weights: shape (n_rows,), float64 above 0 with mean 1, or None where all rows count alike.
        dropped: columns of the file that are not features, each with the reason.
        leaks: columns of the file that give the target away.
        warnings: for people, plain text: how the file was read, leaks, rows left out.
        source_columns: every column of the file, in its order.
        weight_column: how the weights were read; None without any.
        time_columns: how each part of the times was read; empty without any.
    """

    x: Floats
    y: NDArray[Any]
    columns: tuple[Column, ...]
    target: Column
    kind: str
    classes: tuple[str, ...] = ()
    groups: NDArray[np.int64] | None = None
    times: Floats | None = None
    weights: Floats | None = None
    dropped: tuple[Column, ...] = ()
    leaks: tuple[Leak, ...] = ()
    warnings: tuple[str, ...] = ()
    source_columns: tuple[Column, ...] = ()
    time_columns: tuple[Column, ...] = ()
    weight_column: Column | None = None

    @property
    def n_rows(self) -> int:
        return int(self.x.shape[0])

    @property
    def n_features(self) -> int:
        return int(self.x.shape[1])

    @property
    def categorical(self) -> tuple[bool, ...]:
        """Per column of x, whether it holds category codes."""
        return tuple(c.kind == "category" for c in self.columns)

    @property
    def class_counts(self) -> tuple[int, ...]:
        """Rows of each class; empty for regression."""
        if self.kind != "classification":
            return ()
        return tuple(np.bincount(self.y, minlength=len(self.classes)).tolist())

    def facts(self, rows: int | None = None) -> Facts:
        """What default spaces and models depend on; `rows` where fewer are used for tuning."""
        counts, p = self.class_counts, self.n_features
        missing = [c.missing_share for c in self.columns]
        return Facts(
            rows=self.n_rows if rows is None else rows,
            features=p,
            classes=len(self.classes),
            minority_share=min(counts) / max(sum(counts), 1) if counts else 0.0,
            categorical_share=sum(self.categorical) / p if p else 0.0,
            missing_share=sum(missing) / p if p else 0.0,
        )

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over values, names and kinds: equal only for the same data read the same way."""
        digest = hashlib.sha256()
        columns = [(c.name, c.kind, c.categories) for c in self.columns]
        digest.update(repr((self.x.shape, columns, self.kind, self.classes)).encode())
        for j in range(self.n_features):
            digest.update(np.ascontiguousarray(self.x[:, j]).tobytes())
        for extra in (self.y, self.groups, self.times):
            digest.update(b"|" if extra is None else np.ascontiguousarray(extra).tobytes())
        if self.weights is not None:  # a table without them has the fingerprint it always had
            digest.update(self.weights.tobytes())
        return digest.hexdigest()

    def summary(self) -> list[str]:
        """The table in a few plain lines, for people and for a model to read."""
        kinds = {k: sum(c.kind == k for c in self.columns) for k in _PLURAL}
        parts = ", ".join(_count(n, k) for k, n in kinds.items() if n)
        lines = [f"{self.n_rows:,} rows, {self.n_features} features ({parts})"]
        facts = self.facts()
        if facts.missing_share:
            empty = sum(c.missing_share > 0 for c in self.columns)
            share = percent(facts.missing_share)
            lines.append(f"{share} of the cells are empty, in {empty} features")
        lines.append(f"target {shown(self.target.name)}: {self._target_line(facts)}")
        if self.dropped:
            names = ", ".join(f"{shown(c.name, 30)} ({c.note})" for c in self.dropped[:6])
            more = f" and {len(self.dropped) - 6} more" if len(self.dropped) > 6 else ""
            lines.append(f"not used: {names}{more}")
        return lines

    def _target_line(self, facts: Facts) -> str:
        if self.kind == "regression":
            low, middle, high = np.quantile(self.y, [0.0, 0.5, 1.0])
            return f"number from {low:.5g} to {high:.5g}, median {middle:.5g}"
        shares = [c / self.n_rows for c in self.class_counts]
        named = [f"{shown(c, 20)} {percent(s)}" for c, s in zip(self.classes, shares, strict=True)]
        more = f" and {len(named) - 8} more" if len(named) > 8 else ""
        return f"{len(named)} classes: {', '.join(named[:8])}{more}"


_PLURAL = {"number": "numbers", "category": "categories", "boolean": "booleans"}


def _count(n: int, kind: str) -> str:
    return f"{n} {kind if n == 1 else _PLURAL[kind]}"


def spread(y: NDArray[Any], count: int, seed: int, classes: bool) -> NDArray[np.intp]:
    """Positions of `count` rows drawn at random, in order; with classes, in their shares.

    Every class keeps at least three rows (or all it has).
    """
    rng = np.random.default_rng(seed)
    if not classes:
        return np.sort(rng.permutation(len(y))[:count])
    kept: list[NDArray[np.intp]] = []
    for code in np.unique(y):
        rows = np.flatnonzero(y == code)
        share = max(round(count * len(rows) / len(y)), 3)
        kept.append(rng.permutation(rows)[:share])
    return np.sort(np.concatenate(kept))
