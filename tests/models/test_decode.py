"""Constrained decoding: what is drawn is allowed, and what is allowed can be drawn."""

from __future__ import annotations

import math
import random
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hyperllama.models.decode.loops import looped_at
from hyperllama.models.decode.numbers import NumberGrammar
from hyperllama.models.decode.sampling import (
    Pieces,
    choose,
    choose_free,
    log_sum_exp,
    option_trie,
    probabilities,
)
from hyperllama.models.errors import EngineError

SINGLE = [b"", *(bytes([b]) for b in range(256))]
MULTI = [*SINGLE, *(b"%03d" % i for i in range(1000)), *(b"%02d" % i for i in range(100))]
MULTI += [b"e-", b".0", b"0.", b"-1", b" 1", b"1,"]
PIECES = {"single": Pieces(SINGLE), "multi": Pieces(MULTI)}


def drawn(grammar: NumberGrammar, pieces: Pieces, rng: random.Random) -> str:
    """A number written token by token, every choice at random."""
    text, begins = "", []
    for _ in range(400):
        ids, texts, may_stop, _ = grammar.step(pieces, text, begins)
        assert len(ids) or may_stop, f"a dead end at {text!r}"
        assert all(t.startswith(text) and len(t) > len(text) for t in texts)
        pick = rng.randrange(len(ids) + may_stop)
        if pick == len(ids):
            assert len(text) <= grammar.longest
            return text
        assert pieces.pieces[int(ids[pick])].decode() == texts[pick][len(text) :]
        begins.append(len(text))
        text = texts[pick]
    raise AssertionError(f"{text!r} never ends")


bounds = st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=60, deadline=None)
@given(bounds, bounds, st.integers(1, 8), st.sampled_from(list(PIECES)), st.integers())
def test_every_number_lies_within_its_bounds(
    a: float, b: float, digits: int, pieces: str, seed: int
) -> None:
    low, high = min(a, b), max(a, b)
    grammar = NumberGrammar(low, high, False, digits)
    rng = random.Random(seed)
    for _ in range(2):
        value = grammar.value(drawn(grammar, PIECES[pieces], rng))
        assert isinstance(value, float) and low <= value <= high


@settings(max_examples=50, deadline=None)
@given(st.integers(-(10**7), 10**7), st.integers(0, 10**6), st.integers())
def test_every_whole_number_lies_within_its_bounds(low: int, span: int, seed: int) -> None:
    grammar = NumberGrammar(low, low + span, True)
    rng = random.Random(seed)
    for _ in range(2):
        value = grammar.value(drawn(grammar, PIECES["single"], rng))
        assert isinstance(value, int) and low <= value <= low + span


@settings(max_examples=100, deadline=None)
@given(st.floats(1e-8, 1e6), st.floats(1e-8, 1e6), st.floats(0, 1))
def test_numbers_at_the_resolution_can_be_written(a: float, b: float, share: float) -> None:
    low, high = min(a, b), max(a, b)
    text = f"{low + share * (high - low):.3g}"
    assume(low <= float(text) <= high and "+" not in text)
    grammar = NumberGrammar(low, high, False, 4)
    text = format(Decimal(text), "f") if 1e-4 <= float(text) < 1e12 else text
    text = text.rstrip("0").rstrip(".") if "." in text and "e" not in text else text
    assume("e" not in text or "." not in text or text[text.index("e") - 1] != "0")
    assert grammar.viable(text) and grammar.complete(text)


def test_resolution_and_notation_suit_the_range() -> None:
    rng = random.Random(0)

    def some(low: float, high: float, integer: bool = False) -> list[str]:
        grammar = NumberGrammar(low, high, integer)
        return [drawn(grammar, PIECES["single"], rng) for _ in range(200)]

    assert not any("e" in t for t in some(0, 1))
    assert max(map(len, some(0, 1))) <= 6
    assert any("e-" in t for t in some(1e-5, 1)) and any("." in t for t in some(1e-5, 1))
    assert len(set(some(0.1234567, 0.1234568))) > 50  # narrow: more digits than asked for
    assert set(some(3, 3, integer=True)) == {"3"}
    assert {float(t) for t in some(0.1, 0.1)} == {0.1}
    assert not any(t.startswith("-0") and float(t) == 0 for t in some(-1, 1))
    assert all(t.lstrip("-") == str(int(t)).lstrip("-") for t in some(-50, 2000, integer=True))


def test_a_vocabulary_without_digits_is_refused() -> None:
    with pytest.raises(EngineError, match="cannot write numbers"):
        NumberGrammar(0, 1, False).check_vocabulary(Pieces([b"a", b"1", b"2"]))
    with pytest.raises(EngineError, match="no number"):
        NumberGrammar(1.2, 1.8, True)


OPTIONS = ("rbf", "r", "linear", "poly", 'a"b', "zü", "züri", "日本", "日", "None", "\n", "x\\")


