"""The bench: random search's mean, problems, runs that go on, figures, reports, the command."""

from __future__ import annotations

import csv
import io
import itertools
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperllama.core.errors import DataError, HyperLlamaError, SpaceError, StudyError
from hyperllama.core.experiments.bench import load_bench, run_bench
from hyperllama.core.experiments.contenders import ProposerFactory, parse_method
from hyperllama.core.experiments.figures.contours import banded, contour_svg, contour_text
from hyperllama.core.experiments.figures.report import (
    report_csv,
    report_html,
    report_json,
    report_text,
    write_report,
)
from hyperllama.core.experiments.figures.rows import ContenderPair
from hyperllama.core.experiments.figures.table import experiment_figures
from hyperllama.core.experiments.grid import Cell, Contender, ExperimentGrid
from hyperllama.core.experiments.problems.base import BenchProblem
from hyperllama.core.experiments.problems.datasets import load
from hyperllama.core.experiments.problems.landscapes import (
    FUNCTIONS,
    Landscape,
    landscape_problems,
    place,
)
from hyperllama.core.experiments.problems.random_search import RandomSearch
from hyperllama.core.experiments.problems.tables import GridAxis, TableProblem, table_problems
from hyperllama.core.experiments.problems.tabular import (
    PROBLEMS,
    problem_name,
    tabular_problems,
    task_problems,
)
from hyperllama.core.experiments.reading import CellFacts, Comparison, cell_file
from hyperllama.core.experiments.records import ProblemRecord
from hyperllama.core.experiments.rival_proposers import (
    OptunaProposer,
    WithoutHistory,
    portfolio_proposer,
)
from hyperllama.core.propose import make_proposer
from hyperllama.core.space import Config, Float, Integer, Param, SearchSpace
from hyperllama.core.trials import AskContext, Observed, Proposal, ProposerSetting

LAYOUT = """
array = "score"
loss_name = "error"
family = "xgboost"
kind = "classification"

[[axes]]
name = "learning_rate"
values = [0.001, 0.01, 0.1, 1.0]
log = true

[[axes]]
name = "max_depth"
values = [1, 4, 8, 15]
kind = "integer"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one table: best at learning_rate 0.1, max_depth 4; three repeats."""
    found = tmp_path / "tables"
    found.mkdir()
    a, b, c = np.meshgrid(range(4), range(4), range(3), indexing="ij")
    score = 0.9 - 0.1 * (a - 2) ** 2 - 0.05 * (b - 1) ** 2 + 0.01 * (c - 1)
    np.savez(found / "small.npz", score=score)
    (found / "small.toml").write_text(LAYOUT)
    return found


@dataclass(frozen=True)
class Rival:
    """A contender that no text names, with what makes its proposer."""

    label: str
    factory: ProposerFactory


def run(
    problems: Sequence[BenchProblem], methods: Sequence[str | Rival], **named: Any
) -> Comparison:
    rivals = {m.label: m.factory for m in methods if isinstance(m, Rival)}
    chosen = [
        Contender(m.label, m.label, identity=m.label) if isinstance(m, Rival) else m
        for m in methods
    ]
    with tempfile.TemporaryDirectory() as unkept:
        out = named.pop("out", unkept)
        return run_bench(problems, chosen, out, factories=rivals, **named)


def whole(found: Comparison) -> list[CellFacts]:
    return [c for c in found.cells if c.state == "done"]


def configs(found: Comparison) -> dict[str, list[Config]]:
    return {c.cell.id: [t["config"] for t in c.trials] for c in found.cells}


def counted() -> tuple[Rival, list[int]]:
    """Random search as a method that is really run, and the seeds it was made with."""
    made: list[int] = []

    def factory(setting: ProposerSetting) -> Any:
        made.append(setting.seed)
        return make_proposer("random", setting=setting)

    return Rival("mine", factory), made


# -- what random search reaches ----------------------------------------------------------------


