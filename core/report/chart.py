"""The best-so-far curve as an SVG element: every trial a mark, the incumbent a step line."""

from __future__ import annotations

from html import escape

from hyperllama.core.report.record import StudyRecord
from hyperllama.core.space import number

WIDTH, HEIGHT = 760, 300
LEFT, RIGHT, TOP, BOTTOM = 70, 16, 16, 42


def progress_svg(study: StudyRecord) -> str:
    """The picture; an empty string without a complete trial.

    The axis is cut below at three times the distance from the median to the best, so that a few
    disasters do not press the rest together; trials below are drawn as triangles at the edge.
    """
    done = study.complete
    if not done:
        return ""
    values = sorted(t.value for t in done if t.value is not None)
    best, middle = values[-1], values[len(values) // 2]
    low = max(values[0], best - 3 * (best - middle)) if best > middle else values[0]
    room = (best - low) * 0.08 or max(abs(best) * 0.01, 1e-6)
    bottom, top = low - room, best + room
    last = max(t.number for t in study.trials) or 1

    def x(n: int) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * n / last, 1)

    def y(value: float) -> float:
        share = (value - bottom) / (top - bottom)
        return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share, 1)

    metric = escape(study.problem.metric, quote=True)
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="Best {metric} so far, by trial">'
    ]
    for k in range(5):
        level = bottom + (top - bottom) * k / 4
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(level)}" y2="{y(level)}" '
            'stroke="var(--line)"/>'
            f'<text x="{LEFT - 8}" y="{y(level) + 4}" text-anchor="end">{number_at(level)}</text>'
        )
    for n in sorted({round(last * k / 5) for k in range(6)}):
        parts.append(f'<text x="{x(n)}" y="{HEIGHT - 22}" text-anchor="middle">{n}</text>')
    parts.append(
        f'<text x="{(LEFT + WIDTH) / 2}" y="{HEIGHT - 4}" text-anchor="middle">trial</text>'
    )
    path, best_value = "", float("-inf")
    for t in study.trials:
        value = t.value
        if t.state != "complete" or value is None:
            px, py = x(t.number), HEIGHT - BOTTOM - 4
            parts.append(
                f'<path d="M{px - 3} {py - 3}l6 6m0 -6l-6 6" stroke="var(--bad)" fill="none">'
                f"<title>trial {t.number}: failed</title></path>"
            )
            continue
        label = f"<title>trial {t.number}: {number(value)}</title>"
        if value < bottom:
            px, py = x(t.number), HEIGHT - BOTTOM
            parts.append(
                f'<path d="M{px - 4} {py - 8}h8l-4 7z" fill="var(--soft)">{label}</path>'
            )
        else:
            parts.append(
                f'<circle cx="{x(t.number)}" cy="{y(value)}" r="3" fill="var(--soft)">{label}'
                "</circle>"
            )
        if value > best_value:
            best_value = value
            seen = y(max(value, bottom))
            path += f"H{x(t.number)}V{seen}" if path else f"M{x(t.number)} {seen}"
    path += f"H{x(last)}"
    parts.append(f'<path d="{path}" fill="none" stroke="var(--accent)" stroke-width="2"/>')
    parts.append("</svg>")
    return "".join(parts)


def number_at(value: float) -> str:
    """An axis label: four significant digits."""
    return f"{value:.4g}"
