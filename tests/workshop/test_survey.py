"""The second corpus: units, surfaces pooled from them, portfolios, and methods on kept targets."""

from __future__ import annotations

import json
import pickle
from dataclasses import asdict, replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from hyperllama.core.estimators import Facts
from hyperllama.core.propose.embedded.encoding import encoded, header, score_noise
from hyperllama.core.propose.gp.family_prior import FamilyPrior, Features
from hyperllama.core.propose.gp.surrogate import GaussianProcess
from hyperllama.core.trials import AskContext, Observed, ProposerSetting
from hyperllama.models.embedded.dialect import INDEX, TableFacts
from workshop import datasets, family_prior, measure, pooled, survey
from workshop.portfolio import portfolio
from workshop.spaces import FAMILY, wide_space
from workshop.surfaces import FittedSurface
from workshop.targets import Target
from workshop.tasks import RealTask


def _unit(name: str, seed: int, best: float) -> survey.Unit:
    """A unit of sgd whose loss rises with the distance of both coordinates from `best`."""
    rng = np.random.default_rng(seed)
    space = wide_space("sgd", "regression")
    points = [survey._point(space, space.default()),
              *(rng.integers(0, survey.GRID, 2).tolist() for _ in range(15))]
    unit = survey.Unit(name, "sgd", 0, "regression",
                       asdict(Facts(300, 5)), [p.name for p in space.free],
                       points, [], [10000, 8000], [1] * 16)
    at = survey.coordinates(unit, space)
    losses = 0.3 + np.square(at - best).sum(axis=1)
    scores = [[[int(1e4 * v * f) for f in (1.0, 1.02, 0.98, 0.9, 1.0)] for _ in range(2)]
              for v in losses]  # fmt: skip
    return replace(unit, scores=scores)


def test_pooled_surfaces_know_what_other_targets_say() -> None:
    units = [_unit(f"t{i}", i, 0.3) for i in range(12)]
    grid = np.random.default_rng(0).random((2000, 2))
    gaps = []
    for s, surface in pooled.fitted(units, {u.target for u in units[:8]}):
        again = pickle.loads(pickle.dumps(surface))  # processes that make sequences get them so
        assert np.array_equal(again.losses(0, grid[:9]), surface.losses(0, grid[:9]))
        gaps.append(np.abs(grid[np.argmin(surface.losses(0, grid))] - 0.3).max())
        assert 0 <= s.noise < 0.1  # a fold that is harder for all is no noise
    assert len(gaps) == 12 and np.mean(gaps) < 0.1
    chosen = portfolio([f for _, f in pooled.fitted(units)])["sgd"]
    space = wide_space("sgd", "regression")
    assert np.abs(space.to_unit(space.complete(chosen[0])) - 0.3).max() < 0.1
    cases = [family_prior.Case("sgd", "regression", space, s.x, s.y,
                             FamilyPrior(("linear",), "regression"))
             for s, _ in pooled.fitted(units)]  # fmt: skip
    (learnt,) = family_prior.learn(cases)
    features = Features([axis["length"][0] for axis in learnt["axes"]])
    expected = features(grid, cases[0].family_prior.about) @ np.array(learnt["weights"])
    assert learnt["family"] == "linear" and np.abs(grid[np.argmin(expected)] - 0.3).max() < 0.2
    broken = [replace(u, scores=[[] if p[1] < 40 and i else s for i, (p, s) in
                                 enumerate(zip(u.points, u.scores, strict=True))]) for u in units]
    for s, _ in pooled.fitted(broken):  # what failed is as bad as the worst that did not
        lost = s.x[:, 1] < 40 / survey.GRID
        assert (len(s.y) == 16 and len(s.ahead) < 16) or not lost[1:].any()
        assert (s.y[len(s.ahead):] == s.y[: len(s.ahead)].max()).all()
    with pytest.raises(ValueError, match="other hyperparameters"):
        pooled.space_of(replace(units[0], names=["eta", "alpha"]))


def test_studies_tell_models_of_noise_as_the_corpus_has_it() -> None:
    unit = _unit("t", 1, 0.3)
    rng = np.random.default_rng(0)
    for scores in unit.scores:  # one fold is harder than another, and each score is off a little
        for metric in scores:
            metric[:3] = [v + 400 * k + int(300 * rng.normal()) for k, v in enumerate(metric[:3])]
    (s, *_) = pooled.scored(unit)
    folds = [np.array(scores[0][:3]) / 1e4 for scores in unit.scores]
    trials = [Observed(i, {}, float(-f.mean()), fold_scores=tuple(-f)) for i, f in enumerate(folds)]
    found = score_noise(trials)
    assert found is not None and 0.02 < found == pytest.approx(s.noise, rel=0.1)
    told = header("", ProposerSetting(kind="regression", facts=Facts(300, 5)), [], 2, noise=found)
    level = 7 + int(np.floor(np.log2(found)))
    assert INDEX[f"<noise:{level}>"] in told
    assert score_noise(trials[:3]) is None and score_noise([replace(t, fold_scores=())
                                                            for t in trials]) is None


