"""Side by side: studies, comparisons, their queue, a new one with its estimate."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from hyperllama.core.events import to_json
from hyperllama.core.experiments.grid import (
    Contender,
    comparison_names,
    load_grid,
    make_grid,
)
from hyperllama.core.experiments.reading import cell_file
from hyperllama.core.storage.folder import EVENTS
from hyperllama.core.storage.paths import study_dir
from hyperllama.tui.app import HyperLlama
from hyperllama.tui.content import sides
from hyperllama.tui.content.library import TaskEntry
from hyperllama.tui.content.sides import Side
from hyperllama.tui.processes import bridge
from hyperllama.tui.screens.compare import Compare
from hyperllama.tui.screens.comparisons import Comparisons
from hyperllama.tui.screens.new_comparison import NewComparison
from hyperllama.tui.widgets.form.choice import Choice
from hyperllama.tui.widgets.lists.comparisons import CellQueue
from tests.small import TASK, write_task
from tests.tui import recorded
from tests.tui.conftest import text_of
from tests.tui.test_home import NOW, put_study


def app(theme: str = "") -> HyperLlama:
    return HyperLlama(theme=theme, clock=lambda: NOW)


def trial(number: int, value: float | None, **more: object) -> dict[str, object]:
    return {
        "number": number, "config": {"depth": number}, "value": value, "proposer": "x",
        "fallback": "", "seconds": 2.0, "known": False, "ask_s": 0.5, "replies": 2, "repeated": 1,
        "invalid": 0, "tokens": {"prompt": 600, "generated": 40}, "joules": None,
        "engine_mb": 120.0, **more,
    }  # fmt: skip


@pytest.fixture
def sizes(tmp_path: Path) -> str:
    """A comparison of two contenders on two tasks under two seeds; half of it is done."""
    one = write_task(tmp_path)
    two = tmp_path / "slow.toml"
    two.write_text(TASK.replace('"quick"', '"slow"', 1))
    contenders = [Contender("random", "random"), Contender("small", "llama", "/models/small.gguf")]
    grid = make_grid("sizes", contenders, [one, two], range(2), 4)
    for cell in grid.cells:
        if cell.task != "quick":
            continue
        start = 0.8 if cell.contender == "random" else 0.84
        best = 3 + cell.seed
        records = [trial(n, start + 0.01 * min(n, best)) for n in range(4)]
        file = cell_file(grid.folder, cell)
        file.parent.mkdir(parents=True, exist_ok=True)
        lines = [json.dumps({"trial": r}) for r in records]
        lines.append(json.dumps({"end": {"test_value": start}}))
        file.write_text("\n".join(lines) + "\n")
    return "sizes"


def put_events(name: str, trials: int) -> None:
    put_study(name, "finished")
    with (study_dir(name) / EVENTS).open("w", encoding="utf8") as file:
        for event, t in recorded.finished(trials):
            file.write(to_json(event, t) + "\n")


async def until(pilot: Pilot[None], said: str, where: str = "") -> None:
    for _ in range(200):
        if said in text_of(pilot, where):
            return
        await pilot.pause(0.02)
    raise AssertionError(text_of(pilot))


async def test_marked_studies_stand_side_by_side(tasks: list[TaskEntry]) -> None:
    put_events("one", 12)
    put_events("two", 20)
    async with app().run_test(size=(140, 45)) as pilot:
        await pilot.press("space", "c")
        assert isinstance(pilot.app, HyperLlama) and "two to eight" in pilot.app.reports[-1][2]
        await pilot.press("space", "c")
        await pilot.pause()
        assert isinstance(pilot.app.screen, Compare)
        text = text_of(pilot)
        assert "2 studies" in text and "A one" in text and "B two" in text
        assert "with one seed each that may be luck" in text or "ahead of" in text
        for pane in ("Best so far", "Winners", "Side by side"):
            assert pane in text
        await pilot.press("tab", "tab", "escape")
        await pilot.pause()
        assert "marked" in text_of(pilot)


async def test_a_comparison_is_read_task_by_task(sizes: str, tasks: list[TaskEntry]) -> None:
    async with app().run_test(size=(140, 45)) as pilot:
        await pilot.press("c")
        await pilot.pause()
        assert isinstance(pilot.app.screen, Comparisons)
        assert "2 contenders, 2 tasks, 2 seeds" in text_of(pilot) and "16/32" in text_of(pilot)
        await pilot.press("enter")
        await pilot.pause()
        text = text_of(pilot)
        assert "B small ★" in text and "0.8700" in text and "640" in text and "50%" in text
        assert "B small is ahead of A random by 0.0400" in text
        await pilot.press("right")
        await pilot.pause()
        assert "Nothing to compare" in text_of(pilot) or "nothing to compare" in text_of(pilot)
        await pilot.press("left", "escape")
        await pilot.pause()
        assert isinstance(pilot.app.screen, Comparisons)


async def test_in_little_room_winners_take_the_place_of_curves(
    sizes: str, tasks: list[TaskEntry]
) -> None:
    async with app().run_test(size=(80, 24)) as pilot:
        await pilot.press("c", "enter")
        await pilot.pause()
        assert "Best so far" in text_of(pilot) and "Winners" not in text_of(pilot)
        await pilot.press("tab", "tab")
        await pilot.pause()
        assert "Winners" in text_of(pilot) and "depth" in text_of(pilot)


async def test_the_queue_is_reordered_and_kept(sizes: str, tasks: list[TaskEntry]) -> None:
    def queued() -> list[tuple[str, str, int, bool]]:
        return [(c.contender, c.task, c.seed, c.skipped) for c in load_grid(sizes).cells]

    before = queued()
    async with app().run_test(size=(140, 45)) as pilot:
        await pilot.press("c")
        await pilot.pause()
        await pilot.press("tab", "J")
        await pilot.pause()
        queue = pilot.app.screen.query_one(CellQueue)
        assert queued()[:2] == [before[1], before[0]] and queue.cursor == 1
        await pilot.press("K")
        await pilot.pause()
        assert queued() == before
        await pilot.press("G", "f")
        await pilot.pause()
        assert queued()[0] == before[-1] and queue.cursor == 0
        await pilot.press("x")
        await pilot.pause()
        assert queued()[0][3] and "skipped" in text_of(pilot)
        await pilot.press("x", "tab", "escape")
        await pilot.pause()
        assert not queued()[0][3]


FAKE = """\
import sys, time
from hyperllama.core.storage.folder import Lock
from hyperllama.core.experiments.grid import comparison_folder
lock = Lock(comparison_folder(sys.argv[2])); lock.take()
time.sleep(60)
"""


async def test_a_comparison_is_started_and_stopped(
    sizes: str, tasks: list[TaskEntry], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fake.py").write_text(FAKE)
    monkeypatch.setattr(bridge, "COMMAND", (sys.executable, str(tmp_path / "fake.py")))
    monkeypatch.setattr("hyperllama.tui.screens.comparisons.REFRESH_S", 0.05)
    async with app().run_test(size=(140, 45)) as pilot:
        await pilot.press("c")
        await pilot.pause()
        await pilot.press("s")
        await until(pilot, "running", "#comparisons-list")
        await pilot.press("s")
        await until(pilot, "waits", "#comparisons-list")


async def test_a_new_comparison_says_how_long_it_takes(
    sizes: str, tasks: list[TaskEntry], two_models: object, tmp_path: Path
) -> None:
    task = write_task(tmp_path)
    async with app().run_test(size=(140, 45)) as pilot:
        await pilot.press("c")
        await pilot.pause()
        await pilot.press("n")
        await pilot.pause()
        screen = pilot.app.screen
        assert isinstance(screen, NewComparison)
        await pilot.press("ctrl+s")
        await pilot.pause()
        assert isinstance(pilot.app, HyperLlama) and "tasks first" in pilot.app.reports[-1][2]
        screen.query_one("#f-tasks", Choice).choose((str(task),))
        await pilot.pause()
        told = "6 cells, 120 trials   about"
        assert told in text_of(pilot) and "estimated from earlier comparisons" in text_of(pilot)
        screen.query_one("#f-seeds", Input).value = "0"
        await pilot.pause()
        assert "a whole number from 1 to 100" in text_of(pilot)
        await pilot.press("ctrl+s")
        await pilot.pause()
        assert isinstance(pilot.app.screen, NewComparison)
        screen.query_one("#f-seeds", Input).value = "1"
        await pilot.press("ctrl+s")
        await until(pilot, "comparison-1")
        assert {c.contender for c in load_grid("comparison-1").cells} == {"random", "tpe"}
        await pilot.press("n", "escape")
        await pilot.pause()
        assert len(comparison_names()) == 2


async def test_a_new_comparison_is_started_at_once(
    tasks: list[TaskEntry], two_models: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = write_task(tmp_path)
    (tmp_path / "fake.py").write_text(FAKE)
    monkeypatch.setattr(bridge, "COMMAND", (sys.executable, str(tmp_path / "fake.py")))
    monkeypatch.setattr("hyperllama.tui.screens.comparisons.REFRESH_S", 0.05)
    async with app().run_test(size=(140, 45)) as pilot:
        await pilot.press("c")
        await pilot.pause()
        await pilot.press("n")
        await pilot.pause()
        pilot.app.screen.query_one("#f-tasks", Choice).choose((str(task),))
        await pilot.pause()
        await pilot.press("ctrl+r")
        await until(pilot, "running", "#comparisons-list")
        await pilot.press("s")
        await until(pilot, "waits", "#comparisons-list")


async def test_no_comparison_yet_names_the_key(tasks: list[TaskEntry]) -> None:
    async with app().run_test(size=(100, 30)) as pilot:
        await pilot.press("c")
        await pilot.pause()
        assert "Press n to run models side by side" in text_of(pilot)


def side(mark: str, *finals: float, ask_s: float = 0.1) -> Side:
    return Side(mark, mark, tuple((0.0, f) for f in finals), ask_s=ask_s)


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        (side("A", 0.9), side("B", 0.8), "may be luck"),
        (side("A", 0.9, 0.7), side("B", 0.75, 0.8), "within the spread"),
        (side("A", 0.9, 0.91, ask_s=9.0), side("B", 0.5, 0.51), "more than the spread"),
        (side("A", 0.9, 0.91, ask_s=9.0), side("B", 0.5, 0.51), "8.9 s longer"),
        (side("A"), side("B", 0.5), "nothing to compare"),
    ],
)
def test_the_verdict_in_words(one: Side, other: Side, said: str) -> None:
    assert said in sides.in_words([one, other])


def run(mark: str, seconds: float, *curves: tuple[float, ...], **more: float) -> Side:
    """A side whose seeds took so many seconds a trial."""
    spent = tuple(tuple(seconds * (i + 1) for i in range(len(c))) for c in curves)
    return Side(mark, mark, curves, spent=spent, **more)  # type: ignore[arg-type]


QUICK = run("A", 1.0, (0.1, 0.5, 0.6, 0.6), (0.1, 0.5, 0.6, 0.61))


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (run("B", 10.0, (0.1, 0.7, 0.9), (0.1, 0.7, 0.91)), "up to 4 s it is A A"),
        (run("B", 1.5, (0.1, 0.7, 0.9), (0.1, 0.7, 0.91)), "B B is worth its seconds"),
        (run("B", 1.0, (0.1, 0.61), (0.1, 0.62)), "B B is worth its seconds"),
        (run("B", 1.0, (0.1, 0.59), (0.1, 0.65)), "Not proven"),
    ],
)
def test_which_is_worth_its_seconds(other: Side, said: str) -> None:
    answer, told = sides.verdict([QUICK, other])
    assert said in answer and "is ahead of" in told[0]


def test_what_a_verdict_rests_on() -> None:
    curves = ((0.1, 0.9), (0.1, 0.91))
    dear = run("B", 4.0, *curves, asked_s=6.0, memory_mb=1400.0)
    cheap = run("A", 1.0, (0.1, 0.5), (0.1, 0.51), memory_mb=100.0)
    told = " ".join(sides.verdict([cheap, dear])[1])
    assert "75 % of its time goes into proposals" in told
    assert "takes 1,400 MB, the smallest 100 MB" in told
    (early, first), (late, last) = sides.at_times([cheap, dear])
    assert (early, late) == (2.0, 8.0)
    assert first == [pytest.approx(0.505), None]
    assert last == [pytest.approx(0.505), pytest.approx(0.905)]


async def test_the_curves_are_drawn_over_seconds_too(sizes: str, tasks: list[TaskEntry]) -> None:
    async with app().run_test(size=(140, 45)) as pilot:
        await pilot.press("c")
        await pilot.pause()
        assert "A proposal takes" in text_of(pilot) and "0.8700 ★" in text_of(pilot)
        await pilot.press("enter")
        await pilot.pause()
        text = text_of(pilot)
        assert "over trials" in text and "over seconds" in text and "Seconds of a run" in text
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        await until(pilot, "over trials")
        await pilot.press("x")
        await pilot.pause()
        text = text_of(pilot)
        assert "Best so far over seconds" in text
        below = next(line for line in text.splitlines() if "seconds" in line and "over" not in line)
        assert "10" in below or "10" in text.splitlines()[text.splitlines().index(below) - 1]


def test_what_differs_comes_first() -> None:
    one = Side("A", "A", (), config={"same": 1, "other": 2})
    two = Side("B", "B", (), config={"same": 1, "other": 3, "more": None})
    assert [name for name, _ in sides.differing([one, two])] == ["other", "same", "more"]
