"""The look of the app and its keys, as the settings say."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from textual.filter import LineFilter, Monochrome, NoColor

from hyperllama.core.errors import HyperLlamaError, StudyError
from hyperllama.core.storage.paths import home
from hyperllama.core.text import plain
from hyperllama.tui import actions
from hyperllama.tui.app.keys import KeysApp
from hyperllama.tui.preferences import keymap, old_settings, settings, themes
from hyperllama.tui.text import glyphs

_NO_COLOR = NoColor()
_REPORTS_KEPT = 500
_UNTIL_DISMISSED_S = 86_400.0
_SEVERITIES = {"warning": "warning", "error": "error"}


class LookApp(KeysApp):
    """Themes, characters, keys and messages.

    Attributes:
        reports: (seconds since the epoch, level, text) of the messages so far.
        picture_widget: draws a picture; None where the terminal shows none.
    """

    NOTIFICATION_TIMEOUT = 5

    def __init__(self, theme: str, clock: Callable[[], float], colours: str) -> None:
        self.glyphs = glyphs.choose()
        super().__init__()
        self.clock = clock
        self.picture_widget: Any = None
        self.reports: list[tuple[float, str, str]] = []
        for known in list(self.available_themes):
            self.unregister_theme(known)
        for own in themes.THEMES:
            self.register_theme(themes.fitted(own, colours))
        problems = old_settings.take_over()
        self.settings = settings.read()
        self._problems = [*problems, *self.settings.problems]
        chosen = theme or os.environ.get("HYPERLLAMA_THEME", "") or self.settings.theme
        self.theme = chosen if chosen in settings.THEMES else themes.usual(colours)
        if self.settings.plain_characters:
            self.glyphs = glyphs.ASCII
        if self.glyphs is glyphs.ASCII:
            self.add_class("-ascii")
        if not os.environ.get("TEXTUAL_ANIMATIONS") and not self.settings.animations:
            self.animation_level = "none"
        self.keys: dict[str, str] = {}
        self._problems += self.read_keys()

    def on_mount(self) -> None:
        for problem in self._problems:
            self.report("warning", problem)

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Our names for colours, so that the style sheet parses under any theme."""
        return dict(themes.DARK.variables)

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Where the terminal has no Unicode, only ASCII is drawn."""
        filters = list(super().get_line_filters())
        if self.native_ansi_color:  # the terminal's own colours have no shades of grey
            filters = [_NO_COLOR if isinstance(f, Monochrome) else f for f in filters]
        return [*filters, glyphs.AsciiFilter()] if self.glyphs is glyphs.ASCII else filters

    def read_keys(self) -> list[str]:
        """Take the keys from the settings file; returns what is wrong with them."""
        self.keys, problems = keymap.usable(settings.read().keys)
        self.set_keymap(self.keys)
        return problems

    def set_up(self, **changes: Any) -> None:
        """Change settings and keep them in the settings file."""
        self.settings = replace(self.settings, **changes)
        try:
            settings.write({(name,): value for name, value in changes.items()})
        except StudyError as error:
            self.report_error(error)
        self.animation_level = "full" if self.settings.animations else "none"

    def use_theme(self, name: str) -> None:
        """Show everything in this theme, at the next start too."""
        self.theme = name
        self.set_up(theme=name)

    def action_theme(self) -> None:
        names = settings.THEMES
        self.use_theme(names[(names.index(self.theme) + 1) % len(names)])
        self.notify(f"Theme: {self.theme}", timeout=2)

    def action_dismiss(self) -> None:
        self.clear_notifications()

    def report(self, level: str, text: str) -> None:
        """Show a message and keep it for the log. Errors stay until they are closed."""
        text = plain(text).strip()
        self.reports.append((self.clock(), level, text))
        del self.reports[:-_REPORTS_KEPT]
        _write_log(level, text)
        lasting = level == "error"
        key = actions.shown(actions.keys_of(actions.BY_ID["app.dismiss"], self.keys)[0])
        self.notify(  # what happened comes first: above a dialog there is room for one line
            f"{text}\n{key} closes this, F12 keeps it" if lasting else text,
            severity=_SEVERITIES.get(level, "information"),  # type: ignore[arg-type]
            timeout=_UNTIL_DISMISSED_S if lasting else 6,
            markup=False,
        )

    def report_error(self, error: HyperLlamaError) -> None:
        """Report what happened and what to do about it."""
        self.report("error", f"{error.message}\n{error.hint}")


def _write_log(level: str, text: str) -> None:
    """Keep a message for after the interface was left; a full disk shall not end it."""
    file = home() / "logs" / "interface.log"
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf8") as log:
            log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {level}: {text}\n")