def test_a_unit_keeps_folds_training_and_fresh_losses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(survey, "CONFIGS", 6)
    data = datasets.generate(7)
    target = Target("t:y", "t", "y", "t", 0.5, len(data.y))
    trainer = survey.Trainer(data, 2, 1)
    for family in ("decision_tree", "net", "sgd"):
        unit = survey.evaluate(trainer, target, family, 2)
        survey.append(tmp_path / "units-0.jsonl.gz", unit)
        scored = [s for s in unit.scores if s]
        assert len(unit.scores) == len(unit.times) == survey.CONFIGS and len(scored) > 3
        assert np.shape(scored) == (len(scored), len(unit.chance), survey.FOLDS + 2)
        space = wide_space(family, data.kind, trainer.facts)
        assert [p.name for p in space.free] == unit.names
        again = [survey._point(space, survey.config_at(space, p)) for p in unit.points[1:]]
        assert again == unit.points[1:]  # what is stored is what was trained
    assert len(list(survey.units(tmp_path / "units-0.jsonl.gz"))) == 3
    assert survey.pack(tmp_path) == 3
    assert [p.name for p in tmp_path.iterdir()] == ["units.jsonl.xz"]
    assert survey.all_units(tmp_path)[unit.key] == unit

    best = tmp_path / "list.json"
    best.write_text(json.dumps({"decision_tree": [{"max_depth": 3, "min_samples_leaf": 9}]}))
    objective = measure.Objective(trainer, "decision_tree")
    cell = measure.play(objective, f"list:{best}", 0, 3)
    assert len(cell.seen) == len(cell.judged) == 3
    scored = objective.losses(objective.space.default())
    assert scored is not None and scored.seen == cell.seen[0]
    assert scored.seen == pytest.approx(np.mean(scored.folds)) and scored.train < scored.seen
    assert measure.play(objective, f"list:{best}", 0, 3) == cell


@pytest.mark.parametrize("name", sorted({*survey.PACE} - {"pipeline"}))
def test_models_learn_the_names_that_studies_ask_by(name: str) -> None:
    space = wide_space(name, "classification")
    x = np.random.default_rng(0).random((12, len(space.free)))
    gp = GaussianProcess.fit(x, x[:, 0])
    surface = FittedSurface("t", name, TableFacts("binary"), space, [gp], metrics=["error"],
                            lefts=[None])
    asked = {p.axis.token for p in encoded(space, FAMILY.get(name, name), version=2)}
    for seed in range(30):
        task = RealTask(np.random.default_rng(seed), surface)
        named = {a.token for a in task.axes}
        assert named <= asked or min(named) >= INDEX["<p:0>"]


def test_a_method_that_names_a_file_asks_that_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[ProposerSetting] = []
    monkeypatch.setattr(measure, "make_proposer_of", lambda _, setting: asked.append(setting))
    file = tmp_path / "other.gguf"
    file.write_bytes(b"GGUF")
    measure.made(f"hybrid:{file}?opening=2", "svm", ProposerSetting(seed=3))
    measure.made("hybrid", "svm", ProposerSetting(seed=3))
    assert [(s.model, s.options, s.seed) for s in asked] == [
        (str(file), {"opening": 2}, 3), ("embedded", {}, 3)]


def test_methods_are_compared_on_the_same_targets() -> None:
    def cell(target: str, method: str, seen: list[float | None], judged: list[float | None]):  # type: ignore[no-untyped-def]
        return measure.Cell(target, "svm", method, 0, seen, judged)

    found = [
        cell("a", "random", [0.5, 0.4, None], [0.5, 0.45, None]),
        cell("a", "gp", [0.5, 0.3, 0.4], [0.5, 0.36, 0.1]),
        cell("b", "random", [0.5, 0.6, 0.6], [0.5, 0.6, 0.6]),
        cell("b", "gp", [0.5, 0.6, 0.6], [0.5, 0.6, 0.6]),
        cell("c", "gp", [0.5, 0.6, 0.6], [0.5, 0.6, 0.6]),  # random is missing here
    ]
    gp, random = measure.table(found, at=(2,), fresh=True)
    assert gp == {"method": "gp", "trials": 2, "tasks": 2, "better": 0.5, "equal": 0.5,
                  "median": -10.0, "median 90 %": [-20.0, 0.0],
                  "mean": -10.0, "mean 90 %": [-20.0, 0.0], "rank": 1.25}
    assert random["rank"] == 1.75 and random["better"] == 0.0
    assert measure.table(found, at=(2,))[0]["mean"] == -12.5  # on the folds


def test_random_search_is_what_all_orders_of_its_trials_expect() -> None:
    seen = [0.5, 0.7, 0.3, None, 0.4]
    judged = [0.50, 0.71, 0.36, None, 0.44]
    cell = measure.Cell("a", "svm", "random", 0, seen, judged)
    for fresh, of in ((False, seen), (True, judged)):
        for n in range(5):
            ends = [min((seen[i], of[i]) for i in (0, *order[:n]) if seen[i] is not None)[1]
                    for order in permutations(range(1, 5))]
            assert cell.curve(fresh)[n] == pytest.approx(np.mean(ends))


@pytest.mark.parametrize(("which", "library"), [("smac", "smac"), ("flaml", "flaml")])
def test_rivals_go_on_from_the_default(which: str, library: str) -> None:
    pytest.importorskip(library)
    space = wide_space("svm", "classification")
    proposer = measure.made(which, "svm", ProposerSetting(seed=1))
    tried = [space.default()]
    for n in range(6):
        value = None if n == 2 else -float(np.square(space.to_unit(tried[-1]) - 0.3).sum())
        proposer.tell(Observed(n, tried[-1], value))
        tried.append(proposer.ask(space, AskContext(n + 1, 6 - n)).config)
    assert all(space.contains(c) for c in tried)
    assert len({space.key(c) for c in tried}) == 7  # the default and what failed, never again


def test_cheap_families_come_first_and_every_unit_once() -> None:
    targets = [Target(str(i), "t", "y", "t", 0.5, 500) for i in range(8)]
    plan = survey.plan(targets, ("linear", "catboost"))
    assert len(plan) == len({(t.name, f, n) for t, f, n in plan}) == 16 * len(survey.ROWS)
    first = plan[:10]
    assert sum(f == "linear" for _, f, _ in first) == 8 and {n for _, _, n in first} == {0}
