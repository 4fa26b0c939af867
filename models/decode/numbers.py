"""The grammar of a number in a range: which tokens may come next.

A text is allowed if it is written plainly ("0.0312", "-4", "250") or, for ranges that reach far,
scientifically ("3.1e-05"); its value lies in [low, high]; and it is no finer than the resolution:
at most `digits` significant digits, or as many decimals as make the range's span `digits` digits
wide. A prefix is viable if an allowed text begins with it; that is decided character by character,
exactly, in decimal arithmetic.
"""

from __future__ import annotations

import decimal
import functools
import math
from collections.abc import Sequence
from decimal import Decimal

import numpy as np

from hyperllama.models.decode.sampling import Ids, Pieces
from hyperllama.models.errors import EngineError

_DIGITS = frozenset("0123456789")
_PLAIN_FROM, _PLAIN_TO = Decimal("1e-3"), Decimal("1e7")
"""Magnitudes outside may also be written scientifically."""
_SCIENTIFIC_DECADES = 12
"""How far below the largest magnitude a range that contains 0 reaches down scientifically."""
_LONGEST_PLAIN = 16
_EXACT = decimal.Context(prec=800)


@functools.lru_cache(maxsize=256)
def number_grammar(low: float, high: float, integer: bool, digits: int) -> NumberGrammar:
    """The grammar of a range; cached, so that each prefix is decided once."""
    return NumberGrammar(low, high, integer, digits)


