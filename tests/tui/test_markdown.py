"""Markdown as lines of text."""

from __future__ import annotations

from hyperllama.core.study import TrialState
from hyperllama.core.text import mentions
from hyperllama.tui.text import markdown
from hyperllama.tui.widgets.study.reasoning import Reasoning


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


def test_names_of_hyperparameters_have_their_colour_in_the_text_and_in_the_configuration() -> None:
    trial = TrialState(
        3, "llama", "complete", {"learning_rate": 0.1, "xgboost.max_depth": 4, "gamma": 1},
        reasoning="Lower the **learning rate**: a Max-Depth of 4 and learning_rate 0.1 fit.",
        changes={"learning_rate": [0.3, 0.1], "gamma": [0, 1]},
    )  # fmt: skip
    pane = Reasoning()
    pane._trial = trial
    content = pane._content(80)
    coloured = [(content.plain[s.start : s.end].strip(), str(s.style)) for s in content.spans
                if "$part-" in str(s.style)]  # fmt: skip
    assert coloured == [
        ("learning rate", "bold $part-1"), ("Max-Depth", "bold $part-2"),
        ("learning_rate", "bold $part-1"), ("learning_rate", "$part-1"),
    ]  # fmt: skip


def test_which_words_name_which_hyperparameter() -> None:
    def named(text: str, *names: str) -> list[tuple[str, str]]:
        return [(text[a:b], name) for a, b, name in mentions(text, names)]

    assert named("C is high, c is not; alphabet", "C", "alpha") == [("C", "C")]
    assert named("l2 regularization, regularization", "regularization", "l2_regularization") == [
        ("l2 regularization", "l2_regularization"), ("regularization", "regularization"),
    ]  # fmt: skip
    assert named("max depth (of svm)", "xgboost.max_depth") == [("max depth", "xgboost.max_depth")]
    assert named("nothing", "n", "") == []
