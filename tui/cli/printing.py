"""What commands print: tables, JSON, numbers; foreign text is made harmless on the way."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from hyperllama.core.text import one_line


def print_json(value: object) -> None:
    """One JSON document."""
    print(json.dumps(value, ensure_ascii=False, indent=1))


def print_table(rows: Iterable[Sequence[object]], right: Sequence[int] = ()) -> None:
    """Rows as columns of one width; the first row is the head, `right` columns end at the right."""
    lines = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = [
            c.rjust(w) if i in right else c.ljust(w)
            for i, (c, w) in enumerate(zip(line, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())


def short(value: object) -> str:
    """A score or another value in few characters; "-" for none."""
    if value is None:
        return "-"
    return f"{value:.5g}" if isinstance(value, float) else one_line(value)


def size(megabytes: float) -> str:
    """MiB, and GiB from 10,000 on."""
    return f"{megabytes:.0f} MB" if megabytes < 9999.5 else f"{megabytes / 1024:.1f} GB"


def magnitude(number: int) -> str:
    """1234567 -> "1.23M"; "-" for 0."""
    for unit, one in (("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= one:
            return f"{number / one:.3g}{unit}"
    return str(number) if number else "-"
