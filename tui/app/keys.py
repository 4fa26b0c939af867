"""Keys: early ones reach the dialog that is opening, and one that does nothing says why."""

from __future__ import annotations

import asyncio
from typing import Any

from textual import events
from textual.app import App
from textual.screen import ModalScreen, Screen

from hyperllama.tui.screens.base import BaseScreen

_TURNS = 8  # of the event loop in which an action may open its dialog before the next key is read
_KEPT = 200  # keys of which it is known on which screen they were typed


class KeysApp(App[None]):
    """Delivers keys in the order they were typed, whatever opens meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self._opening: Screen[Any] | None = None  # a dialog that cannot take keys yet
        self._held: list[events.Key] = []
        self._typed_on: dict[int, Screen[Any]] = {}

    async def on_event(self, event: events.Event) -> None:
        """Hold keys back while a dialog is opening."""
        if isinstance(event, events.Key) and not event.is_forwarded and self.screen_stack:
            if self._opening is not self.screen:
                self._opening, self._held = None, []
            if self._opening is not None:
                self._held.append(event)
                return
            if len(self._typed_on) > _KEPT:
                self._typed_on.clear()
            self._typed_on[id(event)] = self.screen
        await super().on_event(event)

    def on_key(self, event: events.Key) -> None:
        """A key that no widget took: it belongs to the dialog that was opened since."""
        typed_on = self._typed_on.pop(id(event), None)
        if typed_on is None or not self.screen_stack:
            return
        if self.screen is not typed_on and isinstance(self.screen, ModalScreen):
            event.stop()
            event.prevent_default()
            if self._opening is self.screen:
                self._held.append(event)
            else:
                self.post_message(events.Key(event.key, event.character))

    def push_screen(self, screen: Any, *given: Any, **named: Any) -> Any:
        """Show a screen; the messages of the screen below end with it, a dialog keeps them."""
        if isinstance(screen, BaseScreen):
            self.clear_notifications()
        shown = super().push_screen(screen, *given, **named)
        if isinstance(screen, ModalScreen):
            self._opening = screen
            screen.call_after_refresh(self.call_later, self._deliver, screen)
        return shown

    def pop_screen(self) -> Any:
        """Return to the screen below; the messages of the one that is left end."""
        if isinstance(self.screen, BaseScreen):
            self.clear_notifications()
        return super().pop_screen()

    async def _deliver(self, screen: Screen[Any]) -> None:
        """Give a dialog the keys that were typed while it opened."""
        if self._opening is not screen:
            return
        held, self._opening, self._held = self._held, None, []
        for event in held:
            await super().on_event(events.Key(event.key, event.character))

    async def run_action(self, action: Any, default_namespace: Any = None, *given: Any) -> bool:
        """Run an action; where it does not apply now, say why."""
        if isinstance(action, str) and isinstance(default_namespace, BaseScreen):
            why = default_namespace.why_not(action)
            if why:
                self.notify(why, timeout=4, markup=False)
                return True
        before = self.screen
        ran = await super().run_action(action, default_namespace, *given)
        for _ in range(_TURNS if ran else 0):
            if self.screen is not before:
                break
            await asyncio.sleep(0)
        return ran
