"""The HTML report of a comparison: one file that needs no other, every text escaped."""

from __future__ import annotations

from html import escape

import numpy as np

from hyperllama.core.experiments.bench.page import STYLE
from hyperllama.core.experiments.bench.plots import colours, curves_svg
from hyperllama.core.experiments.compare.reading import Comparison
from hyperllama.core.experiments.compare.report import EXPLAINED, HEADINGS, cells, title
from hyperllama.core.experiments.compare.summary import Summary


def html_report(comparison: Comparison, summary: Summary) -> str:
    """The whole page: table, verdicts, curves of every task, what each contender is."""
    labels = [r.contender for r in summary.rows]
    palette = colours(labels)
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        f"<title>{escape(summary.name)}</title><style>{STYLE}</style></head><body>",
        f"<h1>{escape(title(summary))}</h1><p>{escape(EXPLAINED)}.</p>",
    ]
    rows = [cells(r) for r in summary.rows]
    kept = [i for i in range(len(HEADINGS)) if i == 0 or any(r[i] for r in rows)]
    parts.append('<div class="wide"><table><tr>')
    parts += [f"<th>{escape(HEADINGS[i])}</th>" for i in kept]
    parts.append("</tr>")
    for row in rows:
        parts.append("<tr>" + "".join(f"<td>{escape(row[i])}</td>" for i in kept) + "</tr>")
    parts.append("</table></div>")
    parts += [f"<p>{escape(v.words())}.</p>" for v in summary.verdicts]
    parts += [f"<p>Note: {escape(n)}.</p>" for n in summary.notes]
    parts += [
        f"<p>Failed: {escape(f'{c} on {t}, seed {s}: {e}')}</p>"
        for c, t, s, e in summary.failed[:20]
    ]
    parts.append(_curves(comparison, labels, palette))
    parts.append("<h2>Contenders</h2><table><tr><th>contender</th><th>proposer</th>")
    parts.append("<th>model</th><th>s/trial</th></tr>")
    for r in summary.rows:
        train = "" if r.train_s is None else f"{r.train_s:.3g}"
        texts = (r.contender, r.proposer, r.model, train)
        parts.append("<tr>" + "".join(f"<td>{escape(t)}</td>" for t in texts) + "</tr>")
    return "".join([*parts, "</table></body></html>\n"])


def _curves(comparison: Comparison, labels: list[str], palette: dict[str, str]) -> str:
    key = "".join(
        f'<span><i style="background:{palette[m]}"></i>{escape(m)}</span>' for m in labels
    )
    parts = [f'<h2>Best score after each trial, mean over seeds</h2><p class="key">{key}</p>']
    parts.append('<div class="plots">')
    for task in comparison.grid.tasks:
        lines = mean_curves(comparison, task)
        if lines:
            parts.append(curves_svg(task, lines, palette))
    return "".join([*parts, "</div>"])


def mean_curves(comparison: Comparison, task: str) -> dict[str, list[float]]:
    """Contender -> mean best value after 1, 2, ... trials on a task, over its whole cells."""
    found = {}
    for contender in comparison.grid.contenders:
        curves = [c.curve for c in comparison.of(contender.label, task) if c.curve]
        if curves:
            shortest = min(map(len, curves))
            found[contender.label] = np.mean([c[:shortest] for c in curves], axis=0).tolist()
    return found
