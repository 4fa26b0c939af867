"""The task file as text to edit, comments, tables, keys told apart, wrong lines marked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.style import Style
from textual.widgets import TextArea
from textual.widgets.text_area import TextAreaTheme

from hyperllama.tui.widgets.form.task_file import parts


class TaskText(TextArea):
    """An editor for task files; it needs no TOML parser to tell the parts of a line apart."""

    NAME = "Task file"
    HELP = """\
The task file as it will be saved. What you write here and what you choose in the form are the \
same: each shows the other's changes. A line that is wrong is marked, and said below.
"""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, show_line_numbers=False, soft_wrap=False, tab_behavior="focus")
        self.cursor_blink = False
        self._wrong: set[int] = set()

    def on_mount(self) -> None:
        self._colour()
        self.app.theme_changed_signal.subscribe(self, lambda _: self._colour())

    def _colour(self) -> None:
        """Take the styles from the app's theme."""
        names = self.app.theme_variables

        def colour(name: str, **more: Any) -> Style:
            value = names.get(name, "")
            known = value if value.startswith("#") else None
            return Style(color=known, **more)

        self.register_theme(
            TextAreaTheme(
                name="hyperllama",
                syntax_styles={
                    "comment": colour("dim", italic=True),
                    "table": colour("primary", bold=True),
                    "key": colour("voice"),
                    "wrong": colour("bad", bold=True, underline=True),
                },
            )
        )
        self.theme = "hyperllama"

    def replace_text(self, text: str) -> None:
        """Another text, the cursor about where it was; without a `Changed` message."""
        if text == self.text:
            return
        row, column = self.cursor_location
        top = self.scroll_offset.y
        with self.prevent(TextArea.Changed):
            self.load_text(text)
        self.move_cursor((min(row, self.document.line_count - 1), column))
        self.scroll_to(y=top, animate=False)

    def mark(self, lines: Sequence[int]) -> None:
        """These lines, from 0, are wrong."""
        wrong = {n for n in lines if n >= 0}
        if wrong != self._wrong:
            self._wrong = wrong
            self._build_highlight_map()
            self.refresh()

    def _build_highlight_map(self) -> None:
        self._line_cache.clear()
        found: dict[int, list[Any]] = self._highlights
        found.clear()
        for number, line in enumerate(self.document.lines):
            # The editor counts UTF-8 bytes.
            found[number] = [
                (len(line[:start].encode()), len(line[:end].encode()), what)
                for start, end, what in parts(line)
            ]
            if number in getattr(self, "_wrong", ()):
                found[number].append((0, None, "wrong"))
