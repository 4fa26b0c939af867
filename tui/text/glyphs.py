"""The characters that pictures are made of, with a plain set for terminals that have no Unicode."""

from __future__ import annotations

import locale
import os
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter


@dataclass(frozen=True)
class Glyphs:
    """One set of characters; every field is one cell wide but the levels, which are many."""

    best: str = "★"  # the best trial of a study, or what is ahead in a comparison
    chosen: str = "◆"  # what a person marked: studies, the default model
    running: str = "▸"
    thinking: str = "…"
    failed: str = "✗"
    done: str = "✓"
    paused: str = "‖"
    stopped: str = "■"
    waiting: str = "◌"
    up: str = "▲"
    down: str = "▼"
    arrow: str = "→"
    plus_minus: str = "±"
    dot: str = "·"
    ellipsis: str = "…"
    full: str = "█"
    shade: str = "▒"
    empty: str = "░"
    line: str = "─"
    column: str = "│"
    bar: str = "━"  # bars in neighbouring lines stay apart
    track: str = "─"
    levels: str = "▁▂▃▄▅▆▇"  # not the full block: plots in neighbouring lines would touch
    braille: bool = True


UNICODE = Glyphs()
ASCII = Glyphs(
    best="*",
    chosen="@",
    running=">",
    thinking=".",
    failed="x",
    done="+",
    paused="=",
    stopped="#",
    waiting="o",
    up="^",
    down="v",
    arrow="->",
    plus_minus="+-",
    dot=".",
    ellipsis="~",
    full="#",
    shade="=",
    empty=".",
    line="-",
    column="|",
    bar="#",
    track=".",
    levels="._-=+*%#",
    braille=False,
)


def choose() -> Glyphs:
    """The plain set where the locale is not UTF-8, else Unicode; HYPERLLAMA_ASCII overrules it.

    LC_ALL=C is looked at by its name: Python itself takes it for UTF-8.
    """
    chosen = os.environ.get("HYPERLLAMA_ASCII", "")
    if chosen:
        return UNICODE if chosen == "0" else ASCII
    if os.environ.get("LC_ALL", "") in ("C", "POSIX"):
        return ASCII
    encoding = locale.getpreferredencoding(False).lower().replace("-", "")
    return UNICODE if encoding == "utf8" else ASCII


def sparkline(
    values: Sequence[float], glyphs: Glyphs, low: float | None = None, high: float | None = None
) -> str:
    """One character a value, from the lowest to the highest level; all equal gives the middle."""
    if not values:
        return ""
    low = min(values) if low is None else low
    high = max(values) if high is None else high
    top = len(glyphs.levels) - 1
    if not high > low:
        return glyphs.levels[top // 2] * len(values)
    return "".join(
        glyphs.levels[min(top, max(0, round((v - low) / (high - low) * top)))] for v in values
    )


class AsciiFilter(LineFilter):
    """Leaves nothing but ASCII on the screen: for terminals without Unicode."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Every other character becomes one that resembles it, or a question mark."""
        return [
            segment
            if segment.text.isascii()
            else Segment(segment.text.translate(_PLAIN), segment.style, segment.control)
            for segment in segments
        ]


class _Plain(dict[int, str]):
    """The characters of our own texts by what resembles them; names of others become "?"."""

    def __missing__(self, character: int) -> str:
        return chr(character) if character < 128 else "?" * cell_len(chr(character))


_OURS = "→←↑↓↵▌▏│─━±–−…·•★◆✓✗×⌫⇧‹›“”’"
_ALIKE = '><^v<|||-=+--~..*@+xx<^<>""\''
_ENDS = "▁▂▃▄▅▆▇"  # of scrollbars, where a cell is filled in part
_PLAIN = _Plain(
    {ord(a): b for a, b in zip(_OURS + _ENDS, _ALIKE + " " * len(_ENDS), strict=True)}
)
