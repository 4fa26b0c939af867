"""Settings: the look, and the key of every action; both are kept in files for people, too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from hyperllama.core.errors import StudyError
from hyperllama.core.text import plain
from hyperllama.tui import actions, keymap, settings, themes
from hyperllama.tui.screens.base import BaseScreen
from hyperllama.tui.widgets.field import Field
from hyperllama.tui.widgets.rows import Column, Rows


@dataclass(frozen=True)
class Setting:
    """One line: a setting of the look (`name`), or an action's key (`action`)."""

    name: str
    value: str
    about: str
    action: actions.Action | None = None
    changed: bool = False


class SettingList(Rows):
    """Looks first, then every action by place."""

    NAME = "Settings"
    HELP = """\
`↵` changes the marked line: the theme goes to the next one, a switch turns, and for an action the \
next key you press becomes its key. `backspace` restores the default. `/` filters the list.

All settings are in one file, `settings.toml`; its path is below the list. A line of its section \
`[keys]` reads `"study.pause" = "space"`, several keys `"list.down" = "down,j,ctrl+j"`.
"""
    LEAST = 16

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.listed: list[Setting] = []

    def show(self, listed: list[Setting]) -> None:
        self.listed = listed
        self.rows_changed()

    @property
    def setting(self) -> Setting | None:
        return self.listed[self.cursor] if 0 <= self.cursor < len(self.listed) else None

    def row_count(self) -> int:
        return len(self.listed)

    def columns(self) -> Sequence[Column]:
        return (
            Column("changed", "", 1, gap=1),
            Column("name", "setting", 26, drop=1),
            Column("value", "value", 18),
            Column("about", "what it does", 0),
        )

    def cell(self, index: int, key: str, width: int) -> Content:
        one = self.listed[index]
        if key == "changed":
            return Content.styled("*" if one.changed else " ", "bold $best")
        if key == "value":
            return Content.styled(one.value, "bold")
        if key == "name":
            return Content.styled(one.name, "$dim" if one.action else "bold")
        return Content.styled(one.about, "$dim" if one.action else "")

    def empty(self) -> Content:
        return Content.styled(" No setting has all these words.", "$dim")


class SettingsScreen(BaseScreen[None]):
    """One list, a line to filter it, and where the files are."""

    WHERE = "settings"
    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings("settings")]

    def __init__(self) -> None:
        super().__init__()
        self._words = ""

    def compose(self) -> ComposeResult:
        yield Static(Content.styled("Settings", "bold $primary"), id="compare-title")
        found = SettingList(id="settings-list")
        found.border_title = "Look and keys"
        yield found
        yield Field(id="filter", placeholder="words of a setting or an action", compact=True)
        yield Static(id="settings-files")
        yield self.key_bar()

    def on_mount(self) -> None:
        self.query_one("#filter").display = False
        self.query_one(SettingList).focus()
        where = Content.styled(plain(str(settings.file())), "$dim")
        self.query_one("#settings-files", Static).update(where)
        self.refresh_settings()

    def refresh_settings(self) -> None:
        """Draw the settings as they are now."""
        app = self.interface
        listed = [
            Setting("theme", self.app.theme, "colours; terminal: your terminal's own",
                    changed=self.app.theme != themes.DARK.name),
            Setting("animations", _switch(app.settings.animations), "things glide; off is faster",
                    changed=app.settings.animations),
            Setting("plain characters", _switch(app.settings.plain_characters),
                    "no Unicode in pictures and frames; from the next start on",
                    changed=app.settings.plain_characters),
        ]  # fmt: skip
        for place, title in actions.PLACES.items():
            for action in actions.of(place):
                keys = "  ".join(actions.shown(k) for k in actions.keys_of(action, app.keys))
                about = f"{title}: {action.help}"
                listed.append(Setting(action.id, keys, about, action, action.id in app.keys))
        words = self._words.casefold().split()
        listed = [
            s for s in listed if all(w in f"{s.name} {s.value} {s.about}".casefold() for w in words)
        ]
        self.query_one(SettingList).show(listed)

    @on(Rows.Chosen)
    def action_change(self) -> None:
        one = self.query_one(SettingList).setting
        app = self.interface
        if one is None:
            return
        if one.action is not None:
            self._rebind(one.action)
        elif one.name == "theme":
            names = [theme.name for theme in themes.THEMES]
            app.use_theme(names[(names.index(self.app.theme) + 1) % len(names)])
        elif one.name == "animations":
            app.set_up(animations=not app.settings.animations)
        else:
            app.set_up(plain_characters=not app.settings.plain_characters)
        self.refresh_settings()

    def action_usual(self) -> None:
        one = self.query_one(SettingList).setting
        if one is None:
            return
        if one.action is not None:
            self._keep(one.action.id, None)
        elif one.name == "theme":
            self.interface.use_theme(themes.DARK.name)
        else:
            self.interface.set_up(**{one.name.replace(" ", "_"): False})
        self.refresh_settings()

    @work(group="rebind", exclusive=True)
    async def _rebind(self, action: actions.Action) -> None:
        key = await self.app.push_screen_wait(PressKey(action))
        if not key:
            return
        other = keymap.clash(action.id, {**self.interface.keys, action.id: key})
        if other:
            taken = actions.BY_ID[other].help
            told = f"{actions.shown(key)} is already the key of {other}: {taken}"
            self.interface.report("warning", told)
            return
        self._keep(action.id, key)

    def _keep(self, name: str, key: str | None) -> None:
        try:
            settings.write({("keys", name): key})
        except StudyError as error:
            self.interface.report_error(error)
        self.interface.read_keys()
        self.refresh_settings()

    def action_filter(self) -> None:
        field = self.query_one("#filter", Input)
        field.display = True
        field.focus()

    @on(Input.Changed, "#filter")
    def _filtered(self, event: Input.Changed) -> None:
        self._words = event.value
        self.refresh_settings()

    @on(Input.Submitted, "#filter")
    def _filter_done(self) -> None:
        self.query_one("#filter").display = bool(self._words.strip())
        self.query_one(SettingList).focus()

    def action_back(self) -> None:
        field = self.query_one("#filter", Input)
        if field.display:
            field.value = ""
            field.display = False
            self.query_one(SettingList).focus()
        else:
            self.dismiss(None)


class PressKey(ModalScreen[str]):
    """The next key that is pressed is the answer; escape gives up."""

    def __init__(self, action: actions.Action) -> None:
        super().__init__()
        self._action = action

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = "Press the new key"
            box.border_subtitle = "[bold]esc[/] give up"
            yield Static(Content(self._action.help))

    def on_key(self, event: events.Key) -> None:
        event.stop()
        event.prevent_default()
        self.dismiss("" if event.key == "escape" else event.key)


def _switch(on: bool) -> str:
    return "on" if on else "off"
