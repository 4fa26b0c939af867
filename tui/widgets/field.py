"""A line to write in."""

from __future__ import annotations

from textual import events
from textual.widgets import Input

_EDITING = {key: b.action for b in Input.BINDINGS for key in b.key.split(",")}  # type: ignore[union-attr]
"""What the keys of an input do that write nothing: delete, move, submit."""


class Field(Input):
    """An input whose cursor does not blink."""

    def on_mount(self) -> None:
        self.cursor_blink = False

    async def _on_key(self, event: events.Key) -> None:
        """Obey editing keys at once: through the bindings, keys typed after them would overtake."""
        bound = self._bindings.key_to_bindings.get(event.key, ())
        if any(b.action == _EDITING.get(event.key) for b in bound):
            await self.run_action(_EDITING[event.key])
            event.stop()
            event.prevent_default()
        else:
            await super()._on_key(event)
