"""The compact language that the embedded models read and write, and its versions.

A study in the dialect, detokenised (one token between spaces):

    <study> <est:xgboost> <binary> <rows:5> <columns:3> <minority:2> <codes:1> <empty:0>
    <p:learning_rate> <float:log> ~1e-3 ~1e0 <p:max_depth> <int> ~1e0 ~1e1 <spread:7>
    <trial> <s:40> <p:learning_rate> v83 <p:max_depth> v45
    <trial> <s:0> <p:learning_rate> v60 <p:max_depth> v45
    <propose> <near> <p:learning_rate> <down> <config> <p:learning_rate> v52 <p:max_depth> v45

Trials stand from worst to best. A score is the loss relative to the history, best 0. After
<propose> comes a short plan (how far to go from the incumbent, which hyperparameter to move most,
which way), and then a configuration conditioned on it. Values are hundredths of the range on its
own scale (v0 to v99); categories are numbered choices (#0, #1, ...), named in the header as far as
they are known. Only active hyperparameters stand in a trial. Pure functions; no llama.cpp.

Version 2 adds to version 1 and takes nothing away: more families and names, those of other people's
scripts among them; in the header how many classes there are, how much of a constant's loss the
default leaves, what kind of metric is scored, and how noisy scores are; in a trial, after its
score, how far training was ahead of validation; and trials that still run:

    <study> <est:net> <binary> <rows:5> <columns:3> <minority:2> <codes:1> <empty:0> <classes:0>
    <default:4> <linear:2> <tree:3> <noise:2> <p:learning_rate_init> <float:log> ~1e-3 ~1e0
    <spread:7> <trial> <s:0> <gap:5> <p:learning_rate_init> v60
    <pending> <p:learning_rate_init> v10 <propose> ...

Which version a model was trained in stands in its file; functions take it as `version`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

VERSION = 2
"""The newest. Version 1 is there for the models that were trained in it."""
BINS = 100
SCORES = 64
HISTORY_TOKENS = 240

ESTIMATORS = (
    "?", "xgboost", "hist_gradient_boosting", "random_forest", "extra_trees", "decision_tree",
    "linear", "svm", "mlp", "knn", "several",
)
KINDS = ("?", "binary", "multiclass", "regression")
KNOWN = (
    "n_estimators", "learning_rate", "max_depth", "min_child_weight", "subsample",
    "colsample_bytree", "reg_lambda", "reg_alpha", "max_iter", "max_leaf_nodes",
    "min_samples_leaf", "min_samples_split", "max_features", "l2_regularization", "ccp_alpha",
    "C", "kernel", "gamma", "degree", "epsilon", "alpha", "l1_ratio", "class_weight", "depth",
    "width", "batch_size", "learning_rate_init", "n_neighbors", "weights", "p", "estimator",
)
SLOTS = 24
TYPES = ("float", "float:log", "int", "int:log", "choice")
CHOICES = (
    "?", "rbf", "poly", "None", "balanced", "uniform", "distance", "True", "False",
    *ESTIMATORS[1:-1],
)
MAX_CHOICES = 24
PLANS = ("open", "near", "mid", "far")
MOVES = ("up", "down", "switch", "keep")
_LOW_DECADE, _HIGH_DECADE = -10, 7
MORE_ESTIMATORS = ("lightgbm", "catboost", "net")
MORE_KNOWN = (
    "weight_decay", "momentum", "dropout", "epochs", "optimizer", "random_strength",
    "bagging_temperature",
)
MORE_CHOICES = ("adam", "sgd")
ALIASES: Mapping[str, str] = {
    "lr": "learning_rate_init", "eta": "learning_rate", "wd": "weight_decay",
    "dropout_rate": "dropout", "drop_rate": "dropout", "dropout_prob": "dropout",
    "bs": "batch_size", "n_epochs": "epochs", "num_epochs": "epochs", "max_epochs": "epochs",
    "optim": "optimizer", "num_layers": "depth", "n_layers": "depth", "hidden_layers": "depth",
    "hidden_size": "width", "hidden_dim": "width", "hidden_units": "width", "n_units": "width",
    "units": "width", "num_leaves": "max_leaf_nodes", "min_child_samples": "min_samples_leaf",
    "min_data_in_leaf": "min_samples_leaf", "l2_leaf_reg": "reg_lambda", "lambda_l2": "reg_lambda",
    "lambda": "reg_lambda", "lambda_l1": "reg_alpha", "iterations": "n_estimators",
    "num_iterations": "n_estimators", "num_boost_round": "n_estimators",
    "rsm": "colsample_bytree", "feature_fraction": "colsample_bytree",
    "bagging_fraction": "subsample", "eta0": "learning_rate",
}  # fmt: skip
"""Other people's names of hyperparameters -> those known, from version 2 on."""
_NETS = ("weight_decay", "momentum", "dropout", "epochs", "optimizer")
_FACTS = {"rows": 10, "columns": 10, "minority": 7, "codes": 5, "empty": 4, "spread": 12}
METRICS: Mapping[str, tuple[str, ...]] = {
    "error": ("accuracy", "balanced_accuracy", "f1", "precision", "recall", "jaccard", "matthews",
              "top_k"),
    "probability": ("neg_log_loss", "neg_brier"),
    "rank": ("roc_auc", "average_precision"),
    "squared": ("neg_mean_squared", "neg_root_mean_squared", "r2", "explained_variance"),
    "absolute": ("neg_mean_absolute", "neg_median_absolute"),
}  # fmt: skip
"""Kinds of metrics -> how scikit-learn's names of such scorers begin."""
_MORE_FACTS = {"classes": 5, "default": 12, "metric": len(METRICS), "noise": 8, "gap": 8}


