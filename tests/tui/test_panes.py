"""Talk, the views of the progress pane, the layout that is remembered, text, records, reports."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Static

from hyperllama.core.errors import StudyError
from hyperllama.core.evaluate.results import STOPPED
from hyperllama.core.events import (
    AnswerText,
    ProposalMade,
    ProposalStarted,
    QuestionAnswered,
    QuestionAsked,
    TrialFinished,
    requests,
)
from hyperllama.core.experiments.panel import BaselineCurve, BaselinePanel
from hyperllama.core.study import StateFold, StudyState
from hyperllama.core.study.findings.axes import axes_of
from hyperllama.tui.app import HyperLlama
from hyperllama.tui.content import layout, sentences
from hyperllama.tui.dialogs import TextDialog
from hyperllama.tui.dialogs.picture import PictureDialog
from hyperllama.tui.preferences import settings
from hyperllama.tui.processes import bridge
from hyperllama.tui.screens.home import Home
from hyperllama.tui.screens.study import StudyScreen
from hyperllama.tui.widgets.study.context import ContextGauge
from hyperllama.tui.widgets.study.history import History
from hyperllama.tui.widgets.study.progress import VIEWS, ProgressPlot
from hyperllama.tui.widgets.study.talk import Talk
from tests.tui import recorded
from tests.tui.conftest import Opened, keep_settings, text_of, until


@pytest.fixture
def flown() -> recorded.Replay:
    return recorded.Replay(recorded.flown())


def state_of(link: recorded.Replay) -> StudyState:
    link.poll()
    return link.state


# Talk


async def test_a_question_is_asked_and_its_answer_streams(
    opened: Opened, flown: recorded.Replay
) -> None:
    async with opened(flown) as pilot:
        await pilot.press("6")
        await pilot.press(*"what now?", "enter")
        assert flown.sent == [requests.AskQuestion("what now?")]
        echo = text_of(pilot, "#talk")  # before the study process has heard it
        assert "what now?" in echo and "sent" in echo
        assert "better than the default" in " ".join(echo.split())  # what is computed stands there
        t = flown.last_t
        flown.add((QuestionAsked(1, "what now?"), t), (AnswerText(1, "Go **deeper**, "), t))
        await pilot.pause(0.25)
        flown.add((AnswerText(1, "then stop."), t))
        await pilot.pause(0.25)
        text = text_of(pilot, "#talk")
        assert "Go deeper, then stop." in text and "why is depth 12 bad?" in text
        await pilot.press("escape")
        assert flown.sent[-1] == requests.StopAnswer()
        flown.add((QuestionAnswered(1, "Go **deeper**, then stop.", cut="it was stopped"), t))
        await pilot.pause(0.25)
        assert "the answer was cut: it was stopped" in text_of(pilot, "#talk")
        await pilot.press("pageup", "pagedown", "escape")
        assert isinstance(pilot.app.screen.focused, History)


async def test_a_suggestion_is_queued_with_one_key(opened: Opened, flown: recorded.Replay) -> None:
    async with opened(flown) as pilot:
        await pilot.press("6")
        assert "max_depth=4" in text_of(pilot, "#talk") and "queue it" in text_of(pilot, "#keys")
        await pilot.press("ctrl+t")
        (asked,) = flown.sent
        assert isinstance(asked, requests.QueueTrial) and asked.config["max_depth"] == 4


async def test_an_embedded_model_cannot_talk_and_others_are_named(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [("/m/a.gguf", "small-chat", "0.5B")]
    monkeypatch.setattr("hyperllama.tui.screens.study.screen.chat_models", lambda: found)
    link = recorded.Replay(recorded.live())
    link.add((recorded.steered("embedded", 8, model="embedded"), link.last_t))
    async with opened(link) as pilot:
        await pilot.press("6")
        for _ in range(50):
            await pilot.pause(0.02)
            if pilot.app.screen.query_one(Talk).others:
                break
        text = " ".join(text_of(pilot, "#talk").replace("│", " ").split())
        assert "cannot talk" in text and "small-chat" in text and "M chooses one" in text
        answered = QuestionAnswered(0, "", hint="hybrid has no chat model")
        asked = QuestionAsked(0, "why?", ("Trial 3 is worse.",))
        link.add((asked, link.last_t), (answered, link.last_t))
        await pilot.pause(0.25)
        text = text_of(pilot, "#talk")
        assert "Trial 3 is worse." in text and "hybrid has no chat model" in text
        assert "M chooses: small-chat" in text


async def test_what_a_model_says_reaches_no_terminal(opened: Opened) -> None:
    link = recorded.Replay(recorded.live())
    answered = QuestionAnswered(0, "\x1b[31mred [b]x[/b]", {"a": "[bold]"})
    link.add((QuestionAsked(0, "[red]why[/]"), link.last_t), (answered, link.last_t))
    async with opened(link) as pilot:
        await pilot.press("6")
        await pilot.pause(0.1)
        text = text_of(pilot, "#talk")
        assert "[red]why[/]" in text and "red [b]x[/b]" in text and "\x1b" not in text


# Views


async def test_the_progress_pane_has_six_views(opened: Opened, flown: recorded.Replay) -> None:
    async with opened(flown) as pilot:
        await pilot.press("3")
        plot = pilot.app.screen.query_one(ProgressPlot)
        seen = [text_of(pilot, "#progress")]
        for _ in range(len(VIEWS) - 1):  # the front is for several objectives
            await pilot.press("x")
            await pilot.pause()
            if plot.view == "two":  # its Gaussian process is fitted beside the interface
                await until(pilot, "GP", "#progress")
            seen.append(text_of(pilot, "#progress"))
        assert plot.view == "best" and seen[0] == seen[-1]
        assert "52%" in seen[1] and "PED-ANOVA over 9 trials" in seen[1]
        assert "learning_rate" in seen[2] and "up" in seen[3] and "n_estimators" in seen[4]
        assert "GP" in seen[3] and "no boosters" in seen[5]
        plot.turn("front")  # as it was left in a study of several objectives
        plot.show(plot.state, plot.trial)
        assert plot.view == "best"
        await pilot.press("V")
        await pilot.pause()
        assert isinstance(pilot.app, HyperLlama) and isinstance(pilot.app.screen, StudyScreen)
        assert "No pictures here" in pilot.app.reports[-1][2]
        pilot.app.picture_widget = lambda png, id: Static(png.read().decode() + " shown")
        await pilot.press("V")
        await pilot.app.workers.wait_for_complete(
            [w for w in pilot.app.workers if w.group == "picture"]
        )
        await pilot.pause()
        assert isinstance(pilot.app.screen, PictureDialog) and "png shown" in text_of(pilot)


async def test_other_hyperparameters_are_chosen(opened: Opened, flown: recorded.Replay) -> None:
    async with opened(flown) as pilot:
        await pilot.press("2", "x", "3", "l", "x", "x", "k")  # of these, x alone does something
        told = [note.message for note in pilot.app._notifications]
        assert [text.split(" to ")[0] for text in told] == [
            "There is no thinking here", "No hyperparameter", "No second hyperparameter",
        ]  # fmt: skip
        await pilot.pause()
        first = text_of(pilot, "#progress")
        await pilot.press("l")
        await pilot.pause()
        assert "n_estimators" in text_of(pilot, "#progress") and first != text_of(pilot)
        await pilot.press("h", "x", "k")
        await pilot.pause()
        seen = text_of(pilot, "#progress")
        assert "max_depth up" in seen and "learning_rate" in seen.splitlines()[-2]
        await pilot.press("j")
        await pilot.pause()
        assert "n_estimators up" in text_of(pilot, "#progress")


async def test_baselines_are_drawn_beside_the_study(opened: Opened, flown: recorded.Replay) -> None:
    curve = [0.83, 0.84, 0.85], [0.8] * 3, [0.9] * 3
    names = ("random", "tpe", "gp")  # all end at the same spot
    flown.panel = BaselinePanel("s", lines=[BaselineCurve(name, *curve) for name in names])
    async with opened(flown) as pilot:
        seen = text_of(pilot, "#progress")
        assert all(f" {name} " in seen for name in names)


def test_axes_know_their_scales() -> None:
    axes = {a.name: a for a in axes_of(state_of(recorded.Replay(recorded.finished(20))))}
    assert next(iter(axes)) == "n_estimators" and "booster" not in axes
    depth = axes["max_depth"]
    assert depth.at(depth.ends[0]) == 0.0 and depth.at(depth.ends[1]) == 1.0
    assert depth.at("deep") is None and depth.at(10**9) == 1.0


async def test_a_view_without_data_says_so(opened: Opened) -> None:
    async with opened(recorded.Replay(recorded.live(0, 0.4))) as pilot:
        said_by = ("begins with", "Importance", *["No hyperparameter"] * 3, "No learning curve")
        for said in said_by:
            assert said in text_of(pilot, "#progress")
            await pilot.press("3", "x")
            await pilot.pause()


# The layout


async def test_the_layout_is_found_again(opened: Opened, flown: recorded.Replay) -> None:
    async with opened(flown) as pilot:
        history = pilot.app.screen.query_one(History)
        height, width = history.size
        await pilot.press("plus", "plus", "less_than_sign")
        await pilot.pause()
        assert history.size.height > width and history.size.width < height
        before = history.size
        for spot, to in (("left", (-12, 0)), ("upper", (0, 6))):
            region = history.region
            at = (region.right - 1, region.y + 4) if spot == "left" else (8, region.bottom - 1)
            await pilot.mouse_down(offset=at)
            await pilot.hover(offset=(at[0] + to[0], at[1] + to[1]))
            await pilot.mouse_up(offset=(at[0] + to[0], at[1] + to[1]))
            await pilot.pause()
        assert history.size.width < before.width - 8 and history.size.height > before.height + 3
        pilot.app.screen.remember(upper=60, left=59)  # type: ignore[attr-defined]
        await pilot.press("minus", "greater_than_sign", "6", "escape", "3", "x", "z")
        await pilot.pause()
        assert text_of(pilot, "#progress").count("\n") > 30
    kept = layout.read()
    assert (kept.upper, kept.left, kept.lower, kept.view, kept.maximised) == (
        55, 64, "talk", "importance", "progress",
    )  # fmt: skip
    async with opened(recorded.Replay(recorded.flown())) as pilot:
        assert "52%" in text_of(pilot) and not pilot.app.screen.query_one(History).display


def test_a_broken_layout_is_the_default_one() -> None:
    keep_settings('[layout]\nleft = 5000\nside = 3\ncolumns = ["score"]\nnew = 1\n')
    kept = layout.read()
    assert (kept.left, kept.side, kept.columns) == (64, "reasoning", ("score",))
    for text in ("layout = 1", "["):
        keep_settings(text)
        assert layout.read() == settings.Layout()


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (40, 10), (140, 45)])
async def test_every_pane_opens_at_every_size(
    opened: Opened, flown: recorded.Replay, size: tuple[int, int]
) -> None:
    async with opened(flown, size) as pilot:
        for key in "123456":
            await pilot.press(key)
            await pilot.pause()
            pane = pilot.app.screen.query_one(f"#{list(_PANES)[int(key) - 1]}")
            assert pane.display and pane.region.height > 1
            if key == "6":
                await pilot.press("escape")


_PANES = ("history", "reasoning", "progress", "context", "belief", "talk")


async def test_the_context_says_what_it_had_no_room_for(
    opened: Opened, flown: recorded.Replay
) -> None:
    tokens = {
        "prompt": 3000, "generated": 200, "context_used": 3200, "context_length": 4096,
        "listed": 12, "left_out": 30, "facts": 9, "dropped": ["dataset facts"],
        "parts": {"instructions": 300, "task": 900, "history": 1800, "reply": 200},
    }  # fmt: skip
    made = ProposalMade(9, "llama", {"max_depth": 4}, tokens=tokens)
    async with opened(flown) as pilot:
        flown.add((made, flown.last_t))
        await pilot.press("4")
        await pilot.pause(0.3)
        text = " ".join(text_of(pilot, "#context").split())
        for said in ("12 trials in full, 30 in 9 facts", "dataset facts", "task 900", "free 896"):
            assert said in text
        stopped = TrialFinished(9, "pruned", {}, None, proposer="gp",
                                facts={STOPPED: {"expected": -0.12345}})  # fmt: skip
        flown.add((stopped, flown.last_t + 1))
        await pilot.pause(0.3)
        assert "~-0.1235" in text_of(pilot, "#history")
    begun = StateFold()
    begun.apply(ProposalStarted(1, "llama"), 1.0)
    gauge = ContextGauge()
    gauge.state, gauge.trial = begun.state, begun.state.trials[0]
    assert "still working on its proposal" in gauge.lines(60, 5)[0].plain


# Text, records, reports


async def test_the_study_as_text(opened: Opened, flown: recorded.Replay) -> None:
    async with opened(flown) as pilot:
        await pilot.press("f4")
        await pilot.pause()
        text = text_of(pilot)
        assert "Study bank-churn is running. 9 trials are done of 20." in text
        assert "Trial 4 by llama failed: out of memory" in text
        assert not set("│─╭╮█▁★→") & set(text.split("p pause")[0])
        await pilot.press("p")
        assert flown.sent == [requests.Pause()]
        await pilot.press("f4")
        await pilot.pause()
        assert "1 History" in text_of(pilot)


def test_sentences_tell_what_the_panes_show() -> None:
    watch = StateFold()
    for event, t in [*recorded.held()]:
        watch.apply(event, t)
    told = sentences.describe(watch.state, "s", True)
    assert "waits for your approval" in told[0]
    assert told[-1].startswith("Trial 9 waits for your approval: space")
    assert any("It sets n_est" in line and ", was " in line for line in told)
    assert any(line == "You: each proposal waits for approval." for line in told)
    assert "interrupted; r resumes it" in sentences.describe(watch.state, "s", False)[0]


async def test_prompt_and_raw_reply_are_shown(opened: Opened, flown: recorded.Replay) -> None:
    flown.logged[9] = [
        {"number": 9, "prompt": "OLD", "raw": "no", "turned_down": "too deep"},
        {"number": 9, "prompt": "# Task [b]x[/b]", "raw": '{"max_depth": 4}\x1b[31m',
         "sha256": "abc", "tokens": {"prompt": 12}, "rejections": ["it repeats trial 3"]},
    ]  # fmt: skip
    async with opened(flown) as pilot:
        await pilot.press("i")
        for _ in range(50):
            await pilot.pause(0.02)
            if isinstance(pilot.app.screen, TextDialog):
                break
        text = text_of(pilot)
        for said in ("# Task [b]x[/b]", '{"max_depth": 4}', "abc", "prompt=12", "trial 3",
                     "rejected: too deep"):  # fmt: skip
            assert said in text
        await pilot.press("escape", "g", "i")
        await pilot.pause(0.1)
        assert "No record:" in text_of(pilot)


async def test_a_report_is_written(
    opened: Opened, flown: recorded.Replay, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def report(name: str) -> Path:
        asked.append(name)
        if len(asked) == 2:
            raise StudyError("No report: the disk is full")
        return Path("/somewhere/report.html")

    monkeypatch.setattr(bridge, "report", report)
    async with opened(flown) as pilot:
        for said in ("report.html", "disk is full"):
            await pilot.press("f6")
            await pilot.pause(0.1)
            reports = [text for _, _, text in pilot.app.reports]  # type: ignore[attr-defined]
            assert said in reports[-1]
    assert asked == ["bank-churn"] * 2


async def test_the_winner_is_written_where_the_interface_was_opened(
    opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fake = 'mkdir "$4"; echo x > "$4/best.json"; echo "$4/best.json"'
    monkeypatch.setattr(bridge, "COMMAND", ("sh", "-c", fake, "sh"))
    async with opened(recorded.Replay(recorded.finished(5))) as pilot:
        reports = pilot.app.reports  # type: ignore[attr-defined]
        for said in (f"is in {tmp_path}/bank-churn-best\nbest.json", "File exists"):
            before = len(reports)
            await pilot.press("E")
            while len(reports) == before:
                await pilot.pause(0.01)
            assert said in reports[-1][2]
            fake = "echo reading >&2; echo 'hyperllama: File exists' >&2; exit 1"
            monkeypatch.setattr(bridge, "COMMAND", ("sh", "-c", fake, "sh"))
    assert (tmp_path / "bank-churn-best" / "best.json").exists()


async def test_a_report_that_cannot_be_written_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge, "COMMAND", ("sh", "-c", "echo no such study >&2; exit 1", "sh"))
    with pytest.raises(StudyError, match="no such study"):
        await bridge.report("nobody")
    monkeypatch.setattr(bridge, "COMMAND", ("sh", "-c", "echo /elsewhere/report.html", "sh"))
    assert await bridge.report("somebody") == Path("/elsewhere/report.html")


async def test_copying_takes_the_configuration(opened: Opened, flown: recorded.Replay) -> None:
    async with opened(flown) as pilot:
        assert isinstance(pilot.app.screen, StudyScreen)
        await pilot.press("g", "y")
        assert json.loads(pilot.app.clipboard) == recorded.DEFAULT


async def test_leaving_waits_for_files_that_are_being_written(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = asyncio.Event()

    async def export(name: str, trial: int | None = None) -> tuple[Path, list[Path]]:
        await go.wait()
        return Path("/somewhere"), [Path("/somewhere/best.toml")]

    monkeypatch.setattr(bridge, "export", export)
    async with opened(recorded.Replay(recorded.finished(5))) as pilot:
        await pilot.press("E", "escape", "q")
        await pilot.pause()
        assert isinstance(pilot.app.screen, Home) and not pilot.app._exit
        go.set()
        while not pilot.app._exit:
            await pilot.pause(0.01)
        assert "is in /somewhere" in pilot.app.reports[-1][2]  # type: ignore[attr-defined]


async def seen(pilot: Pilot[None], text: str) -> None:
    """Wait until the text is on the screen."""
    for _ in range(100):
        if text in text_of(pilot) or text in str(titles(pilot)):
            return
        await pilot.pause(0.02)
    raise AssertionError(f"{text!r} did not appear in {text_of(pilot)}")


def titles(pilot: Pilot[None]) -> list[str]:
    return [str(box.border_title) for box in pilot.app.screen.query(".dialog")]


BUILT = '"""{}"""\n\n\ndef build(columns, task):\n    return make({})\n'


async def test_a_program_is_compared_edited_and_partly_kept(
    opened: Opened, flown: recorded.Replay, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for number in range(10):
        text = BUILT.format(f"Trial {number} \x1b[31m[b]x[/b].", number)
        flown.logged[number] = [{"number": number, "program": text}]
    editor = tmp_path / "editor.py"
    editor.write_text(
        "import pathlib, sys\nfile = pathlib.Path(sys.argv[1])\ntext = file.read_text()\n"
        "file.write_text(text.replace('make', 'eval') if 'eval' not in text else text.replace("
        "'eval(9)', 'None  # mine').replace(chr(27), ''))\n"
    )
    monkeypatch.setenv("VISUAL", f"{sys.executable} {editor}")
    async with opened(flown) as pilot:
        monkeypatch.setattr(pilot.app, "suspend", nullcontext)
        await pilot.press("I")
        await seen(pilot, "Program of trial 9")
        screen = next(s for s in pilot.app.screen_stack if isinstance(s, StudyScreen))
        best = screen.state.incumbent
        assert "[b]x[/b]" in text_of(pilot) and "make(9)" in text_of(pilot)
        await pilot.press("d")
        await seen(pilot, f"against trial {best}")
        await seen(pilot, "+    return make(9)")
        assert f"-    return make({best})" in text_of(pilot)
        await pilot.press("e")
        await seen(pilot, "The program cannot be queued")
        await pilot.press("e")
        await pilot.pause(0.2)
        queued = flown.sent[-1]
        assert isinstance(queued, requests.QueueProgram) and "# mine" in queued.text
        await pilot.press("I")
        await seen(pilot, "Program of trial 9")
        await pilot.press("f")
        await seen(pilot, "What should programs keep?")
        await pilot.press(*"the encoder", "enter")
        await pilot.pause(0.1)
        assert flown.sent[-1] == requests.Hint("about the program of trial 9: the encoder")