def test_options_are_spelled_exactly_with_and_without_a_tokenizer() -> None:
    def useless(text: str) -> list[int]:
        return [1]

    root, spelled = option_trie(OPTIONS, useless, PIECES["single"])
    assert root.options_below == list(range(len(OPTIONS)))
    for option, ids in zip(OPTIONS, spelled, strict=True):
        assert b"".join(PIECES["single"].pieces[i] for i in ids).decode() == option
        node = root
        for token in ids:
            node = node.children[token]
        assert OPTIONS[node.option] == option
    with pytest.raises(EngineError, match="cannot spell"):
        option_trie(("ab",), useless, Pieces([b"a", b"c"]))


@given(st.binary(min_size=1, max_size=12))
def test_spelling_takes_no_more_tokens_than_bytes(text: bytes) -> None:
    pieces = PIECES["multi"]
    ids = pieces.spell(text)
    assert ids is not None and len(ids) <= len(text)
    assert b"".join(pieces.pieces[i] for i in ids) == text


def test_logits_that_are_not_finite_are_impossible() -> None:
    assert probabilities([math.nan, -math.inf]).tolist() == [0.5, 0.5]
    assert probabilities([math.nan, 3.0]).tolist() == [0.0, 1.0]
    assert log_sum_exp(np.zeros(0, np.float32)) == -math.inf
    assert log_sum_exp(np.array([1e4, 1e4], np.float32)) == pytest.approx(1e4 + math.log(2))
    row = np.array([math.nan, 1.0, 2.0], np.float32)
    assert choose_free(row, 0.0, 1.0, lambda: 0.5)[0] == 2
    assert choose_free(np.full(3, math.nan, np.float32), 1.0, 1.0, lambda: 0.5)[0] == 0


def test_draws_follow_the_probabilities() -> None:
    rng = np.random.default_rng(0)
    logits = np.log([0.5, 0.3, 0.0001, 0.1999])
    taken = [choose(logits, 1.0, rng.random)[0] for _ in range(4000)]
    assert np.bincount(taken, minlength=4) / 4000 == pytest.approx([0.5, 0.3, 0, 0.2], abs=0.03)
    assert choose(logits, 0.0, rng.random) == (0, pytest.approx(math.log(0.5)))
    row = logits.astype(np.float32)
    taken = [choose_free(row, 1.0, 1.0, rng.random)[0] for _ in range(4000)]
    assert np.bincount(taken, minlength=4) / 4000 == pytest.approx([0.5, 0.3, 0, 0.2], abs=0.03)
    assert {choose_free(row, 1.0, 0.7, rng.random)[0] for _ in range(200)} == {0, 1}


@pytest.mark.parametrize(("temperature", "top_p", "spread"), [(0.7, 0.95, 1.0), (1.5, 0.6, 4.0)])
def test_the_top_p_of_a_large_vocabulary_is_drawn_from(
    temperature: float, top_p: float, spread: float
) -> None:
    rng = np.random.default_rng(0)
    row = (spread * rng.standard_normal(5000)).astype(np.float32)
    p = probabilities(row.astype(np.float64) / temperature)
    ranked = np.argsort(-p, kind="stable")
    kept = ranked[: int(np.searchsorted(np.cumsum(p[ranked]), top_p)) + 1]
    taken = [choose_free(row, temperature, top_p, rng.random) for _ in range(3000)]
    drawn_ids = np.array([i for i, _ in taken])
    assert set(drawn_ids) <= set(kept.tolist())
    best, share = int(ranked[0]), float(p[ranked[0]] / p[kept].sum())
    assert (drawn_ids == best).mean() == pytest.approx(share, abs=0.03)
    half = ranked[: len(kept) // 2]
    expected = float(p[half].sum() / p[kept].sum())
    assert np.isin(drawn_ids, half).mean() == pytest.approx(expected, abs=0.04)
    i, logprob = taken[0]
    assert logprob == pytest.approx(math.log(probabilities(row.astype(np.float64))[i]), abs=1e-4)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (b"Lower it. " + b"We try more trees. " * 4, b"Lower it. We try more trees. "),
        (b"so " + b"a" * 70, b"so a"),
        (b"Lower the rate next time. " + b"Then the score of it rises. Good, or bad? " * 3,
         b"Lower the rate next time. Then the score of it rises. Good, or bad? "),
        (b"0.1, 0.1, 0.1, 0.1", b""),
        (b"Trial 1 scored 0.81. Trial 2 scored 0.88. Trial 3 scored 0.84. Lower the rate.", b""),
    ],
)  # fmt: skip
def test_a_loop_is_found_where_its_first_repetition_begins(text: bytes, kept: bytes) -> None:
    at = looped_at(text)
    assert (text[:at] if at >= 0 else b"") == kept
