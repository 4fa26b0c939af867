"""Who can propose, in words. Imports nothing: lists of proposers cost nothing."""

from __future__ import annotations

SUMMARIES = {
    "default": "the estimator's default configuration, once",
    "llama": "a local language model: the embedded one, or any chat GGUF",
    "hybrid": "the model opens, a Gaussian process goes on",
    "llama+screen": "several candidates from the model, the best by a surrogate",
    "gp": "Gaussian process with expected improvement",
    "tpe": "tree-structured Parzen estimator (Optuna)",
    "cmaes": "covariance matrix adaptation",
    "random": "random search",
    "queue": "your own configurations, in order",
}
ASK_A_MODEL = ("llama", "hybrid", "llama+screen")
