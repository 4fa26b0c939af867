"""Reports as documents: headings, tables and line charts that become one HTML page or Markdown.

What is drawn comes in as plain values; nothing here knows studies or experiments. jinja2 is
imported when a document is written. Text from others is escaped here, and nowhere else.
"""

from __future__ import annotations

from hyperllama.core.charts.chart import (
    Bars,
    Chart,
    ChartArea,
    ChartAxis,
    ChartLine,
    ChartMark,
    palette,
)
from hyperllama.core.charts.document import (
    Block,
    Bullets,
    Charts,
    CodeBlock,
    Heading,
    Paragraph,
    Quote,
    TableBlock,
    to_html,
    to_markdown,
    to_svg,
)

__all__ = [
    "Bars",
    "ChartArea",
    "ChartAxis",
    "Block",
    "Bullets",
    "Chart",
    "Charts",
    "CodeBlock",
    "Heading",
    "ChartLine",
    "ChartMark",
    "Paragraph",
    "Quote",
    "TableBlock",
    "palette",
    "to_html",
    "to_markdown",
    "to_svg",
]
