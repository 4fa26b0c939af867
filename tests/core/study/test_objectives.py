"""Several objectives and constraints: parsed, measured, stored; the front; who may be best."""

from __future__ import annotations

import pickle
import re
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperllama.core.charts import to_html, to_markdown
from hyperllama.core.errors import StudyError, TaskError
from hyperllama.core.evaluate.results import Tally
from hyperllama.core.evaluate.scoring.crossval import Data, Evaluator
from hyperllama.core.evaluate.scoring.measures import one_thread, pickled_bytes
from hyperllama.core.objectives import (
    COSTS,
    Constraint,
    Objective,
    amount,
    constraints_of,
    front_of,
)
from hyperllama.core.prompt.rows import TrialTable
from hyperllama.core.prompt.sections import _goals
from hyperllama.core.prompt.wording import Names
from hyperllama.core.propose import make_proposer
from hyperllama.core.propose.gp.acquisition import suggest
from hyperllama.core.propose.gp.goals import undominated
from hyperllama.core.report.front import front_blocks
from hyperllama.core.report.optuna_front import write_front
from hyperllama.core.report.plots import Plotted
from hyperllama.core.space import Config
from hyperllama.core.storage.reading import StoredStudy
from hyperllama.core.study.findings.verdict import verdict, verdict_lines
from hyperllama.core.study.front import front_rows
from hyperllama.core.study.history import state_of
from hyperllama.core.study.state import StudyState
from hyperllama.core.task import load_task
from hyperllama.core.trials import AskContext, Observed, ProposerSetting
from hyperllama.core.trials.goals import Goals
from hyperllama.core.trials.history import TrialHistory
from hyperllama.tui.content.arrange import Order, rows
from hyperllama.tui.text.glyphs import UNICODE
from hyperllama.tui.widgets.study.front_plot import front_lines
from hyperllama.tui.widgets.study.trial_cells import TrialCells
from tests.core.fakes import SPACE, Bench, FakeRunner, quality
from tests.small import write_task

POINTS = st.lists(st.tuples(*[st.integers(-3, 3).map(float)] * 3), max_size=25)


