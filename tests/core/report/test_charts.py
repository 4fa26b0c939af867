"""Documents with tables and charts: well formed, escaped, and drawn to scale."""

from __future__ import annotations

from xml.etree import ElementTree

from hyperllama.core.charts import (
    Bars,
    Chart,
    ChartAxis,
    ChartLine,
    ChartMark,
    Charts,
    CodeBlock,
    Heading,
    Quote,
    TableBlock,
    to_html,
    to_markdown,
    to_svg,
)

FOREIGN = "<b> | \x1b[31m`x`"


def drawn(*charts: Chart) -> list[ElementTree.Element]:
    """The SVG elements of a page with these charts."""
    page = to_html("t", [Charts(charts)])
    body = ElementTree.fromstring(page[page.index("<body>") : page.index("</html>")])
    return list(body.iter("svg"))


def labels(svg: ElementTree.Element, anchor: str) -> list[str]:
    return [t.text or "" for t in svg.iter("text") if t.get("text-anchor") == anchor]


def test_marks_and_lines_are_drawn_to_scale() -> None:
    marks = [ChartMark(0, 1.0, "a"), ChartMark(4, 3.0, "b"), ChartMark(2, 2.0, "c")]
    (svg,) = drawn(Chart("", [ChartLine("l", [(0, 1.0), (4, 3.0)])], marks))
    a, b, c = [(float(m.get("cx", 0)), float(m.get("cy", 0))) for m in svg.iter("circle")]
    assert (a[0] + b[0]) / 2 == c[0] and (a[1] + b[1]) / 2 == c[1] and a[1] > b[1]
    line = next(p for p in svg.iter("path") if p.get("class") == "line s s0")
    assert line.get("d") == f"M{a[0]} {a[1]}L{b[0]} {b[1]}"


def test_a_chart_is_a_picture_of_its_own() -> None:
    line = ChartLine("l", [(0, 1.0), (4, 3.0)], [0.5, 2.0], [1.5, 4.0])
    for chart in (Chart("a & b", [line]), Bars("bars", [("<b>", 1.0, "60%"), ("c", 0.5, "30%")])):
        light, dark = (to_svg(chart, dark) for dark in (False, True))
        assert ElementTree.fromstring(light).get("width") == "760" and light != dark
        assert "var(" not in light and "@media" not in light
    assert to_svg(Chart("nothing")) == ""


def test_marks_below_the_axis_and_failures_lie_at_its_edge() -> None:
    marks = [ChartMark(0, 9.0, ""), ChartMark(1, -99.0, "low"), ChartMark(2, None, "failed")]
    (svg,) = drawn(Chart("", marks=marks, y=ChartAxis(low=8.0)))
    assert len(list(svg.iter("circle"))) == 1
    assert [p.findtext("title") for p in svg.iter("path")] == ["low", "failed"]


def test_axes_have_round_labels_and_units() -> None:
    points = [(float(i), 0.1 * i) for i in range(1, 9)]
    share, log = drawn(
        Chart("", [ChartLine("l", points)], x=ChartAxis("time", "s"), y=ChartAxis("gain", "%")),
        Chart("", [ChartLine("l", [(1, 0.01), (2, 3000.0)])], y=ChartAxis("loss", log=True)),
    )
    assert labels(share, "end") == ["20 %", "40 %", "60 %", "80 %"]
    assert labels(share, "middle")[1:] == ["2", "4", "6", "8", "time (s)", "gain (%)"]
    assert labels(log, "end") == ["0.01", "0.1", "1", "10", "100", "1000"]
    assert labels(log, "middle")[1:] == ["1", "2", "trial", "loss"]


def test_a_name_has_one_colour_on_the_page_and_references_are_grey() -> None:
    a, b = ChartLine("a", [(0, 1), (1, 2)]), ChartLine("b", [(0, 1), (1, 2)])
    r = ChartLine("r", [(0, 1), (1, 2)], low=[0, 1], high=[2, 3], reference=True)
    first, second = drawn(Chart("", [a, b]), Chart("", [r, b]))
    assert [p.get("class") for p in first.iter("path")] == ["line s s0", "line s s1"]
    assert [p.get("class") for p in second.iter("path")] == [
        "band s", "line s dashed", "line s s1",
    ]


def test_one_legend_for_several_lines_and_nothing_for_empty_charts() -> None:
    a, b = ChartLine("a", [(0, 1)]), ChartLine("b", [(0, float("nan"))])
    assert 'class="legend"' in to_html("t", [Charts([Chart("", [a]), Chart("", [b, a])])])
    assert 'class="legend"' not in to_html("t", [Charts([Chart("", [a])])])
    assert not drawn(Chart("", [b]), Chart(""))


def test_foreign_text_is_escaped_everywhere() -> None:
    blocks = [
        Heading(FOREIGN), Quote(FOREIGN), CodeBlock(FOREIGN), TableBlock([FOREIGN], [[FOREIGN]]),
        Charts([Chart(FOREIGN, [ChartLine(FOREIGN, [(0, 1)])], [ChartMark(0, 1, FOREIGN)])]),
    ]
    page, text = to_html(FOREIGN, blocks), to_markdown(blocks[:-1])
    assert "<b>" not in page and "\x1b" not in page + text
    assert "<b>" not in text.replace("```\n<b>", "") and text.count("\\|") == 4
