"""Variants of the prompt measured on tables: resumed, in pairs, with intervals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hyperllama.core.errors import ModelFileError
from hyperllama.core.experiments import prompts
from hyperllama.core.experiments.problems.random_search import RandomSearch
from hyperllama.core.experiments.problems.tabular import tabular_problems
from hyperllama.core.experiments.prompts import (
    PromptBench,
    PromptRun,
    prompt_figures,
    read_runs,
    run_prompt_bench,
)
from hyperllama.tui.cli.comparing.bench_prompts import _print
from tests.core.fake_engine import FakeEngine
from tests.models.tiny_gguf import write_tiny

POOL = RandomSearch.of(np.array([0.1, 0.2, 0.3, 0.4]))


def run_of(variant: str, history: int, losses: tuple[float, ...]) -> PromptRun:
    times, tokens = (1.0,) * len(losses), (100,) * len(losses)
    return PromptRun(variant, "k", "p", history, 0.2, losses, 1, 0, times, tokens)


def test_figures_are_of_pairs_and_the_best_stands_first(
    capsys: pytest.CaptureFixture[str],
) -> None:
    runs = [run_of("a", h, (0.3, 0.25)) for h in range(3)]
    runs += [run_of("b", h, (0.4, loss)) for h, loss in enumerate((0.1, 0.2, 0.15))]
    found = prompt_figures(runs, ("a", "b"), {"p": POOL})
    a, b = found.variants
    # losses 0.3 and 0.25 beat two and a half, and two, of four; the better proposals stand first
    assert (a.variant, a.difference) == ("a", None)
    assert a.beats.value == pytest.approx((0.375 + 0.5) / 2)
    assert (a.gain.value, a.improved) == (0.0, 0.0)
    # 0.4 ties with the worst; 0.1 with the best, 0.2 with the second, 0.15 beats three
    expected = np.mean([0.125, 0.875, 0.125, 0.625, 0.125, 0.75])
    assert b.beats.value == pytest.approx(expected) and b.runs == 3
    assert b.difference is not None
    assert b.difference.value == pytest.approx(expected - a.beats.value)
    assert b.difference.low is not None and b.difference.low < b.difference.value
    assert b.gain.value == pytest.approx((0.5 + 0.0 + 0.25) / 3)
    assert b.improved == pytest.approx(2 / 3) and b.copies == 0.5
    # two of four random configurations hold the one that is better, half as good a loss
    assert found.random == pytest.approx(0.5 * 0.5)
    _print(found, 2)
    out = capsys.readouterr().out
    assert "43.8 (" in out and "the first" in out and "2 random configurations: 25.0" in out


def test_a_bench_goes_on_where_it_was_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = FakeEngine()
    monkeypatch.setattr(prompts, "shared_engine", lambda: engine)
    problems = tabular_problems(
        [("wine", "linear", "neg_log_loss")], pool=4, cache=tmp_path / "cache.sqlite"
    )
    model = write_tiny(tmp_path / "tiny.gguf")
    bench = PromptBench(str(model), problems, ("short", "rising"), histories=2, turns=1)
    out, told = tmp_path / "out", []
    first = run_prompt_bench(bench, out, lambda *step: told.append(step))
    assert [t[:2] for t in told] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert {f.variant for f in first.variants} == {"short", "rising"}
    runs = read_runs(out)
    by_history = {h: {r.best for r in runs if r.history == h} for h in (0, 1)}
    assert all(len(best) == 1 for best in by_history.values())  # the same for every variant
    asked = len(engine.requests)
    with (out / prompts.FILE).open("a") as file:
        file.write('{"variant": "short", "cut')
    assert run_prompt_bench(bench, out) == first and len(engine.requests) == asked
    run_prompt_bench(replace(bench, turns=2), out)
    assert len(engine.requests) > asked
    with pytest.raises(ModelFileError, match="reads no prompt"):
        run_prompt_bench(replace(bench, model="embedded"), out)
