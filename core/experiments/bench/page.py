"""The HTML report of a bench: one file that needs no other, light and dark, every text escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from hyperllama.core.experiments.bench.plots import colours, contour_svg, curves_svg
from hyperllama.core.experiments.bench.report import (
    HEADINGS,
    cells_of,
    limit_line,
    pair_line,
    tables_of,
    title_of,
)
from hyperllama.core.experiments.bench.results import Facts, Results, Run
from hyperllama.core.experiments.bench.summary import Pair, Summary, summarise

STYLE = """
:root{color-scheme:light dark;--line:#8884;--soft:#8881}
body{font:15px/1.5 system-ui,sans-serif;max-width:1100px;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;margin:.5rem 0 1.5rem;font-variant-numeric:tabular-nums}
h2{font-size:1.15rem;margin-top:2rem}
th,td{padding:.2rem .7rem;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}
th:first-child,td:first-child{text-align:left}
.wide{overflow-x:auto}
.plots{display:flex;flex-wrap:wrap;gap:.6rem}
svg{background:var(--soft);border-radius:6px}
svg text{font:10px system-ui,sans-serif;fill:currentColor}
svg text.t{font-weight:600;font-size:11px}
svg .g{stroke:var(--line)}
.key span{display:inline-block;margin-right:1rem}
.key i{display:inline-block;width:1em;height:.7em;margin-right:.3em;border-radius:2px}
"""
_EXPLAINED = (
    "better: share of problems with a mean loss below random search's mean, in percent; median, "
    "mean: relative change of the loss against random search's, in percent, negative is better; "
    "rank: mean rank among these methods, 1 is best; regret: (loss - least) / (median of one "
    "random configuration - least), where the least loss is known; ms: median time of a proposal. "
    "In brackets: 95 % bootstrap intervals over problems."
)
_CONTOUR_CELLS = 64
_CONTOUR_METHODS = 8


def html_report(results: Results, summary: Summary, pairs: Sequence[Pair] = ()) -> str:
    """The whole page: tables, comparisons, curves, and contours where there are landscapes."""
    methods = list(dict.fromkeys(r.method for r in summary.rows))
    palette = colours(methods)
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        f"<title>HyperLlama bench</title><style>{STYLE}</style></head><body>",
        f"<h1>HyperLlama bench</h1><p>{escape(_EXPLAINED)}</p>",
    ]
    for (start, at), rows in tables_of(summary).items():
        parts.append(f"<h2>{escape(title_of(summary, start, at))}</h2><table><tr>")
        parts.extend(f"<th>{h}</th>" for h in HEADINGS)
        parts.append("</tr>")
        for row in rows:
            parts.append("<tr>" + "".join(f"<td>{escape(c)}</td>" for c in cells_of(row)) + "</tr>")
        parts.append("</table>")
        limit = limit_line(results, at, start)
        parts.append(f"<p>{escape(limit)}</p>" if limit else "")
    parts.extend(f"<p>{escape(pair_line(p))}</p>" for p in pairs)
    parts.extend(f"<p>Note: {escape(n)}</p>" for n in summary.notes)
    for method, problem, error in summary.broken[:20]:
        parts.append(f"<p>Broken off: {escape(f'{method} on {problem}: {error}')}</p>")
    for start in dict.fromkeys(r.start for r in summary.rows):
        parts.append(_curves(results, start, methods, palette))
    parts.append(_contours(results, palette))
    return "".join([*parts, "</body></html>\n"])


def _curves(
    results: Results, start: str, methods: Sequence[str], palette: Mapping[str, str]
) -> str:
    """Mean relative change over all problems, then the mean best loss of each problem."""
    key = "".join(
        f'<span><i style="background:{palette[m]}"></i>{escape(m)}</span>' for m in methods
    )
    heading = "from the default configuration" if start == "default" else "from nothing"
    parts = [f'<h2>Best loss over evaluations, {heading}</h2><p class="key">{key}</p>']
    longest = max((r.budget for r in results.whole() if r.start == start), default=0)
    if not longest:
        return ""
    overall: dict[str, list[float]] = {}
    for n in range(1, longest + 1):
        for row in summarise(results, at=[n], starts=[start], methods=methods).rows:
            if row.runs:
                overall.setdefault(row.method, []).append(row.mean.value)
    parts.append('<div class="plots">')
    parts.append(
        curves_svg("mean change against random search", overall, palette, percent=True, width=700)
    )
    for problem in sorted(results.problems.values(), key=lambda p: p.name):
        lines = mean_curves(results, problem, start)
        if len(lines) < 2:
            continue
        values = [v for c in lines.values() for v in c]
        log = min(values) > 0 and max(values) > 20 * min(values)
        parts.append(curves_svg(f"{problem.name}: {problem.loss_name}", lines, palette, log))
    return "".join([*parts, "</div>"])


def mean_curves(results: Results, problem: Facts, start: str) -> dict[str, list[float]]:
    """Method -> mean best loss after 1, 2, ... evaluations; "random" first."""
    longest: dict[str, list[Run]] = {}
    for run in results.whole():
        if run.problem_id == problem.problem_id and run.start == start:
            known = longest.setdefault(run.method, [])
            if known and run.budget > known[0].budget:
                known.clear()
            if not known or run.budget == known[0].budget:
                known.append(run)
    found: dict[str, list[float]] = {}
    seeds = {r.seed for runs in longest.values() for r in runs}
    random = [problem.random_curve(start, s) for s in seeds]
    random = [c for c in random if c]
    if random:
        shortest = min(len(c) for c in random)
        found["random"] = np.mean([c[:shortest] for c in random], axis=0).tolist()
    for method, runs in sorted(longest.items()):
        found[method] = np.mean([r.curve for r in runs], axis=0).tolist()
    return found


def _contours(results: Results, palette: Mapping[str, str]) -> str:
    """For each landscape the path of every method under the lowest seed."""
    parts: list[str] = []
    for problem in sorted(results.problems.values(), key=lambda p: p.name):
        runs = landscape_runs(results, problem)
        if not runs:
            continue
        grid, optima = landscape_picture(problem, runs[0].seed, _CONTOUR_CELLS)
        parts.append(f'<h3>{escape(problem.name)}, seed {runs[0].seed}</h3><div class="plots">')
        for run in runs[:_CONTOUR_METHODS]:
            path = [(p[0], p[1]) for p in run.points]
            colour = palette.get(run.method, "#888888")
            parts.append(contour_svg(run.method, grid, path, optima, colour))
        parts.append("</div>")
    return "".join(["<h2>Paths</h2>", *parts]) if parts else ""


Picture = tuple[NDArray[np.float64], list[tuple[float, float]]]


def landscape_runs(results: Results, problem: Facts) -> list[Run]:
    """One run a method on a landscape: the lowest seed, "default" before "none"; else nothing."""
    if problem.suite != "landscapes":
        return []
    runs = [r for r in results.whole() if r.problem_id == problem.problem_id]
    if not runs:
        return []
    seed = min(r.seed for r in runs)
    chosen: dict[str, Run] = {}
    for run in sorted(runs, key=lambda r: (r.start, -r.budget)):
        if run.seed == seed:
            chosen.setdefault(run.method, run)
    return [chosen[m] for m in sorted(chosen)]


def landscape_picture(problem: Facts, seed: int, cells: int) -> Picture:
    """Losses on a grid, and the optima in the unit square."""
    from hyperllama.core.experiments.bench.landscapes import Landscape

    assert problem.spec is not None
    found = Landscape(str(problem.spec["function"]), str(problem.spec["variant"]))
    bounds = np.array(found.f.bounds)
    optima = [
        (float(a), float(b))
        for a, b in (np.array(found.placement(seed).optima) - bounds[:, 0]) / (bounds @ [-1, 1])
    ]
    return found.grid(seed, cells), optima
