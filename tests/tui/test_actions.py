"""One registry: every action exists, has a key of its own, and is named in help."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.screen import Screen

from hyperllama.core.events import Event
from hyperllama.tui import actions
from hyperllama.tui.app import HyperLlama
from hyperllama.tui.content.library import TaskEntry
from hyperllama.tui.dialogs.help import keys_table
from hyperllama.tui.preferences import keymap
from hyperllama.tui.screens.base import BaseScreen
from hyperllama.tui.screens.compare import Compare
from hyperllama.tui.screens.comparisons import Comparisons
from hyperllama.tui.screens.home import Home
from hyperllama.tui.screens.models import Models
from hyperllama.tui.screens.new_comparison import NewComparison
from hyperllama.tui.screens.new_study import NewStudy
from hyperllama.tui.screens.preview import Preview
from hyperllama.tui.screens.settings import SettingsScreen
from hyperllama.tui.screens.study import StudyScreen
from hyperllama.tui.widgets.form.space_table import SpaceTable
from hyperllama.tui.widgets.form.table_look import ColumnList, Files
from hyperllama.tui.widgets.keybar import MOST_KEYS
from hyperllama.tui.widgets.lists.comparisons import CellQueue
from hyperllama.tui.widgets.lists.rows import Rows
from hyperllama.tui.widgets.study.history import History
from hyperllama.tui.widgets.study.progress import ProgressPlot
from hyperllama.tui.widgets.study.reasoning import Reasoning
from hyperllama.tui.widgets.study.talk import Talk
from tests.tui import recorded
from tests.tui.test_home import put_study

SAMPLE = Path(__file__).resolve().parents[2] / "sample_tasks" / "breast_cancer.toml"
OWNERS = {
    "app": HyperLlama,
    "home": Home,
    "preview": Preview,
    "new": NewStudy,
    "models": Models,
    "settings": SettingsScreen,
    "compare": Compare,
    "comparisons": Comparisons,
    "queue": CellQueue,
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
        assert not keymap.clash(action.id, {action.id: action.key}), action.id


def test_help_names_every_action_with_its_keys() -> None:
    text = keys_table(tuple(actions.PLACES), {"study.pause": "ctrl+g"}).plain
    for action in actions.ACTIONS:
        assert action.help in text
    assert "^g" in text


def test_a_footer_never_needs_more_than_six_keys() -> None:
    shown = [a for a in actions.of("app") if a.footer]
    assert len(shown) < MOST_KEYS


def test_two_actions_may_swap_keys() -> None:
    swapped = {"study.pause": "s", "study.stop": "p"}
    assert keymap.usable(swapped) == (swapped, [])


@asynccontextmanager
async def shown(screen: Screen[Any] | None, focus: str = "") -> AsyncIterator[Pilot[None]]:
    """The app with that screen (None: the first one) and the focus on that widget."""
    app = HyperLlama(clock=lambda: recorded.START_T)
    async with app.run_test(size=(110, 45)) as pilot:
        if screen is not None:
            await app.push_screen(screen)
        await pilot.pause()
        if focus:
            widget = app.screen.query_one(focus)
            widget.display = True
            app.screen.set_focus(widget)
            await pilot.pause()
        yield pilot


def study(past: Sequence[tuple[Event, float]], alive: bool = True) -> StudyScreen:
    link = recorded.Replay(past)
    link.alive = alive
    return StudyScreen(link, lambda: link.last_t + 3)


STATES: dict[str, tuple[Callable[[], Screen[Any] | None], str]] = {
    "studies": (lambda: None, "#studies"),
    "tasks": (lambda: None, "#tasks"),
    "preview": (lambda: Preview(TaskEntry(SAMPLE, "sample")), ""),
    "files": (lambda: NewStudy(), "#table-files"),
    "columns": (lambda: NewStudy(), "#table-columns"),
    "space": (lambda: NewStudy(), "#space-table"),
    "settings": (lambda: SettingsScreen(), ""),
    "compare": (lambda: Compare("two", dict), ""),
    "comparisons": (lambda: Comparisons(), ""),
    "queue": (lambda: Comparisons(), "#comparisons-queue"),
    "new comparison": (lambda: NewComparison(), ""),
    "models": (lambda: Models(), ""),
    "study at work": (lambda: study(recorded.flown()), "#history"),
    "a proposal waits": (lambda: study(recorded.held()), "#history"),
    "a dead study": (lambda: study(recorded.live(), alive=False), "#history"),
    "reasoning": (lambda: study(recorded.flown()), "#reasoning"),
    "progress": (lambda: study(recorded.flown()), "#progress"),
    "talk": (lambda: study(recorded.flown()), "#talk-ask"),
}
BEYOND = {
    "home.resume", "home.undo",  # tests/tui/test_home.py
    # tests/tui/test_compare_screen.py
    "compare.next", "compare.previous", "compare.axis", "comparisons.open", "comparisons.start",
    "comparisons.section",
    "talk.older", "talk.newer",  # tests/tui/test_panes.py
    "models.turn",  # tests/tui/test_models_screen.py
    "study.verdict",  # tests/tui/test_steer.py
}  # fmt: skip
"""Those that need more to be there; the tests named press their keys."""


@pytest.fixture
def reachable(
    tasks: list[TaskEntry], two_models: object, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Awaitable[dict[str, set[str]]]]:
    """The actions that keys reach in a state, with those keys; help there names each."""
    put_study("mine", "finished")

    async def look(state: str) -> dict[str, set[str]]:
        make, focus = STATES[state]
        async with shown(make(), focus) as pilot:
            screen = pilot.app.screen
            assert isinstance(screen, BaseScreen)
            found: dict[str, set[str]] = {}
            for key, active in screen.active_bindings.items():
                action = actions.BY_ID.get(active.binding.id or "")
                if action is not None and active.enabled:
                    found.setdefault(action.id, set()).add(key)
            named = keys_table(screen.places(), {}).plain
            assert all(actions.BY_ID[id].help in named for id in found)
            return found

    return look


async def test_every_action_is_reached_by_its_first_key_somewhere(
    reachable: Callable[[str], Awaitable[dict[str, set[str]]]],
) -> None:
    missing = {action.id: action.key.split(",")[0] for action in actions.ACTIONS}
    for state in STATES:
        for id, keys in (await reachable(state)).items():
            if missing.get(id) in keys:
                del missing[id]
    assert set(missing) <= BEYOND
