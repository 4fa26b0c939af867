"""One and two hyperparameters against the score, with what the GP expects, from its own process."""

from __future__ import annotations

import math
from pathlib import Path

from hyperllama.core.events import Event, ProposalStarted, StudyOpened, TrialFinished
from hyperllama.core.study import StudyState, fold
from hyperllama.core.study.findings.axes import axes_of
from hyperllama.models.process import python_argv
from hyperllama.tui.processes.child import JsonChild
from hyperllama.tui.text.glyphs import ASCII, UNICODE
from hyperllama.tui.widgets.study import slices
from hyperllama.tui.widgets.study.slices import Slice
from tests.tui import recorded

SPACE = (
    {"name": "rate", "type": "float", "low": 0.001, "high": 1.0, "log": True},
    {"name": "depth", "type": "integer", "low": 1, "high": 15},
    {"name": "kind", "type": "categorical", "choices": ["a", "b"]},
)


def hill(trials: int = 25) -> StudyState:
    """A study whose score is highest at rate 0.1 and depth 8, and 0.1 higher for "b"."""
    opened = next(e for e, _ in recorded.events(1) if isinstance(e, StudyOpened))
    found: list[tuple[Event, float]] = [(StudyOpened(**{**vars(opened), "space": SPACE}), 0.0)]
    best = -math.inf
    for number in range(trials):
        a, b = (number * 0.618034) % 1, (number * 0.381966 + number // 5 / 7) % 1
        kind = "b" if number % 3 else "a"
        config = {"rate": 10 ** (3 * a - 3), "depth": 1 + round(14 * b), "kind": kind}
        value = 0.8 - (a - 2 / 3) ** 2 - (config["depth"] - 8) ** 2 / 200 + 0.1 * (kind == "b")
        found.append((ProposalStarted(number, "gp"), 1.0 + number))
        done = TrialFinished(number, "complete", config, value, incumbent=value > best)
        found.append((done, 1.5 + number))
        best = max(best, value)
    return fold(found)


async def test_the_gp_finds_the_hill_and_is_drawn(tmp_path: Path) -> None:
    state = hill()
    axes = {a.name: a for a in axes_of(state)}
    child = JsonChild(python_argv("hyperllama.core.propose.gp.server"), "the GP", tmp_path / "log")
    one = Slice(state, list(axes.values()), axes["rate"])
    two = Slice(state, list(axes.values()), axes["rate"], axes["depth"])
    kind = Slice(state, list(axes.values()), axes["kind"])
    try:
        asked = [s.request(60, 20) for s in (one, two, kind)]
        answers = [await child.ask(a["do"], a) for a in asked if a is not None]
    finally:
        await child.close()
    assert len(answers) == 3
    profile, surface, choice = answers
    top = profile["mean"].index(max(profile["mean"])) / (slices.PROFILE_POINTS - 1)
    assert abs(top - 2 / 3) < 0.08
    assert choice["mean"][1] - choice["mean"][0] > 0.05
    best = max((band, row, column) for row, bands in enumerate(surface["bands"])
               for column, band in enumerate(bands))  # fmt: skip
    highest = [(r, c) for r, bands in enumerate(surface["bands"])
               for c, band in enumerate(bands) if band == best[0]]  # fmt: skip
    rows, columns = zip(*highest, strict=True)
    assert abs(sum(columns) / len(columns) / 59 - 2 / 3) < 0.1
    assert abs(sum(rows) / len(rows) / 19 - 0.5) < 0.15
    for glyphs in (UNICODE, ASCII):
        plot = two.plot(68, 23, glyphs)
        text = "\n".join(
            line.plain
            for line in slices.draw_two(two, plot, surface, None, 68, 0.01, True, glyphs)
        )
        assert "depth up" in text and "rate (log)" in text and glyphs.best in text
        assert ("⠒" in text) is glyphs.braille and text.isascii() is not glyphs.braille
        drawn = slices.draw_one(one, one.plot(60, 20, glyphs), profile, None, 60, 0.02, glyphs)
        assert len(drawn) <= 21 and all(line.cell_length <= 60 for line in drawn)


def test_with_few_trials_nothing_is_asked() -> None:
    state = hill(4)
    axes = axes_of(state)
    assert Slice(state, axes, axes[0]).request(60, 20) is None
