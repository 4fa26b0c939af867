"""Markdown as lines of text."""

from __future__ import annotations

from hyperllama.tui.text import markdown


def shown(text: str, width: int = 40) -> list[str]:
    return [line.plain.rstrip() for line in markdown.lines(text, width)]


def test_blocks_become_lines() -> None:
    text = (
        "# Head\n\nA *b* `c` **d**\nnext\n\n1. one\n2. two\n   - in\n\n> said\n\n"
        "```\nx = [1]\n```\n---"
    )
    assert shown(text) == [
        "Head", "", "A b c d next", "", "1. one", "2. two", "  • in", "", "  said", "", "  x = [1]",
        "", "------------------------",
    ]  # fmt: skip


def test_long_items_hang_and_nothing_is_wider() -> None:
    lines = shown("- " + "word " * 20 + "\n- end", 20)
    assert lines[0].startswith("• word") and lines[1].startswith("  word")
    assert max(map(len, lines)) <= 20 and lines[-1] == "• end"


def test_what_a_model_writes_is_only_text() -> None:
    assert shown("<b>x</b> [bold]y[/] [a](http://x.y) ![i](p)") == ["<b>x</b> [bold]y[/] a i"]
    assert shown("**open `and [never] closed") == ["**open `and [never] closed"]
    assert shown("") == []
    styled = markdown.lines("a **b**", 20)[0]
    assert [(span.start, span.end) for span in styled.spans if span.style == "bold"] == [(2, 3)]