def _vocabulary() -> tuple[str, ...]:
    quarters = range(_LOW_DECADE * 4, _HIGH_DECADE * 4 + 1)
    return (
        "<study>", "<trial>", "<propose>", "<config>", "<end>", "<fail>",
        *(f"<est:{e}>" for e in ESTIMATORS),
        *(f"<{k}>" for k in KINDS),
        *(f"<{name}:{i}>" for name, n in _FACTS.items() for i in ("?", *range(n))),
        *(f"<p:{p}>" for p in KNOWN),
        *(f"<p:{i}>" for i in range(SLOTS)),
        *(f"<{t}>" for t in TYPES),
        "~0", "~-", *(f"~1e{q / 4:g}" for q in quarters),
        *(f"<c:{c}>" for c in CHOICES),
        *(f"<{p}>" for p in PLANS),
        *(f"<{m}>" for m in MOVES),
        *(f"<s:{i}>" for i in range(SCORES)),
        *(f"v{i}" for i in range(BINS)),
        *(f"#{i}" for i in range(MAX_CHOICES)),
    )  # fmt: skip


def _additions() -> tuple[str, ...]:
    return (
        "<pending>",
        *(f"<est:{e}>" for e in MORE_ESTIMATORS),
        *(f"<{name}:{i}>" for name, n in _MORE_FACTS.items() for i in ("?", *range(n))),
        *(f"<p:{p}>" for p in MORE_KNOWN),
        *(f"<c:{c}>" for c in MORE_CHOICES),
    )  # fmt: skip


VOCABULARY = (*_vocabulary(), *_additions())
INDEX: Mapping[str, int] = {text: i for i, text in enumerate(VOCABULARY)}
VALUE_0 = INDEX["v0"]
CHOICE_0 = INDEX["#0"]
LAST_VALUE = CHOICE_0 + MAX_CHOICES - 1
SCORE_0 = INDEX["<s:0>"]


@dataclass(frozen=True)
class DialectParam:
    """One hyperparameter as the dialect names it.

    Attributes:
        token: its identity token: `<p:NAME>` if known, else a numbered slot.
        kind: one of TYPES.
        low, high: bounds in natural units (numbers only).
        choices: what is known of each category, an element of CHOICES each ("choice" only).
        bins: value tokens that stand for some value of the range: all hundredths for a wide range,
            fewer for few integers; 0..k-1 for categories.
    """

    token: int
    kind: str
    low: float = 0.0
    high: float = 0.0
    choices: tuple[str, ...] = ()
    bins: tuple[int, ...] = tuple(range(BINS))

    def value_token(self, index: int) -> int:
        return (CHOICE_0 if self.kind == "choice" else VALUE_0) + index

    def index_of(self, token: int) -> int:
        return token - (CHOICE_0 if self.kind == "choice" else VALUE_0)

    @property
    def allowed(self) -> list[int]:
        return [self.value_token(i) for i in self.bins]


def families(version: int = VERSION) -> tuple[str, ...]:
    """The families that have a token."""
    return ESTIMATORS if version < 2 else (*ESTIMATORS, *MORE_ESTIMATORS)


def known_name(name: str, version: int = VERSION) -> str | None:
    """The known name that a hyperparameter goes by; None where it is unknown."""
    if version < 2:
        return name if name in KNOWN else None
    name = ALIASES.get(name, name)
    return name if name in KNOWN or name in MORE_KNOWN else None


