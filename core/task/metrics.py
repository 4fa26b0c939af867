"""What each scikit-learn scorer is for, known without importing scikit-learn; default metrics.

Scorers of clusterings are left out: a task has a target.
"""

from __future__ import annotations

BINARY = frozenset({
    "average_precision", "d2_brier_score", "f1", "jaccard", "neg_brier_score",
    "neg_negative_likelihood_ratio", "positive_likelihood_ratio", "precision", "recall", "roc_auc"
})
"""Scorers that look for one class: two classes only, and the one called positive is code 1."""
ANY_CLASSES = frozenset({
    "accuracy", "balanced_accuracy", "d2_log_loss_score", "f1_macro", "f1_micro", "f1_weighted",
    "jaccard_macro", "jaccard_micro", "jaccard_weighted", "matthews_corrcoef", "neg_log_loss",
    "precision_macro", "precision_micro", "precision_weighted", "recall_macro", "recall_micro",
    "recall_weighted", "roc_auc_ovo", "roc_auc_ovo_weighted", "roc_auc_ovr",
    "roc_auc_ovr_weighted", "top_k_accuracy"
})
NUMBERS = frozenset({
    "d2_absolute_error_score", "explained_variance", "neg_max_error", "neg_mean_absolute_error",
    "neg_mean_absolute_percentage_error", "neg_mean_gamma_deviance", "neg_mean_poisson_deviance",
    "neg_mean_squared_error", "neg_mean_squared_log_error", "neg_median_absolute_error",
    "neg_root_mean_squared_error", "neg_root_mean_squared_log_error", "r2"
})
SEVERAL = {"average_precision", "neg_brier_score", "d2_brier_score"}
"""Scorers in BINARY that several classes are allowed for as well."""
NOT_NEGATIVE = {"neg_mean_squared_log_error", "neg_root_mean_squared_log_error",
                "neg_mean_poisson_deviance"}
POSITIVE = {"neg_mean_gamma_deviance"}
_INSTEAD = {
    "f1": "f1_macro", "jaccard": "jaccard_macro", "precision": "precision_macro",
    "recall": "recall_macro", "roc_auc": "roc_auc_ovr",
}
_OTHER_NAMES = {
    "auc": "roc_auc", "auroc": "roc_auc", "rocauc": "roc_auc", "acc": "accuracy",
    "logloss": "neg_log_loss", "log_loss": "neg_log_loss", "cross_entropy": "neg_log_loss",
    "mlogloss": "neg_log_loss", "prauc": "average_precision", "pr_auc": "average_precision",
    "ap": "average_precision", "mcc": "matthews_corrcoef", "bacc": "balanced_accuracy",
    "rmse": "neg_root_mean_squared_error", "mse": "neg_mean_squared_error",
    "mae": "neg_mean_absolute_error", "mape": "neg_mean_absolute_percentage_error",
    "rmsle": "neg_root_mean_squared_log_error", "brier": "neg_brier_score", "r2_score": "r2",
    "r_squared": "r2", "root_mean_squared_error": "neg_root_mean_squared_error",
    "mean_squared_error": "neg_mean_squared_error",
    "mean_absolute_error": "neg_mean_absolute_error", "error": "accuracy",
}


def default_metric(kind: str, classes: int, method: str) -> str:
    """The metric of a task that names none.

    Two classes: roc_auc, which needs no threshold, is not moved by the shares of the classes, and
    is defined for every family. More classes: balanced_accuracy, because the probabilistic ones
    reward calibration more than choice and are undefined where a family gives no probabilities,
    and because rare classes have to count. Numbers: r2, whose loss 1 - r2 has no unit, so that
    tables compare and a reader needs no sense of the target's scale; ordered by time the root mean
    squared error, because a quiet stretch of the target has next to no variance to divide by.
    """
    if kind == "classification":
        return "roc_auc" if classes == 2 else "balanced_accuracy"
    return "neg_root_mean_squared_error" if method == "time" else "r2"


def known(kind: str | None = None, classes: int = 0) -> list[str]:
    """Names of the scorers that fit, sorted; all for no kind."""
    if kind is None:
        return sorted(BINARY | ANY_CLASSES | NUMBERS)
    if kind == "regression":
        return sorted(NUMBERS)
    return sorted(ANY_CLASSES | (BINARY if classes == 2 else SEVERAL))


def kind_of(metric: str) -> str | None:
    """The kind of task a scorer is for; None for one that is not in the list above."""
    if metric in NUMBERS:
        return "regression"
    return "classification" if metric in BINARY | ANY_CLASSES else None


def exists(metric: str) -> bool:
    """Whether scikit-learn has this scorer; imports it only for names that are not listed here."""
    if metric in BINARY | ANY_CLASSES | NUMBERS:
        return True
    from sklearn.metrics import get_scorer_names

    return metric in get_scorer_names()


def is_error(metric: str) -> bool:
    """Whether the scorer's values are negated errors, 0 at best; those of others are 1 at best."""
    return metric.startswith("neg_")


def suggestion(metric: str, classes: int = 0) -> str:
    """The scorer that is probably meant: another name for it, or its form for several classes."""
    if classes > 2 and metric in _INSTEAD:
        return _INSTEAD[metric]
    return _OTHER_NAMES.get(metric.strip().lower().replace("-", "_").replace(" ", "_"), "")
