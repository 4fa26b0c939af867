"""The grammar of a number in a range: which tokens may come next, and what share each leads to.

A number has one text: plain digits without superfluous zeros ("0.0312", "-4", "250"), or, below
0.0001 and from a million on, scientifically ("3.1e-05"), as `%g` writes it; and one row of tokens,
always the longest there are.

Every number stands for its surroundings, up to half way to its neighbours. The share of a beginning
is that of all numbers that begin with it, on the range's own scale. Tokens are weighted by their
shares; a model that has no preference then draws evenly from the range, and what it does prefer
acts on these shares as a likelihood ratio.
"""

from __future__ import annotations

import decimal
import functools
import math
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hyperllama.models.decode.decades import (
    EXACT,
    Bounds,
    Part,
    Run,
    beginning,
    magnitudes,
    multiple,
    runs_between,
    written,
)
from hyperllama.models.decode.sampling import Ids, Node, Pieces
from hyperllama.models.errors import EngineError

BINS = 64
"""Parts of a range that beliefs are told by, where it has more numbers."""
_DIGITS = "0123456789"
_MOST_KNOWN = 20_000
_ROUGH = decimal.Context(prec=20)


@functools.lru_cache(maxsize=256)
def number_grammar(
    low: float, high: float, integer: bool, digits: int, log: bool = False
) -> NumberGrammar:
    """The grammar of a range; cached, so that each beginning is decided once."""
    return NumberGrammar(low, high, integer, digits, log)


class NextTokens(NamedTuple):
    """What may come after the beginning of a number.

    Attributes:
        ids: tokens, shape (n,).
        texts: the beginning with each of them.
        may_end: whether the beginning is a number itself.
        log_shares: log of the share that each token leads to, and last that of ending here, if it
            may; shape (n,) or (n + 1,).
    """

    ids: Ids
    texts: tuple[str, ...]
    may_end: bool
    log_shares: NDArray[np.float64]