@given(st.lists(st.integers(0, 9), min_size=3, max_size=6), st.integers(1, 3))
@settings(max_examples=30, deadline=None)
def test_a_sample_gives_the_mean_over_all_subsets(losses: list[int], k: int) -> None:
    x = np.array(losses, dtype=float)
    every = [min(c) for c in itertools.combinations(losses, k)]
    assert RandomSearch.of(x).curve(k)[-1] == pytest.approx(np.mean(every))


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 4)), min_size=2, max_size=4))
@settings(max_examples=30, deadline=None)
def test_weights_give_the_mean_over_all_draws(members: list[tuple[int, int]]) -> None:
    x = np.array([m[0] for m in members], dtype=float)
    w = np.array([m[1] for m in members], dtype=float)
    p = w / w.sum()
    chance = RandomSearch.of(x, weights=w, default=(4.0, 4.0))
    draws = list(itertools.product(range(len(x)), repeat=3))
    mean = sum(min(x[list(d)]) * np.prod(p[list(d)]) for d in draws)
    assert chance.curve(3)[-1] == pytest.approx(mean)
    started = sum(min(4.0, *x[list(d)]) * np.prod(p[list(d)]) for d in draws)
    assert chance.curve(4, "default")[-1] == pytest.approx(started)
    assert (np.diff(chance.curve(6)) <= 1e-12).all()


def test_noise_is_seen_but_not_judged_by() -> None:
    chance = RandomSearch.of(np.array([1.0, 2.0]), np.array([10.0, 5.0]), np.ones(2), (1.5, 7.0))
    assert chance.curve(2) == pytest.approx([7.5, 0.75 * 10 + 0.25 * 5])
    assert chance.curve(2, "default") == pytest.approx([7.0, 0.5 * 10 + 0.5 * 7])


# -- tables ------------------------------------------------------------------------------------


def test_a_table_is_looked_up_at_the_nearest_point_of_its_scale(folder: Path) -> None:
    (problem,) = table_problems(folder)
    assert problem.family == "xgboost" and problem.space.names == ("learning_rate", "max_depth")
    assert problem.best == pytest.approx(0.1)
    assert problem.observe({"learning_rate": 0.04, "max_depth": 5}, 0) == pytest.approx(0.1)
    assert problem.observe({"learning_rate": 0.02, "max_depth": 5}, 0) == pytest.approx(0.2)
    assert problem.space.default()["learning_rate"] == pytest.approx(0.3)


def test_weights_of_an_axis_are_those_of_random_configurations() -> None:
    for axis in (
        GridAxis("a", (0.001, 0.01, 0.1, 1.0), log=True),
        GridAxis("b", (4, 6, 10, 16, 25, 40, 64, 101, 161, 256), "integer", log=True),
        GridAxis("c", (3, 1, 2), "integer"),
        GridAxis("d", ("x", "y"), "categorical"),
    ):
        space = SearchSpace([Param(axis.name, axis.domain)])
        rng = np.random.default_rng(0)
        drawn = [axis.nearest(space.sample(rng)[axis.name]) for _ in range(4000)]
        shares = np.bincount(drawn, minlength=len(axis.values)) / 4000
        assert axis.weights().sum() == pytest.approx(1)
        assert np.abs(shares - axis.weights()).max() < 0.03


def test_random_search_really_run_agrees_with_its_computed_mean(folder: Path) -> None:
    (problem,) = table_problems(folder)
    method, _ = counted()
    results = run([problem], [method], seeds=300, budget=5, starts=["default", "none"])
    for start in ("default", "none"):
        mean = -np.mean([c.curve for c in results.cells if c.cell.start == start], axis=0)
        # random search here never repeats a configuration, but may hit a cell twice
        assert mean == pytest.approx(problem.random_search(0).curve(5, start), abs=0.03)


