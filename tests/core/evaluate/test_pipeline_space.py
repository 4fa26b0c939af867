"""Whole pipelines: their search space, their programs, and the bench that asks whether they pay."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hyperllama.core.errors import DataError, StudyError, TaskError
from hyperllama.core.estimators import Facts, family
from hyperllama.core.evaluate.pipeline import built, recipe
from hyperllama.core.evaluate.rendered import program_text, summary
from hyperllama.core.evaluate.scoring.crossval import Data, Evaluator
from hyperllama.core.evaluate.steps import ColumnLayout, FitSetting, _circle, trial_recipe
from hyperllama.core.experiments.problems.programs import ProgramProblem
from hyperllama.core.experiments.programs import (
    compare_ways,
    place_contenders,
    program_tasks,
    run_program_bench,
)
from hyperllama.core.experiments.rival_proposers import WithTurns
from hyperllama.core.programs.boxes import sandbox_problem
from hyperllama.core.programs.contract import parse_program
from hyperllama.core.programs.store import CHOICE
from hyperllama.core.propose.embedded import EmbeddedProposer, encoding
from hyperllama.core.propose.embedded.model import Draws, MovePlan, _drawn
from hyperllama.core.space import Categorical, Config, SearchSpace
from hyperllama.core.task import parse_task, with_programs
from hyperllama.core.task.pipeline_space import (
    PREFIX,
    PipelineFacts,
    openings,
    pipeline_params,
)
from hyperllama.core.text import one_line
from hyperllama.core.trials import AskContext, Observed, Proposal, ProposerSetting

ROWS, PARTS = 90, ("", "", "", "", "", "month")
CATEGORICAL = (False, False, False, False, True, False)
LAYOUT = ColumnLayout.of(CATEGORICAL, PARTS)
FACTS = Facts(ROWS, 6, 2, 0.4, categorical_share=1 / 6, missing_share=0.02)


def table(kind: str) -> tuple[Any, Any]:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(ROWS, 6))
    x[:, 4], x[:, 5] = rng.integers(0, 4, ROWS), rng.integers(1, 13, ROWS)
    signal = x[:, 0] + (x[:, 4] == 1) + 0.3 * rng.normal(size=ROWS)
    x[::9, 1], x[::17, 4] = np.nan, np.nan
    return x, (signal > 0.3).astype(np.int64) if kind == "classification" else np.exp(signal)


def space(kind: str, name: str = "xgboost") -> SearchSpace:
    own = family(name).space(kind, FACTS)
    metric = "neg_log_loss" if kind == "classification" else "r2"
    return SearchSpace([*own, *pipeline_params(PipelineFacts(kind, FACTS, metric, (name,)))])


def small(config: Config) -> Config:
    few = {"n_estimators": 10, "max_depth": 3}
    return {**config, **{k: v for k, v in few.items() if k in config}}


def each_choice(kind: str, name: str) -> list[Config]:
    """Every value of every choice at least once, several in each configuration."""
    whole = space(kind, name)
    choices = {p.name: p.domain.choices for p in whole
               if p.name.startswith(PREFIX) and isinstance(p.domain, Categorical)}  # fmt: skip
    most = max(map(len, choices.values()))
    return [
        small(whole.complete({n: c[(i + 1) % len(c)] for n, c in choices.items()}))
        for i in range(most)
    ]


CASES = [
    (kind, name, config)
    for kind, name in (("classification", "xgboost"), ("regression", "xgboost"),
                       ("classification", "linear"))
    for config in each_choice(kind, name)[: 2 if name == "linear" else None]
]  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("kind", "name", "config"), CASES)
def test_a_program_is_the_pipeline_of_its_trial(kind: str, name: str, config: Config) -> None:
    x, y = table(kind)
    response = "predict_proba" if kind == "classification" else "predict"
    setting = FitSetting(kind, (name,), LAYOUT, 7, 1, response)
    text = program_text(config, space(kind, name), setting)
    program = parse_program(text)
    assert program.summary == one_line(summary(config, (name,)))
    assert program.space.default() == {
        k.removeprefix(PREFIX): v for k, v in config.items()
        if k.removeprefix(PREFIX) in program.space
    }  # fmt: skip
    columns = [
        SimpleNamespace(name=f"x{i}" + (f" ({part})" if part else ""), position=i,
                        kind="category" if coded else "number")
        for i, (coded, part) in enumerate(zip(CATEGORICAL, PARTS, strict=True))
    ]  # fmt: skip
    names: dict[str, Any] = {}
    exec(text, names)  # our own text, made from a recipe
    written = names["build"](columns, SimpleNamespace(kind=kind)).fit(x, y)
    trained = built(trial_recipe(config, setting)[1]).fit(x, y)
    for model in (written, trained):
        assert np.isfinite(getattr(model, response)(x)).all()
    assert np.array_equal(getattr(written, response)(x), getattr(trained, response)(x))


def test_a_program_says_what_it_tries_and_exposes_its_numbers() -> None:
    config = space("regression").complete({
        "pipeline.vote": "both", "pipeline.own_weight": 0.5, "pipeline.target": "logs",
        "learning_rate": 0.05,
    })  # fmt: skip
    text = program_text(config, space("regression"), FitSetting("regression", ("xgboost",), LAYOUT))
    program = parse_program(text)
    assert program.summary == (
        "XGBoost, averaged with a linear model and extremely randomised trees, of the target's "
        "logarithm."
    )
    assert {"learning_rate", "own_weight"} < set(program.space.names)
    assert program.space["learning_rate"].default == 0.05
    assert "weights=[own_weight, 1.0, 1.0]" in text and "for c in columns" in text


def test_the_default_trial_is_the_estimator_as_it_is() -> None:
    for kind in ("classification", "regression"):
        setting = FitSetting(kind, ("xgboost",), LAYOUT, 5, 1, "predict")
        default = family("xgboost").space(kind, FACTS).default()
        _, made, bare = trial_recipe(space(kind).default(), setting)
        assert bare
        assert made == recipe("xgboost", kind, default, CATEGORICAL, 5, response="predict")


def test_a_vote_is_scored_like_any_trial() -> None:
    x, y = table("classification")
    data = Data(x, y, CATEGORICAL, "classification", "roc_auc", ["xgboost"], folds=2, parts=PARTS)
    config = small(space("classification").complete({"pipeline.vote": "linear"}))
    folds = list(Evaluator(data).evaluate(config, 0))
    assert len(folds) == 2 and folds[0].train_score is not None and folds[0].curve == ()


def test_choices_that_have_no_effect_are_not_offered() -> None:
    plain = PipelineFacts("regression", Facts(200, 3), "r2", ("xgboost",), dates=False)
    names = {p.name.removeprefix(PREFIX) for p in pipeline_params(plain)}
    assert names == {"vote", "own_weight", "numbers", "target"}
    assert "calibration" not in space("regression")
    assert SearchSpace(pipeline_params(plain)).default() == {
        "pipeline.vote": "alone", "pipeline.target": "plain",
    }  # fmt: skip


TASK = """
estimator = "xgboost"
[data]
path = "t.csv"
target = "y"
"""


def test_task_files_ask_for_programs(tmp_path: Path) -> None:
    file = tmp_path / "t.toml"
    asked = TASK + '[programs]\nkind = "pipeline"\n'
    task = parse_task(asked + '[space.pipeline]\nvote = { choices = ["alone", "both"] }\n', file)
    assert task.programs.kind == "pipeline"
    assert task.space["pipeline.vote"].choices == ("alone", "both")
    text, changed = with_programs(TASK, parse_task(TASK, file), kind="pipeline")
    assert changed.programs == parse_task(text, file).programs == task.programs
    for wrong, said in (
        (TASK + '[space.pipeline]\nvote = "both"\n', 'needs [programs] kind = "pipeline"'),
        (asked + '[space.pipeline]\nvote = "none"\n', "allowed: alone, linear, trees, both"),
        (TASK + '[programs]\nkind = "pipelines"\n', "allowed: auto, pipeline"),
    ):
        with pytest.raises(TaskError) as caught:
            parse_task(wrong, file)
        assert said in f"{caught.value.message} {caught.value.hint}"


def test_a_model_is_asked_for_what_it_knows_and_the_rest_follows_the_priors() -> None:
    whole = space("regression")
    assert [p.param.name for p in encoding.encoded(whole, "xgboost")] == list(
        family("xgboost").space("regression", FACTS).names
    )
    others = [p for p in whole if p.prior]
    votes = [_drawn(others, seed)["pipeline.vote"] for seed in range(400)]
    shares = dict(whole["pipeline.vote"].prior)
    for choice, share in shares.items():
        assert votes.count(choice) / 400 == pytest.approx(share, abs=0.08)


def test_a_model_opens_with_different_pipelines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three that did well elsewhere, each with a configuration of its own, then the best again."""
    whole, rng = space("regression"), np.random.default_rng(0)
    draws = Draws(tuple(whole.sample(rng) for _ in range(20)), (MovePlan("open"),) * 20,
                  {"max_depth": [(3, 1.0)]}, {}, None, "", {})  # fmt: skip
    monkeypatch.setattr(EmbeddedProposer, "draw", lambda *asked, **how: draws)
    proposer = EmbeddedProposer(ProposerSetting(estimators=("xgboost",), kind="regression"))
    made: list[Config] = []
    proposer.tell(Observed(0, whole.default(), 0.0, proposer="default"))
    for number, value in ((1, 0.1), (2, 0.5), (3, 0.2), (4, 0.1)):
        config = proposer.ask(whole, AskContext(number)).config
        made.append({n.removeprefix(PREFIX): v for n, v in config.items() if n.startswith(PREFIX)})
        proposer.tell(Observed(number, config, value, proposer="llama"))
    usual = whole.default().items()
    start = {n.removeprefix(PREFIX): v for n, v in usual if n.startswith(PREFIX)}
    assert [{n: v for n, v in m.items() if n in start and start[n] != v} for m in made] == [
        {"vote": "both", "target": "ranks"}, {"vote": "both"}, {"vote": "both"}, {"vote": "both"},
    ]  # fmt: skip
    assert [m["own_weight"] for m in made] == [1.0, 2.5, 0.4, 2.5]
    balanced = PipelineFacts("classification", FACTS, "balanced_accuracy", ("xgboost",))
    assert all(c[f"{PREFIX}weights"] == "balanced"
               for c in openings(SearchSpace(pipeline_params(balanced))))  # fmt: skip
    assert openings(SearchSpace(family("xgboost").space("regression", FACTS))) == []