def worse(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return all(a <= b for a, b in zip(one, other, strict=True)) and one != other


@given(POINTS)
def test_the_front_is_what_no_other_point_dominates(points: list[tuple[float, ...]]) -> None:
    oracle = [i for i, p in enumerate(points) if not any(worse(p, q) for q in points)]
    assert front_of(points) == oracle


def test_the_front_is_that_of_optuna() -> None:
    points = np.random.default_rng(0).normal(size=(60, 2)).round(1).tolist()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(directions=["maximize", "maximize"])
    study.add_trials([optuna.create_trial(values=p) for p in points])
    assert front_of(points) == sorted(t.number for t in study.best_trials)


@pytest.mark.parametrize(("name", "text", "below", "bound"), [
    ("model_bytes", "< 1e6", True, 1e6), ("model_bytes", "<=1.5 MB", True, 1.5e6),
    ("model_bytes", "< 2 KiB", True, 2048.0), ("predict_seconds", "< 5 ms", True, 0.005),
    ("predict_ms_per_row", "< 1", True, 1.0), ("predict_ms_per_row", "< 10 us", True, 0.01),
    ("accuracy", "> 0.9", False, 0.9), ("neg_log_loss", ">= -0.5", False, -0.5),
])  # fmt: skip
def test_constraints_are_read_with_their_units(
    name: str, text: str, below: bool, bound: float
) -> None:
    (found,) = constraints_of(name, text)
    assert found.below == below and found.bound == pytest.approx(bound)
    assert found.excess(bound) == 0.0
    inside, outside = (bound - 1e-3, bound + 1e-3) if below else (bound + 1e-3, bound - 1e-3)
    assert found.excess(inside) < 0 < found.excess(outside)
    assert found.excess(None) > 0 and found.excess(float("nan")) > 0


@given(st.text(max_size=12))
@settings(max_examples=200)
def test_any_text_is_a_constraint_or_an_error_with_a_hint(text: str) -> None:
    try:
        (found,) = constraints_of("accuracy", text)
    except TaskError as error:
        assert error.hint
    else:
        assert isinstance(found, Constraint) and found.bound == found.bound


@pytest.mark.parametrize(("line", "message"), [
    ('constraints = { model_bytes = "< 1 parsec" }', "constraints.model_bytes: .*not measured in"),
    ('constraints = { predict_seconds = "< 1 MB" }', "predict_seconds is not measured in MB"),
    ('constraints = { accuracy = "> 90 %" }', "a score has no unit"),
    ('constraints = { accuracy = "0.9" }', "no comparison with a number"),
    ('constraints = { accuracy = ["> 0.9", "< 0.8"] }', "contradict each other"),
    ('constraints = { accuracy = "> 1.2" }', "cannot be kept"),
    ('constraints = { model_bytes = "< 0" }', "cannot be kept"),
    ('constraints = { model_size = "< 1" }', "constraints.model_size: .*no scorer 'model_size'"),
    ('constraints = { r2 = "> 0.2" }', "constraints.r2: 'r2' does not fit classification"),
    ('also = ["bytes"]', "also: .*no scorer 'bytes'"),
    ('also = ["f1", "f1"]', "also: 'f1' is named twice"),
    ('also = ["accuracy"]', "also: 'accuracy' is named twice"),
    ('also = ["f1"]\n[limits]\nracing = 0.1', "limits.racing: has no effect"),
    ('also = ["model_bytes"]\n[programs]\nkind = "free"', "programs.kind: model_bytes of a"),
])  # fmt: skip
def test_what_cannot_be_is_refused_where_it_stands(
    tmp_path: Path, line: str, message: str
) -> None:
    head, _, tables = line.partition("\n")
    text = write_task(tmp_path).read_text()
    (tmp_path / "bad.toml").write_text(f"{head}\n{text}{tables}\n")
    with pytest.raises(TaskError, match=message) as error:
        load_task(tmp_path / "bad.toml")
    assert error.value.message.startswith("bad.toml") and error.value.hint


def test_amounts_are_told_as_people_read_them() -> None:
    assert amount(2_345_678.0, "B") == "2.35 MB" and amount(12.0, "B") == "12 B"
    assert amount(0.00234, "s") == "2.34 ms" and amount(0.5, "ms") == "500 us"
    assert amount(0.91234, "") == "0.9123"


def data(**more: object) -> Data:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 3))
    y = (x[:, 0] + 0.3 * rng.normal(size=120) > 0).astype(int)
    return Data(x, y, [False] * 3, "classification", "roc_auc", ["random_forest"], "stratified",
                folds=2, measured=(*COSTS, "accuracy"), **more)  # type: ignore[arg-type]


def test_a_trial_measures_its_costs_and_further_scores() -> None:
    evaluator = Evaluator(data(), threads=2)
    small, large = ({"n_estimators": n, "max_depth": 4} for n in (4, 40))
    found = []
    for config in (small, large):
        tally = Tally()
        folds = list(evaluator.evaluate(config, 0, tally=tally))
        found.append(tally.facts()["measures"])
        rows = [len(scored) for _, scored in evaluator.folds(0)]
        per_row = 1000 * found[-1]["predict_seconds"] * 2 / sum(rows)
        assert found[-1]["predict_ms_per_row"] == pytest.approx(per_row, rel=0.2)
        assert len(folds) == 2 and 0.5 < found[-1]["accuracy"] <= 1.0
    assert 5 < found[1]["model_bytes"] / found[0]["model_bytes"] < 11
    assert set(found[0]) == {*COSTS, "accuracy"}


def test_sizes_are_those_of_a_pickle_and_threads_are_put_back() -> None:
    pipeline = Evaluator(data(), threads=2).fit_final({"n_estimators": 3}, 0)
    assert pickled_bytes(pipeline) == len(pickle.dumps(pipeline, protocol=5))
    with one_thread(pipeline):
        assert pipeline.steps[-1][1].n_jobs == 1
    assert pipeline.steps[-1][1].n_jobs == 2


