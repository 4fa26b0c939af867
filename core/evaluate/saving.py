"""A fitted pipeline on disk, and what has to be known to use it again."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from hyperllama.core.estimators import families, family

if TYPE_CHECKING:
    from hyperllama.core.data import Column, Table
    from hyperllama.core.programs.sandbox import ProgramFit
    from hyperllama.core.task import Problem

_PACKAGES = ("scikit-learn", "numpy", "scipy", "polars", "joblib", "skops", "hyperllama")


def versions() -> dict[str, str]:
    """Python and the packages that decide what a fit gives."""
    found = {"python": ".".join(str(v) for v in sys.version_info[:3])}
    libraries = {family(f).package for f in families()} - {"sklearn"}
    for name in (*_PACKAGES, *sorted(libraries)):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def describe_model(problem: Problem, table: Table) -> dict[str, Any]:
    """What has to be known to feed a fitted pipeline, and of its training rows; plain values."""
    import numpy as np

    columns = []
    for j, column in enumerate(table.columns):
        x = table.x[:, j]
        known = x[~np.isnan(x)]
        ends = (float(known.min()), float(known.max())) if len(known) else (None, None)
        columns.append({**_known(column), "low": ends[0], "high": ends[1],
                        "missing_share": float(np.isnan(x).mean())})
    target = {**_known(table.target), "categories": list(problem.classes)}
    return {
        "kind": problem.kind,
        "metric": problem.metric,
        "target": problem.target,
        "classes": list(problem.classes),
        "columns": columns,
        "target_column": target,
        "time_columns": [_known(c) for c in table.time_columns],
        "weights_column": None if table.weight_column is None else _known(table.weight_column),
        "group_column": problem.task.validation.group,
        "other_columns": sorted({c.name for c in table.source_columns}
                                - {c.source for c in table.columns} - {problem.target}),
        "file": problem.task.data.model_dump(
            include={"separator", "encoding", "header", "skip_last_rows"}
        ),
        "rows": table.n_rows,
        "data_sha256": problem.fingerprint,
    }


def _known(column: Column) -> dict[str, Any]:
    parts = ("name", "kind", "categories", "source", "part", "date_format", "way",
             "marks", "any_case")
    return {part: getattr(column, part) for part in parts}


def save_pipeline(pipeline: Any, path: Path, facts: Mapping[str, Any], rows: Any = None) -> None:
    """Write a fitted pipeline in every format that can hold it, and `facts` as JSON beside it.

    Args:
        path: of the pickle; the others stand beside it, see `core.predict.formats`.
        facts: completed with the files' names, formats and SHA-256.
        rows: some rows of X; with them it is also written as ONNX where that is possible.
    """
    from hyperllama.core.evaluate.onnx_file import NAME, write_onnx
    from hyperllama.core.predict.formats import file_facts, model_files

    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent, prefix=".pipeline-") as temporary:
        files = model_files(pipeline, Path(temporary))
        if rows is not None and write_onnx(pipeline, Path(temporary), rows):
            files.append(file_facts(Path(temporary) / NAME, "onnx", False))
        for file in files:
            (Path(temporary) / file["name"]).replace(path.with_name(file["name"]))
    codes = getattr(pipeline, "classes_", None)
    codes = None if codes is None else [int(c) for c in codes]
    text = json.dumps({**facts, "class_codes": codes, "files": files}, indent=2,
                      ensure_ascii=False) + "\n"
    _write(path.with_suffix(".json"), lambda p: p.write_text(text, encoding="utf-8"))


def save_program(fit: ProgramFit, path: Path, facts: Mapping[str, Any]) -> None:
    """Write a program with its training rows, from which it is fitted again, and `facts`.

    Args:
        path: whose folder and stem are used, as in `save_pipeline`.
    """
    import numpy as np

    from hyperllama.core.predict.formats import file_facts
    from hyperllama.core.predict.refitted import PROGRAM, ROWS

    path.parent.mkdir(parents=True, exist_ok=True)
    program, rows = path.with_name(PROGRAM), path.with_name(ROWS)
    _write(program, lambda p: p.write_text(fit.program, encoding="utf-8"))

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            np.savez_compressed(file, x=fit.x, y=fit.y)

    _write(rows, write)
    files = [file_facts(program, "program", True), file_facts(rows, "rows", False)]
    told = {"columns": list(fit.columns), "task": dict(fit.task), "wants": fit.wants}
    text = json.dumps({**facts, "program": told, "files": files}, indent=2, ensure_ascii=False)
    _write(path.with_suffix(".json"), lambda p: p.write_text(text + "\n", encoding="utf-8"))


def save_table(path: Path, facts: Mapping[str, Any], **arrays: Any) -> None:
    """Write the arrays of a table that are not None (`.npz`), and `facts` as JSON beside them."""
    import numpy as np

    known = {k: a for k, a in arrays.items() if a is not None}

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            np.savez_compressed(file, **known)

    _write(path, write)
    text = json.dumps(facts, indent=2, ensure_ascii=False) + "\n"
    _write(path.with_suffix(".json"), lambda p: p.write_text(text, encoding="utf-8"))


def _write(path: Path, write: Callable[[Path], object]) -> None:
    temporary = path.with_name(path.name + ".tmp")
    try:
        write(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
