"""The command palette: every action of the registry that applies now, and the themes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, cast

from textual.app import App
from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget

from hyperllama.tui import actions
from hyperllama.tui.app.look import LookApp
from hyperllama.tui.preferences import themes
from hyperllama.tui.screens.base import BaseScreen


class ActionCommands(Provider):
    """The command palette: every action of the registry that applies, and the themes."""

    def _commands(self) -> Iterable[tuple[str, str, Callable[[], Any]]]:
        app, screen = cast("LookApp", self.app), self.screen
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
                yield title, actions.PLACES[place], partial(_perform, action, screen)
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


async def _perform(action: actions.Action, screen: Screen[Any]) -> None:
    """Run an action of the registry."""
    target: App[Any] | Widget = screen if action.where != "app" else screen.app
    if action.where not in ("app", getattr(screen, "WHERE", "")):
        target = screen.focused or screen
    await screen.app.run_action(action.action, target)
