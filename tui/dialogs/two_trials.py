"""Two trials of a study side by side, as text."""

from __future__ import annotations

from textual.content import Content

from hyperllama.core.study import StudyState, TrialState
from hyperllama.tui.content.two_trials import beside, standing

_LEAST = 12  # cells of a value


def describe_two(one: TrialState, other: TrialState, state: StudyState) -> Content:
    """What may be said of the two, then their facts in two columns; what differs is bold."""
    rows = beside(one, other)
    widths = [max(_LEAST, *(len(row[i]) for row in rows)) for i in range(3)]
    lines = [*map(Content, standing(one, other, state)), Content("")]
    for name, left, right in rows:
        style = "bold" if left != right else "$dim"
        cells = left.ljust(widths[1]) + "  " + right
        lines.append(Content.assemble((name.ljust(widths[0]) + "  ", "$dim"), (cells, style)))
    return Content("\n").join(lines)