def metric_kind(scorer: str) -> str | None:
    """The kind of metric, an element of METRICS, that a scorer of scikit-learn's measures; None
    where it is none of them."""
    return next((kind for kind, begins in METRICS.items() if scorer.startswith(begins)), None)


def is_net(names: Sequence[str]) -> bool:
    """Whether hyperparameters are those of a script that trains a network."""
    return sum(known_name(name) in _NETS for name in names) >= 2


def identity(name: str, taken: set[int], version: int = VERSION) -> int:
    """The identity token of a hyperparameter: its own if known and not taken, else a slot."""
    known = known_name(name, version)
    own = INDEX[f"<p:{known}>"] if known is not None else None
    if own is not None and own not in taken:
        taken.add(own)
        return own
    for i in range(SLOTS):
        slot = INDEX[f"<p:{i}>"]
        if slot not in taken:
            taken.add(slot)
            return slot
    raise ValueError(f"more than {SLOTS} hyperparameters without a known name")


@dataclass(frozen=True)
class TableFacts:
    """What the header of a prompt holds about a table; None where it is not known.

    Attributes:
        classes: how many; 0 for regression.
        default_left: share of a constant's loss that the family's default leaves; 0 is perfect, 1
            no better than the constant.
        metric: an element of METRICS.
        noise: of a score: its standard deviation over that of random configurations' scores.
    """

    kind: str = "?"
    rows: int | None = None
    features: int | None = None
    minority_share: float | None = None
    categorical_share: float | None = None
    missing_share: float | None = None
    classes: int | None = None
    default_left: float | None = None
    metric: str | None = None
    noise: float | None = None


def header(
    estimator: str, facts: TableFacts, axes: Sequence[DialectParam], version: int = VERSION
) -> list[int]:
    """The stable part of a prompt."""
    est = estimator if estimator in families(version) else "?"
    kind = facts.kind if facts.kind in KINDS else "?"
    tokens = [INDEX["<study>"], INDEX[f"<est:{est}>"], INDEX[f"<{kind}>"]]
    rows, columns = facts.rows, facts.features
    tokens += [
        _fact("rows", None if rows is None else math.log2(max(rows, 1) / 50)),
        _fact("columns", None if columns is None else math.log2(max(columns, 1))),
        _fact("minority", _times(facts.minority_share, 14)),
        _fact("codes", _times(facts.categorical_share, 4.99)),
        _fact("empty", None if facts.missing_share is None else _missing(facts.missing_share)),
    ]
    if version > 1:
        classes = facts.classes
        tokens += [
            _fact("classes", None if classes is None else math.log2(max(classes, 1))),
            _fact("default", _left(facts.default_left)),
            _fact("metric", None if facts.metric is None else [*METRICS].index(facts.metric)),
            _fact("noise", None if facts.noise is None else 7 + math.log2(max(facts.noise, 1e-3))),
        ]
    named = CHOICES if version < 2 else (*CHOICES, *MORE_CHOICES)
    for axis in axes:
        tokens += [axis.token, INDEX[f"<{axis.kind}>"]]
        if axis.kind == "choice":
            tokens += [INDEX[f"<c:{c if c in named else '?'}>"] for c in axis.choices]
        else:
            tokens += [*_magnitude(axis.low), *_magnitude(axis.high)]
    return tokens


Point = Mapping[int, int]  # axis number -> value index, active axes only


