"""A fitted pipeline on disk, and what has to be known to use it again."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyperllama.core.estimators import families, family

if TYPE_CHECKING:
    from hyperllama.core.task import Problem

_PACKAGES = ("scikit-learn", "numpy", "scipy", "joblib", "hyperllama")


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


def describe_problem(problem: Problem) -> dict[str, Any]:
    """What has to be known to feed a fitted pipeline, as plain values."""
    parts = ("name", "kind", "categories", "source", "part", "date_format")
    return {
        "kind": problem.kind,
        "metric": problem.metric,
        "target": problem.target,
        "classes": list(problem.classes),
        "columns": [{part: getattr(c, part) for part in parts} for c in problem.columns],
        "data_sha256": problem.fingerprint,
    }


def save_pipeline(pipeline: Any, path: Path, facts: Mapping[str, Any]) -> None:
    """Write a fitted pipeline with joblib, and `facts` as JSON beside it, each in one step."""
    import joblib

    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(facts, indent=2, ensure_ascii=False) + "\n"
    _write(path, lambda p: joblib.dump(pipeline, p, compress=3))
    _write(path.with_suffix(".json"), lambda p: p.write_text(text, encoding="utf-8"))


def save_table(path: Path, x: Any, y: Any, groups: Any, times: Any) -> None:
    """Write the arrays of a table that are not None (`.npz`), in one step."""
    import numpy as np

    arrays: dict[str, Any] = {"x": x, "y": y, "groups": groups, "times": times}
    known = {k: a for k, a in arrays.items() if a is not None}

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            np.savez_compressed(file, **known)

    _write(path, write)


def _write(path: Path, write: Callable[[Path], object]) -> None:
    temporary = path.with_name(path.name + ".tmp")
    try:
        write(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
