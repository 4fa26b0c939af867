"""Pictures of functions of two variables: SVG, and braille dots for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from hyperllama.core.experiments.problems.landscapes import Landscape
from hyperllama.core.experiments.reading import CellFacts, Comparison
from hyperllama.core.experiments.records import ProblemRecord

Floats = NDArray[np.float64]
Points = Sequence[tuple[float, float]]
BANDS = 9
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_MARKS = "123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def landscape_runs(comparison: Comparison, task: str) -> list[CellFacts]:
    """A cell each contender: the lowest seed, "default" before "none"; none of other tasks."""
    if comparison.problems[task].suite != "landscapes":
        return []
    runs = [c for c in comparison.cells if c.cell.task == task and c.state == "done"]
    seed = min((c.cell.seed for c in runs), default=0)
    chosen: dict[str, CellFacts] = {}
    for run in sorted(runs, key=lambda c: (c.cell.start, -c.cell.budget)):
        if run.cell.seed == seed:
            chosen.setdefault(run.cell.contender, run)
    return [chosen[m] for m in sorted(chosen)]


class LandscapePicture:
    """A landscape under a seed, with its optima and paths over it in the unit square."""

    def __init__(self, problem: ProblemRecord, seed: int, cells: int) -> None:
        assert problem.spec is not None
        self._landscape = Landscape(problem.spec["function"], problem.spec["variant"])
        self.grid = self._landscape.grid(seed, cells)
        bounds = np.array(self._landscape.f.bounds)
        optima = np.array(self._landscape.placement(seed).optima)
        inside = (optima - bounds[:, 0]) / (bounds @ [-1, 1])
        self.optima = [(float(a), float(b)) for a, b in inside]

    def path(self, run: CellFacts) -> list[tuple[float, float]]:
        """What a cell evaluated."""
        units = (self._landscape.space.to_unit(t["config"]) for t in run.trials)
        return [(float(u[0]), float(u[1])) for u in units]


def contour_svg(title: str, grid: Floats, path: Points, optima: Points, size: int = 230) -> str:
    """Bands of equal loss with the path of a run over them.

    Args:
        title: text from others.
        grid: losses, shape (n, n): rows along x2 (upwards), columns along x1.
        path, optima: coordinates in the unit square.
    """
    bands = banded(grid)
    n = len(bands)
    cell = size / n
    parts = [
        f'<svg viewBox="0 0 {size} {size + 20}" style="max-width: {size}px" role="img">',
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
    places = [(a * size, (1 - b) * size) for a, b in path]
    line = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
    parts.append('</g><g class="s0" transform="translate(0,20)">')
    parts.append(f'<polyline class="line" points="{line}"/>')
    parts += [
        f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" style="fill: var(--s)"><title>{i}</title>'
        "</circle>"
        for i, (a, b) in enumerate(places, 1)
    ]
    parts += [
        f'<text x="{a * size:.1f}" y="{(1 - b) * size + 5:.1f}" text-anchor="middle"'
        ' font-size="16" style="fill:#111">★</text>'
        for a, b in optima
    ]
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
