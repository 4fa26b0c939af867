"""Side by side: studies, comparisons, their queue, a new one with its estimate."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from hyperllama.core.events import StudyOpened, to_json
from hyperllama.core.experiments.grid import (
    Contender,
    comparison_names,
    load_grid,
    make_grid,
)
from hyperllama.core.experiments.reading import cell_file, read_comparison
from hyperllama.core.storage.folder import EVENTS
from hyperllama.core.storage.paths import study_dir
from hyperllama.core.study import StudyState, TrialState
from hyperllama.models.gguf import ModelFile
from hyperllama.tui.app import HyperLlama
from hyperllama.tui.content import sides, standing
from hyperllama.tui.content.estimates import KnownSpeeds, known_speeds, left_by_contender
from hyperllama.tui.content.library import TaskEntry
from hyperllama.tui.content.sides import Side
from hyperllama.tui.dialogs.two_trials import describe_two
from hyperllama.tui.processes import bridge
from hyperllama.tui.screens.compare import Compare
from hyperllama.tui.screens.comparisons import Comparisons
from hyperllama.tui.screens.new_comparison import NewComparison, _model_options
from hyperllama.tui.text.glyphs import UNICODE
from hyperllama.tui.widgets.about.comparison import standing_lines
from hyperllama.tui.widgets.about.sides import worth_lines
from hyperllama.tui.widgets.form.choice import Choice
from hyperllama.tui.widgets.lists.comparisons import CellQueue
from hyperllama.tui.widgets.plots.canvas import Plot
from hyperllama.tui.widgets.plots.curves import Curves
from hyperllama.tui.widgets.plots.scale import PlotScale
from tests.small import TASK, write_task
from tests.tui import recorded
from tests.tui.conftest import text_of, until
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
        lines.append(json.dumps({"end": {"test_value": start, "metric": "roc_auc"}}))
        file.write_text("\n".join(lines) + "\n")
    begun = next(c for c in grid.cells if c.task == "slow" and c.contender == "small")
    line = json.dumps({"trial": trial(0, 0.99)}) + "\n"  # an unfinished cell is never counted
    cell_file(grid.folder, begun).write_text(line)
    return "sizes"


def put_events(name: str, trials: int) -> None:
    put_study(name, "finished")
    with (study_dir(name) / EVENTS).open("w", encoding="utf8") as file:
        for event, t in recorded.finished(trials):
            file.write(to_json(event, t) + "\n")


async def refused(pilot: Pilot[None], said: str) -> None:
    assert isinstance(pilot.app, HyperLlama)
    for _ in range(200):
        if any(said in report[2] for report in pilot.app.reports):
            return
        await pilot.pause(0.02)
    raise AssertionError(pilot.app.reports)


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
        assert "A one and B two are equal" in text and "Side by side: roc_auc" in text
        for pane in ("Best so far", "Winners", "Side by side"):
            assert pane in text
        await pilot.press("tab", "tab", "escape")
        await pilot.pause()
        assert "marked" in text_of(pilot)


async def test_studies_of_other_metrics_are_on_pages_of_their_own(tasks: list[TaskEntry]) -> None:
    put_events("one", 12)
    put_events("two", 12)
    events = study_dir("two") / EVENTS
    events.write_text(events.read_text("utf8").replace('"roc_auc"', '"neg_log_loss"'), "utf8")
    async with app().run_test(size=(140, 45)) as pilot:
        await pilot.press("space", "down", "space", "c")
        await pilot.pause()
        for page, metric, name in ((1, "roc_auc", "one"), (2, "neg_log_loss", "two")):
            text = text_of(pilot)
            assert f"Side by side: {metric}" in text and name in text_of(pilot, "#compare-table")
            assert "There is nothing to compare yet" in text and "ahead" not in text
            assert "Studies that are scored on something else" in text
            assert f"page {page} of 2" in text
            await pilot.press("right")
            await pilot.pause()


async def test_a_comparison_is_read_task_by_task(sizes: str, tasks: list[TaskEntry]) -> None:
    async with app().run_test(size=(140, 45)) as pilot:
        await pilot.press("c")
        await pilot.pause()
        assert isinstance(pilot.app.screen, Comparisons)
        assert "2 contenders, 2 tasks, 2 seeds" in text_of(pilot) and "17/32" in text_of(pilot)
        await pilot.press("enter")
        await pilot.pause()
        text = text_of(pilot)
        assert all(said in text for said in ("B small", "0.8700", "640", "50%"))
        assert "★" not in text
        assert "B small against A random: +0.0400 (roc_auc)" in text and "within noise" in text
        assert "It cannot be told which is better" in text and "Side by side: roc_auc" in text
        await pilot.press("right")
        await pilot.pause()
        assert "There is nothing to compare yet" in text_of(pilot) and "0.99" not in text_of(pilot)
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
        contender, task, seed, _ = queued()[0]
        await pilot.resize_terminal(60, 20)
        await pilot.pause()
        line = text_of(pilot, "CellQueue").splitlines()[2]
        assert {contender, task, str(seed)} <= set(line.split()) and "/" in line
        await pilot.resize_terminal(140, 45)
        await pilot.pause()
        await pilot.press("x", "tab", "escape")
        await pilot.pause()
        assert not queued()[0][3]


FAKE = """\
import os, sys, time
write = os.pwrite  # the lock is held for a while before it says by whom
os.pwrite = lambda *what: (time.sleep(0.3), write(*what))[1]
from hyperllama.core.storage.folder import Lock
from hyperllama.core.experiments.grid import comparison_folder
lock = Lock(comparison_folder(sys.argv[2])); lock.take()
time.sleep(60)
"""


async def test_a_comparison_is_started_and_stopped(
    sizes: str, tasks: list[TaskEntry], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    kill = os.kill
    monkeypatch.setattr(os, "kill", lambda pid, how: (asked.append(pid), pid and kill(pid, how)))
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
    assert len(asked) == 1 and asked[0] > 0  # 0 would be all of this process' group


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
        screen.query_one("#f-name", Input).value = "sizes"
        await pilot.pause()
        assert "a comparison has this name already" in text_of(pilot)
        screen.query_one("#f-name", Input).value = "mine"
        tasks_field, twin = screen.query_one("#f-tasks", Choice), tmp_path / "twin.toml"
        twin.write_text(task.read_text("utf8"), "utf8")
        tasks_field.choose((str(task), str(twin)))
        await pilot.press("ctrl+s")
        await refused(pilot, "two tasks are called 'quick'")
        assert screen is pilot.app.screen  # the form stays, with what was filled in
        assert screen.query_one("#f-name", Input).value == "mine"
        assert tasks_field.value == (str(task), str(twin))
        tasks_field.choose((str(task),))
        screen.query_one("#f-name", Input).value = "comparison-1"
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


def side(mark: str, *finals: float, ask_s: float = 0.1, **more: object) -> Side:
    curves = tuple((0.0, f) for f in finals)
    seeds = tuple(range(len(finals)))
    return Side(mark, mark, curves, ask_s=ask_s, seeds=seeds, **more)  # type: ignore[arg-type]


HIGH, LOW = (0.9, 0.91, 0.92), (0.5, 0.52, 0.51)


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        (side("A", 0.9, metric="r2"), side("B", 0.8), "+0.1000 (r2). From one seed each it cannot"),
        (side("A", 0.9, 0.7), side("B", 0.75, 0.8), "within noise: they cannot be told"),
        (side("A", 0.9, 0.7), side("B", 0.75, 0.8), "seeds would tell"),
        (side("A", *HIGH, ask_s=9.0), side("B", *LOW), "A A is ahead of B B by +0.4000"),
        (side("A", *HIGH, ask_s=9.0), side("B", *LOW), "Each proposal of A A takes 8.9 s longer"),
        (side("A", *HIGH), side("B", *HIGH), "A A and B B are equal: 0.9100"),
        (side("A", *HIGH, test=0.6), side("B", *LOW, test=0.7), "The test rows say the opposite"),
        (side("A"), side("B", 0.5), "nothing to compare"),
    ],
)
def test_the_verdict_in_words(one: Side, other: Side, said: str) -> None:
    assert said in standing.in_words([one, other])


def test_contenders_are_paired_by_the_seeds_that_both_have() -> None:
    """The mean over its own seeds says that A is ahead; on each shared seed B is."""
    one = Side("A", "A", ((0.2,), (0.31,), (0.42,), (0.9,)), seeds=(0, 1, 2, 3))
    other = Side("B", "B", ((0.25,), (0.361,), (0.475,)), seeds=(0, 1, 2))
    claim = standing.between(one, other, 1)
    assert claim is not None and claim.verdict == "worse"


def test_studies_are_compared_fold_by_fold_where_they_share_them() -> None:
    folds, default = (0.9, 0.7, 0.8, 0.85, 0.75), (0.5, 0.4, 0.45, 0.5, 0.4)
    best = Side("A", "A", ((0.8,),), folds=folds, default_folds=default)
    near = Side("B", "B", ((0.78,),), folds=tuple(f - 0.02 - f / 1e3 for f in folds),
                default_folds=default)  # fmt: skip
    assert "is ahead of B B by +0.0208" in standing.in_words([best, near])
    assert standing.leader([near, best]) is best
    assert standing.leader([best, replace(near, default_folds=())]) is None
    other = replace(near, default_folds=(0.6, 0.4, 0.45, 0.5, 0.4))
    assert "From scores on different folds it cannot be told" in standing.in_words([best, other])


def run(mark: str, seconds: float, *curves: tuple[float, ...], **more: float) -> Side:
    """A side whose seeds took so many seconds a trial."""
    spent = tuple(tuple(seconds * (i + 1) for i in range(len(c))) for c in curves)
    seeds = tuple(range(len(curves)))
    return Side(mark, mark, curves, seeds=seeds, spent=spent, **more)  # type: ignore[arg-type]


QUICK = run("A", 1.0, (0.1, 0.5, 0.6, 0.6), (0.1, 0.5, 0.6, 0.61), (0.1, 0.5, 0.6, 0.605))


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (run("B", 10.0, *((0.1, 0.7, 0.9 + i / 99) for i in range(3))), "up to 4 s it is A A"),
        (run("B", 1.5, *((0.1, 0.7, 0.9 + i / 99) for i in range(3))), "B B is worth its seconds"),
        (run("B", 1.0, (0.1, 0.65), (0.1, 0.661), (0.1, 0.657)), "B B is worth its seconds"),
        (run("B", 1.0, (0.1, 0.59), (0.1, 0.65), (0.1, 0.62)), "It cannot be told which is better"),
        (run("B", 1.0, (0.1, 0.6), (0.1, 0.61), (0.1, 0.605)), "Equal scores"),
    ],
)
def test_which_is_worth_its_seconds(other: Side, said: str) -> None:
    answer, told = standing.verdict([QUICK, other])
    assert said in answer and told[0] == standing.in_words([QUICK, other])


def test_what_a_verdict_rests_on() -> None:
    curves = ((0.1, 0.9), (0.1, 0.91))
    dear = run("B", 4.0, *curves, asked_s=6.0, memory_mb=1400.0)
    cheap = run("A", 1.0, (0.1, 0.5), (0.1, 0.51), memory_mb=100.0)
    told = " ".join(standing.verdict([cheap, dear])[1])
    assert "75 % of the time of B B goes into proposals" in told
    assert "takes 1,400 MB, the smallest 100 MB" in told
    (early, first), (late, last) = standing.at_times([cheap, dear])
    assert (early, late) == (2.0, 8.0)
    assert first == [pytest.approx(0.505), None]
    assert last == [pytest.approx(0.505), pytest.approx(0.905)]


def test_letters_stand_at_the_ends_of_their_curves() -> None:
    ends = dict(zip("ABCDE", (0.9, 0.1, 0.9, 0.5, 0.9), strict=True))
    curves = Curves()
    curves.sides = [run(mark, 1.0, (0.1, end)) for mark, end in ends.items()]
    plot = Plot(40, 8, PlotScale(0.0, 1.0), PlotScale(1.0, 2.0, whole=True))
    curves._draw(plot, [curves._points(side) for side in curves.sides])
    lines = [line.plain for line in plot.lines()]
    rows = {mark: next(i for i, line in enumerate(lines) if mark in line) for mark in ends}
    assert rows["A"] == rows["C"] == rows["E"] < rows["D"] < rows["B"]


async def test_the_curves_are_drawn_over_seconds_too(sizes: str, tasks: list[TaskEntry]) -> None:
    async with app().run_test(size=(140, 45)) as pilot:
        await pilot.press("c")
        await pilot.pause()
        assert "A proposal takes" in text_of(pilot) and "0.8700" in text_of(pilot)
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


def test_what_is_left_is_estimated_by_contender(sizes: str) -> None:
    """From medians of what was run: 0.5 s a proposal, 2 s a trial of that task, or of all."""
    speeds = known_speeds()
    assert speeds.asks == {"random": 0.5, "small": 0.5}
    assert speeds.trains == {"quick": 2.0, "slow": 2.0, "": 2.0}
    left = left_by_contender(read_comparison(sizes), speeds)
    assert left == {"random": 8 * 2.5, "small": 7 * 2.5}  # both seeds of the slow task
    assert speeds.seconds("new", "", "quick") == 2.1
    assert KnownSpeeds().basis.startswith("a guess")


def test_models_of_one_name_show_their_folders(two_models: list[ModelFile]) -> None:
    first, *_ = two_models
    other = replace(first, path=Path("/other") / first.path.name)
    labels = [label for _, label, _ in _model_options([first, other, two_models[1]])]
    assert labels == ["embedded in models", "embedded in other",
                      "Qwen2.5-1.5B-Instruct-Q4_K_M"]  # fmt: skip


def test_what_differs_comes_first() -> None:
    one = Side("A", "A", (), config={"same": 1, "other": 2})
    two = Side("B", "B", (), config={"same": 1, "other": 3, "more": None})
    assert [name for name, _ in sides.differing([one, two])] == ["other", "same", "more"]


def test_the_figures_of_several_sides_fit_their_panes(sizes: str) -> None:
    long = "SmolLM2-135M-Instruct.Q4_1"
    found = [
        Side(name, "ABCD"[n], ((0.7, 0.8),), spent=((n + 1.0, 2.0 * n + 2),))
        for n, name in enumerate(("random", "tpe", "gp", long))
    ]
    lines = [line.plain for line in worth_lines(found, 57, UNICODE)]
    reached = lines[lines.index("Reached after") + 1 :][:5]
    assert "SmolLM…ct.Q4_1" in reached[-1] and "8.0s" in reached[0]
    assert max(map(len, reached)) <= 57
    comparison = read_comparison(sizes)
    short = replace(comparison.grid, tasks={"breast_cancer_again": ""}, contenders=(
        *comparison.grid.contenders, Contender(long, "llama")))  # fmt: skip
    text = "\n".join(
        line.plain for line in standing_lines(replace(comparison, grid=short), 0, 62, 40, UNICODE)
    )
    assert "breast_cancer_again" in text and text.count("SmolLM2-13…struct.Q4_1") == 2


def test_two_trials_side_by_side() -> None:
    folds = (0.8, 0.85, 0.9, 0.83, 0.87)
    trials = tuple(
        TrialState(n, by, "complete", config, fmean(scores), scores, 5, 0.03, 0.99, 2.0)
        for n, by, config, scores in (
            (0, "default", {"depth": 3, "rate": 0.1}, folds),
            (1, "gp", {"depth": 5, "rate": 0.1}, tuple(f + 0.05 + f / 99 for f in folds)),
            (2, "gp", {"depth": 5, "leaves": 8}, (0.855, 0.895, 0.96, 0.88, 0.935)),
        )
    )
    opened = StudyOpened("s", "t", "", "roc_auc", (), "gp", "", 0, 20, None, 100, 3, 5)
    state = StudyState(opened=opened, trials=trials, incumbent=1)
    text = describe_two(trials[0], trials[1], state).plain
    assert "Trial 1 is ahead of trial 0 by +0.0586 (roc_auc), beyond noise (±" in text
    assert "Trial 1 scores higher on 5 of 5 folds" in text
    lines = [line.split() for line in text.splitlines()]
    assert ["depth", "3", "5"] in lines and lines[-1] == ["rate", "0.1", "0.1"]
    near = describe_two(trials[1], trials[2], state).plain
    assert "within noise" in near and "they cannot be told apart" in near
    assert "equal: 0.8500" in describe_two(trials[0], replace(trials[0], number=3), state).plain
