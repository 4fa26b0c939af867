"""The workshop: a smoke version of the whole chain, from a corpus to a proposal by llama.cpp."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hyperllama.models.embedded import dialect
from workshop import corpus, datasets


def test_generated_data_sets_are_functions_of_their_seed() -> None:
    one, same = datasets.generate(5), datasets.generate(5)
    assert np.array_equal(one.x, same.x, equal_nan=True) and np.array_equal(one.y, same.y)
    kinds = {datasets.generate(s).kind for s in range(8)}
    assert kinds == {"classification", "regression"}


def test_a_corpus_that_is_cut_short_keeps_its_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl.gz"
    for seed in (3, 4):
        surface = corpus.evaluate_surface(datasets.generate(seed), "decision_tree", 6, seed)
        corpus.append(path, surface)
    whole = list(corpus.read(path))
    assert [s.dataset for s in whole] == ["generated-3", "generated-4"]
    assert all(len(v) == 6 for s in whole for v in s.losses.values())
    path.write_bytes(path.read_bytes()[:-20])
    assert [s.dataset for s in corpus.read(path)] == ["generated-3"]


def test_sequences_follow_the_dialect(tmp_path: Path) -> None:
    from workshop import batches, pool, sequences
    from workshop.surfaces import fit

    path = tmp_path / "c.jsonl.gz"
    for family in ("svm", "decision_tree", "knn"):
        corpus.append(path, corpus.evaluate_surface(datasets.generate(1), family, 20, 1))
    surfaces = [s for s in map(fit, corpus.read(path)) if s is not None]
    source = sequences.Source(surfaces, seed=0, synthetic=0.3)
    for i in range(60):
        example = source.draw(i)
        assert example.prompt[0] == dialect.INDEX["<study>"]
        assert example.prompt[-1] == dialect.INDEX["<propose>"]
        assert len(example.prompt) + max(map(len, example.continuations)) < 1024
        for c in example.continuations:
            after = c[c.index(dialect.INDEX["<config>"]) + 1 :]
            assert all(t >= dialect.VALUE_0 for t in after[1::2])
    assert source.draw(7) == source.draw(7)
    made = [batches.batches(source, 4, 8 * n, 2, 0) for n in range(2)]
    wanted = [[next(one) for _ in range(8)] for one in made]
    assert len({next(pool.fill(tmp_path, source, 4, n, 2)) for n in range(2)}) == 2
    read = pool.drawn(tmp_path, seed=0)
    for group in wanted:  # each file once, then those that were read
        found = [next(read) for _ in range(8)]
        assert {b.tokens.tobytes() for b in found} == {
            b.tokens.astype(np.int16).tobytes() for b in group}
    assert next(read).weights.shape[0] == 4


def test_studies_that_were_played_are_histories(tmp_path: Path) -> None:
    from workshop import sequences, trajectories
    from workshop.surfaces import fit

    path, played = tmp_path / "c.jsonl.gz", tmp_path / "played.jsonl"
    for family in ("svm", "decision_tree"):
        corpus.append(path, corpus.evaluate_surface(datasets.generate(1), family, 20, 1))
    surfaces = [s for s in map(fit, corpus.read(path)) if s is not None]
    for seed in range(6):
        next(trajectories.record(surfaces, "random", played, 6, seed, 1.0))
    found = trajectories.read(played, surfaces)
    assert len(found) == 6 and len({t.task.surface.family for t in found}) > 1
    for t in found:
        asked = t.asked(np.random.default_rng(0))
        assert asked.played is not None
        scored = asked.task.score(asked.played[0])  # the same points of the same surface
        np.testing.assert_allclose(scored, t.task.losses(t.configs)[1], rtol=1e-6)
        assert asked.played[1].tolist() == t.losses
    source = sequences.Source(surfaces, 0, 0.0, found)
    assert source.draw(7) == source.draw(7)
    assert trajectories.read(played, surfaces[:0]) == []


def test_a_draw_is_as_far_from_the_mean_as_the_process_says() -> None:
    from hyperllama.core.propose.gp.surrogate import GaussianProcess
    from workshop.draws import drawn

    rng = np.random.default_rng(0)
    x = rng.random((9, 2))
    gp = GaussianProcess.fit(x, np.sin(5 * x[:, 0]) + 3 * x[:, 1])
    at = np.concatenate([x[:2], rng.random((6, 2))])
    draws = np.array([drawn(rng, gp)(at) for _ in range(1500)])
    wanted = gp.predict(at)[1]
    assert np.abs(draws.mean(axis=0)).max() < 0.2 * wanted.max()
    np.testing.assert_allclose(draws.std(axis=0), wanted, rtol=0.15, atol=0.02 * gp.std)


def test_headers_to_learn_from_tell_what_questions_tell() -> None:
    """A fact that questions tell and no sequence of a family does makes its answers arbitrary."""
    from workshop.surfaces import fit
    from workshop.tasks import RealTask

    config = {"max_depth": 3, "min_samples_split": 2, "min_samples_leaf": 1, "max_features": 1.0,
              "ccp_alpha": 1e-3}  # fmt: skip
    scores: list[float | None] = [0.1 + 0.01 * i for i in range(12)]
    facts = {"rows": 500, "features": 8, "classes": 2, "minority_share": 0.4,
             "categorical_share": 0.0, "missing_share": 0.0}  # fmt: skip
    surface = fit(corpus.Surface(
        "t", "decision_tree", "classification", facts,
        [{**config, "max_depth": 2 + i} for i in range(12)], {"error": scores}, 0.1))
    assert surface is not None
    told = [RealTask(np.random.default_rng(i), surface).facts for i in range(200)]
    for name in ("rows", "minority_share", "classes", "default_left", "metric", "noise"):
        known = [t for t in told if getattr(t, name) is not None]
        assert 20 < len(known) < 180, name
        assert any(t.kind == "binary" and t.noise is None for t in known) or name == "noise"
    assert len({t.rows for t in told}) > 50  # so that rows do not give a data set away


def test_the_whole_chain(tmp_path: Path) -> None:
    """Corpus, training (with a resume), GGUF, and the same greedy proposal from llama.cpp."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("gguf")
    pytest.importorskip("llama_cpp")
    from hyperllama.models.engine import Engine, EngineSettings, Fixed, Generation, Tokens
    from workshop import network, quality, surfaces, train
    from workshop.export import VOCABULARY_SIZE, export, weights_of

    torch.set_num_threads(1)
    path = tmp_path / "c.jsonl.gz"
    corpus.append(path, corpus.evaluate_surface(datasets.generate(2), "decision_tree", 20, 1))
    fitted = surfaces.load([path], held_out=False, every=10**9)
    shape = network.shape_of("tiny", VOCABULARY_SIZE)
    run = tmp_path / "run"
    for steps in (4, 8):
        options = train.TrainOptions(steps, batch=4, workers=0, fuse=False)
        train.train(fitted, fitted, shape, run, options)
    net = train.load(run / "final.pt")
    for tensor in net.parameters():  # far from ties
        if tensor.ndim == 2:
            tensor.data.mul_(4.0)
    axes = [
        dialect.DialectParam(dialect.INDEX["<p:C>"], "float:log", 0.1, 10.0),
        dialect.DialectParam(dialect.INDEX["<p:gamma>"], "float:log", 0.01, 1.0),
    ]
    prompt = dialect.header("svm", dialect.TableFacts(), axes)
    prompt += dialect.history(axes, [{0: 3, 1: 70}, {0: 40, 1: 20}], [0.4, 0.2])
    prompt.append(dialect.INDEX["<propose>"])
    wanted = quality.propose(net, axes, prompt, True, None)
    for kind in ("f32", "q8_0"):
        file = tmp_path / f"m-{kind}.gguf"
        export(net, file, name="smoke", kind=kind, summary="made by a test")
        engine = Engine(log=tmp_path / "engine.log")
        try:
            info = engine.load(file, EngineSettings(context_length=512, threads=1))
            assert info.embedded_dialect == dialect.VERSION
            plan = dialect.plan_tokens(axes, True)
            lead = dialect.VOCABULARY[dialect.INDEX["<config>"]]
            segments = [
                *(Tokens(f"p{i}", tuple(a)) for i, a in enumerate(plan)),
                Fixed(lead + dialect.VOCABULARY[axes[0].token], special=True),
                Tokens("v0", tuple(axes[0].allowed)),
                Fixed(dialect.VOCABULARY[axes[1].token], special=True),
                Tokens("v1", tuple(axes[1].allowed)),
            ]
            said = engine.generate(Generation(prompt, segments)).values
            found = {i: axes[i].index_of(int(said[f"v{i}"])) for i in range(2)}
        finally:
            engine.close()
        if kind == "f32":
            assert found == wanted
            again = weights_of(file)
            assert all(torch.equal(again[k], v) for k, v in net.state_dict().items())


