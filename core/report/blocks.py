"""A report as a list of blocks, and the two ways to write it. Foreign text is escaped here."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Union

from hyperllama.core.text import plain


@dataclass(frozen=True)
class Heading:
    text: str
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    text: str


@dataclass(frozen=True)
class Bullets:
    items: Sequence[str]


@dataclass(frozen=True)
class Quote:
    """Text somebody else wrote, in paragraphs."""

    text: str


@dataclass(frozen=True)
class Grid:
    """A table; `right`: columns with numbers; `marked`: the row to point out."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: Sequence[int] = ()
    marked: int = -1


@dataclass(frozen=True)
class Code:
    text: str
    language: str = ""


@dataclass(frozen=True)
class Picture:
    """An SVG element made by us, and the same in words for Markdown."""

    svg: str
    words: Sequence[str] = ()


Block = Union[Heading, Paragraph, Bullets, Quote, Grid, Code, Picture]

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #5c6672; --line: #d5dae0;
  --paper: #ffffff; --tint: #f1f5f9; --accent: #0b6bcb; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ed; --soft: #9aa5b1; --line: #3a424c;
  --paper: #14181d; --tint: #1f252c; --accent: #6cb6ff; --bad: #ff8a80; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 62rem; margin: 2rem auto; padding: 0 1.25rem; }
h1 { font-size: 1.7rem; margin-bottom: .3rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: .9rem; }
th, td { text-align: left; padding: .3rem .75rem .3rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; } th { color: var(--soft); font-weight: 600; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
tr.marked td { background: var(--tint); font-weight: 600; }
blockquote { margin: 0; padding: .2rem 1rem; border-left: 3px solid var(--accent);
  background: var(--tint); } pre { background: var(--tint); padding: .8rem; overflow-x: auto; }
svg { width: 100%; height: auto; max-width: 52rem; }
svg text { fill: var(--soft); font: 12px system-ui, sans-serif; }
"""


def to_html(title: str, blocks: Sequence[Block]) -> str:
    """One page that loads nothing from elsewhere."""
    body = "\n".join(_html(b) for b in blocks)
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_h(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n{body}\n"
        "</body>\n</html>\n"
    )


def to_markdown(blocks: Sequence[Block]) -> str:
    """CommonMark with tables."""
    return "\n\n".join(_markdown(b) for b in blocks) + "\n"


def _h(text: str) -> str:
    return html.escape(plain(text), quote=True)


def _html(block: Block) -> str:
    if isinstance(block, Heading):
        return f"<h{block.level}>{_h(block.text)}</h{block.level}>"
    if isinstance(block, Paragraph):
        return f"<p>{_h(block.text)}</p>"
    if isinstance(block, Bullets):
        return "<ul>" + "".join(f"<li>{_h(i)}</li>" for i in block.items) + "</ul>"
    if isinstance(block, Quote):
        parts = "".join(f"<p>{_h(p)}</p>" for p in _paragraphs(block.text))
        return f"<blockquote>{parts}</blockquote>"
    if isinstance(block, Code):
        return f"<pre><code>{_h(block.text)}</code></pre>"
    if isinstance(block, Picture):
        return f"<figure>{block.svg}</figure>"

    def cell(tag: str, i: int, text: str) -> str:
        kind = ' class="n"' if i in block.right else ""
        return f"<{tag}{kind}>{_h(text)}</{tag}>"

    head = "".join(cell("th", i, t) for i, t in enumerate(block.header))
    rows = "".join(
        ('<tr class="marked">' if r == block.marked else "<tr>")
        + "".join(cell("td", i, t) for i, t in enumerate(row))
        + "</tr>\n"
        for r, row in enumerate(block.rows)
    )
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{rows}</tbody></table></div>"
    )


def _markdown(block: Block) -> str:
    if isinstance(block, Heading):
        return f"{'#' * block.level} {_m(block.text)}"
    if isinstance(block, Paragraph):
        return _m(block.text)
    if isinstance(block, Bullets):
        return "\n".join(f"- {_m(i)}" for i in block.items)
    if isinstance(block, Quote):
        return "\n>\n".join(f"> {_m(p)}" for p in _paragraphs(block.text))
    if isinstance(block, Code):
        fence = "`" * max([3, *(len(run) + 1 for run in re.findall(r"`+", block.text))])
        return f"{fence}{block.language}\n{plain(block.text)}\n{fence}"
    if isinstance(block, Picture):
        return "\n".join(f"- {_m(w)}" for w in block.words)
    rule = ["---:" if i in block.right else "---" for i in range(len(block.header))]
    rows = [
        [f"**{_m(c)}**" if c and r == block.marked else _m(c) for c in row]
        for r, row in enumerate(block.rows)
    ]
    lines = [[_m(h) for h in block.header], rule, *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _m(text: str) -> str:
    """Text on one line that Markdown and HTML inside it leave as it is."""
    line = " ".join(plain(text).split())
    line = re.sub(r"([\\`*_\[\]|~])", r"\\\1", line)
    line = re.sub(r"^(\d+)([.)])(?= |$)", r"\1\\\2", re.sub(r"^([#+>-])", r"\\\1", line))
    return html.escape(line, quote=False)


def _paragraphs(text: str) -> list[str]:
    """Lines that are not empty; a model's line breaks mostly mean something."""
    return [line.strip() for line in plain(text).splitlines() if line.strip()] or [""]