class NumberGrammar:
    """The numbers in [low, high], their texts, and their shares of the range.

    Args:
        digits: of the range's width; a number far smaller than the range, where that does not hold
            0, has as many significant ones.
        log: the range's scale is logarithmic; taken as linear where it is not above 0.
    """

    def __init__(
        self, low: float, high: float, integer: bool, digits: int = 4, log: bool = False
    ) -> None:
        if integer:
            first, last = Decimal(math.ceil(low)), Decimal(math.floor(high))
        else:
            # the shortest text of a bound stands for it: parsing is monotonic, so what lies
            # between the texts lies between the numbers
            first, last = Decimal(repr(float(low))), Decimal(repr(float(high)))
        if first > last:
            raise EngineError(f"no number lies between {low!r} and {high!r}")
        self.bounds = Bounds(first, last, integer, log and first > 0)
        self._known: dict[str, tuple[Part, ...]] = {}
        self._spreads: dict[tuple[str, bool], NDArray[np.float64]] = {}
        self._steps: dict[tuple[int, str, tuple[int, ...]], NextTokens] = {}
        with decimal.localcontext(EXACT):
            self._low, self._high = first - self.bounds.half, last + self.bounds.half
            self._runs = runs_between(self.bounds, digits)
            self._decades = _log_ratio(self._high, self._low) if self.bounds.log else 0.0
            self._edges = self._bin_edges()

    def value(self, text: str) -> float | int:
        """The number that a complete text stands for, always within the bounds."""
        return int(text) if self.bounds.integer else float(text)

    @functools.cached_property
    def longest(self) -> int:
        """Characters, and so tokens, that a number has at most."""
        return max(
            len(written(r, k)) for r in self._runs for k in {r.first, min(r.first + 1, r.last)}
        )

    def complete(self, text: str) -> bool:
        """Whether `text` is an allowed number."""
        with decimal.localcontext(EXACT):
            return bool(self._itself(text))

    def viable(self, text: str) -> bool:
        """Whether an allowed number begins with `text`."""
        return bool(self._parts(text))

    def share(self, text: str) -> float:
        """The share of the range that the numbers beginning with `text` stand for, 0 to 1."""
        with decimal.localcontext(EXACT):
            return self._share(self._parts(text))

    @functools.cached_property
    def _characters(self) -> str:
        """The characters that its numbers are made of."""
        needed = _DIGITS + "." * (not self.bounds.integer) + "-" * (self.bounds.low < 0)
        for run in self._runs:
            if run.scientific:
                needed += "e-" if run.decade < 0 else "e+"
        return "".join(dict.fromkeys(needed))

    # -- tokens --------------------------------------------------------------------------------

    def step(self, pieces: Pieces, prefix: str, begins: Sequence[int] = ()) -> NextTokens:
        """What may come after `prefix`.

        Args:
            begins: where in `prefix` its tokens begin.
        """
        # tokens that are longer than those of the prefix, which would have been taken
        longer = [_descend(pieces.numeric, prefix[b:]) for b in begins]
        missed = {b: node for b, node in zip(begins, longer, strict=True) if node and node.next}
        key = (pieces.serial, prefix, tuple(missed))
        known = self._steps.get(key)
        if known is None:
            found: list[tuple[int, str, float]] = []
            with decimal.localcontext(EXACT):
                self._walk(pieces.numeric, prefix, tuple(missed.values()), found)
                here = self._share(self._itself(prefix))
            found.sort()
            shares = [share for _, _, share in found] + [here] * (here > 0)
            known = NextTokens(
                np.array([token for token, _, _ in found], np.int32),
                tuple(text for _, text, _ in found),
                here > 0,
                np.log(np.maximum(shares, 1e-300)),
            )
            if len(self._steps) > _MOST_KNOWN:
                self._steps.clear()
            self._steps[key] = known
        return known

    def check_vocabulary(self, pieces: Pieces) -> None:
        """Make sure that the vocabulary has every character a number needs as a token of its own.

        Raises:
            EngineError: it has not.
        """
        numeric = pieces.numeric.next
        lacking = [c for c in self._characters if c not in numeric or numeric[c].token < 0]
        if lacking:
            raise EngineError(
                f"the model's vocabulary cannot write numbers: it lacks {' '.join(lacking)}",
                "choose another model",
            )

    def _walk(
        self, node: Node | None, text: str, missed: Iterable[Node],
        found: list[tuple[int, str, float]],
    ) -> float:  # fmt: skip
        """Find the tokens after `text`, which has led to `node`; the share of the numbers that go
        on otherwise. Left out is what goes on to a token of one of the `missed`."""
        if not (node and node.next) and not missed:
            return self._share(self._parts(text))
        left = self._share(self._itself(text))
        for c in self._characters:
            if not self.viable(text + c):
                continue
            others = [m.next[c] for m in missed if c in m.next]
            if any(m.token >= 0 for m in others):
                continue
            child = node.next.get(c) if node else None
            rest = self._walk(child, text + c, others, found)
            if child is None or child.token < 0:
                left += rest
            elif rest > 0:
                found.append((child.token, text + c, rest))
        return left

    # -- beliefs -------------------------------------------------------------------------------

    @functools.cached_property
    def bins(self) -> tuple[float | int, ...]:
        """A name for each part of the range that beliefs are told by, rising: the number itself, or
        where there are more than BINS of them, one in the middle of an equal part of the scale."""
        if self._count <= BINS:
            return tuple(sorted(self.value(written(r, k)) for r, k in self._numbers()))
        low, high = float(self.bounds.low), float(self.bounds.high)
        at = (self._edges[1:] + self._edges[:-1]) / 2
        middles = low * (high / low) ** at if self.bounds.log else low * (1 - at) + high * at
        rounded = [min(max(float(f"{x:.3g}"), low), high) for x in middles]
        return tuple(round(x) if self.bounds.integer else x for x in rounded)

    def spread(self, text: str, alone: bool = False) -> NDArray[np.float64]:
        """How the share of the numbers that begin with `text` is spread over the `bins`.

        Args:
            alone: of the number that it is, not of what goes on from it.

        Returns:
            Shape (n_bins,), adding up to 1.
        """
        known = self._spreads.get((text, alone))
        if known is not None:
            return known
        found = np.zeros(len(self._edges) - 1)
        with decimal.localcontext(EXACT):
            for part in self._itself(text) if alone else self._parts(text):
                low, high = map(self._at, _ends(part))
                if alone:  # one number lies in one part, also where it stands for more
                    number = self._at(Decimal(text))
                    found[np.searchsorted(self._edges[1:-1], number, side="right")] = 1.0
                else:
                    found += np.diff(np.clip(self._edges, low, high))
        total = float(found.sum())
        found = found / total if total > 0 else np.full(len(found), 1 / len(found))
        if len(self._spreads) > _MOST_KNOWN:
            self._spreads.clear()
        self._spreads[text, alone] = found
        return found

    def _bin_edges(self) -> NDArray[np.float64]:
        """Where on the scale the bins end, from 0 to 1."""
        if self._count > BINS:
            return np.linspace(0.0, 1.0, BINS + 1)
        ends = [self._at(_ends(Part(r, k, k))[1]) for r, k in self._numbers()]
        return np.array([0.0, *sorted(ends)])

    @property
    def _count(self) -> int:
        return sum(r.last - r.first + 1 for r in self._runs)

    def _numbers(self) -> list[tuple[Run, int]]:
        return [(r, k) for r in self._runs for k in range(r.first, r.last + 1)]

    def _at(self, x: Decimal) -> float:
        """Where on the range's scale a number lies, 0 to 1."""
        return self._width(self._low, x) if x > self._low else 0.0

    # -- shares --------------------------------------------------------------------------------

    def _parts(self, text: str) -> tuple[Part, ...]:
        """The numbers that begin with `text`."""
        known = self._known.get(text)
        if known is None:
            if text:
                known = tuple(beginning(text, self._parts(text[:-1])))
            else:
                known = tuple(Part(run, run.first, run.last) for run in self._runs)
            if len(self._known) > _MOST_KNOWN:
                self._known.clear()
            self._known[text] = known
        return known

    def _itself(self, text: str) -> tuple[Part, ...]:
        """The number that `text` is; empty if it is none."""
        for part in self._parts(text):
            k = multiple(text, part.run)
            if part.first <= k <= part.last and written(part.run, k) == text:
                return (Part(part.run, k, k),)
        return ()

    def _share(self, parts: Iterable[Part]) -> float:
        return sum(max(self._width(*magnitudes(part)), 1e-300) for part in parts)

    def _width(self, low: Decimal, high: Decimal) -> float:
        """The share of the scale between two numbers, or two magnitudes on a linear one."""
        if self._low == self._high:
            return 1.0
        if self.bounds.log:
            return _log_ratio(high, low) / self._decades
        return float(_ROUGH.divide(high - low, self._high - self._low))


def _descend(node: Node, text: str) -> Node | None:
    for c in text:
        following = node.next.get(c)
        if following is None:
            return None
        node = following
    return node


def _ends(part: Part) -> tuple[Decimal, Decimal]:
    """What the numbers of a part stand for, from the lower end on."""
    near, far = magnitudes(part)
    return (near, far) if part.run.sign > 0 else (-far, -near)


def _log_ratio(a: Decimal, b: Decimal) -> float:
    """log(a / b), exact for neighbours, too."""
    if a < 2 * b:
        return math.log1p(float(_ROUGH.divide(a - b, b)))
    return float(_ROUGH.ln(_ROUGH.divide(a, b)))
