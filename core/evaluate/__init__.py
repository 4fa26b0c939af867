"""Scoring configurations: folds, pipelines, and the child process that trains within its limits.

It gives `FoldResult` and `Result`; `client.TrialRunner` (a child process) and `crossval.Evaluator`
(this process) load heavy libraries and are imported where they are used.
"""

from hyperllama.core.evaluate.results import FoldResult, Result

__all__ = ["FoldResult", "Result"]
