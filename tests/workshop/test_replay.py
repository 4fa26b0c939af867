"""Surfaces of the corpus as objectives, and proposers compared on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from workshop import corpus, datasets, replay
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
