"""Numbers and times read alike everywhere, and foreign text cannot reach the terminal."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperllama.tui.text import wording
from hyperllama.tui.text.glyphs import ASCII, UNICODE, sparkline
from hyperllama.tui.widgets.plots.canvas import nice_ticks, tick_labels


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
    [(0.86012, "0.8601"), (-23412.2, "-23412"), (123.456, "123.46"), (None, "–"), (math.nan, "–")],
)
def test_scores(value: float | None, text: str) -> None:
    assert wording.score(value) == text


def test_differences_carry_their_sign() -> None:
    assert wording.signed(0.0123) == "+0.0123"
    assert wording.signed(-0.5) == "−0.5000"
    assert wording.signed(0.0) == "±0.0000"


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
def test_ticks_are_few_round_and_inside(low: float, span: float, most: int) -> None:
    high = low + span
    ticks = nice_ticks(low, high, most)
    assert 1 <= len(ticks) <= most
    slack = span * 1e-6 + 4 * math.ulp(max(abs(low), abs(high)))
    assert all(low - slack <= t <= high + slack for t in ticks)
    labels = tick_labels(ticks)
    assert len(set(labels)) == len(labels)