def test_a_noisy_table_shows_one_repeat_and_judges_by_the_mean(
    folder: Path, tmp_path: Path
) -> None:
    (problem,) = table_problems(folder, noise=True)
    config = {"learning_rate": 0.1, "max_depth": 4}
    seen = [problem.observe(config, s) for s in range(3)]
    assert seen == pytest.approx([0.11, 0.10, 0.09])
    assert problem.judge(config, 0) == pytest.approx(0.1)
    (cell,) = run([problem], [counted()[0]], seeds=1, budget=3, out=tmp_path).cells
    assert len(cell.trials) == 3
    assert -cell.trials[0]["value"] == pytest.approx(-cell.curve[0] + 0.01)


def test_what_a_table_lacks_is_said(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no \.npz"):
        table_problems(tmp_path)
    (folder / "small.toml").unlink()
    with pytest.raises(DataError, match="axes mean"):
        table_problems(folder)
    (folder / "small.toml").write_text(LAYOUT.replace("[1, 4, 8, 15]", "[1, 4]"))
    with pytest.raises(DataError, match="does not fit"):
        table_problems(folder)
    (folder / "small.toml").write_text("[[axes]]\nname = 1")
    with pytest.raises(DataError, match=r"small\.toml"):
        table_problems(folder)


def test_the_published_tables_are_known(shared: Path) -> None:
    problems = table_problems(shared / "bench")
    assert [p.family for p in problems] == ["mlp"] * 4
    assert all(p.facts is not None and p.facts.rows > 800 for p in problems)
    assert all(p.best is not None and p.random_search(0).curve(10)[-1] > p.best for p in problems)
    (bare, *_) = table_problems(shared / "bench", known="nothing")
    assert (bare.family, bare.kind, bare.facts) == (None, "", None)


# -- landscapes --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_landscape_has_its_optimum_inside_wherever_it_was_put(name: str) -> None:
    problem = Landscape(name)
    for seed in range(8):
        optima = problem.placement(seed).optima
        assert optima
        for optimum in optima:
            config = dict(zip(("x1", "x2"), optimum, strict=True))
            assert problem.space.contains(config)
            assert problem.observe(config, seed) == pytest.approx(problem.best, abs=2e-3)
        assert problem.grid(seed, 40).min() >= (problem.best or 0) - 1e-9


def test_seed_0_is_the_papers_own_shift_and_others_differ() -> None:
    assert place("ackley", "random", 0).optima == pytest.approx([(0.93, 0.59)])
    assert place("quadratic", "random", 0).optima == ((-4.15, 3.35),)
    assert len({place("ackley", "random", s).optima for s in range(10)}) == 10
    assert place("branin", "shifted", 3).angle == 0.0
    with pytest.raises(StudyError, match="no landscape"):
        landscape_problems(["rastrigin"])


def test_unshifted_ackley_is_no_evidence() -> None:
    problems = landscape_problems(["ackley", "branin"], "plain")
    results = run(problems, [counted()[0]], seeds=2, budget=4)
    figures = experiment_figures(results, at=[4], by="problem", pairs=[])
    assert figures.tasks == ("branin, plain",)
    assert any("ackley" in n for n in figures.notes)
    assert len(figures.limits["default", 4]) == 1


# -- runs --------------------------------------------------------------------------------------


def test_a_bench_goes_on_where_it_was_stopped(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    problems = table_problems(folder)
    method, made = counted()
    first = run(problems, [method], seeds=3, budget=4, out=out)
    assert made == [0, 1, 2]
    file = cell_file(out, first.cells[-1].cell)
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines[:3], lines[3][:30]]))  # killed in the middle of a line
    assert [c.state for c in load_bench(out).cells] == ["done", "done", "broken off"]
    again = run(problems, [method], seeds=4, budget=4, out=out)
    assert made == [0, 1, 2, 2, 3]
    assert configs(first).items() <= configs(again).items()
    assert len(whole(load_bench(out))) == 4
    run(problems, [method], seeds=2, budget=4, out=out, fresh=["mine"])
    assert made[5:] == [0, 1] and len(whole(load_bench(out))) == 4
    file.write_text("nonsense\n" + file.read_text())
    with pytest.raises(StudyError, match="line 1"):
        load_bench(out)


