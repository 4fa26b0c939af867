"""The line above or below a list whose words filter it."""

from __future__ import annotations

from textual.widgets import Input

from hyperllama.tui.widgets.field import Field


class FilterLine(Field):
    """Shown while it has words; enter and escape return to the list of the selector `of`."""

    def __init__(self, of: str, about: str) -> None:
        super().__init__(id="filter", placeholder=about, compact=True)
        self._of = of

    def on_mount(self) -> None:
        super().on_mount()
        self.display = False

    def open(self) -> None:
        self.display = True
        self.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.display = bool(self.value.strip())
        self.screen.query_one(self._of).focus()

    def clear_words(self) -> bool:
        """Show everything again; False where the line was not shown."""
        shown = bool(self.display)
        if shown:
            self.value = ""
            self.display = False
            self.screen.query_one(self._of).focus()
        return shown
