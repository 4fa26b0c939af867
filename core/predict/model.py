"""A model that was exported: raw rows in, predictions out.

    >>> model = load("best")  # doctest: +SKIP
    >>> model.predict(polars.read_csv("new.csv"))  # doctest: +SKIP
    array(['no', 'yes', 'no'], dtype=object)
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hyperllama.core.data.cells import Floats
from hyperllama.core.errors import DataError
from hyperllama.core.predict.formats import read_model
from hyperllama.core.predict.known import KnownColumn
from hyperllama.core.predict.refitted import RunProgram
from hyperllama.core.predict.rows import NewRows
from hyperllama.core.text import one_line, shown

if TYPE_CHECKING:
    import polars as pl

FACTS = "pipeline.json"


class FittedModel:
    """Predicts rows as they stand in the user's file. `load` makes it.

    Attributes:
        facts: what `pipeline.json` says: configuration, scores, versions, the table's fingerprint.
        kind: "classification" or "regression".
        target: the column that is predicted.
        classes: labels as in the training file; empty for regression.
        known: the columns of X.
        target_column: how the target's cells are read.
    """

    def __init__(self, facts: Mapping[str, Any], estimator: Any) -> None:
        self.facts = facts
        self.kind, self.target = str(facts["kind"]), str(facts["target"])
        self.classes = tuple(str(c) for c in facts["classes"])
        self.known = tuple(KnownColumn.of(c) for c in facts["columns"])
        self.target_column = KnownColumn.of(facts["target_column"])
        self.estimator = estimator

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the file that it uses."""
        return tuple(dict.fromkeys(c.source for c in self.known))

    def predict(self, frame: Any) -> NDArray[Any]:
        """Labels or numbers, shape (n_rows,), in the order of the rows.

        Args:
            frame: a polars or pandas DataFrame, or a mapping of names to columns; raw cells, in
                any order of columns. Missing columns and unknown categories count as empty, with a
                warning; the target may be there and is not used.

        Raises:
            DataError: the frame has none of the model's columns, or the model cannot do without
                one that is missing.
        """
        return self.labels(self.outputs(self._x(frame)))

    def predict_proba(self, frame: Any) -> Floats:
        """Probabilities, shape (n_rows, n_classes), in the order of `classes`.

        Raises:
            DataError: as `predict`; or the model has no probabilities.
        """
        self.need_probabilities()
        return self.outputs(self._x(frame), proba=True)

    def check(self, frame: Any) -> list[str]:
        """How rows differ from the training rows, in lines for people."""
        table = as_polars(frame)
        rows = self.rows(table.columns)
        rows.read(table)
        return rows.report()

    def rows(self, names: Sequence[str]) -> NewRows:
        """What makes X of a table with these columns, block by block."""
        rows = NewRows(self.known, names, [self.target, *self.facts.get("other_columns", ())])
        if rows.absent:
            self._try_without(rows)
        return rows

    def outputs(self, x: Floats, proba: bool = False) -> NDArray[Any]:
        """What the model gives for X: class codes or numbers, shape (n_rows,); or with `proba`
        probabilities, shape (n_rows, n_classes)."""
        if not len(x):
            return np.empty((0, len(self.classes)) if proba else 0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = self._booster_outputs(x, proba) if self._bare else np.asarray(
                (self.estimator.predict_proba if proba else self.estimator.predict)(x)
            )
        if proba and found.shape[1] < len(self.classes):  # no training row was of that class
            every = np.zeros((len(x), len(self.classes)))
            every[:, self.class_codes] = found
            return every
        return found if proba else found.reshape(len(x))

    def labels(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """The labels of class codes, as objects; numbers as they are."""
        if self.kind == "regression":
            return outputs.astype(np.float64, copy=False)
        return np.asarray(self.classes, dtype=object)[outputs.astype(np.int64)]

    def need_probabilities(self) -> None:
        """Raises DataError where the model has none."""
        if self.kind == "regression":
            raise DataError("a regression has no probabilities", "leave --proba out")
        if not self._bare and not hasattr(self.estimator, "predict_proba"):
            raise DataError(f"{self.facts.get('estimator', 'the model')} was tuned without "
                            "probabilities", 'tune with a metric such as "neg_log_loss"')

    @property
    def _bare(self) -> bool:
        """LightGBM's file holds a booster without scikit-learn's interface around it."""
        return type(self.estimator).__module__.startswith("lightgbm.basic")

    @property
    def class_codes(self) -> NDArray[np.int64]:
        """The codes of the classes that the model was fitted on."""
        return np.asarray(self.facts.get("class_codes") or range(len(self.classes)), dtype=np.int64)

    def _booster_outputs(self, x: Floats, proba: bool) -> NDArray[Any]:
        raw = np.asarray(self.estimator.predict(x))
        if self.kind == "regression":
            return raw
        every = np.column_stack([1.0 - raw, raw]) if raw.ndim == 1 else raw
        return every if proba else self.class_codes[np.argmax(every, axis=1)]

    def _x(self, frame: Any) -> Floats:
        table = as_polars(frame)
        rows = self.rows(table.columns)
        x = rows.read(table)
        strange = [s for s, shift in rows.shifts.items() if shift.unseen_rows]
        told = [f"column {shown(n)} is missing and counts as empty" for n in rows.absent]
        told += [f"column {shown(n)}: {rows.shifts[n].unseen_rows} cells were not seen in training "
                 "and count as empty" for n in strange]
        if told:
            warnings.warn("; ".join(told), stacklevel=3)
        return x

    def _try_without(self, rows: NewRows) -> None:
        """Raises DataError where the model cannot predict a row with these columns empty."""
        try:
            self.outputs(np.where([c.source in rows.absent for c in self.known], np.nan, 0.0)[None])
        except Exception as error:
            listed = ", ".join(shown(n, 30) for n in rows.absent)
            raise DataError(f"the table lacks {listed}, and the model takes no empty cells: "
                            f"{one_line(error)}", "add the columns") from error


def load(
    folder: str | Path, trusted: bool = False, run: RunProgram | None = None, needs: str = ""
) -> FittedModel:
    """The model of a folder that `hyperllama export` wrote.

    Args:
        trusted: read a pickle, or run a program, where nothing else can be used. Both can run any
            code, so only for folders of people whom you trust.
        run, needs: what runs a program in a sandbox, or why there is none; see `read_model`.

    Raises:
        DataError: there is no model, its files are not those that `pipeline.json` describes, or
            none of them can be read without running code.
    """
    path = Path(folder).expanduser()
    try:
        facts = json.loads((path / FACTS).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"{shown(str(path))} holds no exported model ({FACTS} is not there)",
                        "`hyperllama export STUDY -o FOLDER` writes one") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path / FACTS} cannot be read: {one_line(error)}") from error
    wanted = {"kind", "target", "classes", "columns", "target_column", "files"}
    if not isinstance(facts, dict) or wanted - set(facts):
        raise DataError(f"{path / FACTS} was written by an older version of HyperLlama",
                        "export the study again")
    try:
        return FittedModel(facts, read_model(path, facts, trusted, run, needs))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path / FACTS} is not what an export writes: {one_line(error)}",
                        "export the study again") from error


def as_polars(frame: Any) -> pl.DataFrame:
    """A table of pandas, or a mapping of names to columns, as a polars DataFrame."""
    import polars as pl

    if isinstance(frame, pl.DataFrame):
        return frame
    if isinstance(frame, pl.LazyFrame):
        return frame.collect()
    if not isinstance(frame, Mapping) and not hasattr(frame, "columns"):
        raise DataError(f"rows are a table, not {type(frame).__name__}",
                        "allowed: a polars or pandas DataFrame, or a mapping of names to columns")
    names = list(frame) if isinstance(frame, Mapping) else list(frame.columns)
    return pl.DataFrame([_series(str(n), frame[n]) for n in names])


def _series(name: str, values: Any) -> pl.Series:
    """A column; pandas' objects and categories become text or what they hold."""
    import polars as pl

    array = values if isinstance(values, (list, tuple)) else np.asarray(values)
    if isinstance(array, np.ndarray) and array.dtype != object:
        return pl.Series(name, array)
    cells = [None if c is None or c != c else c for c in array]
    return pl.Series(name, cells, strict=False)