def bytes_of(config: Config) -> dict[str, float]:
    return {"model_bytes": 1000.0 * config["max_depth"]}


def bench(folder: Path, bound: str = "", **more: object) -> Bench:
    made = Bench(
        folder, **{
            "budget": 12, "proposer": "random",
            "objectives": (Objective.of("accuracy"), Objective.of("model_bytes")),
            "constraints": tuple(constraints_of("model_bytes", bound)) if bound else (), **more,
        },  # type: ignore[arg-type]
    )  # fmt: skip
    made.runner.measures = bytes_of
    return made


def stored_state(made: Bench) -> StudyState:
    made.reopen()
    opened = {"opened": {**made.store.attrs()["opened"]}}
    attrs = {**made.store.attrs(), **opened}
    return state_of(StoredStudy("s", "maximize", attrs, made.store.trials(), {}, None))


def test_a_trial_that_breaks_a_constraint_is_never_best_nor_confirmed(tmp_path: Path) -> None:
    made = bench(tmp_path, "< 3.5 kB", confirm=True)
    made.runner.score = lambda config: quality({**config, "max_depth": 14 - config["max_depth"]})
    made.study().run()
    state = stored_state(made)
    breaking = [t for t in state.trials if t.broken]
    kept = [t for t in state.trials if not t.broken]
    assert breaking and kept and max(t.value or 0 for t in breaking) > max(
        t.value or 0 for t in kept)  # fmt: skip
    assert all(t.config["max_depth"] > 3 for t in breaking)
    assert state.best is not None and state.best in kept
    assert state.best.value == max(t.value or 0 for t in kept)
    assert all(not t.broken for t in state.front)
    heard = [e for e in made.events if type(e).__name__ == "TrialFinished"]
    assert [e.number for e in heard if e.incumbent][-1] == state.best.number  # type: ignore[union-attr]
    assert state.default is not None and state.default.broken  # six deep
    assert state.confirmation is not None and state.confirmation.winner == state.best.number
    assert "the default configuration breaks model_bytes" in state.confirmation.why
    found = verdict(state)
    assert found is not None and "the default breaks model_bytes < 3.5 kB" in found.headline
    assert f"broken by {len(breaking)} of 12 trials" in found.constraints
    study = optuna.load_study(study_name="s", storage=made.url)
    assert study.best_trial.number == state.best.number  # Optuna knows the constraints


def test_where_no_trial_keeps_the_constraints_the_verdict_says_so(tmp_path: Path) -> None:
    made = bench(tmp_path, "< 0.5 kB", confirm=True)
    made.study().run()
    state = stored_state(made)
    assert state.best is None and state.winner is None and not state.front
    lines = verdict_lines(state)
    assert lines[0].startswith("No trial keeps the constraints; trial") and "12 of 12" in lines[1]


def test_the_front_is_told_and_one_of_it_can_be_chosen(tmp_path: Path) -> None:
    made = bench(tmp_path)
    made.study().run()
    state = stored_state(made)
    values = [(t.value or 0.0, t.measures["model_bytes"]) for t in state.front]
    assert len(values) > 1 and values[0][0] == max(t.value or 0.0 for t in state.trials)
    assert all(a[0] > b[0] and a[1] > b[1] for a, b in pairwise(values))
    assert front_rows(state)[0] == ["trial", "accuracy", "model_bytes (B)"]
    small = state.front[-1].number
    chosen = state.choosing(small)
    assert chosen.winner_number == small and chosen.gain == pytest.approx(
        (state.front[-1].value or 0) - (state.default_value or 0))  # fmt: skip
    assert re.match(f"Trial {small} is the one to use", verdict_lines(chosen)[0])
    with pytest.raises(StudyError, match="no trial 99"):
        state.choosing(99)


def test_a_study_goes_on_with_its_objectives_after_it_was_left(tmp_path: Path) -> None:
    whole, parts = (bench(tmp_path / name, "< 9 kB", proposer="drawn") for name in "ab")
    whole.study().run()
    parts.runner.before = lambda count, config: setattr(parts, "interrupted", count == 5) or None
    parts.study().run()
    parts.reopen()
    parts.study().run()
    one, other = stored_state(whole), stored_state(parts)
    assert [t.broken for t in one.trials] == [t.broken for t in other.trials]
    assert [t.number for t in one.front] == [t.number for t in other.front]
    assert one.incumbent == other.incumbent


