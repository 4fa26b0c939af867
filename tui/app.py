"""The interface: screens over studies that run elsewhere. Starts fast, loads nothing heavy."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual import work
from textual.app import App
from textual.binding import BindingType
from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.filter import LineFilter, Monochrome, NoColor
from textual.screen import Screen
from textual.widget import Widget

from hyperllama.core.errors import HyperLlamaError, StudyError
from hyperllama.core.storage import trash
from hyperllama.core.storage.paths import home
from hyperllama.core.text import plain
from hyperllama.tui import actions, glyphs, keymap, old_settings, settings, themes
from hyperllama.tui.screens.base import BaseScreen
from hyperllama.tui.screens.home import Home

if TYPE_CHECKING:
    from hyperllama.tui import bridge

_NO_COLOR = NoColor()
_REPORTS_KEPT = 500
_UNTIL_DISMISSED_S = 86_400.0

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


def _screen(name: str, *given: Any) -> Screen[Any]:
    """A new screen of that name."""
    module, _, make = SCREENS[name].partition(".")
    made = getattr(import_module(f"hyperllama.tui.screens.{module}"), make)(*given)
    assert isinstance(made, Screen)
    return made


class ActionCommands(Provider):
    """The command palette: every action of the registry that applies, and the themes."""

    def _commands(self) -> Iterable[tuple[str, str, Callable[[], Any]]]:
        app, screen = self.app, self.screen
        assert isinstance(app, HyperLlama)
        places = screen.places() if isinstance(screen, BaseScreen) else ("app",)
        for place in places:
            for action in actions.of(place):
                if action.id == "app.palette":
                    continue
                if isinstance(screen, BaseScreen) and place == screen.WHERE:
                    label = screen.label_of(action)
                    if not label:
                        continue
                bare = not app.glyphs.braille
                keys = "  ".join(actions.shown(k, bare) for k in actions.keys_of(action, app.keys))
                title = f"{action.help}   {keys}"
                yield title, actions.PLACES[place], partial(app.perform, action, screen)
        for theme in themes.THEMES:
            yield f"Theme: {theme.name}", "Everywhere", partial(app.use_theme, theme.name)

    async def discover(self) -> Hits:
        for title, about, run in self._commands():
            yield DiscoveryHit(_line(Content(title), about), run, title)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for title, about, run in self._commands():
            score = matcher.match(title)
            if score > 0:
                yield Hit(score, _line(matcher.highlight(title), about), run, title)


def _line(title: Content, place: str) -> Content:
    """A command in one line: what it does, its keys, and where it belongs."""
    keys = title.plain.rfind("   ")
    if keys >= 0:
        title = title.stylize("$primary", keys)
    return Content.assemble(title, (f"   {place}", "$dim"))


class HyperLlama(App[None]):
    """Home, and a screen for each study that is opened."""

    TITLE = "HyperLlama"
    CSS_PATH = "hyperllama.tcss"
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {ActionCommands}
    COMMAND_PALETTE_BINDING = "ctrl+p"
    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings("app")]
    NOTIFICATION_TIMEOUT = 5
    ENABLE_SELECT_AUTO_SCROLL = False

    def __init__(
        self,
        *,
        theme: str = "",
        study: str = "",
        clock: Callable[[], float] = time.time,
        colours: str = "truecolor",
    ) -> None:
        """`study`: open that study at once; `theme`: one of ours, else HYPERLLAMA_THEME.

        `colours`: what the terminal can show, see `themes.colours`.
        """
        self.glyphs = glyphs.choose()
        super().__init__()
        self.clock = clock
        self.links: dict[str, bridge.StudyLink] = {}
        self.last_study = ""  # the one looked at last
        self._leaving = False
        self.reports: list[tuple[float, str, str]] = []
        self._first_study = study
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

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Our names for colours, so that the style sheet parses under any theme."""
        return dict(themes.DARK.variables)

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Where the terminal has no Unicode, none of it leaves here."""
        filters = list(super().get_line_filters())
        if self.native_ansi_color:  # the terminal's own colours have no shades of grey
            filters = [_NO_COLOR if isinstance(f, Monochrome) else f for f in filters]
        return [*filters, glyphs.PlainText()] if self.glyphs is glyphs.ASCII else filters

    def get_default_screen(self) -> Screen[None]:
        return Home(self.clock)

    def on_mount(self) -> None:
        for problem in self._problems:
            self.report("warning", problem)
        if self._first_study:
            self.open_study(self._first_study)
        self.call_after_refresh(self._empty_trash)
        self.call_after_refresh(self.keep_for_good)

    def keep_for_good(self) -> None:
        """Take what is there out of the garbage collector's sight: a pass over it is a stall.

        Measured with 5,000 trials: 240 ms. Tests, which open many apps in a process, go without.
        """
        if not self.is_headless:
            gc.freeze()

    @work(group="trash")
    async def _empty_trash(self) -> None:
        """Let a process of its own remove what has lain in the trash for a week."""
        if not trash.overdue(self.clock()):
            return
        from hyperllama.models.process import python_argv
        from hyperllama.tui import bridge

        with contextlib.suppress(OSError):  # it is tried again at the next start
            argv = python_argv("hyperllama.core.storage.trash")
            self._sweeper = bridge.Started(argv, bridge.NOWHERE)

    # Studies

    async def start_study(self, task: Path, choices: bridge.Choices) -> bridge.StudyLink | None:
        """Start a new study; None, and reported, where that failed."""
        from hyperllama.tui import bridge

        try:
            return self.adopt(await bridge.start(task, choices))
        except StudyError as error:
            self.report_error(error)
            return None

    async def resume_study(self, name: str) -> bridge.StudyLink | None:
        """Go on with a study, once however often that is asked; None, and reported: it failed."""
        from hyperllama.tui import bridge

        link = self.links.get(name)
        if link is not None and link.alive:
            return link
        try:
            return self.adopt(await bridge.resume(name))
        except StudyError as error:
            self.report_error(error)
            return None

    def adopt(self, link: bridge.StudyLink) -> bridge.StudyLink:
        """Remember a study that was started from here: leaving asks what becomes of it."""
        self.links[link.name] = link
        return link

    def open_study(self, name: str) -> None:
        """Show a study that is on the disk."""
        from hyperllama.tui import bridge

        self.show_study(self.links.get(name) or bridge.FolderLink(name))

    def show_study(self, link: bridge.StudyLink) -> None:
        self.last_study = link.name
        self.open_screen("study", link, self.clock)

    def open_screen(self, name: str, *given: Any) -> None:
        """Show the screen of that name, made with the arguments `given`."""
        self.push_screen(_screen(name, *given))

    async def ask_screen(self, name: str, *given: Any) -> Any:
        """Show the screen of that name and return what it is dismissed with."""
        return await self.push_screen_wait(_screen(name, *given))

    def go_home(self) -> None:
        while len(self.screen_stack) > 1:
            self.pop_screen()

    # What studies leave behind: written on while another screen is looked at

    @work(group="export")
    async def write_report(self, name: str) -> None:
        from hyperllama.tui import bridge

        self.notify("Writing the report", timeout=3)
        try:
            page = await bridge.report(name)
        except StudyError as error:
            self.report("error", error.message)
        else:
            self.report("info", f"The report is {page}")

    @work(group="export")
    async def write_winner(self, name: str) -> None:
        """The last fit, on all rows, takes about as long as a trial."""
        from hyperllama.tui import bridge

        self.notify("Writing the winner: configuration, script, fitted pipeline", timeout=4)
        try:
            folder, files = await bridge.export(name)
        except StudyError as error:
            self.report("error", error.message)
        else:
            names = ", ".join(file.name for file in files)
            self.report("info", f"The winner is in {folder}\n{names}")

    # What was reported

    def report(self, level: str, text: str) -> None:
        """Show something that the person should read, and keep it for the log. Errors stay."""
        text = plain(text).strip()
        self.reports.append((self.clock(), level, text))
        del self.reports[:-_REPORTS_KEPT]
        self._write_log(level, text)
        severity = {"warning": "warning", "error": "error"}.get(level, "information")
        lasting = level == "error"
        key = actions.shown(actions.keys_of(actions.BY_ID["app.dismiss"], self.keys)[0])
        self.notify(
            text,
            title=f"{key} closes, F12 keeps it" if lasting else "",
            severity=severity,  # type: ignore[arg-type]
            timeout=_UNTIL_DISMISSED_S if lasting else 6,
            markup=False,
        )

    def report_error(self, error: HyperLlamaError) -> None:
        """Report what happened and what to do about it."""
        self.report("error", f"{error.message}\n{error.hint}")

    def _write_log(self, level: str, text: str) -> None:
        """Also for after the interface was left; a full disk shall not end it."""
        file = home() / "logs" / "interface.log"
        with contextlib.suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("a", encoding="utf8") as log:
                log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {level}: {text}\n")

    # Actions

    async def perform(self, action: actions.Action, screen: Screen[Any]) -> None:
        """Run an action of the registry from the command palette."""
        target: App[Any] | Widget = screen if action.where != "app" else self
        if action.where not in ("app", getattr(screen, "WHERE", "")):
            target = screen.focused or screen
        await self.run_action(action.action, target)

    def read_keys(self) -> list[str]:
        """Take the keys from the settings file; returns what is wrong with them."""
        self.keys, problems = keymap.usable(settings.read().keys)
        self.set_keymap(self.keys)
        return problems

    def set_up(self, **changes: Any) -> None:
        """Change settings of the look, and keep them."""
        self.settings = replace(self.settings, **changes)
        try:
            settings.write({(name,): value for name, value in changes.items()})
        except StudyError as error:
            self.report_error(error)
        self.animation_level = "full" if self.settings.animations else "none"

    def use_theme(self, name: str) -> None:
        """Show everything in this theme, from now on also at the next start."""
        self.theme = name
        self.set_up(theme=name)

    def action_settings(self) -> None:
        if getattr(self.screen, "WHERE", "") != "settings":
            self.open_screen("settings")

    def action_dismiss(self) -> None:
        self.clear_notifications()

    def action_theme(self) -> None:
        names = settings.THEMES
        self.use_theme(names[(names.index(self.theme) + 1) % len(names)])
        self.notify(f"Theme: {self.theme}", timeout=2)

    def action_palette(self) -> None:
        self.action_command_palette()

    def action_help(self) -> None:
        """About the focused pane, with the keys that apply."""
        from hyperllama.tui.dialogs.help import HelpDialog, keys_table

        screen = self.screen
        if isinstance(screen, HelpDialog):
            return
        title, text = screen.help_for() if isinstance(screen, BaseScreen) else ("", "")
        places = screen.places() if isinstance(screen, BaseScreen) else ("app",)
        self.push_screen(HelpDialog(title, text, keys_table(places, self.keys)))

    def action_keys(self) -> None:
        """Every key, those that apply first."""
        from hyperllama.tui.dialogs.help import HelpDialog, keys_table

        screen = self.screen
        if isinstance(screen, HelpDialog):
            return
        places = screen.places() if isinstance(screen, BaseScreen) else ("app",)
        rest = (p for p in actions.PLACES if p not in places)
        self.push_screen(HelpDialog("all keys", "", keys_table((*places, *rest), self.keys)))

    def action_screenshot(self, filename: str | None = None, path: str | None = None) -> None:
        where = self.save_screenshot(filename, path)
        self.notify(f"Saved as {where}", markup=False)

    def action_log(self) -> None:
        from hyperllama.tui.dialogs import TextDialog

        lines = [
            Content.assemble(
                (time.strftime("%H:%M:%S  ", time.localtime(t)), "$dim"),
                (level.ljust(9), "$bad" if level == "error" else "$dim"),
                text,
            )
            for t, level, text in self.reports
        ]
        nothing = Content.styled("Nothing was reported.", "$dim")
        self.push_screen(TextDialog("Log", Content("\n").join(lines) if lines else nothing))

    @work
    async def leave(self) -> None:
        """Ask what becomes of studies that run, and end once they were told; at once if twice."""
        if self._leaving:
            self.exit()
        elif await self._may_leave():
            self._leaving = True
            if any(link.starting for link in self.links.values()):
                self.notify("What was asked of the study waits for it to begin", timeout=60)
            for link in self.links.values():
                await link.delivered()
            writing = [worker for worker in self.workers if worker.group == "export"]
            if writing:
                self.notify("The files are being written; q again leaves at once", timeout=60)
                await self.workers.wait_for_complete(writing)
            self.exit()

    async def _may_leave(self) -> bool:
        from hyperllama.tui.dialogs import AnswerDialog

        answer = await self.screen.ask_to_leave() if isinstance(self.screen, BaseScreen) else None
        if answer is not None:
            return bool(answer)
        running = [link for link in self.links.values() if link.alive]
        if running:
            one = len(running) == 1
            title = "A study is running" if one else f"{len(running)} studies are running"
            it = "it" if one else "them"
            choice = await self.push_screen_wait(
                AnswerDialog(
                    title,
                    ", ".join(plain(link.name) for link in running),
                    (
                        ("leave", "l", f"Leave {it} running"),
                        ("stop", "s", f"Stop {it} after the trial under way"),
                        ("", "escape", "Stay"),
                    ),
                )
            )
            if not choice:
                return False
            if choice == "stop":
                from hyperllama.core.events.requests import Stop

                for link in running:
                    try:
                        link.send(Stop())
                    except StudyError as error:
                        self.report_error(error)
                        return False
        return True

    async def action_quit(self) -> None:
        self.leave()


_DUMB = """\
This terminal (TERM={term}) cannot show the interface. Two ways on:
  - use another terminal, or set TERM to what it really is (TERM=xterm-256color hyperllama)
  - use the commands: `hyperllama run TASK`, `hyperllama studies`, `hyperllama show STUDY`
"""


def run(environment: Mapping[str, str] = os.environ, *, study: str = "", theme: str = "") -> int:
    """Open the interface and return an exit status; where it cannot be drawn, say what to do."""
    term = environment.get("TERM", "")
    if term in ("dumb", "unknown") or not (sys.stdin.isatty() and sys.stdout.isatty()):
        shown = term if term in ("dumb", "unknown") else f"{term or 'none'}, not a terminal"
        sys.stderr.write(_DUMB.format(term=plain(shown)))
        return 2
    app = HyperLlama(study=study, theme=theme, colours=themes.colours(environment))
    app.run()
    return app.return_code or 0