def test_a_grown_network_computes_the_same() -> None:
    torch = pytest.importorskip("torch")
    from workshop.network import Network, Shape, grown

    torch.manual_seed(0)
    small = Network(Shape(32, 2, 1, 64, 100))
    shape = Shape(32, 5, 1, 64, 100)
    large = Network(shape)
    large.load_state_dict(grown(small.state_dict(), shape))
    tokens = torch.arange(12)[None]
    mask = torch.ones(1, 12, 12, dtype=torch.bool).tril()
    with torch.no_grad():
        wanted, found = (net(tokens, torch.arange(12)[None], mask) for net in (small, large))
    assert torch.allclose(wanted, found, atol=1e-6)
    assert len(grown(small.state_dict(), small.shape)) == len(small.state_dict())


def test_targets_have_signal_and_nothing_gives_them_away(tmp_path: Path) -> None:
    import csv
    import gzip

    from workshop import targets

    rng = np.random.default_rng(0)
    a, b, c, noise = rng.normal(size=(4, 300)).round(4)
    columns = {"row": range(300), "a": a, "b": b, "c": c, "noise": noise,
               "sum": (a + b).round(4), "y": (a * 2 + b + c * noise).round(4)}
    for name, kept in (("one", list(columns)), ("two", ["a", "b", "c", "noise"])):
        with gzip.open(tmp_path / f"{name}.csv.gz", "wt", encoding="utf8", newline="") as out:
            csv.writer(out).writerows([kept, *zip(*(columns[k] for k in kept), strict=True)])
    assert targets.read(tmp_path / "one.csv.gz", "sum") is None  # a and b give it away
    assert targets.read(tmp_path / "one.csv.gz", "row") is None
    without, told = (targets.read(tmp_path / f, c)
                     for f, c in (("two.csv.gz", "noise"), ("one.csv.gz", "y")))
    assert without is not None and targets.signal_of(without) < targets.LEAST_SIGNAL
    assert told is not None and targets.signal_of(told) > targets.LEAST_SIGNAL
    groups = targets.groups_of(sorted(tmp_path.glob("*.csv.gz")))
    assert groups == {"one": "one", "two": "one"}  # they share a column
    shares = [targets.is_reserved(f"table-{i}") for i in range(400)]
    assert 0.15 < np.mean(shares) < 0.25
