"""Numbers and times read alike everywhere, and foreign text cannot reach the terminal."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hyperllama.core.events import (
    CandidateStarted,
    Event,
    ModelLoaded,
    ModelLoading,
    PromptReading,
    ProposalMade,
    ProposalStarted,
    StudyFinished,
    StudyOpened,
)
from hyperllama.core.study import StateFold, TrialState, fold
from hyperllama.models.gguf import ModelFile
from hyperllama.models.paths import EMBEDDED, model_names
from hyperllama.tui.cli.study.live import differences, ending, heading, lines_of
from hyperllama.tui.content.sentences import describe
from hyperllama.tui.text import names, wording
from hyperllama.tui.text.glyphs import ASCII, UNICODE, sparkline
from hyperllama.tui.widgets.about.model import name_lines
from hyperllama.tui.widgets.plots.scale import nice_ticks, tick_labels
from hyperllama.tui.widgets.study.status import StatusLine, progress_words
from hyperllama.tui.widgets.study.trial_cells import TrialCells
from tests.tui import recorded


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0s"),
        (9.94, "9.9s"),
        (9.96, "10s"),
        (59.6, "1m 00s"),
        (185, "3m 05s"),
        (7800, "2h 10m"),
        (273_600, "3d 4h"),
        (None, "–"),
        (math.inf, "–"),
    ],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert wording.duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.86012, "0.8601"), (-23412.2, "-23412"), (123.456, "123.46"), (None, "–"),
        (math.nan, "–"), (0.0, "0.0000"), (-0.001234, "-0.00123"), (1.2345e-5, "1.23e-5"),
        (0.99987, "0.99987"), (0.9999912, "0.999991"), (1.0, "1.0000"),
    ],
)  # fmt: skip
def test_scores(value: float | None, text: str) -> None:
    assert wording.score(value) == text


def test_differences_carry_their_sign() -> None:
    assert wording.signed(0.0123) == "+0.0123"
    assert wording.signed(-0.5) == "−0.5000"
    assert wording.signed(0.0) == "±0.0000"
    assert wording.signed(0.00052) == "+0.0005" and wording.signed(-3.2e-5) == "−3e-5"


def test_spreads_have_the_digits_of_scores() -> None:
    assert [wording.spread(v) for v in (0.0034, 0.01, 0.00004, 12.34)] == [
        "0.0034", "0.0100", "4.0e-5", "12.3",
    ]  # fmt: skip


FOREST = [f"random_forest.{n}" for n in ("max_depth", "max_features", "min_samples_leaf")]


def test_names_that_do_not_fit_stay_apart() -> None:
    assert list(names.fitted(FOREST, 40).values()) == FOREST
    assert list(names.fitted(FOREST, 18).values()) == [n[14:] for n in FOREST]
    both = [*FOREST, "extra_trees.max_depth", "extra_trees.max_features"]
    for cells in range(12, 30):
        shown = list(names.fitted(both, cells).values())
        assert len(set(shown)) == len(both) and max(map(len, shown)) <= cells
    assert names.cut_middle("random_forest.max_features", 14) == "random…eatures"


def test_the_most_important_change_comes_first() -> None:
    changes = {"trees": (100, 101), "lr": (0.3, 0.1), "depth": (6, 7), "booster": ("a", "b")}
    assert [n for n, *_ in names.by_weight(changes, {})][:2] == ["lr", "booster"]
    shares = {"depth": 0.8, "lr": 0.1, "trees": 0.1}
    assert names.by_weight(changes, shares)[0] == ("depth", 6, 7)
    switched = {"forest.depth": (6, None), "estimator": ("forest", "svm"), "svm.C": (None, 2.0)}
    assert [n for n, *_ in names.by_weight(switched, {})] == ["estimator", "svm.C"]


def test_changed_names_what_fits_and_never_only_a_count() -> None:
    changes = {"xgboost.colsample_bytree": (0.512345, 0.7145), "xgboost.gamma": (1.0, 1.1)}
    config = {"estimator": "xgboost", **{n: after for n, (_, after) in changes.items()}}
    trial = TrialState(1, "gp", "complete", config, changes=changes)
    cells = TrialCells(shares=(("xgboost.colsample_bytree", 0.9),))
    assert cells.what(trial, 34).plain == "colsample 0.5123→0.7145  +1"
    assert cells.what(trial, 20).plain == "colsample 0.7145  +1"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.00001, "1e-5"), (0.30000001, "0.3"), (True, "true"), (None, "none"), ("\x1b[31mx", "x")],
)
def test_settings(value: object, text: str) -> None:
    assert wording.setting(value) == text


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30))
def test_a_sparkline_has_one_level_per_value(values: list[float]) -> None:
    for glyphs in (UNICODE, ASCII):
        drawn = sparkline(values, glyphs)
        assert len(drawn) == len(values) and set(drawn) <= set(glyphs.levels)


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6), st.integers(2, 6))
@example(10005.0, 2.0, 2)
def test_ticks_are_few_round_and_inside(low: float, span: float, most: int) -> None:
    high = low + span
    ticks = nice_ticks(low, high, most)
    assert 1 <= len(ticks) <= most
    slack = span * 1e-6 + 4 * math.ulp(max(abs(low), abs(high)))
    assert all(low - slack <= t <= high + slack for t in ticks)
    labels = tick_labels(ticks)
    assert len(set(labels)) == len(labels)
    assert nice_ticks(0, 1, most, whole=True) == [0, 1]
    first = float(math.floor(low))
    whole = nice_ticks(first, first + math.ceil(span), most, whole=True)
    assert 1 <= len(whole) <= most and not any("." in label for label in tick_labels(whole))


@pytest.mark.parametrize(
    ("facts", "where"),
    [
        ({"layers": 30, "gpu_layers": 31}, ", 31 of 31 layers on the GPU"),
        ({"layers": 30, "gpu_layers": 15}, ", 15 of 31 layers on the GPU"),
        ({"layers": 30, "gpu_layers": 0}, ""),
        ({"gpu_layers": 3}, ", 3 layers on the GPU"),  # as older studies have it
    ],
)
def test_a_loaded_model_says_what_is_on_the_gpu(facts: dict[str, int], where: str) -> None:
    (line,) = lines_of(ModelLoaded("a.gguf", 1.24, facts), StateFold())
    assert line.text == f"model a.gguf loaded in 1.2 s{where}"


def test_a_model_has_one_name_and_shows_its_folder_where_that_repeats() -> None:
    ours = [Path("/a/models/embedded/hyperllama-1m.gguf"), "embedded", "embedded-1m"]
    assert {wording.model_name(m) for m in ours} == {"embedded"}
    one, other = Path("/a/big/qwen.gguf"), Path("/a/old/qwen.gguf")
    assert wording.model_among(one, [one]) == "qwen"
    assert wording.model_among(one, [one, other]) == "qwen in big"
    assert model_names([one, other]) == ["qwen in big", "qwen in old"]


def test_changes_that_do_not_show_are_left_out_of_a_line() -> None:
    pairs = {"learning_rate": [0.3, 0.3000001], "max_depth": [6, 3], "subsample": [None, 0.5]}
    assert differences(pairs) == "max_depth 6→3, subsample -→0.5"
    assert "to four digits" in differences({"learning_rate": [0.3, 0.3000001]})


def test_the_status_line_says_how_far_the_study_is() -> None:
    start = next(iter(recorded.events(1)))
    t = start[1]
    loading = fold([start, (ModelLoading("m", 0.4), t)])
    assert progress_words(loading) == "loading the model, 40%"
    asked = [start, (ProposalStarted(1, "llama"), t), (PromptReading(512, 2048, 9.0), t)]
    assert progress_words(fold(asked)) == "reading the prompt, 25%"
    confirming = fold([start, (CandidateStarted(3, 2, 8, (0, 3), (0, 3)), t)])
    assert progress_words(confirming) == "confirming trial 3 on fresh folds, set 2 of 8"
    assert progress_words(confirming, 80) == "confirming trial 3, set 2 of 8"
    later = (CandidateStarted(3, 2, 8, (0, 3), (0, 3)), t + 900)
    line = StatusLine("s")
    line.state, line.now = fold([*recorded.events(20), later]), t + 960
    text = line._progress(80).plain.rstrip()
    assert text.endswith("★ 0.8656   +0.0378")  # whole, and no clock that stands still
    assert progress_words(fold([start])) == ""


def test_the_time_of_a_trial_is_that_of_its_evaluation() -> None:
    def shown(events: list[tuple[Event, float]], after_s: float, width: int = 7) -> str:
        trial = fold(events).trials[-1]
        return TrialCells(now=events[-1][1] + after_s).cell(trial, "time", width).plain

    waits = recorded.held()
    made, t = waits[-1]
    assert isinstance(made, ProposalMade) and made.awaits_approval
    assert shown(waits, 479.0) == ""  # it waits for approval, and nothing is evaluated
    approved = [*waits, (replace(made, awaits_approval=False), t + 479)]
    assert shown(approved, 3.0) == "3.0s"
    assert shown(approved, 479.0) == "7m 59s" and shown(approved, 479.0, width=5) == "7m"


def test_the_model_that_ships_has_one_name() -> None:
    file = min(EMBEDDED.glob("*.gguf"))
    opened, _ = next(iter(recorded.finished(1)))
    assert isinstance(opened, StudyOpened)
    assert "llama (embedded) proposes" in heading(replace(opened, model=file.name))[1]
    about = name_lines(ModelFile(file, "HyperLlama 4M", "llama", 1, "F16", 1), 60)
    assert about[0].plain == "embedded"


def test_a_study_of_failures_alone_ends_with_what_to_do() -> None:
    state = fold(recorded.events(2))
    failed = tuple(replace(t, state="failed", value=None) for t in state.trials)
    over = StudyFinished("budget", None, None, None)
    lines = ending(over, "s", replace(state, trials=failed, incumbent=None))
    assert lines[0] == "s: trial budget used" and "every trial failed: change" in lines[-1]


def test_a_study_of_the_default_alone_names_it_once() -> None:
    alone = fold(recorded.events(1))
    assert describe(alone, "s", alive=True)[0].startswith("Study s is running. 1 trial is done")
    end = StudyFinished("budget", 0, 0.8, 0.8)
    assert ending(end, "s", alone)[1] == "  best 0.8 in trial 0, the default"
