"""The paper's experiments: problems, methods side by side, and the figures that compare them.

    from hyperllama.core.experiments.bench import run, summarise, table_problems
    from hyperllama.core.experiments.bench.report import text_report

    results = run(table_problems(folder), ["tpe", "hybrid"], seeds=20, budget=30, out="out", jobs=2)
    print(text_report(summarise(results)))
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hyperllama.core.experiments.bench.landscapes import landscape_problems
    from hyperllama.core.experiments.bench.methods import Method, parse_method
    from hyperllama.core.experiments.bench.problem import Problem
    from hyperllama.core.experiments.bench.results import Results, Run, load_results
    from hyperllama.core.experiments.bench.runner import Progress, play, run
    from hyperllama.core.experiments.bench.summary import Summary, compare, limits, summarise
    from hyperllama.core.experiments.bench.tables import table_problems
    from hyperllama.core.experiments.bench.tabular import tabular_problems

_WHERE = {
    "landscape_problems": "landscapes",
    "table_problems": "tables",
    "tabular_problems": "tabular",
    "Method": "methods",
    "parse_method": "methods",
    "Problem": "problem",
    "Results": "results",
    "Run": "results",
    "load_results": "results",
    "Progress": "runner",
    "play": "runner",
    "run": "runner",
    "Summary": "summary",
    "compare": "summary",
    "limits": "summary",
    "summarise": "summary",
}
__all__ = [
    "Method",
    "Problem",
    "Progress",
    "Results",
    "Run",
    "Summary",
    "compare",
    "landscape_problems",
    "limits",
    "load_results",
    "parse_method",
    "play",
    "run",
    "summarise",
    "table_problems",
    "tabular_problems",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
