"""The study screen over a replayed study: every action, every state, every size."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from hyperllama.core.events import (
    FoldFinished,
    IncumbentTested,
    ProposalMade,
    ProposalStarted,
    ProposalText,
    StudyConfirmed,
    StudyFinished,
    StudyOpened,
    StudyPaused,
    TrialFinished,
    requests,
)
from hyperllama.core.study import StateFold, fold
from hyperllama.tui.app import HyperLlama
from hyperllama.tui.dialogs import (
    AnswerDialog,
    PromptDialog,
    TextDialog,
)
from hyperllama.tui.dialogs.configuration import ConfigurationDialog
from hyperllama.tui.screens.home import Home
from hyperllama.tui.screens.study import StudyScreen
from hyperllama.tui.widgets.study.history import History
from hyperllama.tui.widgets.study.status import StatusLine
from tests.tui import recorded
from tests.tui.conftest import Opened, text_of

PANES = ("history", "reasoning", "progress", "context", "belief")


@pytest.fixture
def link() -> recorded.Replay:
    return recorded.Replay(recorded.live(9, 0.75))


async def test_the_screen_tells_how_the_study_stands(opened: Opened) -> None:
    (first, t), *others = recorded.live(9, 0.75)
    assert isinstance(first, StudyOpened)
    link = recorded.Replay([(replace(first, unsandboxed=True), t), *others])
    async with opened(link) as pilot:
        text = text_of(pilot)
        assert "no sandbox for programs" in text
        progress = ("training", "trial 9  9 of 20 done", "left")
        for said in (*progress, "★ 0.8601", "+0.0323", "49% full"):
            assert said in text
        for title in ("1 History", "2 Reasoning", "3 Progress", "4 Context", "5 Belief"):
            assert title in text
        assert "small learning rate" in text and "out of memory" in text


@pytest.mark.parametrize(
    ("keys", "request_"),
    [
        ("p", requests.Pause()),
        ("n", requests.Step()),
        ("s", requests.Stop()),
        ("S", requests.StopNow()),
    ],
)
async def test_a_key_asks_the_study(
    opened: Opened, link: recorded.Replay, keys: str, request_: requests.Request
) -> None:
    async with opened(link) as pilot:
        await pilot.press(keys)
        assert link.sent == [request_]


async def test_p_goes_on_after_a_pause(opened: Opened, link: recorded.Replay) -> None:
    link.add((StudyPaused(), link.last_t + 1))
    async with opened(link) as pilot:
        assert "paused" in text_of(pilot, "#status") and "p continue" in text_of(pilot, "#keys")
        await pilot.press("p")
        assert link.sent == [requests.Resume()]


async def test_a_hint_is_written_and_sent(opened: Opened, link: recorded.Replay) -> None:
    async with opened(link) as pilot:
        await pilot.press("t")
        await pilot.pause()
        assert isinstance(pilot.app.screen, PromptDialog)
        await pilot.press(*"shallow", "enter")
        await pilot.pause()
        assert link.sent == [requests.Hint("shallow")]


async def test_more_trials(opened: Opened, link: recorded.Replay) -> None:
    async with opened(link) as pilot:
        await pilot.press("m")
        await pilot.pause()
        await pilot.press("1", "5", "enter")
        await pilot.pause()
        assert link.sent == [requests.Extend(15)]
        await pilot.press("J")
        await pilot.pause()
        await pilot.press("backspace", "0", "enter")  # is no number of jobs
        assert isinstance(pilot.app.screen, PromptDialog)
        await pilot.press("backspace", "3", "enter")
        await pilot.pause()
        assert link.sent[1:] == [requests.ChangeJobs(3)]


@pytest.mark.parametrize(("begun", "width", "shown"), [
    (5, 140, "trials 3 2/5 4 0/5 of 3 jobs  3 of 9 done"), (5, 80, "3 of 9 done, 2 of 3 run"),
    (7, 140, "trials 3 2/5 4 0/5 5 0/5 of 3 jobs, 6 next  3 of 9 done"),
    (7, 80, "3 of 9 done, 3 of 3 run"),
])
def test_the_status_shows_each_running_trial(begun: int, width: int, shown: str) -> None:
    heard = StateFold()
    heard.apply(StudyOpened("s", "", "", "", (), "", "", 0, 9, None, 9, 1, 5, jobs=3), 0.0)
    for number in range(begun):
        heard.apply(ProposalStarted(number, "gp"), 1.0)
        heard.apply(ProposalMade(number, "gp", {"x": number}), 1.0)
        if number < 3:
            heard.apply(TrialFinished(number, "complete", {"x": number}, 0.5), 2.0)
    for number in range(2):
        heard.apply(FoldFinished(3, number, 5, 0.5, 0.6, 1.0), 3.0)
    line = StatusLine("s")
    line.state = heard.state
    assert shown in line._progress(width).plain


@pytest.mark.parametrize(("low", "said"), [(0.01, "+0.2000 confirmed"),
                                           (-0.1, "+0.2000 within noise")])  # fmt: skip
def test_a_gain_within_noise_is_not_called_confirmed(low: float, said: str) -> None:
    heard = StateFold()
    for event, t in recorded.finished(6):
        heard.apply(event, t)
    heard.apply(StudyConfirmed(3, 0.3, 0.2, low, 0.5, repeats=1), 99.0)
    line = StatusLine("s")
    line.state = heard.state
    assert said in line._progress(100).plain
    for gain in (0.2, None):
        *past, last = recorded.held()
        confirmed = StudyConfirmed(3, 0.3, gain, gain and low, gain and 0.5, repeats=1)
        line.state = fold([*past, (confirmed, last[1]), last])
        text = line._progress(80).plain
        assert "waiting for your approval" in text and "…" not in text
        assert ("no gain" if gain is None else "+0.2000") in text
    heard.apply(IncumbentTested(3, 0.86), 100.0)
    line.state = heard.state
    for width in range(80, 110):
        text = line._progress(width).plain
        assert "…" not in text and ("test" in text) == ("test 0.8600" in text)


async def test_a_given_up_dialog_sends_nothing(opened: Opened, link: recorded.Replay) -> None:
    async with opened(link) as pilot:
        for key in ("t", "a", "m"):
            await pilot.press(key)
            await pilot.pause()
            await pilot.press("escape")
            await pilot.pause()
            assert isinstance(pilot.app.screen, StudyScreen)
        assert link.sent == []


async def test_a_configuration_is_queued_from_the_best(
    opened: Opened, link: recorded.Replay
) -> None:
    async with opened(link) as pilot:
        await pilot.press("a")
        await pilot.pause()
        assert isinstance(pilot.app.screen, ConfigurationDialog)
        await pilot.press(*"333", "down", "0", ".", "0", "5", "enter")
        await pilot.pause()
        (asked,) = link.sent
        assert isinstance(asked, requests.QueueTrial)
        assert asked.config["n_estimators"] == 333 and asked.config["learning_rate"] == 0.05
        assert asked.config["booster"] == "gbtree" and isinstance(asked.config["subsample"], float)


async def test_a_value_outside_the_space_is_told_beside_its_field(
    opened: Opened, link: recorded.Replay
) -> None:
    async with opened(link) as pilot:
        await pilot.press("a")
        await pilot.pause()
        await pilot.press(*"20000", "down", *"abc", "enter")
        await pilot.pause()
        assert isinstance(pilot.app.screen, ConfigurationDialog) and link.sent == []
        text = text_of(pilot)
        assert "between 50 and 1000" in text and "a number is needed" in text
        focused = pilot.app.screen.focused
        assert focused is not None and focused.id == "field-0"


async def test_an_earlier_configuration_is_edited(opened: Opened, link: recorded.Replay) -> None:
    async with opened(link) as pilot:
        await pilot.press("g", "e")
        await pilot.pause()
        assert isinstance(pilot.app.screen, ConfigurationDialog)
        assert "trial 0" in text_of(pilot)
        await pilot.press("enter")
        await pilot.pause()
        (asked,) = link.sent
        assert isinstance(asked, requests.QueueTrial) and asked.config == recorded.DEFAULT


async def test_moving_in_the_history_shows_that_trial(
    opened: Opened, link: recorded.Replay
) -> None:
    async with opened(link) as pilot:
        await pilot.press("k", "k")
        screen = pilot.app.screen
        assert isinstance(screen, StudyScreen) and screen.selected == 7
        for pane, said in (("#reasoning", "Trial 7"), ("#context", "trial 7")):
            while said not in text_of(pilot, pane):
                await pilot.pause(0.01)
        await pilot.press("f")
        await pilot.pause()
        assert screen.selected is None and "Trial 9" in text_of(pilot, "#reasoning")
        await pilot.press("b")
        await pilot.pause()
        assert screen.selected == 8 and "best so far" in text_of(pilot, "#reasoning")


async def test_history_keys(opened: Opened) -> None:
    link = recorded.Replay(recorded.live(60, 0.75))
    async with opened(link, (80, 24)) as pilot:
        history = pilot.app.screen.query_one(History)
        assert history.cursor == 60 and history.following
        await pilot.press("g")
        assert history.cursor == 0
        await pilot.press("pagedown", "ctrl+f", "j")
        assert history.cursor == 2 * (history.size.height - 2) + 1
        await pilot.press("pageup", "k")
        assert history.cursor == history.size.height - 2
        before = text_of(pilot, "#history")
        await pilot.press("l")
        assert text_of(pilot, "#history") != before
        await pilot.press("h")
        assert text_of(pilot, "#history") == before
        await pilot.press("G")
        assert history.following
        await pilot.press("y")
        assert json.loads(pilot.app.clipboard)["learning_rate"] > 0


async def test_following_goes_on_with_new_trials(opened: Opened, link: recorded.Replay) -> None:
    async with opened(link) as pilot:
        whole = list(recorded.events(11))
        known = len(recorded.live(9, 0.75))
        link.add(*whole[known:])
        screen = pilot.app.screen
        assert isinstance(screen, StudyScreen)
        screen.refresh_study()
        assert screen.query_one(History).cursor == 10
        await pilot.press("g")
        await pilot.pause()
        link.add((TrialFinished(11, "complete", {}, 0.99, incumbent=True), link.last_t + 9))
        screen.refresh_study()
        assert screen.query_one(History).cursor == 0


async def test_a_trial_in_full(opened: Opened, link: recorded.Replay) -> None:
    async with opened(link) as pilot:
        await pilot.press("g", "j", "j", "j", "j", "enter")
        await pilot.pause()
        assert isinstance(pilot.app.screen, TextDialog)
        text = text_of(pilot)
        assert "out of memory" in text and "learning_rate" in text
        await pilot.press("escape")
        await pilot.pause()
        screen = pilot.app.screen
        assert isinstance(screen, StudyScreen)
        await pilot.press("G", "enter")
        await pilot.pause()
        dialog = pilot.app.screen
        assert isinstance(dialog, TextDialog) and "training" in text_of(pilot)
        link.add((TrialFinished(9, "complete", {}, 0.7), link.last_t + 9))
        screen.refresh_study()
        dialog.read_again()
        await pilot.pause()
        assert "0.7000" in text_of(pilot) and "training" not in text_of(pilot)


async def test_panes_are_reached_and_maximised(opened: Opened, link: recorded.Replay) -> None:
    async with opened(link, (80, 24)) as pilot:
        screen = pilot.app.screen
        for key, name in zip("12345", PANES, strict=True):
            await pilot.press(key)
            await pilot.pause()
            assert screen.focused is not None and screen.focused.id == name
            assert screen.focused.size.height > 3
        await pilot.press("3", "z")
        await pilot.pause()
        assert not screen.query_one("#history").display
        assert screen.query_one("#progress").size.height > 15
        await pilot.resize_terminal(200, 60)
        await pilot.pause()
        assert screen.query_one("#progress").region.width == 200
        await pilot.press("2")
        await pilot.pause()
        assert screen.focused is not None and screen.focused.id == "reasoning"
        await pilot.press("escape")
        await pilot.pause()
        assert screen.query_one("#history").display and pilot.app.screen is screen


async def test_words_stream_into_the_reasoning(opened: Opened) -> None:
    link = recorded.Replay(recorded.live(2, 0.1))
    async with opened(link) as pilot:
        screen = pilot.app.screen
        assert isinstance(screen, StudyScreen)
        for word in ("Depth ", "**twelve** ", "is \x1b[31mtoo[/] deep [bold]here"):
            link.add((ProposalText(2, word), link.last_t))
            screen.refresh_study()
            await pilot.pause()
        await pilot.pause(0.05)
        text = text_of(pilot, "#reasoning")
        assert "Depth twelve is too[/] deep [bold]here" in text.replace("  ", " ")


async def test_thinking_is_folded_until_x(opened: Opened) -> None:
    link = recorded.Replay(recorded.live(2, 0.01))
    words = "<think>maybe seven, maybe eight</think>I take eight."
    link.add((ProposalText(2, words), link.last_t))
    async with opened(link) as pilot:
        await pilot.pause(0.05)
        assert "5 words" in text_of(pilot, "#reasoning") or "4 words" in text_of(
            pilot, "#reasoning"
        )
        await pilot.press("2", "x")
        await pilot.pause()
        assert "thinking (x folds)" in text_of(pilot, "#reasoning")


async def test_a_dead_study_says_so_and_offers_to_go_on(
    opened: Opened, link: recorded.Replay, monkeypatch: pytest.MonkeyPatch
) -> None:
    resumed: list[str] = []

    async def resume(name: str) -> recorded.Replay:
        resumed.append(name)
        return recorded.Replay(recorded.live(10, 0.2))

    monkeypatch.setattr("hyperllama.tui.processes.bridge.resume", resume)
    link.alive = False
    async with opened(link) as pilot:
        assert "interrupted" in text_of(pilot, "#status") and "r resume" in text_of(pilot, "#keys")
        await pilot.press("p")
        assert link.sent == []
        await pilot.press("r")
        await pilot.pause()
        await pilot.pause()
        assert resumed == ["bank-churn"] and "proposing" in text_of(pilot, "#status")


async def test_a_study_that_never_began_shows_its_last_words(opened: Opened) -> None:
    link = recorded.Replay([])
    link.alive, link.words = False, "error: the table has no column 'y'"
    async with opened(link) as pilot:
        pilot.app.clear_notifications()
        await pilot.pause()
        assert "no column 'y'" in text_of(pilot, "#history")  # it stays when its message is closed
        assert "did not start" in text_of(pilot, "#status")
        assert "r tries again" in text_of(pilot, "#status")
        await pilot.press("f12")
        await pilot.pause()
        assert isinstance(pilot.app.screen, TextDialog) and "no column 'y'" in text_of(pilot)


async def test_a_finished_study_opens_at_its_best(opened: Opened) -> None:
    link = recorded.Replay(recorded.finished(20))
    link.alive = False
    async with opened(link) as pilot:
        screen = pilot.app.screen
        assert isinstance(screen, StudyScreen) and screen.selected == link.state.incumbent
        text = text_of(pilot)
        assert "finished" in text and "test 0.8571" in text and "r resume" not in text
        await pilot.press("B")
        await pilot.pause()
        assert f"Trial {screen.selected} beside which?" in text_of(pilot)
        await pilot.press(*"trial 0", "enter")
        await pilot.pause()
        assert isinstance(pilot.app.screen, TextDialog)
        text = text_of(pilot)
        assert f"Trial {screen.selected} and trial 0" in text and "(roc_auc)" in text
        assert "noise (±" in text and "proposed by" in text


async def test_more_trials_for_a_finished_study_go_on_with_it(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def resume(name: str) -> recorded.Replay:
        return recorded.Replay(recorded.live(20, 0.2))

    monkeypatch.setattr("hyperllama.tui.processes.bridge.resume", resume)
    link = recorded.Replay(recorded.finished(20))
    link.alive = False
    async with opened(link) as pilot:
        await pilot.press("m")
        await pilot.pause()
        await pilot.press("5", "enter")
        await pilot.pause()
        await pilot.pause()
        assert link.sent == [requests.Extend(5)] and "proposing" in text_of(pilot, "#status")


async def test_notes_are_shown_and_kept_in_the_log(opened: Opened, link: recorded.Replay) -> None:
    async with opened(link) as pilot:
        # The clock was set back an hour meanwhile.
        link.add((recorded.noted("the engine was started again", "warning"), link.last_t - 3600))
        screen = pilot.app.screen
        assert isinstance(screen, StudyScreen)
        screen.refresh_study()
        screen.refresh_study()
        await pilot.press("f12")
        await pilot.pause()
        assert text_of(pilot).count("engine was started again") == 1


async def test_escape_goes_home_and_the_study_goes_on(
    opened: Opened, link: recorded.Replay
) -> None:
    async with opened(link) as pilot:
        assert isinstance(pilot.app, HyperLlama)
        pilot.app.report("error", "about this study")
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(pilot.app.screen, Home) and link.sent == []
        assert "about this study" not in text_of(pilot)  # it ended with its screen


@pytest.mark.parametrize(
    ("key", "sent", "left"),
    [("l", [], True), ("s", [requests.Stop()], True), ("escape", [], False)],
)
async def test_leaving_asks_what_becomes_of_a_running_study(
    opened: Opened, link: recorded.Replay, key: str, sent: list[requests.Request], left: bool
) -> None:
    async with opened(link) as pilot:
        await pilot.press("q")
        await pilot.pause()
        assert isinstance(pilot.app.screen, AnswerDialog)
        await pilot.press(key)
        await pilot.pause()
        assert link.sent == sent and pilot.app._exit is left


async def test_leaving_a_finished_study_asks_nothing(opened: Opened) -> None:
    link = recorded.Replay(recorded.finished(3))
    async with opened(link) as pilot:
        await pilot.press("q")
        await pilot.pause()
        assert pilot.app._exit


@pytest.mark.parametrize("size", [(60, 20), (40, 12), (20, 6), (80, 45), (140, 24), (200, 60)])
@pytest.mark.parametrize("state", ["empty", "live"])
async def test_no_size_breaks_it(opened: Opened, size: tuple[int, int], state: str) -> None:
    link = recorded.Replay(recorded.live(9, 0.75) if state == "live" else [])
    async with opened(link, size) as pilot:
        for key in "12345":
            await pilot.press(key)
            await pilot.pause()
        await pilot.resize_terminal(90, 30)
        await pilot.pause()
        assert "1 History" in text_of(pilot)


async def test_the_end_of_the_study_is_seen_at_once(opened: Opened, link: recorded.Replay) -> None:
    async with opened(link) as pilot:
        link.add((StudyFinished("stopped", 8, 0.86, 0.82, None, 9.0), link.last_t + 1))
        link.alive = False
        screen = pilot.app.screen
        assert isinstance(screen, StudyScreen)
        screen.refresh_study()
        await pilot.pause()
        assert "stopped" in text_of(pilot, "#status") and "r resume" in text_of(pilot, "#keys")
