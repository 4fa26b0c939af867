"""The dialect: its tokens are distinct, prompts bounded, scores relative, plans true."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperllama.models.embedded import dialect
from hyperllama.models.embedded.dialect import INDEX, VOCABULARY, DialectParam

AXES = [
    DialectParam(INDEX["<p:learning_rate>"], "float:log", 1e-3, 1.0),
    DialectParam(INDEX["<p:kernel>"], "choice", choices=("rbf", "poly"), bins=(0, 1)),
]


def words(tokens: list[int]) -> list[str]:
    return [VOCABULARY[t] for t in tokens]


def test_tokens_are_distinct() -> None:
    assert len(set(VOCABULARY)) == len(VOCABULARY)


def test_the_header_names_what_is_known_and_marks_the_unknown() -> None:
    known = words(dialect.header("svm", dialect.TableFacts("binary", 500, 8, 0.5, 0.0, 0.0), AXES))
    assert known[:3] == ["<study>", "<est:svm>", "<binary>"]
    assert "<c:rbf>" in known and "~1e-3" in known
    unknown = words(dialect.header("no such thing", dialect.TableFacts(), AXES))
    assert unknown[1:4] == ["<est:?>", "<?>", "<rows:?>"]


def test_scores_are_relative_to_the_history_and_best_comes_last() -> None:
    points = [{0: 10, 1: 0}, {0: 50, 1: 1}, {0: 90, 1: 0}]
    told = words(dialect.history(AXES, points, [0.3, 0.1, None]))
    scores = [w for w in told if w.startswith("<s:") or w == "<fail>"]
    assert scores == ["<fail>", "<s:32>", "<s:0>"]
    assert told[-4:] == ["<p:learning_rate>", "v50", "<p:kernel>", "#1"]


def test_shifting_and_scaling_losses_changes_only_the_spread() -> None:
    points = [{0: i * 9, 1: i % 2} for i in range(10)]
    losses = [float((i * 7) % 10) for i in range(10)]
    one = dialect.history(AXES, points, list(losses))
    other = dialect.history(AXES, points, [3.0 + 0.01 * v for v in losses])
    assert one[1:] == other[1:]


@given(st.integers(1, 300), st.integers(1, 20))
def test_a_prompt_is_bounded_however_long_the_history(trials: int, width: int) -> None:
    taken: set[int] = set()
    axes = [DialectParam(dialect.identity(f"x{i}", taken), "float", 0.0, 1.0) for i in range(width)]
    points = [{a: (t * 7 + a) % 100 for a in range(width)} for t in range(trials)]
    tokens = dialect.history(axes, points, [float(t % 13) for t in range(trials)])
    assert tokens.count(INDEX["<trial>"]) == min(trials, dialect.most_trials(axes))
    assert len(tokens) <= 300


def test_when_trials_are_left_out_the_best_stay() -> None:
    points = [{0: t % 100, 1: 0} for t in range(60)]
    losses = [float(abs(t - 7)) for t in range(60)]
    told = dialect.history(AXES, points, list(losses))
    assert words(told)[-3] == "v7"
    assert INDEX["v59"] in told, "and so does the latest"


@given(
    st.integers(0, 99), st.integers(0, 1), st.integers(0, 99), st.integers(0, 1)
)
def test_a_plan_names_the_hyperparameter_that_moves_most(a: int, b: int, c: int, d: int) -> None:
    size, which, move = words(dialect.plan(AXES, {0: a, 1: b}, {0: c, 1: d}))
    if b != d:
        assert (which, move) == ("<p:kernel>", "<switch>")
    elif a != c:
        assert which == "<p:learning_rate>" and move == ("<up>" if c > a else "<down>")
    else:
        assert move == "<keep>" and size == "<near>"


def test_identities_are_own_names_then_slots() -> None:
    taken: set[int] = set()
    found = [dialect.identity(n, taken) for n in ("alpha", "alpha", "fancy")]
    assert words(found) == ["<p:alpha>", "<p:0>", "<p:1>"]


def test_version_1_is_what_it_was_and_version_2_adds_to_it() -> None:
    first = words(dialect.header("svm", dialect.TableFacts("binary", 500), AXES, 1))
    assert first[7:9] == ["<empty:?>", "<p:learning_rate>"]  # nothing was put between
    told = words(dialect.history(AXES, [{0: 1}, {0: 2}], [0.2, 0.1], 1, [0.1, 0.0], [{0: 9}]))
    assert [w for w in told if w.startswith(("<gap", "<pending"))] == []
    facts = dialect.TableFacts("binary", 500, classes=2, default_left=0.5, metric="rank", noise=0.1)
    more = words(dialect.header("net", facts, AXES, 2))
    assert more[1] == "<est:net>"
    assert more[8:12] == ["<classes:1>", "<default:3>", "<metric:2>", "<noise:3>"]
    assert dialect.identity("weight_decay", set(), 1) == INDEX["<p:0>"]  # unknown to it
    assert dialect.identity("lr", set(), 2) == INDEX["<p:learning_rate_init>"]
    assert dialect.is_net(["lr", "wd", "dropout_rate"]) and not dialect.is_net(["C", "momentum"])
    assert [w for w in VOCABULARY if w.startswith("<c:adam") or w == "<pending>"] == [
        "<pending>", "<c:adam>"]
    assert INDEX["<pending>"] == INDEX["#23"] + 1  # all of version 1 stands before


@pytest.mark.parametrize(("scorer", "kind"), [
    ("accuracy", "error"), ("f1_macro", "error"), ("neg_log_loss", "probability"),
    ("roc_auc_ovr", "rank"), ("r2", "squared"), ("neg_root_mean_squared_error", "squared"),
    ("neg_mean_absolute_error", "absolute"), ("my_own", None), ("", None),
])  # fmt: skip
def test_scorers_have_a_kind(scorer: str, kind: str | None) -> None:
    assert dialect.metric_kind(scorer) == kind


@pytest.mark.parametrize(("name", "own"), [
    ("lr", "learning_rate_init"), ("weight_decay", "weight_decay"), ("dropout", "dropout"),
    ("num_layers", "depth"), ("hidden_size", "width"), ("num_leaves", "max_leaf_nodes"),
    ("min_child_samples", "min_samples_leaf"), ("l2_leaf_reg", "reg_lambda"),
    ("iterations", "n_estimators"), ("rsm", "colsample_bytree"),
])  # fmt: skip
def test_other_peoples_names_mean_what_models_know(name: str, own: str) -> None:
    assert words([dialect.identity(name, set(), 2)]) == [f"<p:{own}>"]
    taken = {INDEX[f"<p:{own}>"]}  # two names for one thing in a space: the second is any number
    assert words([dialect.identity(name, taken, 2)]) == ["<p:0>"]


def test_trials_say_how_far_training_is_ahead_and_which_still_run() -> None:
    points = [{0: 10}, {0: 20}, {0: 30}, {0: 40}]
    told = words(dialect.history(AXES, points, [0.1, 0.2, 0.3, None], 2,
                                 [0.8, 0.0, None, 0.1], [{0: 77}]))
    assert [w for w in told if w.startswith("<gap")] == ["<gap:?>", "<gap:0>", "<gap:6>"]
    assert told[-3:] == ["<pending>", "<p:learning_rate>", "v77"]
    assert told[1:3] == ["<trial>", "<fail>"]  # a failure has no score to compare