def test_results_of_version_0_1_0_are_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "results.jsonl").write_text("{}\n")
    with pytest.raises(DataError, match=r"version 0\.1\.0"):
        load_bench(tmp_path)
    with pytest.raises(DataError, match="no bench results"):
        load_bench(tmp_path / "nowhere")


def test_a_method_whose_model_changed_is_run_again(folder: Path, tmp_path: Path) -> None:
    problems = table_problems(folder)
    old, new = (Contender("tpe", "tpe", identity=f"tpe@{i}") for i in ("old", "new"))
    for method in (old, new):
        results = run_bench(problems, [method], tmp_path, seeds=2, budget=3)
    assert results.grid.contenders == (new,) and len(whole(results)) == 2
    assert len(list((tmp_path / "cells").iterdir())) == 4


def test_a_method_that_breaks_is_named_and_tried_again(folder: Path, tmp_path: Path) -> None:
    problems = table_problems(folder)
    broken = True

    class Breaks:
        name = "breaks"

        def __init__(self, setting: ProposerSetting) -> None:
            self._inner = make_proposer("random", setting=setting)

        def ask(self, space: SearchSpace, context: AskContext) -> Proposal:
            if broken and context.number == 2:
                raise ValueError("bad\x1b[31m luck")
            return self._inner.ask(space, context)

        def tell(self, trial: Observed) -> None:
            self._inner.tell(trial)

        def close(self) -> None:
            pass

    method = Rival("breaks", Breaks)
    results = run(problems, [method, counted()[0]], seeds=1, budget=4, out=tmp_path)
    assert [c.cell.contender for c in whole(results)] == ["mine"]
    text = report_text(experiment_figures(results, at=[4], by="problem", pairs=[]))
    assert "failed: breaks on small, seed 0: evaluation 3: ValueError: bad luck" in text
    broken = False
    again = run(problems, [method], seeds=1, budget=4, out=tmp_path)
    assert len(whole(again)) == 2


def test_workers_find_the_same_as_this_process(folder: Path, tmp_path: Path) -> None:
    problems = [*table_problems(folder), *landscape_problems(["branin"])]
    here = run(problems, ["cmaes"], seeds=2, budget=8)
    seen: list[int] = []
    there = run(
        problems, ["cmaes"], seeds=2, budget=8, jobs=2, out=tmp_path,
        on_progress=lambda p: seen.append(p.done),
    )  # fmt: skip
    assert seen == [1, 2, 3, 4]
    assert configs(here) == configs(there)
    assert [c.curve for c in here.cells] == [c.curve for c in there.cells]


def test_failures_count_as_the_worst_and_nothing_follows_the_last_configuration() -> None:
    class Two(Landscape):
        """Two configurations; one fails."""

        def __init__(self) -> None:
            super().__init__("branin")
            self.space = SearchSpace([Param("x1", Integer(0, 1)), Param("x2", Float(1.0, 1.0))])
            self.spec = None

        def observe(self, config: Config, seed: int) -> Any:
            return None if config["x1"] == 0 else 3.0

        def failed_loss(self, seed: int) -> float:
            return 99.0

        def random_search(self, seed: int) -> RandomSearch:
            return RandomSearch.of(np.array([3.0, 99.0]), default=(99.0, 99.0))

    found = run([Two()], [counted()[0]], seeds=[1], budget=4, starts=["none"])
    assert len(found.cells[0].trials) == 2 and found.cells[0].best_after(4) == -3.0
    (row, *_) = experiment_figures(found, at=[4], by="problem", pairs=[]).rows
    assert (row.contender, row.cells) == ("mine", 1) and found.cells[0].end["exhausted"]
    failed = replace(found.cells[0], trials=[{**t, "value": None} for t in found.cells[0].trials])
    figures = experiment_figures(replace(found, cells=(failed,)), at=[1], by="problem", pairs=[])
    mine = next(r for r in figures.rows if r.contender == "mine")
    assert mine.over_random is not None
    assert mine.over_random.value == pytest.approx((51 - 99) / 51)
    with pytest.raises(StudyError, match="by hand"):
        run([Two()], [counted()[0]], seeds=2, budget=2, jobs=2)


