"""Dates in tables: which format a column of strings is in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hyperllama.core.data.cells import EPOCHS, monthly, parse_dates
from hyperllama.core.text import shown

if TYPE_CHECKING:
    import polars as pl

_DAYS = (
    "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%d-%m-%Y", "%m-%d-%Y",
    "%d %b %Y", "%d-%b-%Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%d-%b-%y", "%d.%m.%y",
    "%m/%d/%y", "%d/%m/%y",
)
_MONTHS = ("%b-%Y", "%b %Y", "%B %Y", "%Y-%m", "%m/%Y", "%Y/%m")
_TIMES = (" %H:%M:%S", "T%H:%M:%S", " %H:%M", "T%H:%M", " %H:%M:%S%.f", "T%H:%M:%S%.f",
          " %I:%M:%S %p", " %I:%M %p")
_ZONES = ("", "Z", "%#z", " %#z", " UTC")
_PROBE = 200
_LIKE_DATE = r"^\D{0,9}\d[\d:./, TZ+a-zA-Z-]{3,34}$"


@dataclass(frozen=True)
class DateFormat:
    """How the dates of a column are written: strptime pattern, empty for dates that came typed."""

    pattern: str
    note: str = ""

    @property
    def monthly(self) -> bool:
        """Whether it names a month and no day."""
        return monthly(self.pattern)


def date_format(filled: pl.Series) -> DateFormat | None:
    """The format in which at least 99 % of the cells (text, none empty) are dates, or None.

    Of day/month and month/day the one that more cells fit; month first where both fit.
    """
    probe = filled.head(_PROBE)
    if not probe.str.contains(_LIKE_DATE).all():
        return None
    fitting = {s: _good(filled, s) for s in _candidates(probe[0]) if _good(probe, s) >= 0.95}
    best = max(fitting, key=lambda s: fitting[s], default=None)
    if best is None or fitting[best] < 0.99:
        return None
    note = f"dates as {best.pattern}"
    for other, share in fitting.items():
        if {other.pattern[:2], best.pattern[:2]} == {"%m", "%d"} and share == fitting[best]:
            note += f", which could as well be {other.pattern}"
            break
    return DateFormat(best.pattern, note)


def almost_dates(filled: pl.Series) -> str:
    """What keeps a column from being dates, where at least half of its cells are; else empty."""
    probe = filled.head(_PROBE)
    probe = probe.filter(probe.str.contains(_LIKE_DATE))
    if len(probe) == 0:
        return ""
    best = max(_candidates(probe[0]), key=lambda style: _good(probe, style))
    others = filled.filter(parse_dates(filled, best.pattern).is_null())
    if len(others) > 0.5 * len(filled):
        return ""
    return (f"would be dates as {best.pattern}, but {len(others)} of {len(filled)} cells are not, "
            f"like {shown(others[0], 30)}")


def epoch_unit(numbers: pl.Series) -> str:
    """How numbers count moments since 1970 (a key of `EPOCHS`), where at least 99 % of them then
    lie in the years 1980 to 2039; empty where they do not.

    The spans of two units do not meet: 1980 to 2039 are 0.3 to 2.2 thousand million seconds.
    """
    known = numbers.drop_nulls().drop_nans()
    for unit, microseconds in EPOCHS.items():
        low, high = (seconds * 1e6 / microseconds for seconds in (315_532_800, 2_208_988_800))
        if len(known) and known.is_between(low, high, closed="left").sum() >= 0.99 * len(known):
            return unit
    return ""


def _good(cells: pl.Series, style: DateFormat) -> float:
    """The share of the cells that are dates in that format."""
    return 1 - parse_dates(cells, style.pattern).null_count() / len(cells)


def _candidates(example: str) -> list[DateFormat]:
    if ":" in example:
        return [DateFormat(d + t + z) for d in _DAYS for t in _TIMES for z in _ZONES]
    return [DateFormat(p) for p in (*_DAYS, *_MONTHS)]
