"""The belief pane: what the model expects of each hyperparameter's next value."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from textual.content import Content

from hyperllama.tui.text import names, wording
from hyperllama.tui.text.glyphs import sparkline
from hyperllama.tui.widgets.sheet import words
from hyperllama.tui.widgets.study.pane import Pane

Weighted = list[tuple[Any, float]]
"""Values with their probabilities."""
_END_CELLS = 6  # of the lowest and of the highest value beside the bars

HELP = """\
One line a hyperparameter: how the model's own probability is spread over its range, from the \
lowest value to the highest, and the value that was drawn with its probability. A single tall bar \
means that the model is sure; a flat line that it has no preference.
"""


class Belief(Pane):
    """The model's distributions for the selected trial."""

    NAME = "Belief"
    HELP = HELP

    def lines(self, width: int, height: int) -> list[Content]:
        trial = self.trial
        if trial is None or not trial.beliefs:
            return self._nothing(width)
        order = {name: at for at, name in enumerate(trial.config)}
        ordered = sorted(trial.beliefs, key=lambda n: order.get(n, len(order)))
        labels = names.fitted(ordered, max(10, min(28, width // 3 + 2)))
        label = max(map(len, labels.values()))
        drawn = []
        for name in ordered:
            if pairs := _pairs(trial.beliefs[name]):
                head = labels[name].ljust(label) + " "
                drawn.append(self._row(head, pairs, trial.config.get(name), width))
        if len(drawn) > height:
            rest = f"{len(drawn) - height + 1} more: z shows the full pane"
            return [*drawn[: height - 1], Content.styled(rest, "$dim")]
        if 1 < len(drawn) * 2 - 1 <= height:
            return [part for row in drawn for part in (row, Content(""))][:-1]
        return drawn

    def _row(self, head: str, pairs: Weighted, chosen: Any, width: int) -> Content:
        if not all(_is_number(value) for value, _ in pairs):
            return self._choices(head, pairs, chosen, width)
        pairs.sort(key=lambda pair: float(pair[0]))
        low, high = (wording.setting(float(f"{float(pairs[at][0]):.3g}")) for at in (0, -1))
        low, high = f"{low:>{_END_CELLS}} ", f" {high:<{_END_CELLS}}"
        cells = width - len(head) - len(low) - len(high) - 12
        if cells < 6:
            cells, low, high = max(4, width - len(head) - 12), "", ""
        bins = _squeeze([p for _, p in pairs], cells)
        bars = sparkline(bins, self.glyphs, 0.0, max(bins))
        at = _nearest(pairs, chosen, len(bins)) if _is_number(chosen) else len(bars)
        return Content.assemble(
            head,
            (low, "$dim"),
            (bars[:at], "$voice"),
            (bars[at : at + 1], "bold $best"),
            (bars[at + 1 :], "$voice"),
            (high, "$dim"),
            (f" {self.glyphs.arrow} ", "$dim"),
            (wording.setting(chosen) if chosen is not None else "", "bold"),
        )

    def _choices(self, head: str, pairs: Weighted, chosen: Any, width: int) -> Content:
        pieces: list[tuple[str, str]] = [(head, "")]
        for value, share in sorted(pairs, key=lambda pair: -pair[1])[:6]:
            arrow, style = (f"{self.glyphs.arrow} ", "bold") if value == chosen else ("", "$dim")
            pieces.append((f"{arrow}{wording.setting(value)} {share:.0%}   ", style))
        return Content.assemble(*pieces).truncate(width, ellipsis=True)

    def _nothing(self, width: int) -> list[Content]:
        trial, text = self.trial, "What the model expects appears with its proposal."
        if trial is not None and trial.state == "proposing":
            text = "The model is still working on its proposal."
        elif trial is not None and trial.done:
            text = f"Trial {trial.number} was proposed without beliefs."
        return words(text, width, "$dim")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _pairs(pairs: Any) -> Weighted:
    """The well-formed (value, probability) pairs, whatever was stored."""
    if not isinstance(pairs, Sequence) or isinstance(pairs, str):
        return []
    return [
        (pair[0], float(pair[1]))
        for pair in pairs
        if isinstance(pair, (list, tuple)) and len(pair) == 2
        and isinstance(pair[1], (int, float)) and pair[1] >= 0
    ]  # fmt: skip


def _squeeze(values: list[float], cells: int) -> list[float]:
    """At most `cells` sums of neighbours; each value twice or more where there is room."""
    if len(values) <= cells:
        times = max(1, min(3, cells // len(values)))
        return [v for v in values for _ in range(times)]
    ends = [i * len(values) // cells for i in range(cells + 1)]
    return [sum(values[a:b]) for a, b in pairwise(ends)]


def _nearest(pairs: Weighted, chosen: float, cells: int) -> int:
    """The cell of the value that was drawn."""
    index = min(range(len(pairs)), key=lambda i: abs(float(pairs[i][0]) - chosen))
    return min(cells - 1, int((index + 0.5) * cells / len(pairs)))
