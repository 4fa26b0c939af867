"""Surfaces of the corpus as objectives, and proposers compared on them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from workshop import corpus, datasets, replay, stops
from workshop.replay import ReplayTask, compare
from workshop.surfaces import fit


def test_a_replay_deviates_the_same_way_whenever_a_configuration_is_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    surface = fit(corpus.evaluate_surface(datasets.generate(3), "decision_tree", 24, 3))
    assert surface is not None
    for cells in (False, True):
        task = ReplayTask(surface, 0, cells, wide=True)
        configs = [task.space.sample(np.random.default_rng(n)) for n in range(40)]
        seen, judged = task.losses(configs)
        again, _ = task.losses(configs[7:9])
        assert np.array_equal(seen[7:9], again) and np.array_equal(seen, judged) == cells
        near = {**configs[0], "max_features": configs[0]["max_features"] + 1e-5}
        assert (task.losses([near])[0][0] == seen[0]) == cells
    monkeypatch.setattr(replay, "_POPULATION", 100)
    said: list[str] = []
    kept, every = tmp_path / "shares.jsonl", replay.tasks([surface])
    found = compare(every, ["random", "gp"], 6, 2, kept, said.append)
    assert found["gp"].shape == (2, 2, 6) and np.abs(found["gp"]).max() <= 1
    assert len(said) == 2 and said[0].startswith("random") and "+0.0% ± 0.0%" in said[0]
    assert len(kept.read_text().splitlines()) == 8
    monkeypatch.setattr(replay, "play", None)  # all is kept: nothing is played again
    assert np.array_equal(compare(every, ["gp"], 5, 2, kept)["gp"], found["gp"][..., :5].round(4))


def test_the_advice_to_stop_is_judged_by_what_comes_after_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    surface = fit(corpus.evaluate_surface(datasets.generate(3), "decision_tree", 24, 3))
    assert surface is not None
    task = ReplayTask(surface, 0, cells=False, wide=True)
    margin = stops.margin_of(task, 12)
    flat = np.full(40, 5.0)
    flat[2] = 5.0 - 3 * margin
    stop = stops.first_stop(task, flat, flat, 10)
    assert stop is not None and stop.after == 13 and stop.missed == 0  # ten trials after the rise
    late = flat.copy()
    late[20] -= 9 * margin
    stop = stops.first_stop(task, late, late, 10)
    assert stop is not None and stop.missed == pytest.approx(6 * margin)
    rising = 5.0 - margin * np.arange(40)
    assert stops.first_stop(task, rising, rising, 10) is None

    played = [(flat, flat), (late, late), (rising, rising)]
    monkeypatch.setattr(stops, "trials", lambda *_: played.pop(0))
    said: list[str] = []
    every = [replace(task, cells=i > 1, wide=i % 2 == 0) for i in range(3)]
    for _ in range(2):  # the second time from the file
        stops.study(every, "random", 40, 10, tmp_path / "trials.jsonl", said.append)
    assert said[0] == said[1] and not played
    assert said[0].startswith("advice in 2 of 3 studies, after 13 trials (median); in 50.0%")