# -- methods -----------------------------------------------------------------------------------


def test_methods_are_named_by_text(tmp_path: Path) -> None:
    assert parse_method("tpe?n_startup_trials=5,x=y").options == {"n_startup_trials": 5, "x": "y"}
    for text in ("simulated-annealing", "tpe:model.gguf", ""):
        with pytest.raises(SpaceError, match="unknown method"):
            parse_method(text)
    with pytest.raises(HyperLlamaError):
        parse_method(str(tmp_path / "none.gguf"))


def test_runs_share_an_engine_until_it_fails() -> None:
    from hyperllama.core.experiments.running.engines import SharedEngine, close_engines

    made: list[Any] = []

    class Fake:
        closed = False

        def load(self, path: str, settings: object) -> str:
            made.append(self)
            return f"info of {path}"

        def generate(self, request: str) -> str:
            if request == "fail":
                raise ValueError(request)
            return request.upper()

        def close(self) -> None:
            self.closed = True

    for _ in range(3):
        engine = SharedEngine(Fake)
        assert engine.load("a.gguf", 1) == "info of a.gguf" and engine.generate("x") == "X"
        engine.close()
    assert len(made) == 1
    with pytest.raises(ValueError, match="fail"):
        engine.generate("fail")
    assert made[0].closed
    engine.load("a.gguf", 1)
    for name in "bcd":
        SharedEngine(Fake).load(name, 1)
    assert [e.closed for e in made] == [True, True, False, False, False]
    close_engines()
    assert all(e.closed for e in made)


def test_without_history_no_score_is_told() -> None:
    class Inner:
        name = "inner"

        def __init__(self) -> None:
            self.told: list[Observed] = []

        def ask(self, space: SearchSpace, context: AskContext) -> Proposal:
            return Proposal({"x": len(self.told)}, "inner")

        def tell(self, trial: Observed) -> None:
            self.told.append(trial)

        def close(self) -> None:
            pass

    space = SearchSpace([Param("x", Integer(0, 5))])
    inner = Inner()
    blind = WithoutHistory(inner)
    for n in range(5):
        proposal = blind.ask(space, AskContext(n))
        assert proposal.proposer == "inner-no-history"
        blind.tell(Observed(n, proposal.config, 0.5))
    assert [t.config["x"] for t in inner.told] == [0, 1, 2, 3, 4]
    assert {t.value for t in inner.told} == {None}


def test_the_portfolio_is_moved_into_the_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "portfolio.json"
    file.write_text(json.dumps({"knn": [{"n": 500, "gone": 1}, {"n": 1}, {"n": 7}]}))
    monkeypatch.setattr("hyperllama.core.propose.portfolio.portfolio_file", lambda: file)
    space = SearchSpace([Param("n", Integer(1, 9))])
    proposer = portfolio_proposer(ProposerSetting(estimators=("knn",)))
    proposer.tell(Observed(0, {"n": 1}, 0.1))
    proposed = []
    for number in range(1, 4):
        config = proposer.ask(space, AskContext(number)).config
        proposer.tell(Observed(number, config, 0.1))
        proposed.append(config["n"])
    assert proposed[:2] == [9, 7] and proposed[2] not in (9, 7, 1)


def test_optunas_own_sampler_learns_from_trials_of_others() -> None:
    space = SearchSpace([Param("x", Float(0.0, 1.0)), Param("fixed", Float(2.0, 2.0))])
    proposer = OptunaProposer(ProposerSetting(seed=1), "optuna-tpe")
    for n in range(6):
        proposer.tell(Observed(n, {"x": n / 6, "fixed": 2.0}, None if n == 1 else -n))
    proposed = []
    for n in range(6, 10):
        config = proposer.ask(space, AskContext(n)).config
        proposer.tell(Observed(n, config, -10 * config["x"]))
        proposed.append(config["x"])
        assert space.contains(config)
    assert np.mean(proposed) < 0.4


# -- figures -----------------------------------------------------------------------------------


