"""Ranges that the best trials keep hitting are pointed out, once, and nothing else is."""

from __future__ import annotations

from hyperllama.core.space import Categorical, Float, Integer, Param, SearchSpace
from hyperllama.core.study.findings.wider_ranges import (
    FEWEST,
    RangeSuggestions,
    WiderRange,
    wider_ranges,
)
from hyperllama.core.trials import Observed

SPACE = SearchSpace(
    [
        Param("rate", Float(1e-3, 0.5, log=True), 0.1),
        Param("depth", Integer(1, 10), 6),
        Param("share", Float(0.2, 1.0), 1.0),
        Param("C", Float(-5.0, 5.0), 0.0),
        Param("kind", Categorical(("a", "b")), "a"),
    ]
)
MIDDLE = {"rate": 0.02, "depth": 5, "share": 0.6, "C": 0.0, "kind": "a"}


def trials(**best: list[object]) -> list[Observed]:
    """Eight trials, the first three the best with these values, the others in the middle."""
    made = []
    for number in range(FEWEST):
        config = {**MIDDLE, "rate": 0.02 + number / 1000}
        if number < 3:
            config |= {name: values[number] for name, values in best.items()}
        made.append(Observed(number, config, 1.0 - number / 10))
    return made


def test_the_best_trials_at_a_bound_are_seen() -> None:
    found = wider_ranges(SPACE, trials(rate=[0.5, 0.49, 0.48]))
    assert found == [WiderRange("rate", True, 1e-3, 5.0)]
    assert wider_ranges(SPACE, trials(depth=[10, 10, 10])) == [WiderRange("depth", True, 1, 20)]
    assert wider_ranges(SPACE, trials(C=[-5.0, -4.9, -5.0])) == [WiderRange("C", False, -10.0, 5.0)]


def test_what_needs_no_wider_range() -> None:
    assert not wider_ranges(SPACE, trials(rate=[0.5, 0.5, 0.1]))  # one of them elsewhere
    assert not wider_ranges(SPACE, trials(depth=[10, 9, 10]))  # of ten values 9 is not the last
    assert not wider_ranges(SPACE, trials(share=[1.0, 1.0, 1.0]))  # more than all rows there is not
    assert not wider_ranges(SPACE, trials(depth=[1, 1, 1]))
    assert not wider_ranges(SPACE, trials(kind=["b", "b", "b"]))
    assert not wider_ranges(SPACE, trials(rate=[0.5, 0.5, 0.5])[: FEWEST - 1])
    assert not wider_ranges(SPACE.freeze("rate", 0.5), trials(rate=[0.5, 0.5, 0.5]))


def test_each_is_suggested_once_until_the_range_changes() -> None:
    suggestions, told = RangeSuggestions(), trials(rate=[0.5, 0.5, 0.5])
    (note,) = suggestions.new("mine", SPACE, told)
    assert "rate at its upper bound, 0.5" in note.text
    assert note.hint == "hyperllama tell mine range rate 0.001 5"
    assert not suggestions.new("mine", SPACE, told)
    wider = SPACE.replace(Param("rate", Float(1e-3, 5.0, log=True), 0.1))
    assert not suggestions.new("mine", wider, told)
    again = [Observed(20 + i, {**MIDDLE, "rate": 5.0 - i / 50}, 2.0) for i in range(3)]
    assert len(suggestions.new("mine", wider, [*told, *again])) == 1
