"""The app with its screens, and the function that runs it."""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

from textual.binding import BindingType
from textual.command import Provider
from textual.content import Content
from textual.screen import Screen

from hyperllama.core.text import plain
from hyperllama.tui import actions
from hyperllama.tui.app.palette import ActionCommands
from hyperllama.tui.app.pictures import picture_widget
from hyperllama.tui.app.studies import StudiesApp
from hyperllama.tui.dialogs import TextDialog
from hyperllama.tui.preferences import settings, themes
from hyperllama.tui.screens.base import BaseScreen
from hyperllama.tui.screens.home import Home

SCREENS = {
    "comparison": "compare.of_comparison",
    "compare studies": "compare.of_studies",
    "comparisons": "comparisons.Comparisons",
    "models": "models.Models",
    "new comparison": "new_comparison.NewComparison",
    "new study": "new_study.NewStudy",
    "preview": "preview.Preview",
    "settings": "settings.SettingsScreen",
    "study": "study.StudyScreen",
}
"""What makes each screen, inside `tui.screens`; loaded when the screen is opened."""
_NO_TERMINAL = """\
This terminal (TERM={term}) cannot show the interface. Two ways on:
  - use another terminal, or set TERM to what it really is:
      TERM=xterm-256color hyperllama
  - use the commands: `hyperllama run TASK`, `hyperllama studies`,
    `hyperllama show STUDY`
"""


class HyperLlama(StudiesApp):
    """Home, and the screens that are opened from it."""

    TITLE = "HyperLlama"
    CSS_PATH = Path(__file__).resolve().parents[1] / "hyperllama.tcss"
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {ActionCommands}
    COMMAND_PALETTE_BINDING = "ctrl+p"
    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings("app")]
    ENABLE_SELECT_AUTO_SCROLL = False

    def __init__(
        self,
        *,
        theme: str = "",
        study: str = "",
        table: str = "",
        task_file: str = "",
        clock: Callable[[], float] = time.time,
        colours: str = "truecolor",
    ) -> None:
        """`study`, `table`, `task_file`: open that study, or the form on one of these, at once.

        `theme`: one of ours, else HYPERLLAMA_THEME.

        `colours`: what the terminal can show, see `themes.colours`.
        """
        super().__init__(theme, clock, colours)
        self._first_study = study
        self._first_form = (Path(task_file) if task_file else None, table)

    def get_default_screen(self) -> Screen[None]:
        return Home(self.clock)

    def on_mount(self) -> None:
        if self._first_study:
            self.open_study(self._first_study)
        elif any(self._first_form) and isinstance(self.screen, Home):
            self.screen.open_form(*self._first_form)
        self.call_after_refresh(self.empty_trash)
        self.call_after_refresh(self.keep_for_good)

    def keep_for_good(self) -> None:
        """Exempt what is loaded now from garbage collection: a pass over it is a stall.

        Measured with 5,000 trials: 240 ms. Tests, which open many apps in a process, go without.
        """
        if not self.is_headless:
            gc.freeze()
            gc.enable()

    def open_screen(self, name: str, *given: Any) -> None:
        """Show the screen of that name, made with the arguments `given`."""
        self.push_screen(_screen(name, *given))

    async def ask_screen(self, name: str, *given: Any) -> Any:
        """Show the screen of that name and return what it is dismissed with."""
        return await self.push_screen_wait(_screen(name, *given))

    def go_home(self) -> None:
        while len(self.screen_stack) > 1:
            self.pop_screen()

    def action_settings(self) -> None:
        if getattr(self.screen, "WHERE", "") != "settings":
            self.open_screen("settings")

    def action_palette(self) -> None:
        self.action_command_palette()

    def action_help(self) -> None:
        """Help about the focused pane, with the keys that apply."""
        self._help()

    def action_keys(self) -> None:
        """Every key, those that apply first."""
        self._help(every=True)

    def _help(self, every: bool = False) -> None:
        from hyperllama.tui.dialogs.help import HelpDialog, keys_table

        screen = self.screen
        if isinstance(screen, HelpDialog):
            return
        places: tuple[str, ...] = ("app",)
        title, text = "", ""
        if isinstance(screen, BaseScreen):
            places, (title, text) = screen.places(), screen.help_for()
        if every:
            title, text = "all keys", ""
            places = (*places, *(p for p in actions.PLACES if p not in places))
        self.push_screen(HelpDialog(title, text, keys_table(places, self.keys)))

    def action_screenshot(self, filename: str | None = None, path: str | None = None) -> None:
        where = self.save_screenshot(filename, path)
        self.notify(f"Saved as {where}", markup=False)

    def action_log(self) -> None:
        lines = [
            Content.assemble(
                (time.strftime("%H:%M:%S  ", time.localtime(t)), "$dim"),
                (level.ljust(9), "$bad" if level == "error" else "$dim"),
                text,
            )
            for t, level, text in self.reports
        ] or [Content.styled("Nothing was reported.", "$dim")]
        self.push_screen(TextDialog("Log", Content("\n").join(lines)))


def _screen(name: str, *given: Any) -> Screen[Any]:
    """A new screen of that name."""
    module, _, make = SCREENS[name].partition(".")
    made = getattr(import_module(f"hyperllama.tui.screens.{module}"), make)(*given)
    assert isinstance(made, Screen)
    return made


def run(
    environment: Mapping[str, str] = os.environ, *, study: str = "", table: str = "",
    task_file: str = "", theme: str = "",
) -> int:
    """Open the interface and return an exit status; where it cannot be drawn, say what to do."""
    term = environment.get("TERM", "")
    if term in ("dumb", "unknown") or not (sys.stdin.isatty() and sys.stdout.isatty()):
        shown = term if term in ("dumb", "unknown") else f"{term or 'none'}, not a terminal"
        sys.stderr.write(_NO_TERMINAL.format(term=plain(shown)))
        return 2
    widget = picture_widget(settings.read().pictures, environment)
    app = HyperLlama(
        study=study, table=table, task_file=task_file, theme=theme,
        colours=themes.colours(environment),
    )  # fmt: skip
    app.picture_widget = widget
    app.run()
    return app.return_code or 0