def most_trials(axes: Sequence[DialectParam]) -> int:
    """How many trials a prompt holds: 6 to 24, some HISTORY_TOKENS of text."""
    return max(6, min(24, HISTORY_TOKENS // (2 + 2 * len(axes))))


def history(
    axes: Sequence[DialectParam], points: Sequence[Point], losses: Sequence[float | None],
    version: int = VERSION, ahead: Sequence[float | None] = (), running: Sequence[Point] = (),
) -> list[int]:
    """Trials from worst to best; None is a failure. At most `most_trials` of them are written.

    When there are more, the best two thirds of that number stay, and the latest of the others.

    Args:
        ahead: loss on held-out rows minus loss on the rows trained on, of each trial, None where it
            is unknown; may be empty. From version 2 on.
        running: configurations of trials that have no score yet; the last three are written. From
            version 2 on.
    """
    most = most_trials(axes)
    order = sorted(range(len(points)), key=lambda i: _badness(losses[i]))
    if len(order) > most:
        kept = order[: most * 2 // 3]
        rest = sorted(set(order) - set(kept))[len(kept) - most :]
        order = sorted((*kept, *rest), key=lambda i: _badness(losses[i]))
    known = [loss for loss in losses if loss is not None]
    tokens = [_fact("spread", _spread(known))]
    for i in reversed(order):
        tokens += [INDEX["<trial>"], _score(losses[i], known)]
        if version > 1 and losses[i] is not None:
            tokens.append(_fact("gap", _gap(ahead[i] if ahead else None, known)))
        for a, value in points[i].items():
            tokens += [axes[a].token, axes[a].value_token(value)]
    for point in running[-3:] if version > 1 else ():
        tokens.append(INDEX["<pending>"])
        for a, value in point.items():
            tokens += [axes[a].token, axes[a].value_token(value)]
    return tokens


def plan(axes: Sequence[DialectParam], incumbent: Point | None, target: Point) -> list[int]:
    """The rationale of a move from the incumbent: how far, what moves most, which way."""
    if incumbent is None:
        return [INDEX["<open>"]]
    moved = {a: _distance(axes[a], incumbent.get(a), target[a]) for a in target}
    mean = sum(moved.values()) / max(len(moved), 1)
    size = "near" if mean < 0.12 else "mid" if mean < 0.28 else "far"
    most = max(moved, key=lambda a: moved[a])
    before = incumbent.get(most)
    if moved[most] == 0:
        move = "keep"
    elif before is None or axes[most].kind == "choice":
        move = "switch"
    else:
        move = "up" if target[most] > before else "down"
    return [INDEX[f"<{size}>"], axes[most].token, INDEX[f"<{move}>"]]


def plan_tokens(axes: Sequence[DialectParam], has_incumbent: bool) -> list[list[int]]:
    """What may stand at each place of a plan, in a study with or without an incumbent."""
    if not has_incumbent:
        return [[INDEX["<open>"]]]
    return [
        [INDEX[f"<{p}>"] for p in PLANS[1:]],
        [axis.token for axis in axes],
        [INDEX[f"<{m}>"] for m in MOVES],
    ]


def _distance(axis: DialectParam, before: int | None, after: int) -> float:
    if before is None or axis.kind == "choice":
        return float(before != after)
    return abs(after - before) / BINS


def _badness(loss: float | None) -> float:
    return math.inf if loss is None else loss


def _score(loss: float | None, known: Sequence[float]) -> int:
    if loss is None:
        return INDEX["<fail>"]
    best = min(known)
    middle = sorted(known)[len(known) // 2]
    gap = max(middle - best, 1e-12)
    z = (loss - best) / gap
    return SCORE_0 + min(int(SCORES * z / (1 + z)), SCORES - 1)


def _spread(known: Sequence[float]) -> float | None:
    """Bits of (median - best) / |best|, how much there is to win; 0 is below a thousandth."""
    if len(known) < 2:
        return None
    best = min(known)
    middle = sorted(known)[len(known) // 2]
    return math.log2(max((middle - best) / max(abs(best), 1e-12), 1e-4)) + 9


def _gap(ahead: float | None, known: Sequence[float]) -> float | None:
    """Octaves of how far training is ahead, in units of what there is to win; 0: it is not."""
    between = sorted(known)[len(known) // 2] - min(known)
    if ahead is None or between <= 0:
        return None
    return 3 + math.log2(max(ahead / between, 1e-3))


def _left(share: float | None) -> float | None:
    """Half octaves of the share of a constant's loss that is gone; 0: none is."""
    return None if share is None else 1 - 2 * math.log2(max(share, 1e-4)) if share < 1 else 0.0


def _fact(name: str, level: float | None) -> int:
    if level is None:
        return INDEX[f"<{name}:?>"]
    most = _FACTS[name] if name in _FACTS else _MORE_FACTS[name]
    return INDEX[f"<{name}:{min(max(int(level), 0), most - 1)}>"]


def _times(share: float | None, factor: float) -> float | None:
    return None if share is None else share * factor


def _missing(share: float) -> float:
    return 0.0 if share == 0 else 1.0 if share < 0.02 else 2.0 if share < 0.1 else 3.0


def _magnitude(x: float) -> list[int]:
    if x == 0:
        return [INDEX["~0"]]
    quarter = min(max(round(math.log10(abs(x)) * 4), _LOW_DECADE * 4), _HIGH_DECADE * 4)
    return [*([INDEX["~-"]] if x < 0 else []), INDEX[f"~1e{quarter / 4:g}"]]
