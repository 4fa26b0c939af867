"""What each scikit-learn scorer is for, known without importing scikit-learn; default metrics.

Scorers of clusterings are left out: a task has a target.
"""

from __future__ import annotations

from collections.abc import Sequence

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
NOT_ZERO = {"neg_mean_absolute_percentage_error"}
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


_ABOUT = {
    "accuracy": "share of right answers; misleads where one class is rare",
    "average_precision": "how pure the top of the ranking is; for a rare class that must be found",
    "balanced_accuracy": "mean recall of the classes: a rare class counts as much as a common one",
    "d2_absolute_error_score": "share of the absolute error that is explained; 1 is perfect",
    "d2_brier_score": "Brier score against always saying the class shares; 1 is perfect",
    "d2_log_loss_score": "log loss against always saying the class shares; 1 is perfect",
    "explained_variance": "like r2, but a constant offset is forgiven",
    "f1": "balance of precision and recall of the positive class, at a threshold of 0.5",
    "f1_macro": "F1, mean over the classes: a rare class counts as much as a common one",
    "f1_micro": "F1 over all answers; the accuracy, where each row has one class",
    "f1_weighted": "F1, mean over the classes by their rows",
    "jaccard": "overlap of the rows called positive with those that are",
    "jaccard_macro": "overlap, mean over the classes",
    "jaccard_micro": "overlap over all answers",
    "jaccard_weighted": "overlap, mean over the classes by their rows",
    "matthews_corrcoef": "correlation of answers and truth; 0 is chance, fair to rare classes",
    "neg_brier_score": "squared error of the probabilities; for those that are used as such",
    "neg_log_loss": "punishes confident mistakes; for probabilities that are used as they are",
    "neg_max_error": "the largest error of all; moved by a single row",
    "neg_mean_absolute_error": "mean error in the target's unit; outliers count little",
    "neg_mean_absolute_percentage_error": "mean error in per cent; for targets far from 0",
    "neg_mean_gamma_deviance": "for positive targets whose spread grows with them",
    "neg_mean_poisson_deviance": "for counts",
    "neg_mean_squared_error": "squared error: large mistakes count most",
    "neg_mean_squared_log_error": "squared error of the logarithms; for targets over powers of ten",
    "neg_median_absolute_error": "the middle error; half of the rows may be anything",
    "neg_negative_likelihood_ratio": "how far a negative answer lowers the odds",
    "neg_root_mean_squared_error": "typical error in the target's unit; large mistakes count most",
    "neg_root_mean_squared_log_error": "typical error of the logarithms; for targets over powers "
    "of ten",
    "positive_likelihood_ratio": "how far a positive answer raises the odds",
    "precision": "share of alarms that are right, at a threshold of 0.5",
    "precision_macro": "precision, mean over the classes",
    "precision_micro": "precision over all answers",
    "precision_weighted": "precision, mean over the classes by their rows",
    "r2": "share of the variance that is explained; 1 is perfect, 0 the mean",
    "recall": "share of the positive rows that are found, at a threshold of 0.5",
    "recall_macro": "recall, mean over the classes",
    "recall_micro": "recall over all answers",
    "recall_weighted": "recall, mean over the classes by their rows",
    "roc_auc": "chance that a positive row ranks above a negative one; needs no threshold",
    "roc_auc_ovo": "the same for each pair of classes, mean",
    "roc_auc_ovo_weighted": "the same for each pair of classes, by their rows",
    "roc_auc_ovr": "the same for each class against the rest, mean",
    "roc_auc_ovr_weighted": "the same for each class against the rest, by their rows",
    "top_k_accuracy": "share of rows whose class is among the two most likely ones",
}
RARE = 0.1
"""A class with at most this share of the rows is rare: a metric should look at it alone."""
_TENS = 1000.0  # highest over lowest target, from which logarithms are advised


def about(metric: str) -> str:
    """What a scorer measures, in one line; empty for one that is not listed here."""
    return _ABOUT.get(metric, "")


def advice(
    kind: str, counts: Sequence[int] = (), target: Sequence[float] = ()
) -> tuple[str, str] | None:
    """(scorer, why) where the table speaks for one; None where it speaks for no other.

    Args:
        counts: rows of each class, of two the positive one second.
        target: lowest, median and highest value of a number.
    """
    total = sum(counts)
    if kind == "classification" and len(counts) == 2 and total:
        share = counts[1] / total
        if share <= RARE:
            why = f"{share:.0%} of the rows are positive: it looks at those alone"
            return "average_precision", f"{why}, while roc_auc is high even with many false alarms"
    elif kind == "classification" and len(counts) > 2 and total and min(counts) / total <= RARE:
        return "balanced_accuracy", (
            f"the rarest class has {min(counts) / total:.0%} of the rows: each counts alike here"
        )
    elif kind == "regression" and len(target) == 3:
        low, middle, high = target
        if low > 0 and high / middle > _TENS**0.5 and high / low > _TENS:
            return "neg_root_mean_squared_log_error", (
                f"the target goes from {low:.4g} to {high:.4g}: the error of its logarithm counts "
                "small values, too"
            )
    return None
