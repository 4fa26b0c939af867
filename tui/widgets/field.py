"""A line to write in."""

from __future__ import annotations

from textual import events
from textual.widgets import Input


class Field(Input):
    """An input whose cursor does not blink."""

    def on_mount(self) -> None:
        self.cursor_blink = False

    async def _on_key(self, event: events.Key) -> None:
        """Submit at once on enter: through the bindings, keys typed after it would get in."""
        if event.key == "enter":
            event.stop()
            event.prevent_default()
            await self.action_submit()
        else:
            await super()._on_key(event)
