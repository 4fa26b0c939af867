"""What a model without preferences would write: evenly spread numbers, each in one way."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from hyperllama.models.decode.numbers import NumberGrammar
from hyperllama.models.decode.sampling import Node, Pieces
from hyperllama.models.engine.library import load_library
from hyperllama.models.engine.vocabulary import Vocabulary
from tests.conftest import real_models
from tests.models.random_model import real_vocabularies
from tests.models.test_decode import PIECES

LINEAR = [(0, 1, 3), (0.2, 1, 2), (-3, 2, 3), (-70, -3, 2), (0, 1e5, 3), (1e-3, 0.6, 2),
          (0, 5e-5, 3), (999.9, 1000.1, 3)]  # fmt: skip
"""Bounds and digits."""
LOGARITHMIC = [(1e-3, 1), (1e-6, 1), (1e-4, 0.3), (1.5, 1000), (1e5, 1e8), (1e-10, 1e-8), (0.5, 40)]
WHOLE = [(1, 12), (2, 64), (-20, 20), (0, 1), (50, 400)]


def pieces() -> Iterator[Pieces]:
    """Of every tokenizer that is at hand."""
    yield from PIECES.values()
    if importlib.util.find_spec("llama_cpp") is None:
        return
    here = Path(__file__).resolve().parents[3] / "shared" / "gguf"
    small = [p for p in real_models() if p.stat().st_size < 2e8]
    for path in [*sorted(here.glob("*.gguf")), *small, *real_vocabularies()]:
        library = load_library()
        params = library.llama_model_default_params()
        params.vocab_only = True
        model = library.llama_model_load_from_file(str(path).encode(), params)
        assert model, path
        yield Vocabulary(library, model).pieces
        library.llama_model_free(model)


def texts(node: Node, text: str = "") -> Iterator[str]:
    if node.token >= 0:
        yield text
    for c, child in node.next.items():
        yield from texts(child, text + c)


@pytest.fixture(scope="module")
def tokenizers() -> list[Pieces]:
    """One for each way to cut numbers."""
    return list({frozenset(texts(p.numeric)): p for p in pieces()}.values())


def shares(grammar: NumberGrammar, pieces: Pieces) -> dict[str, float]:
    """The probability of every text with equal logits."""
    found: dict[str, float] = {}
    stack: list[tuple[str, tuple[int, ...], float]] = [("", (), 1.0)]
    while stack:
        text, begins, mass = stack.pop()
        step = grammar.step(pieces, text, begins)
        p = mass * np.exp(step.log_shares) / np.exp(step.log_shares).sum()
        assert len(p), f"a dead end at {text!r}"
        stack += [(t, (*begins, len(text)), p[j]) for j, t in enumerate(step.texts)]
        if step.may_end:
            assert text not in found, f"{text!r} is written in two ways"
            found[text] = p[-1]
    return found


def test_a_number_is_written_in_one_way(tokenizers: list[Pieces]) -> None:
    for low, high in [(-1, 1), (1e-5, 1)]:
        for which in tokenizers:
            found = shares(NumberGrammar(low, high, False, 2, low > 0), which)
            assert sum(found.values()) == pytest.approx(1)
            assert len({float(text) for text in found}) == len(found)
            assert all(t == f"{float(t):.12g}" for t in found)


def test_every_tenth_of_a_linear_range_has_its_share(tokenizers: list[Pieces]) -> None:
    for low, high, digits in LINEAR:
        for which in tokenizers:
            found = shares(NumberGrammar(low, high, False, digits), which)
            at = [(float(t) - low) / (high - low) for t in found]
            tenths, _ = np.histogram(at, 10, (0, 1), weights=list(found.values()))
            assert tenths == pytest.approx(np.full(10, 0.1), rel=0.2), (low, high)


def test_every_decade_of_a_logarithmic_range_has_its_share(tokenizers: list[Pieces]) -> None:
    for low, high in [*LOGARITHMIC, (10, 200), (2, 60)]:
        whole = isinstance(low, int) and low > 1
        for which in tokenizers:
            found = shares(NumberGrammar(low, high, whole, 2, True), which)
            for decade in range(math.floor(math.log10(low)), math.ceil(math.log10(high))):
                a, b = max(10.0**decade, low), min(10.0 ** (decade + 1), high)
                wanted = math.log(b / a) / math.log(high / low)
                got = sum(p for t, p in found.items() if a * 0.999 <= float(t) < b * 0.999)
                assert got == pytest.approx(wanted, rel=0.2), (low, high, decade)


def test_every_whole_number_has_its_share(tokenizers: list[Pieces]) -> None:
    for low, high in WHOLE:
        for which in tokenizers:
            found = shares(NumberGrammar(low, high, True), which)
            assert sorted(map(int, found)) == list(range(low, high + 1))
            assert list(found.values()) == pytest.approx([1 / (high - low + 1)] * len(found))


def test_beliefs_spread_a_beginning_over_what_it_leads_to() -> None:
    grammar = NumberGrammar(1, 12, True)
    assert grammar.bins == tuple(range(1, 13))
    assert grammar.spread("1") == pytest.approx([0.25, *[0] * 8, *[0.25] * 3])
    assert grammar.spread("1", alone=True) == pytest.approx([1, *[0] * 11])
    decades = NumberGrammar(1e-3, 1, False, 2, True)
    assert len(decades.bins) == 64 and list(decades.bins) == sorted(decades.bins)
    assert decades.spread("") == pytest.approx([1 / 64] * 64)
    assert decades.spread("0.00")[:21].sum() == pytest.approx(1, abs=0.02)
    assert NumberGrammar(5, 5, False).bins == (5,)
    halves = NumberGrammar(0.2, 1, False, 2)  # 0.9 lies where two parts of the range meet
    assert max(halves.spread("0.9", alone=True)) == 1