def test_only_what_keeps_the_constraints_is_scored_on_fresh_folds(tmp_path: Path) -> None:
    made = bench(tmp_path, "< 6.5 kB", confirm=True, budget=20)
    made.runner.score = lambda config: -float(config["learning_rate"])
    made.study().run()
    state = stored_state(made)
    assert state.default is not None and not state.default.broken
    assert any(t.broken and (t.value or 0) > (state.default_value or 0) for t in state.trials)
    assert state.confirmation is not None
    compared = [state.trial(c.number) for c in state.confirmation.candidates]
    assert len(compared) > 1 and all(t is not None and not t.broken for t in compared)


GOALS = Goals("accuracy", (Objective.of("accuracy"), Objective.of("model_bytes")),
              tuple(constraints_of("model_bytes", "< 7 kB")))  # fmt: skip


def told(number: int, config: Config) -> Observed:
    return Observed(number, config, quality(config), fold_scores=(quality(config),) * 2,
                    facts={"measures": bytes_of(config)})  # fmt: skip


@pytest.mark.parametrize("name", ["gp", "tpe"])
def test_proposers_find_the_front_inside_the_constraints(name: str) -> None:
    def found(proposer: str, seed: int) -> tuple[float, int]:
        made = make_proposer(proposer, setting=ProposerSetting(seed=seed, goals=GOALS))
        trials = []
        for number in range(16):
            config = made.ask(SPACE, AskContext(number)).config if number else SPACE.default()
            trials.append(told(number, config))
            made.tell(trials[-1])
        made.close()
        kept = [t for t in trials if not GOALS.broken(t)]
        pairs = sorted(g for t in kept if (g := GOALS.gains(t)) is not None)
        volume = top = 0.0
        for score, size in reversed(pairs):  # best score first; sizes above -8000 count
            volume += max(score - 0.3, 0.0) * max(size + 8000 - top, 0.0)
            top = max(top, size + 8000)
        return volume, len(kept)

    ours, chance = ([found(who, seed) for seed in range(3)] for who in (name, "random"))
    assert sum(v for v, _ in ours) > 1.03 * sum(v for v, _ in chance)
    assert sum(n for _, n in ours) > sum(n for _, n in chance)


def test_without_a_trial_that_keeps_them_the_constraints_are_sought() -> None:
    history, rng = TrialHistory(), np.random.default_rng(0)
    for number in range(8):
        config = {**SPACE.sample(rng), "max_depth": 8 + number % 5}
        history.tell(told(number, config))
    found = suggest(SPACE, history, rng, goals=GOALS)
    assert found.config["max_depth"] < 7


def test_points_of_the_region_are_those_that_no_trial_dominates() -> None:
    front = np.array([[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]])
    points = undominated(front, np.random.default_rng(0))
    assert len(points) > 100 and not any((f >= p).all() for f in front for p in points)
    low, high = points.min(axis=0), points.max(axis=0)
    assert (low < front.min(axis=0) + 0.1).all() and (high > front.max(axis=0)).all()
    # their share says how much of the region a new trial would take
    for at, volume in (([0.9, 0.9], 0.56), ([0.6, 0.6], 0.11), ([0.4, 0.4], 0.0)):
        taken = (points <= np.array(at)).all(axis=1)
        box = float((high - low).prod())
        free = box - _volume(front, low)
        assert taken.mean() * free == pytest.approx(volume, abs=0.1)


def _volume(front: np.ndarray, low: np.ndarray) -> float:
    total, top = 0.0, low[1]
    for x, y in sorted(front.tolist(), reverse=True):
        total, top = total + (x - low[0]) * max(0.0, y - top), max(top, y)
    return float(total)


