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
_LOST_S = 0.25  # after which a key that no widget took and none passed on counts as done


class KeysApp(App[None]):
    """Delivers keys in the order they were typed, whatever opens meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self._opening: Screen[Any] | None = None  # a dialog that cannot take keys yet
        self._held: list[events.Key] = []
        self._typed_on: dict[int, Screen[Any]] = {}
        self._last: events.Key | None = None  # the key that was given to a widget last
        self._done: events.Key | None = None  # the last one that is known to have been obeyed
        self._waiting: list[events.Key] = []  # keys that follow one that is not done yet
        self._sending = False  # the waiting keys, one after the other

    async def on_event(self, event: events.Event) -> None:
        """Hold keys back while a dialog is opening, and while an earlier key is not done."""
        if not isinstance(event, events.Key) or not self.screen_stack:
            await super().on_event(event)
        elif event.is_forwarded:
            await super().on_event(event)
            self._done = event
        elif self._in_turn(event):
            self._last = event
            if self._opening is not self.screen:
                self._opening, self._held = None, []
            if self._opening is not None:
                self._held.append(event)
            else:
                if len(self._typed_on) > _KEPT:
                    self._typed_on.clear()
                self._typed_on[id(event)] = self.screen
                await super().on_event(event)
            if not event.is_forwarded:
                self._done = event

    def _in_turn(self, event: events.Key) -> bool:
        """Whether nothing is before a key; otherwise it comes again when the others are done.

        A key that writes goes straight to the field with the focus; one that moves the focus or
        deletes takes longer, and would come after what was typed after it.
        """
        if self._waiting and event is self._waiting[0]:
            del self._waiting[0]
            return True
        if not self._waiting and self._is_done(self._last):
            return True
        self._waiting.append(event)
        if not self._sending:
            self._sending = True
            self.run_worker(self._send_waiting(), group="keys")
        return False

    def _is_done(self, event: events.Key | None) -> bool:
        return event is None or event is self._done or event._stop_propagation

    async def _send_waiting(self) -> None:
        """Send the waiting keys again, each when the one before it is done."""
        loop = asyncio.get_running_loop()
        while self._waiting:
            first, last = self._waiting[0], self._last
            deadline = loop.time() + _LOST_S
            while not self._is_done(last) and loop.time() < deadline:
                await asyncio.sleep(0)
            self.post_message(first)
            while self._waiting and self._waiting[0] is first:
                await asyncio.sleep(0)
        self._sending = False

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