def handmade(losses: dict[str, list[list[float]]], random: float = 1.0) -> Comparison:
    """Results of one evaluation: contender -> problem -> seeds."""
    curves = {"none": {"*": [random]}, "default": {"*": [random]}}
    problems = {
        f"p{i}": ProblemRecord(f"p{i}", f"id{i}", "tables", "loss", 0.0, 2.0, curves)
        for i in range(len(next(iter(losses.values()))))
    }
    end = {"finished": True}
    cells = [
        CellFacts(Cell(f"{m}{i}{seed}", m, f"p{i}", seed), "done", [trial(loss)], end)
        for m, every in losses.items()
        for i, seeds in enumerate(every)
        for seed, loss in enumerate(seeds)
    ]
    grid = ExperimentGrid(
        "made", 1, tuple(Contender(m, m) for m in losses), dict.fromkeys(problems, ""), {},
        tuple(c.cell for c in cells), 0.0,
    )  # fmt: skip
    return Comparison(grid, tuple(cells), None, problems)


def trial(loss: float) -> dict[str, Any]:
    return {"number": 0, "value": -loss, "config": {}, "ask_s": 0.1, "seconds": 0.0, "replies": 1,
            "repeated": 0, "invalid": 0, "fallback": "", "proposer": "tpe"}  # fmt: skip


def figures_of(
    found: Comparison, by: str = "problem", pairs: Sequence[tuple[str, str]] = ()
) -> Any:
    return experiment_figures(found, at=[1], by=by, pairs=pairs)


def pair_of(found: Comparison, a: str, b: str) -> ContenderPair:
    pair: ContenderPair = figures_of(found, pairs=[(a, b)]).pairs[0]
    return pair


def test_the_papers_figures() -> None:
    results = handmade({
        "a": [[0.4, 0.6], [1.0, 1.4], [0.8, 0.8]],
        "b": [[0.5], [1.1], [0.9]],
    })  # fmt: skip
    found = figures_of(results)
    rows = {r.contender: r for r in found.rows}
    assert rows["a"].better.value == pytest.approx(2 / 3)
    assert rows["a"].median_gain.value == pytest.approx(0.2)
    gain = rows["a"].over_random
    assert gain.value == pytest.approx((0.5 - 0.2 + 0.2) / 3)
    assert gain.low == pytest.approx(-0.2) and gain.high == pytest.approx(0.5)
    assert rows["a"].regret is not None and rows["a"].regret.value == pytest.approx(2.5 / 6)
    assert (rows["a"].cells, rows["b"].cells, rows["random"].cells) == (6, 3, 0)
    ranks = {m: r.rank.value for m, r in rows.items() if r.rank}
    assert ranks == pytest.approx({"a": (1.5 + 3 + 1) / 3, "b": (1.5 + 2 + 2) / 3,
                                   "random": (3 + 1 + 3) / 3})  # fmt: skip
    assert found.limits["default", 1] == [1.0, 1.0, 1.0]


def test_two_methods_are_compared_on_what_both_have() -> None:
    better = [[0.5 + 0.01 * i] for i in range(12)]
    results = handmade({"a": better, "b": [[0.9]] * 12})
    left = [c for c in results.cells if (c.cell.contender, c.cell.task) != ("b", "p11")]
    results = replace(results, cells=tuple(left))
    pair = pair_of(results, "a", "b")
    assert (pair.wins, pair.losses, pair.ties, pair.units) == (11, 0, 0, 11)
    assert pair.p < 0.01 and (pair.claim.low or 0) > 0 and pair.claim.elsewhere
    assert pair_of(results, "a", "a").p == 1.0
    assert pair_of(results, "b", "random").wins == 11
    assert figures_of(results, pairs=[("a", "nobody")]).pairs == ()
    # b lacks a problem, so it has no rank among the others
    assert {r.contender for r in figures_of(results).rows if r.rank is None} == {"b"}


