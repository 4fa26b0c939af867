"""What stands beside the lists: the study, task or model of the cursor."""

from __future__ import annotations

from pathlib import Path

import pytest

from hyperllama.core.events import IncumbentTested, StudyConfirmed
from hyperllama.core.storage.paths import study_dir
from hyperllama.core.study import StateFold
from hyperllama.models.gguf import ModelFile
from hyperllama.tui.content import task_facts
from hyperllama.tui.content.library import StudyEntry, TaskEntry
from hyperllama.tui.screens.home import Home
from hyperllama.tui.text.glyphs import UNICODE
from hyperllama.tui.widgets.about.study import head_lines, rest_lines
from hyperllama.tui.widgets.lists.home import StudyList
from tests.tui import recorded
from tests.tui.conftest import text_of, until
from tests.tui.test_home import app, put_events, put_study

TASK = """\
# Stays in a hospital.
name = "stays"
metric = "roc_auc"
estimators = ["xgboost", "svm"]
notes = "One row is a stay."

[data]
path = "stays.csv"
target = "back"

[space]
"xgboost.max_depth" = { high = 8 }

[space.svm]
kernel = "rbf"
C = { low = 0.1, high = 10 }

[validation]
method = "group"
group = "patient"
folds = 3

[budget]
trials = 12
"""


def test_where_the_default_stays_its_scores_are_not_those_of_the_best_trial() -> None:
    heard = StateFold()
    for event, t in recorded.finished(6):
        heard.apply(event, t)
    heard.apply(StudyConfirmed(0, 0.3, repeats=1), 99.0)
    heard.apply(IncumbentTested(0, 0.81), 100.0)
    state, entry = heard.state, StudyEntry("s", "finished", best=0.9, gain=0.0, trials=6)
    assert state.default_value is not None
    head = "\n".join(line.plain for line in head_lines(entry, state, 0.0, 60, UNICODE))
    assert f"winner {state.default_value:.4f}" in head and "test 0.8100" in head
    rest = rest_lines(state, "", 60, 30, UNICODE)
    assert rest[0].plain == "Winner, trial 0"


async def test_the_marked_study_is_told_about(tasks: list[TaskEntry]) -> None:
    put_study("mine", "finished")
    put_events("mine", recorded.finished(20))
    put_study("other", "interrupted", 500, trials=0)
    async with app().run_test(size=(140, 45)) as pilot:
        await until(pilot, "Best configuration", "#about")
        text = text_of(pilot, "#about")
        assert "8,000 rows" in text and "+0.0300 over the default" in text and "test 0.8571" in text
        assert "default 0.3" in text and "best so far" in text
        assert "Last reasoning" in text and "small learning rate" in text
        await pilot.press("down")
        await until(pilot, "No trial yet", "#about")
        assert "Best configuration" not in text_of(pilot, "#about")


async def test_a_study_that_runs_is_followed(tasks: list[TaskEntry]) -> None:
    put_study("mine", "finished")
    put_events("mine", recorded.live(3, 1.0))
    async with app().run_test(size=(140, 45)) as pilot:
        await until(pilot, "Last reasoning, trial 3", "#about")
        put_events("mine", recorded.live(9, 1.0))
        home = pilot.app.screen
        assert isinstance(home, Home)
        home.refresh_home()
        await until(pilot, "Last reasoning, trial 9", "#about")


async def test_a_study_that_ended_with_an_error_says_why(tasks: list[TaskEntry]) -> None:
    put_study("mine", "error")
    (study_dir("mine") / "study.log").write_text("error: the table has no column 'y'\n")
    async with app().run_test(size=(140, 45)) as pilot:
        await until(pilot, "the table has no column 'y'", "#about")


async def test_a_task_is_told_about_with_its_studies(
    tasks: list[TaskEntry], monkeypatch: pytest.MonkeyPatch
) -> None:
    put_study("mine", "finished", task="breast_cancer", best_value=0.91)
    put_study("foreign", "finished", task="else")
    async with app().run_test(size=(140, 45)) as pilot:
        await pilot.press("tab")
        await until(pilot, "One study of it", "#about")
        text = text_of(pilot, "#about")
        assert "breast_cancer.csv" in text and "0.9100" in text and "foreign" not in text


async def test_a_model_is_told_about(tasks: list[TaskEntry], two_models: list[ModelFile]) -> None:
    put_study("mine", "finished", model="Qwen2.5-1.5B-Instruct-Q4_K_M.gguf")
    async with app().run_test(size=(140, 45)) as pilot:
        await until(pilot, "embedded", "#models")
        await pilot.press("tab", "tab", "down")
        await until(pilot, "it has a chat template", "#about")
        text = text_of(pilot, "#about")
        assert "weights 940 MB" in text and "One study with it" in text and "mine" in text


async def test_a_key_shows_and_hides_it(tasks: list[TaskEntry]) -> None:
    put_study("mine", "finished")
    put_events("mine", recorded.finished(20))
    async with app().run_test(size=(80, 24)) as pilot:
        studies = pilot.app.screen.query_one(StudyList)
        assert "i tells more" in text_of(pilot) and "over the default" not in text_of(pilot)
        await pilot.press("i")
        await until(pilot, "over the default", "#about")
        assert studies.display and "breast_cancer" not in text_of(pilot)
        await pilot.press("tab")
        await until(pilot, "breast_cancer.csv", "#about")
        assert not studies.display
        await pilot.press("i")
        await pilot.pause()
        assert "mine" in text_of(pilot, "#studies") and "breast_cancer" in text_of(pilot)


async def test_names_with_brackets_are_no_markup(tasks: list[TaskEntry]) -> None:
    put_study("odd", "finished", task="[/x]", metric="[red]")
    async with app().run_test(size=(140, 45)) as pilot:
        await pilot.press("R", *["backspace"] * 3, *"[/x", "enter")
        await until(pilot, "[/x", "#about")
        await pilot.press("slash", *"[/x", "enter")
        await until(pilot, 'with "[/x"', "#studies")


def test_what_a_task_file_says(tmp_path: Path) -> None:
    (tmp_path / "stays.toml").write_text(TASK)
    (tmp_path / "stays.csv").write_text('\ufeffage;"the ward";back\n1;2;yes\n')
    told = task_facts.read(tmp_path / "stays.toml")
    assert told.columns == ("age", "the ward", "back") and told.target == "back"
    assert told.validation == "group, by patient, 3 folds" and told.budget == "12 trials"
    assert told.space == (
        "xgboost.max_depth up to 8", "svm.kernel frozen at rbf", "svm.C 0.1 to 10",
    )  # fmt: skip


@pytest.mark.parametrize("text", ["", "[data", 'data = 3\nspace = "x"\n', "[data]\npath = 'no'\n"])
def test_a_task_file_that_says_little_is_no_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "odd.toml").write_text(text)
    told = task_facts.read(tmp_path / "odd.toml")
    assert told.text == text and told.columns == () and told.data_bytes == 0
    assert task_facts.read(tmp_path / "gone.toml").text == ""