def test_random_choices_follow_their_priors() -> None:
    whole, rng = space("regression"), np.random.default_rng(0)
    drawn = [whole.sample(rng) for _ in range(300)]
    kept = np.mean([c[f"{PREFIX}kept"] == "best" for c in drawn])
    assert 0.02 < kept < 0.15
    narrow = replace(whole[f"{PREFIX}target"], domain=Categorical(("ranks", "logs")))
    assert {narrow.drawn(u) for u in np.linspace(0, 0.999, 50)} == {"ranks", "logs"}


def test_the_bench_judges_both_spaces_on_test_rows(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    tables = tmp_path / "tables"
    tables.mkdir()
    (tables / "a.csv").write_text("x,y\n1,2\n")
    for name in ("b", "c"):
        a = rng.normal(size=(310, 2)).round(3)
        lines = [f"{p},{q},{p + q * q:.3f}" for p, q in a]
        (tables / f"{name}.csv").write_text("\n".join(["p,q,target", *lines]))
    refused: list[str] = []
    tasks = program_tasks(tables, tmp_path / "tasks", most=1, rows=120, folds=2,
                          on_refused=lambda name, why: refused.append(name))  # fmt: skip
    assert [t.stem for t in tasks] == ["b"] and refused == ["a.csv"]
    found = run_program_bench(tasks, ["random"], tmp_path / "out", seeds=1, budget=2)
    cells = {c.cell.contender: c for c in found.cells}
    hand, pipeline = cells["random?programs=hand"], cells["random?programs=pipeline"]
    assert "pipeline.vote" in pipeline.trials[1]["config"]
    assert not any(k.startswith(PREFIX) for k in hand.trials[1]["config"])
    assert hand.trials[0]["judged"] == pipeline.trials[0]["judged"] != hand.trials[0]["value"]
    ways = {(w.at, w.rows): w for w in compare_ways(found, [1, 2])}
    assert (ways[1, "test"].better, ways[1, "test"].equal, ways[1, "test"].worse) == (0, 1, 0)
    assert ways[2, "validation"].better + ways[2, "validation"].worse <= 1
    assert ways[1, "test"].against == "random"
    places = {p.contender: p.rank.value for p in place_contenders(found, [1]) if p.rows == "test"}
    assert places == {"random?programs=hand": 1.5, "random?programs=pipeline": 1.5}
    with pytest.raises(StudyError, match="free programs are written by a chat model"):
        run_program_bench(tasks, ["random"], tmp_path / "out", ways=["pipeline", "free"])
    with pytest.raises(DataError, match="no programs of the kind 'wild'"):
        run_program_bench(tasks, ["random"], tmp_path / "out", ways=["wild"])
    _programs_that_a_model_wrote_are_counted_alike(tasks[0], tmp_path / "out")


def _programs_that_a_model_wrote_are_counted_alike(task: Path, out: Path) -> None:
    if problem := sandbox_problem():
        pytest.skip(problem)
    hand = ProgramProblem(str(task), cache=str(out / "evaluations.sqlite"))
    cell = hand.for_contender({"programs": "free"}).under(0)
    setting = cell.setting(0, 3)
    assert setting.programs is not None and setting.programs.way == "free"
    assert setting.programs.task["metric"] == setting.metric == hand.metric and setting.dataset
    text = """SPACE = {"deep": {"low": 1, "high": 9, "default": 2}}
def build(columns, task, deep=2):
    from sklearn.tree import DecisionTreeRegressor
    return DecisionTreeRegressor(max_depth=deep, random_state=columns[{}].position)
"""
    store = setting.programs.store
    good, bad = (store.add(text.replace("{}", at)) for at in ("0", "7"))

    class Writes:
        name = "llama"
        ask = staticmethod(lambda space, context: Proposal({CHOICE: good, "deep": 2}, "llama"))
        tell = close = staticmethod(lambda *told: None)

    writer = WithTurns(Writes(), setting)
    config = writer.ask(cell.space, AskContext(1)).config
    result, _ = cell.evaluate(config, lambda: False)
    assert result.value is not None and -2.0 < result.value < 0.0
    assert cell.judged(config) not in (None, result.value)
    failed, _ = cell.evaluate({CHOICE: bad, "deep": 2}, lambda: False)
    assert failed.state == "failed" and "IndexError" in failed.reason and "line 4" in failed.reason
    cell.ended([], lambda: False)
    writer.tell(Observed(0, cell.space.default(), -9.0))
    writer.tell(Observed(1, config, result.value))  # better than the default: it is tuned
    again = writer.ask(cell.space, AskContext(2)).config
    assert again[CHOICE] == good and again["deep"] != 2


def test_date_circles_of_two_columns() -> None:
    months = np.random.default_rng(0).integers(1, 13, (40, 2)).astype(float)
    both = built(_circle("month", 2)).fit_transform(months)
    one = built(_circle("month", 1)).fit_transform(months[:, :1])
    assert both.shape == (40, 2 * one.shape[1]) and np.allclose(both[:, : one.shape[1]], one)
