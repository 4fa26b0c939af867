"""Pictures of a bench without a plotting library: inline SVG, and contours in braille dots."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Points = Sequence[tuple[float, float]]
COLOURS = (
    "#3b82f6", "#ef4444", "#10b981", "#f59e0b", "#8b5cf6", "#ec4899", "#14b8a6", "#84cc16",
    "#f97316", "#06b6d4", "#a16207", "#64748b",
)  # fmt: skip
RANDOM_COLOUR = "#888888"
BANDS = 9
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_MARKS = "123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def colours(methods: Sequence[str]) -> dict[str, str]:
    """A colour for each method, grey for random search."""
    others = [m for m in methods if m != "random"]
    found = {m: COLOURS[i % len(COLOURS)] for i, m in enumerate(others)}
    return {**found, "random": RANDOM_COLOUR}


def curves_svg(
    title: str, lines: Mapping[str, Sequence[float]], palette: Mapping[str, str],
    log: bool = False, width: int = 340, height: int = 210, percent: bool = False,
) -> str:  # fmt: skip
    """Lines over evaluations 1, 2, ...; random search dashed.

    Args:
        title: untrusted text.
        log: draw on a logarithmic axis; every value has to be positive.
        percent: label the axis with percent.
    """
    shown = {m: [math.log10(v) if log else v for v in c] for m, c in lines.items()}
    finite = [v for c in shown.values() for v in c if math.isfinite(v)]
    if not finite:
        return ""
    low, high = min(finite), max(finite)
    if high - low < 1e-12:
        low, high = low - 0.5, high + 0.5
    left, top, right, bottom = 52, 24, 8, 22
    n = max(len(c) for c in shown.values())

    def x(i: int) -> float:
        return left + (width - left - right) * (i / max(n - 1, 1))

    def y(v: float) -> float:
        return top + (height - top - bottom) * (1 - (v - low) / (high - low))

    parts = [
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">',
        f"<title>{escape(title)}</title>",
        f'<text x="{width / 2:.0f}" y="14" class="t" text-anchor="middle">{escape(title)}</text>',
    ]
    for k in range(4):
        v = low + (high - low) * k / 3
        label = _label(10**v if log else v, percent)
        parts.append(
            f'<line class="g" x1="{left}" x2="{width - right}" y1="{y(v):.1f}" y2="{y(v):.1f}"/>'
            f'<text x="{left - 4}" y="{y(v) + 3:.1f}" text-anchor="end">{label}</text>'
        )
    for i in sorted({0, n // 3, 2 * n // 3, n - 1}):
        parts.append(
            f'<text x="{x(i):.1f}" y="{height - 6}" text-anchor="middle">{i + 1}</text>'
        )
    for method, c in shown.items():
        path = " ".join(f"{x(i):.1f},{y(v):.1f}" for i, v in enumerate(c) if math.isfinite(v))
        dash = ' stroke-dasharray="4 3"' if method == "random" else ""
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{palette.get(method, RANDOM_COLOUR)}"'
            f' stroke-width="1.6"{dash}><title>{escape(method)}</title></polyline>'
        )
    return "".join([*parts, "</svg>"])


def _label(value: float, percent: bool) -> str:
    return f"{value * 100:.0f} %" if percent else f"{value:.3g}"


def contour_svg(
    title: str, grid: Floats, path: Points, optima: Points, colour: str, size: int = 230
) -> str:
    """Bands of equal loss with the path of a run over them.

    Args:
        grid: losses, shape (n, n): rows along x2 (upwards), columns along x1.
        path, optima: coordinates in the unit square.
    """
    bands = banded(grid)
    n = len(bands)
    cell = size / n
    parts = [
        f'<svg viewBox="0 0 {size} {size + 20}" width="{size}" height="{size + 20}" role="img">',
        f"<title>{escape(title)}</title>",
        f'<text x="{size / 2:.0f}" y="13" class="t" text-anchor="middle">{escape(title)}</text>',
        '<g transform="translate(0,20)" shape-rendering="crispEdges">',
    ]
    for row in range(n):
        edges = np.flatnonzero(np.diff(bands[row])) + 1
        for first, last in zip([0, *edges], [*edges, n], strict=True):
            grey = 250 - int(bands[row, first]) * (190 // BANDS)
            parts.append(
                f'<rect x="{first * cell:.1f}" y="{size - (row + 1) * cell:.1f}"'
                f' width="{(last - first) * cell:.1f}" height="{cell + 0.2:.1f}"'
                f' fill="rgb({grey},{grey},{min(255, grey + 12)})"/>'
            )
    parts.append('</g><g transform="translate(0,20)">')
    places = [(a * size, (1 - b) * size) for a, b in path]
    line = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
    parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-opacity="0.55"/>')
    for i, (a, b) in enumerate(places):
        parts.append(
            f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"><title>{i + 1}</title>'
            "</circle>"
        )
    for a, b in optima:
        parts.append(
            f'<text x="{a * size:.1f}" y="{(1 - b) * size + 5:.1f}" text-anchor="middle"'
            ' font-size="16" style="fill:#111">★</text>'
        )
    return "".join([*parts, "</g></svg>"])


def banded(grid: Floats) -> NDArray[np.int_]:
    """Which of `BANDS` bands each loss lies in, 0 the lowest; bands hold fewer cells lower down."""
    levels = np.quantile(grid, (np.arange(1, BANDS) / BANDS) ** 2)
    return np.asarray(np.searchsorted(levels, grid))


def contour_text(grid: Floats, path: Points, optima: Points, columns: int = 64) -> str:
    """The same for a terminal: lines of equal loss in braille, trials 1 to 9, a, b, ..., optimum *.

    Args:
        grid: losses, shape (n, n); n is best 2 * columns.
    """
    rows = columns // 2
    n = len(grid)
    down = np.minimum((np.arange(rows * 4) + 0.5) / (rows * 4) * n, n - 1).astype(int)
    across = np.minimum((np.arange(columns * 2) + 0.5) / (columns * 2) * n, n - 1).astype(int)
    bands = banded(grid)[::-1][np.ix_(down, across)]
    edge = np.zeros_like(bands, dtype=bool)
    edge[:, :-1] |= bands[:, :-1] != bands[:, 1:]
    edge[:-1] |= bands[:-1] != bands[1:]
    cells = [
        [
            chr(0x2800 + sum(
                _DOTS[i][j] for i in range(4) for j in range(2) if edge[4 * r + i, 2 * c + j]
            ))
            for c in range(columns)
        ]
        for r in range(rows)
    ]  # fmt: skip
    for mark, (a, b) in [*zip(_MARKS, path, strict=False), *(("*", p) for p in optima)]:
        c = min(int(a * columns), columns - 1)
        r = min(int((1 - b) * rows), rows - 1)
        cells[r][c] = mark
    border = "─" * columns
    body = "\n".join(f"│{''.join(line)}│" for line in cells)
    return f"┌{border}┐\n{body}\n└{border}┘"