def test_runs_with_the_budget_asked_for_count() -> None:
    results = handmade({"a": [[0.5]]})
    (cell,) = results.cells
    longer = replace(cell, cell=replace(cell.cell, budget=2), trials=[trial(0.1), trial(0.1)])
    for cells in ((cell, longer), (longer, cell)):
        (row, _) = figures_of(replace(results, cells=cells)).rows
        assert row.over_random.value == pytest.approx(0.5)


def test_of_two_folders_the_newer_results_count() -> None:
    old, new = handmade({"a": [[0.5]], "b": [[0.5]]}), handmade({"a": [[0.3]]})
    rows = {r.contender: r for r in figures_of(old.merged(new)).rows}
    assert rows["a"].over_random.value == pytest.approx(0.7)
    assert rows["b"].over_random.value == pytest.approx(0.5)


def test_by_run_every_seed_counts() -> None:
    results = handmade({"a": [[0.4, 1.6], [1.0, 1.4]]})
    row = figures_of(results, by="run").rows[0]
    assert row.units == 4


# -- reports -----------------------------------------------------------------------------------


def test_reports_hold_everything_and_nothing_foreign_is_believed(tmp_path: Path) -> None:
    hostile = '<script>alert("x")</script>\x1b[2J'
    results = handmade({hostile: [[0.5], [0.7]], "=b": [[0.6], [0.9]]})
    figures = figures_of(results, pairs=[(hostile, "=b")])
    text = report_text(figures)
    assert "\x1b" not in text and "+40.0" in text and "Wilcoxon" in text
    page = report_html(results, figures)
    assert "<script" not in page and "://" not in page
    lines = list(csv.DictReader(io.StringIO(report_csv(figures))))
    assert {row["contender"] for row in lines} == {hostile, "'=b", "random"}
    assert float(lines[0]["over_random"]) == pytest.approx(0.4)
    assert {row["model"] for row in lines} == {""}
    assert json.loads(report_json(figures))["pairs"][0]["wins"] == 2
    write_report(results, figures, tmp_path)
    assert (tmp_path / "summary.txt").read_text() == text
    assert {f.name for f in tmp_path.iterdir()} == {
        "report.html", "summary.csv", "summary.json", "summary.txt",
    }  # fmt: skip
    empty = replace(results, cells=())
    assert "no results" in report_text(figures_of(empty))


def test_pictures_are_well_formed() -> None:
    problem = Landscape("himmelblau")
    grid = problem.grid(0, 64)
    assert set(np.unique(banded(grid))) == set(range(9))
    path = [(0.1, 0.2), (0.5, 0.5), (1.0, 0.0)]
    svg = contour_svg("a <b> & c", grid, path, [(0.3, 0.3)])
    assert ElementTree.fromstring(svg).tag == "svg"
    drawn = contour_text(grid, path, [(0.3, 0.3)], 32).splitlines()
    assert len(drawn) == 18 and {len(line) for line in drawn} == {34}
    assert drawn[-2][-2] == "3" and any("*" in line for line in drawn)


# -- really trained ----------------------------------------------------------------------------


def test_the_built_in_problems_are_many_and_named_once() -> None:
    assert len({problem_name(*p) for p in PROBLEMS}) == len(PROBLEMS) >= 24
    assert len({p[1] for p in PROBLEMS}) == 9


def test_data_sets_are_made_from_their_number() -> None:
    for number in range(10_000, 10_010):
        one, same, other = (load(f"made-{n}") for n in (number, number, number + 10))
        assert np.array_equal(one.x, same.x, equal_nan=True)
        assert not np.array_equal(one.x, other.x, equal_nan=True)
        assert one.facts.rows == len(one.y) and len(one.categorical) == one.x.shape[1]
        assert one.classes == (len(np.unique(one.y)) if one.kind == "classification" else 0)
    for name in ("made-9999", "made-", "titanic"):
        with pytest.raises(DataError, match="no data set"):
            load(name)


