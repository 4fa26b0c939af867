"""Scoring configurations: folds, pipelines, and the child process that trains within its limits.

It gives `FoldResult` and `Result`. The files here make pipelines and keep fitted ones; `scoring`
scores them in this process, `runner` in a child process, `cluster` on other machines.
"""

from hyperllama.core.evaluate.results import FoldResult, Result

__all__ = ["FoldResult", "Result"]
