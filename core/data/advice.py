"""What a table may mean other than it was read, each with the one line of a task file to say so."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hyperllama.core.data import names
from hyperllama.core.data.cells import parse_dates
from hyperllama.core.data.columns import LEADING_ZEROS, is_row_weight
from hyperllama.core.data.dates import epoch_unit
from hyperllama.core.data.marks import spellings
from hyperllama.core.data.reader import File
from hyperllama.core.data.table import Column, Floats, Table
from hyperllama.core.text import percent, shown

if TYPE_CHECKING:
    import polars as pl

_CODES = (-1, -7, -8, -9, -77, -88, -98, -99, -777, -888, -998, -999, -9998, -9999, -99999, -999999,
          77, 88, 97, 98, 99, 777, 888, 997, 998, 999, 7777, 8888, 9997, 9998, 9999, 99999, 999999)
"""Numbers that forms and instruments write for "missing", "refused", "unknown"."""
_TOTALS = re.compile(r"(grand |sub)?-?total\w*|sum(me)?|overall|all|average|mean|gesamt", re.I)

@dataclass(frozen=True)
class Advice:
    """Something seen in a table, and the key of the task file that acts on it.

    Attributes:
        text: what was seen; plain text, names in it are foreign but cleaned.
        path: the key, ("data", "missing"); empty where nothing in the file helps.
        value: what the key is set to.
    """

    text: str
    path: tuple[str, ...] = ()
    value: Any = None

    @property
    def line(self) -> str:
        """The line of the task file: `missing = { age = [99] }  in [data]`; may be empty."""
        if not self.path:
            return ""
        where = f" in [{self.path[0]}]" if len(self.path) > 1 else ""
        return f"{self.path[-1]} = {toml(self.value)}{where}"

    @property
    def told(self) -> str:
        """Both in one sentence."""
        between = " " if self.text.endswith("?") else ": "
        return f"{self.text}{between}{self.line}" if self.line else self.text


def toml(value: Any) -> str:
    """A value as TOML writes it; what hides text on a screen is escaped."""
    if isinstance(value, Mapping):
        pairs = (f"{k if re.fullmatch('[A-Za-z0-9_-]+', k) else toml(k)} = {toml(v)}"
                 for k, v in value.items())
        return "{ " + ", ".join(pairs) + " }"
    if isinstance(value, str):
        return re.sub(r"[\x7f-\x9f\u2028-\u202e\u2066-\u2069]",
                      lambda m: f"\\u{ord(m[0]):04x}", json.dumps(value, ensure_ascii=False))
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(toml(v) for v in value) + "]"
    return json.dumps(value)


def advise(table: Table, file: File, head: pl.DataFrame, tail: pl.DataFrame) -> list[Advice]:
    """Everything worth asking about a table, the gravest first.

    Args:
        table: as it was read.
        file: where it came from.
        head, tail: its first rows and its last ones, as the file gives them.
    """
    found = [*_header(file, head), *_totals(tail, head), *_labels(table), *_marks(table),
             *_leading_zeros(table), *_epochs(table), *_weights(table), *_layout(table)]
    if table.n_rows < 200:
        found.append(Advice(f"{table.n_rows} rows make noisy scores: draw the folds several times",
                            ("validation", "repeats"), 3))
    return found


def _header(file: File, head: pl.DataFrame) -> Iterator[Advice]:
    """A first row that is made like the rows below it."""
    if file.format != "csv" or not file.header or len(file.names) < 2:
        return
    like, cells = 0, head.head(300)
    numbers: list[float] = []
    for name in file.names:
        given = re.sub(r"_duplicated_\d+$", "", name)
        below = [v.strip() for v in cells[name].drop_nulls().to_list()]
        if _float(given) is not None and below and _float(below[0]) is not None:
            like += 1
            numbers.append(float(given))
        elif given in below and _float(given) is None:
            like += 1
    steps = np.diff(numbers)
    counted = len(numbers) > 1 and bool(np.all(steps == steps[0])) and steps[0] != 0
    if like >= max(2, 0.5 * len(file.names)) and not counted:
        yield Advice("the first row looks like data, not like the names of the columns: say that "
                     "there is no header (`--no-header`)", ("data", "header"), False)


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _totals(tail: pl.DataFrame, head: pl.DataFrame) -> Iterator[Advice]:
    """Rows at the bottom that are called a total."""
    rows = 0
    for row in reversed(tail.rows()[-3:]):
        text = [v.strip() for v in row if isinstance(v, str) and v.strip()]
        if not any(_TOTALS.fullmatch(v) for v in text):
            break
        rows += 1
    if not rows or tail.height <= rows:
        return
    above = {v.strip() for row in head.head(200).rows()[: max(head.height - 3, 0)] for v in row
             if isinstance(v, str)}
    last = {v.strip() for row in tail.rows()[-rows:] for v in row if isinstance(v, str)}
    named = [v for v in last if _TOTALS.fullmatch(v)]
    if not any(v in above for v in named):
        yield Advice(f"the last {'row is' if rows == 1 else f'{rows} rows are'} called "
                     f"{shown(named[0], 20)}, no case of its own", ("data", "skip_last_rows"), rows)


def _labels(table: Table) -> Iterator[Advice]:
    """Labels that differ in capitals only."""
    names_, examples = [], []
    for c in (table.target, *table.columns):
        for group in spellings(c.categories):
            names_.append(c.name)
            examples.append(f"{shown(c.name, 30)}: {' / '.join(shown(g, 20) for g in group)}")
    if names_:
        more = f" and {len(examples) - 3} more" if len(examples) > 3 else ""
        yield Advice(f"labels differ in capitals or blanks only ({'; '.join(examples[:3])}{more}), "
                     "which makes several classes of one; merge them",
                     ("data", "ignore_case"), list(dict.fromkeys(names_)))


def _marks(table: Table) -> Iterator[Advice]:
    """Numbers that stand for "missing"."""
    found: dict[str, list[float]] = {}
    shares = []
    for j, c in enumerate(table.columns):
        if c.kind == "number" and not c.part:
            values, share = mark_of(table.x[:, j])
            if values:
                found[c.name] = values
                shares.append(f"{shown(c.name, 30)} is {' or '.join(f'{v:g}' for v in values)} in "
                              f"{percent(share)} of the rows")
    if found:
        more = f" and {len(shares) - 4} more columns" if len(shares) > 4 else ""
        whole = {n: [int(v) if v == round(v) else v for v in vs] for n, vs in found.items()}
        yield Advice(f"{'; '.join(shares[:4])}{more}, far from the other values: do these numbers "
                     "mark missing values?", ("data", "missing"), whole)


def mark_of(x: Floats) -> tuple[list[float], float]:
    """Values of one column that look like marks of a missing value, and their share of the rows.

    Such a value is a usual code, stands outside the range of the others with a gap before them, and
    is more frequent than they are; or it is below zero where no other value is.
    """
    values, counts = np.unique(x[~np.isnan(x)], return_counts=True)
    code = np.isin(values, _CODES)
    others = values[~code]
    if len(others) < 4:
        return [], 0.0
    low, high, typical = others[0], others[-1], float(np.median(counts[~code]))
    step = float(np.median(np.diff(others)))
    marks, taken = [], 0
    for v, n in zip(values[code], counts[code], strict=True):
        gap = max(float(low - v), float(v - high))
        apart = gap > 0.12 * (high - low) and gap > 3 * step and n >= 2 * typical
        below = v < 0 <= low and gap > 1 and (v != -1 or n >= 2 * typical)
        if n >= 3 and gap > 0 and (gap > 2 * (high - low) or apart or below):
            marks.append(float(v))
            taken += int(n)
    return marks, taken / max(len(x), 1)


def _leading_zeros(table: Table) -> Iterator[Advice]:
    found = [c for c in table.source_columns if LEADING_ZEROS in c.note]
    if found:
        listed = ", ".join(shown(c.name, 30) for c in found[:4])
        yield Advice(f"{listed}: digits with leading zeros are kept as text, as codes are; if they "
                     "are amounts", ("data", "numeric"), [c.name for c in found])


def _epochs(table: Table) -> Iterator[Advice]:
    """Numbers that count moments since 1970, by their size and, where it says so, their name."""
    import polars as pl

    found: dict[str, str] = {}
    for j, c in enumerate(table.columns):
        if c.kind != "number" or c.part or c.distinct <= 20 or names.is_id(c.name):
            continue
        moments = pl.Series(table.x[:, j]).fill_nan(None)
        unit, named = epoch_unit(moments), names.is_moment(c.name)
        if unit and (named or bool((moments == moments.round(0)).all())):
            days = parse_dates(moments, unit).dt.date()
            found[c.name] = (f"{shown(c.name, 30)} {'counts' if named else 'may count'} {unit}, "
                             f"{days.min()!s} to {days.max()!s}")
    if found:
        what = "is read as a plain number" if len(found) == 1 else "are read as plain numbers"
        yield Advice(f"{'; '.join(found.values())}, and {what}: if the date matters",
                     ("data", "epoch"), list(found))


def _weights(table: Table) -> Iterator[Advice]:
    """A column that says how much each row counts."""
    arrays = {c.name: table.x[:, j] for j, c in enumerate(table.columns)}
    for c in table.columns:
        x = arrays[c.name]
        if c.kind != "number" or np.isnan(x).any() or x.min() < 0:
            continue
        counted = names.is_frequency(c.name) and bool(np.all(x == np.round(x))) and all(
            o.kind in ("category", "boolean") or o.distinct <= 12
            for o in table.columns if o is not c)
        if is_row_weight(c.name, x) or counted:
            what = "the number of cases a row stands for" if counted else "a weight of the rows"
            yield Advice(f"column {shown(c.name)} looks like {what}, not like a feature",
                         ("data", "weights"), c.name)
            return


def _layout(table: Table) -> Iterator[Advice]:
    """Rows that belong together, or that follow one another."""
    times, group = _times(table), _group(table)
    panel = group is not None and bool(times) and any(
        1.5 * c.distinct < table.n_rows for c in table.source_columns if c.name == times[0])
    if group is not None:
        what = (f"several rows of each {shown(group.name)} at different {shown(times[0])} (a panel)"
                if panel else f"column {shown(group.name)} repeats")
        yield Advice(f"{what}: if rows with the same value belong together, or new ones are to be "
                     "predicted", ("validation", "group"), group.name)
    if times and (len(times) > 1 or panel or _rises(table, times[0])):
        spread = (f"the time is spread over {', '.join(shown(t) for t in times)}" if len(times) > 1
                  else f"{shown(times[0])} says when" if panel
                  else f"the rows are in the order of {shown(times[0])}")
        yield Advice(f"{spread}: if later rows are to be predicted from earlier ones",
                     ("validation", "time"), times if len(times) > 1 else times[0])


def _times(table: Table) -> list[str]:
    """The columns that say when, the coarsest first: a date, or a year with its parts."""
    dates = [c.name for c in table.source_columns if c.kind == "date" and c.role != "target"]
    usable = {c.name.strip().lower(): c for c in table.source_columns
              if c.kind in ("number", "category", "id") and c.role != "target" and c.distinct > 1}
    parts = []
    for spelled in names.PARTS:
        named = [c.name for n, c in usable.items() if n in spelled]
        parts += named[:1]
    if parts and parts[0].strip().lower() in names.PARTS[0] and (len(parts) > 1 or not dates):
        return parts
    if dates:
        return dates[:1]
    return [c.name for n, c in usable.items() if n in ("time", "t", "date", "timestamp")][:1]


def _rises(table: Table, name: str) -> bool:
    for j, c in enumerate(table.columns):
        if c.source == name and c.part in ("", "day"):
            known = table.x[~np.isnan(table.x[:, j]), j]
            return bool(len(known) > 20 and np.all(np.diff(known) >= 0))
    return False


def _group(table: Table) -> Column | None:
    """The column whose values have several rows each and that names what the rows are about."""
    rows = table.n_rows
    possible = [
        c for c in table.source_columns
        if c.role != "target" and c.kind in ("number", "category", "id") and names.is_entity(c.name)
        and c.distinct >= 8 and 1.2 * c.distinct < rows < 200 * c.distinct
        and c.missing_share < 0.2
    ]
    return max(possible, key=lambda c: (names.is_id(c.name), c.distinct), default=None)


def advice_texts(found: Sequence[Advice]) -> list[dict[str, Any]]:
    """As plain values for JSON: text, line, path, value."""
    return [{"text": a.text, "line": a.line, "path": list(a.path), "value": a.value}
            for a in found]