def test_a_trained_problem_evaluates_each_configuration_once(tmp_path: Path) -> None:
    cache = tmp_path / "kept.sqlite"
    which = [("wine", "knn", "accuracy"), ("diabetes", "linear", "r2")]
    problems = tabular_problems(which, cache=cache, pool=6)
    assert [p.missing(4) for p in problems] == [[0, 4], [0, 4]]
    results = run(problems, ["random", "cmaes"], seeds=1, budget=3, out=tmp_path, jobs=2)
    row = experiment_figures(results, at=[3], by="problem", pairs=[]).rows[0]
    assert row.units == 2 and all(0 <= -c.curve[-1] < 1.5 for c in whole(results))
    again = tabular_problems(which, cache=cache, pool=6)
    assert [p.missing(4) for p in again] == [[], []]
    before = [p.evaluated() for p in again]
    run(again, ["cmaes"], seeds=1, budget=3, out=tmp_path / "elsewhere")
    assert [p.evaluated() for p in again] == before


def test_a_folder_of_task_files_makes_problems(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((60, 2))
    rows = [f"{a:.4f},{b:.4f},{'yes' if a + b > 0 else 'no'}" for a, b in x]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,target", *rows]))
    task = '[data]\npath = "t.csv"\ntarget = "target"\n'
    (tmp_path / "t.toml").write_text('estimators = ["decision_tree"]\n' + task)
    (tmp_path / "other.toml").write_text("[tool]\n")
    (problem,) = task_problems(tmp_path, cache=tmp_path / "kept.sqlite", pool=3)
    assert (problem.name, problem.family, problem.kind) == ("t", "decision_tree", "classification")
    loss = problem.observe(problem.space.default(), 0)
    assert loss is not None and 0 <= loss < 0.5
    with pytest.raises(DataError, match="no task file"):
        task_problems(tmp_path / "nowhere")


# -- the command -------------------------------------------------------------------------------


def test_the_command_runs_reports_and_goes_on(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from hyperllama.__main__ import main

    out = str(tmp_path / "out")
    common = ["--seeds", "2", "--budget", "5", "--at", "3,5", "--out", out]
    assert main(["bench", "tables", str(folder), "--methods", "random,cmaes", *common]) == 0
    shown = capsys.readouterr()
    assert "after 5 evaluations, 1 task" in shown.out and "2 of 2" in shown.err
    assert main(["bench", "report", out, "--at", "5", "--compare", "cmaes,random"]) == 0
    assert "Wilcoxon" in capsys.readouterr().out
    drawn = ["bench", "landscapes", "branin", "--methods", "cmaes", *common]
    assert main(drawn) == 0
    shown = capsys.readouterr()
    assert "branin, seed 0, cmaes" in shown.out and "1 task;" in shown.out
    assert main(["bench", "methods"]) == 0
    assert "hybrid" in capsys.readouterr().out
    assert main(["bench", "tables", str(tmp_path), "--methods", "cmaes"]) == 3
    assert main(["bench", "tables", str(folder), "--methods", "magic", "--out", out]) == 2
    assert "allowed: random, tpe" in capsys.readouterr().err


def test_names_on_the_command_line_may_have_options() -> None:
    from hyperllama.tui.cli.options import read_names, read_seeds

    assert read_names("tpe,hybrid?turns=2,opening=4,llama?x=1") == (
        "tpe", "hybrid?turns=2,opening=4", "llama?x=1",
    )  # fmt: skip
    assert read_seeds("3") == (0, 1, 2) and read_seeds("20-22") == (20, 21, 22)


def test_importing_the_bench_is_cheap() -> None:
    import subprocess
    import sys

    code = "import hyperllama.core.experiments.bench, sys; "
    code += "print([m for m in ('sklearn', 'optuna') if m in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


def test_a_table_that_changed_is_refused(folder: Path) -> None:
    (problem,) = table_problems(folder)
    assert isinstance(problem, TableProblem) and problem.spec is not None
    recipe = {k: v for k, v in problem.spec.items() if k != "suite"}
    np.savez(folder / "small.npz", score=np.zeros((4, 4)))
    with pytest.raises(DataError, match="changed"):
        TableProblem(**recipe)
