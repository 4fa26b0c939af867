"""Which numbers a range has, decade by decade, and how they are written.

In each decade they are the multiples of a power of ten, so that a range has so many digits of its
width everywhere, and small numbers as many significant ones. All arithmetic is exact; callers set
a decimal context of enough digits (`EXACT`).
"""

from __future__ import annotations

import decimal
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

EXACT = decimal.Context(prec=800)
_PLAIN_FROM = -4
_PLAIN_TO = {False: 12, True: 6}
"""Decades that are written plainly, on a linear and on a logarithmic scale: as in prompts."""


@dataclass(frozen=True)
class Run:
    """The numbers of one decade and sign: sign · k · 10^power for k from `first` to `last`.

    Attributes:
        decade: of the largest digit, 0 for 1 to 9.99.
        near, far: magnitudes up to which its first and last number stand for others.
        scientific: how they are written.

    Zero is a run of its own, with k = 0 and a `near` below it.
    """

    sign: int
    decade: int
    power: int
    first: int
    last: int
    near: Decimal
    far: Decimal
    scientific: bool


class Part(NamedTuple):
    """The numbers of a run from `first` to `last`."""

    run: Run
    first: int
    last: int


@dataclass(frozen=True)
class Bounds:
    """A range of numbers.

    Attributes:
        half: what a bound stands for beyond it: 1/2 for whole numbers, else 0.
        log: the scale is logarithmic.
    """

    low: Decimal
    high: Decimal
    integer: bool
    log: bool

    @property
    def half(self) -> Decimal:
        return Decimal("0.5") if self.integer else Decimal(0)

    @property
    def has_zero(self) -> bool:
        return self.low <= 0 <= self.high


def runs_between(bounds: Bounds, digits: int) -> tuple[Run, ...]:
    """The numbers of a range: the negative ones, 0, the positive ones, each from the smallest
    magnitude on.

    Args:
        digits: of the range's width; a number far smaller than the range, where that does not hold
            0, has as many significant ones.
    """
    low, high = bounds.low, bounds.high
    negative = _side(bounds, -1, max(-high, Decimal(0)), -low, digits) if low < 0 else []
    positive = _side(bounds, 1, max(low, Decimal(0)), high, digits) if high > 0 else []
    if not bounds.has_zero:
        return (*negative, *positive)
    below, above = (side[0].near if side else bounds.half for side in (negative, positive))
    return (*negative, Run(1, 0, 0, 0, 0, -below, above, False), *positive)


def _side(bounds: Bounds, sign: int, low: Decimal, high: Decimal, digits: int) -> list[Run]:
    """The runs between two magnitudes."""
    span = bounds.high - bounds.low
    if bounds.integer:
        coarse = 0
    elif span:
        coarse = span.adjusted() - digits + 1
    else:
        coarse = int(low.normalize().as_tuple().exponent)
    same = bounds.has_zero or bounds.integer
    found: list[tuple[int, int, int, int]] = []
    for decade in range(coarse if bounds.has_zero else low.adjusted(), high.adjusted() + 1):
        power = coarse if same else min(coarse, decade - digits + 1)
        first = max(10 ** (decade - power), math.ceil(low.scaleb(-power)))
        last = min(10 ** (decade + 1 - power) - 1, math.floor(high.scaleb(-power)))
        if first <= last:
            found.append((decade, power, first, last))
    runs: list[Run] = []
    for i, (decade, power, first, last) in enumerate(found):
        least = Decimal(first).scaleb(power)
        near = runs[-1].far if runs else least / 2 if bounds.has_zero else low - bounds.half
        far = high + bounds.half
        if i + 1 < len(found):
            _, after, following, _ = found[i + 1]
            far = (Decimal(last).scaleb(power) + Decimal(following).scaleb(after)) / 2
        plain = bounds.integer or _PLAIN_FROM <= decade < _PLAIN_TO[bounds.log]
        runs.append(Run(sign, decade, power, first, last, near, far, not plain))
    return runs


def beginning(text: str, parts: Sequence[Part]) -> Iterator[Part]:
    """What begins with `text` of each part, as far as there is any."""
    body = text.removeprefix("-")
    mantissa, e, exponent = body.partition("e")
    whole, dot, fraction = mantissa.partition(".")
    if body and not (whole.isdecimal() and (whole + fraction).isdecimal()):
        return
    # after a point, and after a 0 behind it, a further digit has to come
    unfinished = bool(dot) and fraction[-1:] in ("", "0")
    for part in parts:
        run = part.run
        if (run.sign < 0) != text.startswith("-"):
            continue
        if not body or (body == "0" and not run.last):
            yield part
            continue
        if run.scientific:
            fits = len(whole) == 1 and whole != "0" and not (e and unfinished)
            fits = fits and (not e or f"{run.decade:+03d}".startswith(exponent))
            shift = run.decade - len(fraction)
        elif run.decade < 0:
            fits, shift = whole == "0" and not e, -len(fraction)
        else:
            missing = run.decade + 1 - len(whole)
            fits = whole[0] != "0" and not e and (missing == 0 if dot else missing >= 0)
            shift = missing - len(fraction)
        if not fits:
            continue
        digits, shift = int(whole + fraction), shift - run.power
        first = _times(digits, shift, up=True)
        if e:
            exact = first == _times(digits, shift, up=False)
            last = first if exact else first - 1
        else:
            last = _times(digits + 1, shift, up=True) - 1
            if unfinished and first == _times(digits, shift, up=False):
                first += 1
        first, last = max(first, part.first), min(last, part.last)
        if first <= last:
            yield Part(run, first, last)


def _times(k: int, power: int, up: bool) -> int:
    """k · 10^power, rounded up or down to a whole number."""
    if power >= 0:
        return k * int(10**power)
    unit = int(10**-power)
    return -(-k // unit) if up else k // unit


def multiple(text: str, run: Run) -> int:
    """The k of a run's number with the value of this text; -1 if it has none."""
    try:
        x = Decimal(text.removeprefix("-"))
    except decimal.InvalidOperation:
        return -1
    if not x:
        return -1 if run.last else 0
    if x.adjusted() != run.decade:
        return -1
    k = x.scaleb(-run.power)
    return int(k) if k == int(k) else -1


def written(run: Run, k: int) -> str:
    """The text of a run's number."""
    sign, digits = "-" * (run.sign < 0), str(k)
    if run.scientific:
        rest = digits[1:].rstrip("0")
        return f"{sign}{digits[0]}{'.' * bool(rest)}{rest}e{run.decade:+03d}"
    if run.power >= 0:
        return sign + digits + "0" * run.power
    digits = digits.rjust(1 - run.power, "0")
    rest = digits[run.power :].rstrip("0")
    return f"{sign}{digits[: run.power]}{'.' * bool(rest)}{rest}"


def magnitudes(part: Part) -> tuple[Decimal, Decimal]:
    """Up to where the numbers of a part stand for others."""
    run, half = part.run, Decimal("0.5")
    near, far = run.near, run.far
    if part.first > run.first:
        near = (part.first - half).scaleb(run.power)
    if part.last < run.last:
        far = (part.last + half).scaleb(run.power)
    return near, far
