"""A document as a list of blocks, and the two ways to write it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

from hyperllama.core.charts.chart import Bars, Chart, palette
from hyperllama.core.text import plain

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup


@dataclass(frozen=True)
class Heading:
    """A heading; level 1 is the title of the page."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    """Sentences that belong together."""

    text: str


@dataclass(frozen=True)
class Bullets:
    """A list."""

    items: Sequence[str]


@dataclass(frozen=True)
class Quote:
    """Text that was not written by HyperLlama; each line becomes a paragraph."""

    text: str

    @property
    def lines(self) -> list[str]:
        """Lines that are not empty: a model's line breaks mostly mean something."""
        return [line.strip() for line in plain(self.text).splitlines() if line.strip()] or [""]


@dataclass(frozen=True)
class TableBlock:
    """A table; `right`: columns with numbers; `marked`: the row to point out."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: Sequence[int] = ()
    marked: int = -1


@dataclass(frozen=True)
class CodeBlock:
    """Program text."""

    text: str
    language: str = ""


@dataclass(frozen=True)
class Charts:
    """Charts side by side with one legend, and the same in words for Markdown.

    An item may also be an SVG element made elsewhere.
    """

    charts: Sequence[Chart | Bars | Markup]
    words: Sequence[str] = ()


Block = Union[Heading, Paragraph, Bullets, Quote, TableBlock, CodeBlock, Charts]


def to_html(title: str, blocks: Sequence[Block]) -> str:
    """One page that loads nothing from elsewhere, in light and dark."""
    lines = [
        line
        for block in blocks if isinstance(block, Charts)
        for chart in block.charts if isinstance(chart, Chart)
        for line in chart.lines
    ]
    return _written("page.html.j2", blocks, title=title, colour=palette(lines))


def to_svg(chart: Chart | Bars, dark: bool = False) -> str:
    """One chart as a picture of its own, in plain colours; empty where there is nothing to draw.

    Style variables are replaced by their values: not every program that draws SVG knows them.
    """
    colour = palette(chart.lines if isinstance(chart, Chart) else ())
    drawn = _environment().get_template("picture.svg.j2").render(c=chart, colour=colour).strip()
    sheet = (Path(__file__).parent / "style.css.j2").read_text("utf8")
    roots = re.findall(r":root \{(.*?)\}", sheet, re.DOTALL)
    values = dict(re.findall(r"(--[a-z]+): (#[0-9a-f]{6})", "".join(roots if dark else roots[:1])))
    lines = dict(re.findall(r"\.(s\d*) \{ --s: ([^;]+);", sheet))
    unused = r"@media.*?\} \}|:root \{.*?\}|\.s\d* \{[^}]*\}|svg \{[^}]*\}"
    rules = re.sub(unused, "", sheet, flags=re.DOTALL)
    for name, value in lines.items():
        rules += f".line.{name} {{ stroke: {value}; }} .band.{name} {{ fill: {value}; }}\n"
    rules = re.sub(r"var\((--[a-z]+)\)", lambda m: values.get(m[1], "#808080"), rules)
    rules = re.sub(r"var\((--[a-z]+)\)", lambda m: values.get(m[1], "#808080"), rules)
    head, _, rest = drawn.partition(">")
    size = f'width="{chart.width}" height="{chart.height}" xmlns="http://www.w3.org/2000/svg"'
    paper = f'<rect width="100%" height="100%" fill="{values["--paper"]}"/>'
    return f"{head} {size}><style>{rules}</style>{paper}{rest}" if drawn else ""


def to_markdown(blocks: Sequence[Block]) -> str:
    """CommonMark with tables."""
    return _written("page.md.j2", blocks)


def _written(template: str, blocks: Sequence[Block], **values: Any) -> str:
    named = [(type(block).__name__, block) for block in blocks]
    return _environment().get_template(template).render(blocks=named, **values)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=lambda name: name is not None and not name.endswith(".md.j2"),
        undefined=StrictUndefined,
        finalize=lambda value: plain(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["md"] = _markdown
    made.filters["fence"] = _fence
    return made


def _fence(text: str) -> str:
    """A row of backticks longer than any in the text."""
    return "`" * max([3, *(len(run) + 1 for run in re.findall("`+", text))])


def _markdown(text: str) -> str:
    """Text on one line that Markdown and HTML inside it leave as it is."""
    line = " ".join(plain(text).split())
    line = re.sub(r"([\\`*_\[\]|~])", r"\\\1", line)
    if line.startswith(("#", "+", ">", "-")):
        line = f"\\{line}"
    elif line[:1].isdigit():
        line = re.sub(r"^(\d+)([.)])(?= |$)", r"\1\\\2", line)
    return escape(line, quote=False)
