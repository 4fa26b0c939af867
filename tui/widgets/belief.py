"""The belief pane: what the model expects of each hyperparameter's next value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from textual.content import Content

from hyperllama.core.text import plain
from hyperllama.tui import wording
from hyperllama.tui.glyphs import sparkline
from hyperllama.tui.widgets.pane import Pane

HELP = """\
One line a hyperparameter: how the model's own probability is spread over its range, from the \
lowest value to the highest, and the value that was drawn with its probability. A single tall bar \
means that the model is sure; a flat line that it does not care.
"""


class Belief(Pane):
    """The distributions the model had in mind for the trial looked at."""

    NAME = "Belief"
    HELP = HELP
    _called: Callable[[str], str] = staticmethod(plain)

    def lines(self, width: int, height: int) -> list[Content]:
        trial = self.trial
        beliefs = trial.beliefs if trial is not None else {}
        if trial is None or not beliefs:
            return self._nothing(width)
        self._called = plain if width >= 46 else lambda n: plain(wording.short_name(n))
        label = min(18, max(len(self._called(n)) for n in beliefs))
        drawn: list[Content] = []
        order = list(trial.config)
        for name in sorted(beliefs, key=lambda n: order.index(n) if n in order else len(order)):
            row = self._row(name, beliefs[name], trial.config.get(name), label, width)
            if row is not None:
                drawn.append(row)
        if len(drawn) > height:
            left_out = len(drawn) - height + 1
            drawn = drawn[: height - 1]
            drawn.append(Content.styled(f"{left_out} more: press z for the full pane", "$dim"))
        elif len(drawn) * 2 - 1 <= height and len(drawn) > 1:
            drawn = [part for row in drawn for part in (row, Content(""))][:-1]
        return drawn

    def _row(self, name: str, pairs: Any, chosen: Any, label: int, width: int) -> Content | None:
        cleaned = _pairs(pairs)
        if not cleaned:
            return None
        head = self._called(name)[:label].ljust(label) + " "
        numeric = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v, _ in cleaned)
        if not numeric:
            return self._options(head, cleaned, chosen, width)
        cleaned.sort(key=lambda pair: float(pair[0]))
        value = wording.setting(chosen) if chosen is not None else ""
        low, high = wording.setting(cleaned[0][0]), wording.setting(cleaned[-1][0])
        cells = width - len(head) - 7 - 7 - 12
        if cells < 6:
            cells, low, high = max(4, width - len(head) - 12), "", ""
        bins = _squeeze([p for _, p in cleaned], cells)
        bars = sparkline(bins, self.glyphs, 0.0, max(bins))
        at = _nearest(cleaned, chosen, len(bins))
        body = Content.assemble(
            (low[:6].rjust(6) + " " if low else "", "$dim"),
            (bars[:at] if at is not None else bars, "$voice"),
            (bars[at] if at is not None else "", "bold $best"),
            (bars[at + 1 :] if at is not None else "", "$voice"),
            (" " + high[:6].ljust(6) if high else "", "$dim"),
        )
        tail = Content.assemble((" " + self.glyphs.arrow + " ", "$dim"), (value, "bold"))
        return Content.assemble(head, body, tail)

    def _options(
        self, head: str, pairs: list[tuple[Any, float]], chosen: Any, width: int
    ) -> Content:
        pieces: list[Content] = [Content(head)]
        for value, share in sorted(pairs, key=lambda pair: -pair[1])[:6]:
            mine = value == chosen
            text = f"{wording.setting(value)} {share:.0%}"
            pieces.append(
                Content.styled(
                    (self.glyphs.arrow + " " if mine else "") + text + "   ",
                    "bold" if mine else "$dim",
                )
            )
        return Content.assemble(*pieces).truncate(width, ellipsis=True)

    def _nothing(self, width: int) -> list[Content]:
        trial = self.trial
        if trial is not None and trial.state == "proposing":
            return self.sentence("The model is still thinking.", width)
        if trial is not None and trial.done:
            return self.sentence(f"Trial {trial.number} came without beliefs.", width)
        return self.sentence("What the model expects appears with its proposal.", width)


def _pairs(pairs: Any) -> list[tuple[Any, float]]:
    """The well-formed (value, probability) pairs, whatever was in the file."""
    if not isinstance(pairs, Sequence) or isinstance(pairs, str):
        return []
    return [
        (pair[0], float(pair[1]))
        for pair in pairs
        if isinstance(pair, (list, tuple))
        and len(pair) == 2
        and isinstance(pair[1], (int, float))
        and pair[1] >= 0
    ]


def _squeeze(values: list[float], cells: int) -> list[float]:
    """At most `cells` sums of neighbours; each value twice or more where there is room."""
    if len(values) <= cells:
        times = max(1, min(3, cells // len(values)))
        return [v for v in values for _ in range(times)]
    return [
        sum(values[i * len(values) // cells : (i + 1) * len(values) // cells]) for i in range(cells)
    ]


def _nearest(pairs: list[tuple[Any, float]], chosen: Any, cells: int) -> int | None:
    """The cell of the value that was drawn."""
    if isinstance(chosen, bool) or not isinstance(chosen, (int, float)):
        return None
    index = min(range(len(pairs)), key=lambda i: abs(float(pairs[i][0]) - chosen))
    return min(cells - 1, int((index + 0.5) * cells / len(pairs)))
