"""Settings: the look, and the key of every action; both are kept in the settings file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from hyperllama.core.errors import StudyError
from hyperllama.core.text import plain
from hyperllama.tui import actions
from hyperllama.tui.preferences import keymap, settings, themes
from hyperllama.tui.screens.base import BaseScreen
from hyperllama.tui.widgets.lists.filter_line import FilterLine
from hyperllama.tui.widgets.lists.listing import Listing
from hyperllama.tui.widgets.lists.rows import ListColumn, Rows


@dataclass(frozen=True)
class SettingLine:
    """One line: a setting of the look, or the key of an action."""

    name: str
    value: str
    about: str
    action: actions.Action | None = None
    changed: bool = False


class SettingList(Listing[SettingLine]):
    """The look first, then every action by place."""

    NAME = "Settings"
    TITLE = "Look and keys"
    HELP = """\
`↵` changes the marked line: the next theme, on or off, and for an action the next key you press \
becomes its key. `backspace` restores the default. `/` filters the list.

All settings are in one file, `settings.toml`; its path is below the list. A line of its section \
`[keys]` reads `"study.pause" = "space"`, several keys `"list.down" = "down,j,ctrl+j"`.
"""
    LEAST = 16

    def columns(self) -> Sequence[ListColumn]:
        return (
            ListColumn("changed", "", 1, gap=1),
            ListColumn("name", "setting", 26, drop=1),
            ListColumn("value", "value", 18),
            ListColumn("about", "what it does", 0),
        )

    def draw(self, entry: SettingLine, key: str, width: int) -> Content:
        if key == "changed":
            return Content.styled("*" if entry.changed else " ", "bold $best")
        if key == "value":
            return Content.styled(entry.value, "bold")
        if key == "name":
            return Content.styled(entry.name, "$dim" if entry.action else "bold")
        return Content.styled(entry.about, "$dim" if entry.action else "")

    def empty(self) -> Content:
        return Content.styled(" No setting contains all these words.", "$dim")


class SettingsScreen(BaseScreen[None]):
    """One list, a line to filter it, and the path of the file."""

    WHERE = "settings"
    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings("settings")]

    def compose(self) -> ComposeResult:
        yield Static(Content.styled("Settings", "bold $primary"), id="compare-title")
        yield SettingList(id="settings-list")
        yield FilterLine("#settings-list", "words of a setting or an action")
        yield Static(id="settings-files")
        yield self.key_bar()

    def on_mount(self) -> None:
        self.query_one(SettingList).focus()
        self.refresh_settings()

    @on(Rows.Moved)
    def _about_marked(self) -> None:
        """Show the marked line's sentence in full, above the path of the file."""
        line = self.query_one(SettingList).entry
        told = [Content(line.about)] if line is not None else []
        told.append(Content.styled(plain(str(settings.file())), "$dim"))
        self.query_one("#settings-files", Static).update(Content("\n").join(told))

    @on(Input.Changed, "#filter")
    def refresh_settings(self) -> None:
        """Show the settings that contain the words."""
        words = self.query_one(FilterLine).value.casefold().split()
        lines = [*self._look(), *self._keys()]
        texts = [f"{line.name} {line.value} {line.about}".casefold() for line in lines]
        self.query_one(SettingList).show(
            [x for x, text in zip(lines, texts, strict=True) if all(w in text for w in words)]
        )
        self._about_marked()

    def _look(self) -> list[SettingLine]:
        """The settings of the look; the theme shown now, whoever chose it."""
        now = self.interface.settings
        about = {field.name: field.metadata["about"] for field in fields(now) if field.metadata}
        theme = self.app.theme
        lines = [SettingLine("theme", theme, about["theme"], changed=theme != themes.DARK.name)]
        for name in ("animations", "plain_characters"):
            on_ = getattr(now, name)
            shown = name.replace("_", " ")
            value = "on" if on_ else "off"
            lines.append(SettingLine(shown, value, about[name], changed=on_))
        return lines

    def _keys(self) -> list[SettingLine]:
        changed = self.interface.keys
        return [
            SettingLine(
                action.id,
                "  ".join(actions.shown(key) for key in actions.keys_of(action, changed)),
                f"{title}: {action.help}",
                action,
                action.id in changed,
            )
            for place, title in actions.PLACES.items()
            for action in actions.of(place)
        ]

    @on(Rows.Chosen)
    def action_change(self) -> None:
        line = self.query_one(SettingList).entry
        if line is None:
            return
        if line.action is not None:
            self._assign(line.action)
        elif line.name == "theme":
            names = settings.THEMES
            self.interface.use_theme(names[(names.index(self.app.theme) + 1) % len(names)])
        else:
            name = line.name.replace(" ", "_")
            self.interface.set_up(**{name: not getattr(self.interface.settings, name)})
        self.refresh_settings()

    def action_usual(self) -> None:
        line = self.query_one(SettingList).entry
        if line is None:
            return
        if line.action is not None:
            self._keep_key(line.action.id, None)
        elif line.name == "theme":
            self.interface.use_theme(themes.DARK.name)
        else:
            self.interface.set_up(**{line.name.replace(" ", "_"): False})
        self.refresh_settings()

    @work(group="rebind", exclusive=True)
    async def _assign(self, action: actions.Action) -> None:
        """Let the next key that is pressed be the action's."""
        key = await self.app.push_screen_wait(PressKey(action))
        if not key:
            return
        keys: Mapping[str, Any] = {**self.interface.keys, action.id: key}
        if other := keymap.clash(action.id, keys):
            taken = f"{other}: {actions.BY_ID[other].help}"
            message = f"{actions.shown(key)} is already the key of {taken}"
            self.interface.report("warning", message)
        else:
            self._keep_key(action.id, key)

    def _keep_key(self, name: str, key: str | None) -> None:
        try:
            settings.write({("keys", name): key})
        except StudyError as error:
            self.interface.report_error(error)
        self.interface.read_keys()
        self.refresh_settings()

    def action_filter(self) -> None:
        self.query_one(FilterLine).open()

    def action_back(self) -> None:
        if not self.query_one(FilterLine).clear_words():
            self.dismiss(None)


class PressKey(ModalScreen[str]):
    """Returns the next key that is pressed; empty where escape cancelled it."""

    def __init__(self, action: actions.Action) -> None:
        super().__init__()
        self._action = action

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = "Press the new key"
            box.border_subtitle = "[bold]esc[/] cancel"
            yield Static(Content(self._action.help))

    def on_key(self, event: events.Key) -> None:
        event.stop()
        event.prevent_default()
        self.dismiss("" if event.key == "escape" else event.key)
