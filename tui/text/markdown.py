"""Markdown as lines of styled text: one drawing, cheap enough to be made anew ten times a second.

Textual's own widget mounts a widget a block and lays the screen out for each of them; that took a
tenth of a second for every selected trial.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from markdown_it import MarkdownIt
from markdown_it.token import Token
from textual.content import Content

_STYLES = {"strong": "bold", "em": "italic", "s": "strike", "link": "underline"}


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable("strikethrough")


def lines(text: str, width: int, bullet: str = "•") -> list[Content]:
    """The lines of a text of at most `width` cells; safe for text that a model wrote.

    Args:
        text: without control characters (`core.text.plain`).
        bullet: what stands before the items of a list.
    """
    out: list[Content] = []
    lists: list[int | None] = []  # of each open list the next number, None for bullets
    lead = ""  # of the item that begins with the next paragraph
    quotes = 0
    heading = False
    for token in _parser().parse(text):
        kind = token.type
        if kind in ("bullet_list_open", "ordered_list_open"):
            if not lists:
                _gap(out)
            number = int(token.attrGet("start") or 1) if kind[0] == "o" else None
            lists.append(number)
        elif kind in ("bullet_list_close", "ordered_list_close"):
            lists.pop()
        elif kind == "list_item_open":
            number = lists[-1]
            lead = f"{bullet} " if number is None else f"{number}. "
            lists[-1] = None if number is None else number + 1
        elif kind in ("blockquote_open", "blockquote_close"):
            quotes += 1 if kind.endswith("open") else -1
        elif kind in ("paragraph_open", "heading_open"):
            heading = kind == "heading_open"
            if not lead and not (lists and token.hidden):
                _gap(out)
        elif kind == "inline":
            indent = "  " * max(0, len(lists) - 1) + "  " * quotes
            before = lead or ("  " if lists else "")
            lead = ""
            content = _inline(token.children or [])
            if heading:
                content = content.stylize("bold $primary")
            room = max(8, width - len(indent) - len(before))
            for i, line in enumerate(content.wrap(room)):
                first = before if i == 0 else " " * len(before)
                out.append(Content.assemble(indent, (first, "$primary"), line))
        elif kind in ("fence", "code_block"):
            _gap(out)
            body = token.content.rstrip("\n").split("\n")
            out += [Content.styled("  " + row, "$primary") for row in body]
        elif kind == "hr":
            _gap(out)
            out.append(Content.styled("-" * min(width, 24), "$faint"))
    while out and not out[-1].plain.strip():
        out.pop()
    return out


def _gap(out: list[Content]) -> None:
    if out and out[-1].plain.strip():
        out.append(Content(""))


def _inline(tokens: Sequence[Token]) -> Content:
    """The words of a block; marks become styles."""
    pieces: list[tuple[str, str]] = []
    open_: list[str] = []
    for token in tokens:
        name, _, end = token.type.rpartition("_")
        if end == "open" and name in _STYLES:
            open_.append(_STYLES[name])
        elif end == "close" and name in _STYLES:
            open_.remove(_STYLES[name])
        elif token.type == "code_inline":
            pieces.append((token.content, " ".join([*open_, "$primary"])))
        elif token.type == "softbreak":
            pieces.append((" ", ""))
        elif token.type == "hardbreak":
            pieces.append(("\n", ""))
        else:
            pieces.append((token.content, " ".join(open_)))
    return Content.assemble(*pieces)
