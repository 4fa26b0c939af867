"""One registry: every action exists, has a key of its own, and is named in help."""

from __future__ import annotations

from pathlib import Path

import pytest

from tui import actions
from tui.app import HyperLlama
from tui.screens.compare import Compare
from tui.screens.comparisons import Comparisons, Queue
from tui.screens.help import keys_table
from tui.screens.home import Home
from tui.screens.models import Models
from tui.screens.new_comparison import NewComparison
from tui.screens.new_study import NewStudy
from tui.screens.preview import Preview
from tui.screens.settings import SettingsScreen
from tui.screens.study import StudyScreen
from tui.widgets.history import History
from tui.widgets.keybar import MOST_KEYS
from tui.widgets.progress import ProgressPlot
from tui.widgets.reasoning import Reasoning
from tui.widgets.rows import Rows
from tui.widgets.space_table import SpaceTable
from tui.widgets.table_look import ColumnList, Files
from tui.widgets.talk import Talk

OWNERS = {
    "app": HyperLlama,
    "home": Home,
    "preview": Preview,
    "new": NewStudy,
    "models": Models,
    "settings": SettingsScreen,
    "compare": Compare,
    "comparisons": Comparisons,
    "queue": Queue,
    "new_comparison": NewComparison,
    "files": Files,
    "columns": ColumnList,
    "space": SpaceTable,
    "study": StudyScreen,
    "history": History,
    "reasoning": Reasoning,
    "progress": ProgressPlot,
    "talk": Talk,
    "list": Rows,
}


@pytest.mark.parametrize("action", actions.ACTIONS, ids=lambda a: a.id)
def test_every_action_is_implemented_and_bound(action: actions.Action) -> None:
    owner = OWNERS[action.where]
    method = action.action.partition("(")[0]
    assert callable(getattr(owner, f"action_{method}", None))
    assert any(b.id == action.id for b in owner.BINDINGS)  # type: ignore[attr-defined]


def test_ids_are_unique_and_keys_do_not_clash() -> None:
    assert len(actions.BY_ID) == len(actions.ACTIONS)
    for action in actions.ACTIONS:
        assert not actions.clash(action.id, {action.id: action.key}), action.id


def test_help_names_every_action_with_its_keys() -> None:
    text = keys_table(tuple(actions.PLACES), {"study.pause": "ctrl+g"}).plain
    for action in actions.ACTIONS:
        assert action.help in text
    assert "^g" in text


def test_a_footer_never_needs_more_than_six_keys() -> None:
    shown = [a for a in actions.of("app") if a.footer]
    assert len(shown) < MOST_KEYS


def test_keys_are_changed_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    path.write_text('"study.pause" = "ctrl+g"\n[history]\ncopy = "K,ctrl+y"\n', "utf8")
    keymap, problems = actions.read_keymap(path)
    assert keymap == {"study.pause": "ctrl+g", "history.copy": "K,ctrl+y"} and not problems


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('"study.fly" = "w"', "no action 'study.fly'"),
        ('"study.pause" = 3', "needs a key"),
        ('"study.pause" = "t"', "already the key of study.hint"),
        ('"study.pause" = "k"', "already the key of list.up"),
        ("study.pause = ", "usual keys hold"),
    ],
)
def test_a_wrong_entry_is_named_and_the_usual_key_holds(
    tmp_path: Path, text: str, said: str
) -> None:
    path = tmp_path / "keys.toml"
    path.write_text(text, "utf8")
    keymap, problems = actions.read_keymap(path)
    assert not keymap and said in problems[0]


def test_two_actions_may_swap_keys(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    path.write_text('"study.pause" = "s"\n"study.stop" = "p"\n', "utf8")
    keymap, problems = actions.read_keymap(path)
    assert keymap == {"study.pause": "s", "study.stop": "p"} and not problems