def test_a_trial_advances_where_it_is_new_on_the_front() -> None:
    plain = Goals("accuracy")
    trials = [Observed(i, {}, v) for i, v in enumerate([0.5, None, 0.4, 0.6, 0.6])]
    assert plain.advances(trials) == [True, False, False, True, False]
    depths = [told(i, {"learning_rate": 0.05, "max_depth": d, "booster": "dart"})
              for i, d in enumerate([6, 5, 8, 4, 4, 2])]  # fmt: skip
    assert GOALS.advances(depths) == [True, True, False, True, False, True]


def test_a_chat_model_reads_every_objective_in_the_rows() -> None:
    deep, flat = ({"learning_rate": 0.05, "max_depth": d, "booster": "dart"} for d in (9, 2))
    trials = [told(0, deep), told(1, flat)]
    setting = ProposerSetting(metric="accuracy", goals=GOALS)
    table = TrialTable(SPACE, Names(SPACE), setting.prompt, trials, goals=GOALS)
    assert table.columns.startswith("trial,learning_rate,max_depth,booster,score,model_bytes")
    assert table.line(trials[0]).split(",")[5] == "9e+03"
    assert table.line(trials[0]).endswith("breaks model_bytes < 7 kB")
    assert table.line(trials[1]).endswith("new best")  # the first one does not count
    text = _goals(GOALS)
    assert "model_bytes (B, less is better)" in text and "keep model_bytes < 7 kB" in text


def test_the_front_is_drawn_listed_and_filtered(tmp_path: Path) -> None:
    made = bench(tmp_path, "< 11.5 kB")
    made.study().run()
    state = stored_state(made)
    lines = [line.plain for line in front_lines(state, 0, state.front[-1], 70, 24, UNICODE)]
    assert "accuracy up, greater is better" in lines[0] and "model_bytes" in "".join(lines)
    listed = [line for line in lines if line.startswith(("▸", "  ")) and "kB" in line]
    (mine,) = (line for line in listed if line.startswith("▸"))
    assert mine.split()[1] == str(state.front[-1].number) and len(listed) == len(state.front)
    on_front = [t.number for t in state.front]
    kept = [r for r in rows(state, Order(text="front")) if isinstance(r, int)]
    assert sorted(state.trials[i].number for i in kept) == sorted(on_front)
    broken = rows(state, Order(text="broken"))
    assert [i for i in broken if isinstance(i, int)] == [
        i for i, t in enumerate(state.trials) if t.broken]  # fmt: skip
    cells = TrialCells(front=frozenset(on_front), chosen=on_front[-1])
    assert cells.cell(state.front[-1], "measure:model_bytes", 9).plain.endswith("kB")
    assert [cells.mark(state.front[at], 1).plain for at in (0, -1)] == ["◆", "✓"]
    plotted = Plotted(state)
    said = to_markdown(front_blocks(plotted))
    assert "## Front" in said and "(B, less is better)" in said
    page = to_html("front", front_blocks(plotted))
    assert f"trial {on_front[0]}:" in page and "<svg" in page


def test_optuna_reads_the_front_of_an_export(tmp_path: Path) -> None:
    made = bench(tmp_path, "< 9 kB", runners=[FakeRunner(), FakeRunner()])
    for runner in made.runners:
        runner.measures = bytes_of
    made.study().run()  # two trials side by side
    state = stored_state(made)
    reported = SimpleNamespace(
        opened=state.opened, name="s", problem=SimpleNamespace(space=SPACE),
        complete=[t for t in state.trials if t.value is not None],
    )  # fmt: skip
    for _ in range(2):  # an earlier file is replaced
        file = write_front(reported, tmp_path / "front.db")  # type: ignore[arg-type]
    assert [f.name for f in tmp_path.glob("front.db*")] == ["front.db"]
    study = optuna.load_study(study_name="s", storage=f"sqlite:///{file}")
    assert [d.name for d in study.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert study.metric_names == ["accuracy", "model_bytes (B)"]
    assert any(t.broken for t in state.trials) and len(study.trials) == 12
    assert {t.user_attrs["trial"] for t in study.best_trials} == {t.number for t in state.front}