class NumberGrammar:
    """The texts of the numbers in [low, high], by character.

    Args:
        digits: significant digits; raised until the range holds a text at all.
    """

    def __init__(self, low: float, high: float, integer: bool, digits: int = 4) -> None:
        self.integer = integer
        if integer:
            low, high = math.ceil(low), math.floor(high)
            self.low, self.high = Decimal(low), Decimal(high)
        else:
            # the shortest text of a bound stands for it: parsing is monotonic, so what lies
            # between the texts lies between the numbers
            self.low, self.high = Decimal(repr(float(low))), Decimal(repr(float(high)))
        if self.low > self.high:
            raise EngineError(f"no number lies between {low!r} and {high!r}")
        largest = max(abs(self.low), abs(self.high))
        smallest = Decimal(0) if self.low <= 0 <= self.high else min(abs(self.low), abs(self.high))
        self._largest = largest
        self._top = largest.adjusted() if largest else 0
        self._bottom = smallest.adjusted() if smallest else self._top - _SCIENTIFIC_DECADES
        self.scientific = not integer and largest > 0 and (
            0 < smallest < _PLAIN_FROM or largest < _PLAIN_FROM or largest >= _PLAIN_TO
        )  # fmt: skip
        self.digits = digits
        self._set_resolution(smallest)
        with decimal.localcontext(_EXACT):
            while not self.viable(""):
                if self.digits >= 17:
                    raise EngineError(f"no number can be written between {low!r} and {high!r}")
                self.digits += 1
                self._set_resolution(smallest)

    def _set_resolution(self, smallest: Decimal) -> None:
        span = self.high - self.low
        self._viable: dict[str, bool] = {}
        self._steps: dict[tuple[int, str], tuple[Ids, tuple[str, ...], bool]] = {}
        # decimals that every number may have, and that a small one may have
        self._decimals = max(self.digits - 1 - span.adjusted(), 0) if span else 0
        fine = self.digits - 1 - smallest.adjusted() if smallest else self._decimals
        self._most_decimals = max(self._decimals, fine)
        if self.scientific:
            self._decimals = min(self._decimals, _LONGEST_PLAIN)
            self._most_decimals = min(self._most_decimals, _LONGEST_PLAIN)
        self._whole_digits = min(self._top, _LONGEST_PLAIN if self.scientific else 400) + 1

    def value(self, text: str) -> float | int:
        """The number that a complete text stands for, always within the bounds."""
        return int(text) if self.integer else float(text)

    @property
    def longest(self) -> int:
        """Characters, and so tokens, that a number has at most."""
        decimals = 0 if self.integer else 1 + max(self._decimals, self._most_decimals, self.digits)
        return (self.low < 0) + max(self._whole_digits, 1) + decimals + 6 * self.scientific

    def complete(self, text: str) -> bool:
        """Whether `text` is an allowed number."""
        minus, body = text.startswith("-"), text.removeprefix("-")
        mantissa, e, exponent = body.partition("e")
        if not mantissa or mantissa[-1] not in _DIGITS:
            return False
        if e and (not exponent or exponent[-1] not in "0123456789" or not exponent.strip("-0")):
            return False
        value = Decimal(text)
        if minus and not value:
            return False
        return self.low <= value <= self.high

    def viable(self, text: str) -> bool:
        """Whether an allowed number begins with `text`."""
        known = self._viable.get(text)
        if known is None:
            known = self._within_reach(text)
            if known is None:
                ways = self._next(text)
                known = self.complete(text) or any(self.viable(text + c) for c in ways)
            self._viable[text] = known
        return known

    def next_characters(self, text: str) -> str:
        """The characters after which `text` is still viable."""
        return "".join(c for c in self._next(text) if self.viable(text + c))

    def example(self, text: str) -> float | int:
        """A number in the middle of those that begin with the viable `text`: a name for a bin."""
        body = text.removeprefix("-")
        if body and "e" not in body and not self.integer and "." in body:
            sign = -1 if text.startswith("-") else 1
            start = Decimal(body + "0" if body.endswith(".") else body)
            end = start + Decimal(1).scaleb(-len(body.partition(".")[2]))
            low, high = sorted((sign * start, sign * end))
            low, high = max(low, self.low), min(high, self.high)
            if low <= high:
                return float((low + high) / 2)
        while not self.complete(text):
            text += self.next_characters(text)[0]
        return self.value(text)

    # The syntax: which characters may follow by the grammar alone, whatever the bounds.
    def _next(self, text: str) -> str:
        body = text.removeprefix("-")
        mantissa, e, exponent = body.partition("e")
        if e:
            if exponent.removeprefix("-") in ("", "0"):
                zero = "0" if not exponent.endswith("0") else ""
                return "123456789" + zero + ("-" if not exponent else "")
            return "0123456789" if len(exponent) < 4 else ""
        if not mantissa:
            return "0123456789" + ("-" if not text and self.low < 0 else "")
        whole, dot, fraction = mantissa.partition(".")
        ways = ""
        if dot:
            if self._room(mantissa):
                ways = "0123456789"
        else:
            if whole != "0" and len(whole) < self._whole_digits:
                ways = "0123456789"
            if not self.integer and self._room(whole + "."):
                ways += "."
        if self.scientific and len(whole) == 1 and whole != "0" and (not dot or fraction):
            ways += "e"
        return ways

    def _room(self, mantissa: str) -> bool:
        """Whether one more decimal keeps the resolution."""
        decimals = len(mantissa.partition(".")[2]) + 1
        if self.scientific and mantissa[0] != "0" and decimals < self.digits:
            return True  # it may become the mantissa of a number far away
        if self.scientific and Decimal(mantissa) > self._largest:
            return False
        if decimals <= max(self._decimals, 1):
            return True
        significant = len(mantissa.replace(".", "").lstrip("0")) + 1
        return significant <= self.digits and decimals <= self._most_decimals

    def _within_reach(self, text: str) -> bool | None:
        """Whether some number beginning with `text` lies within the bounds; None: look closer.

        What begins with the digits of `start` fills [start, start + width), and the same shifted by
        whole powers of ten: further digits before the point, or an exponent.
        """
        minus, body = text.startswith("-"), text.removeprefix("-")
        low, high = (-self.high, -self.low) if minus else (self.low, self.high)
        if not body:
            return None if high > 0 or not minus else False
        mantissa, e, exponent = body.partition("e")
        whole, dot, fraction = mantissa.partition(".")
        start = Decimal(whole + (f".{fraction}" if fraction else ""))
        width = Decimal(1).scaleb(-len(fraction))
        # from the largest value down: the first that is not too large decides as a rule
        shifts: Sequence[int]
        if e:
            shifts = self._exponents.get(exponent, ())
        elif len(whole) == 1 and whole != "0" and self.scientific:
            shifts = range(max(self._top, self._whole_digits - 1), self._bottom - 2, -1)
        elif not dot and whole != "0":
            shifts = range(self._whole_digits - len(whole), -1, -1)
        else:
            shifts = (0,)
        too_far = high.adjusted() - start.adjusted() if start and high else 0
        perhaps: bool | None = False
        for shift in shifts:
            if start and shift > too_far:
                continue
            from_ = start.scaleb(shift)
            if from_ <= high:
                if from_ >= low and start:
                    return True  # zeros, or the exponent, complete it
                if from_ + width.scaleb(shift) > low:
                    perhaps = None
                elif from_ < low:
                    break
        return perhaps

    @functools.cached_property
    def _exponents(self) -> dict[str, list[int]]:
        """The exponents that begin so, largest first."""
        table: dict[str, list[int]] = {}
        for n in range(self._top, self._bottom - 2, -1):
            sign, size = ("-" if n < 0 else ""), str(abs(n))
            written = {sign + size, sign + "0" + size} if len(size) == 1 else {sign + size}
            for prefix in {w[:k] for w in written for k in range(len(w) + 1)} if n else ():
                table.setdefault(prefix, []).append(n)
        return table

    def check_vocabulary(self, pieces: Pieces) -> None:
        """Make sure that the vocabulary has every character a number needs as a token of its own.

        Raises:
            EngineError: it has not.
        """
        needed = "0123456789" + "-" * (self.low < 0) + "." * (not self.integer)
        needed += "e-" * self.scientific
        lacking = [
            c for c in needed if not (c in pieces.numeric.next and pieces.numeric.next[c].ids)
        ]
        if lacking:
            raise EngineError(
                f"the model's vocabulary cannot write numbers: it lacks {' '.join(lacking)}",
                "choose another model",
            )

    def step(self, pieces: Pieces, prefix: str) -> tuple[Ids, tuple[str, ...], bool]:
        """What may come after `prefix`: tokens, the text after each, whether the number may end."""
        key = (pieces.serial, prefix)
        known = self._steps.get(key)
        if known is None:
            ids: list[int] = []
            texts: list[str] = []
            stack = [(pieces.numeric, prefix)]
            with decimal.localcontext(_EXACT):
                while stack:
                    node, text = stack.pop()
                    for c in self._next(text):
                        child = node.next.get(c)
                        if child is not None and self.viable(text + c):
                            ids += child.ids
                            texts += [text + c] * len(child.ids)
                            stack.append((child, text + c))
            order = sorted(range(len(ids)), key=ids.__getitem__)
            known = (
                np.array([ids[i] for i in order], np.int32),
                tuple(texts[i] for i in order),
                self.complete(prefix),
            )
            if len(self._steps) > 20_000:
                self._steps.clear()
            self._steps[key] = known
        return known
