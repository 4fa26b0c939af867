"""Opening a benchmark problem from its recipe, in this process or another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hyperllama.core.experiments.problems.base import BenchProblem
from hyperllama.core.experiments.problems.landscapes import Landscape
from hyperllama.core.experiments.problems.programs import ProgramProblem
from hyperllama.core.experiments.problems.tables import TableProblem
from hyperllama.core.experiments.problems.tabular import open_tabular


def open_problem(spec: Mapping[str, Any]) -> BenchProblem:
    """The problem that a recipe describes.

    Raises:
        DataError: a table it needs is missing or is not what it was.
    """
    rest = {k: v for k, v in spec.items() if k not in ("suite", "fingerprint")}
    if spec["suite"] == "landscapes":
        return Landscape(**rest)
    if spec["suite"] == "programs":
        return ProgramProblem(**rest)
    if spec["suite"] == "tables":
        return TableProblem(**rest)
    if spec["suite"] == "transfer":
        from hyperllama.core.experiments.problems.transfer import TransferProblem

        return TransferProblem(**rest)
    return open_tabular(rest)
