"""Dragging the border between two panes of the study screen with the mouse."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from textual import events

from hyperllama.tui.content import layout
from hyperllama.tui.screens.study.panes import StudyPanes


class PaneDragging(StudyPanes):
    """The part of the study screen that follows the mouse."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._dragged = ""  # the share that follows the mouse

    def on_mouse_down(self, event: events.MouseDown) -> None:
        self._dragged = self._border_at(event.screen_x, event.screen_y)
        if self._dragged:
            event.stop()
            self.capture_mouse()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        if not self._dragged:
            return
        share = self._share_at(self._dragged, event.screen_x, event.screen_y)
        changes: dict[str, Any] = {self._dragged: layout.share(share)}
        self.layout_kept = replace(self.layout_kept, **changes)
        self.lay_out()

    def on_mouse_up(self, event: events.MouseUp) -> None:
        if self._dragged:
            self._dragged = ""
            self.capture_mouse(False)
            layout.keep(self.layout_kept)

    def _border_at(self, x: int, y: int) -> str:
        """The share of the layout that a border stands for: the two lines where panes meet."""
        if self.has_class("-one") or self.layout_kept.text:
            return ""
        left, right = self.pane("left").region, self.pane("right").region
        if self.has_class("-wide") and x in (left.right - 1, right.x) and y >= left.y:
            return "left"
        history, progress = self.pane("history").region, self.pane("progress").region
        in_left = history.x <= x < history.right
        if in_left and y in (history.bottom - 1, history.bottom):
            return "upper"
        if self.has_class("-wide") and not in_left and y in (progress.bottom - 1, progress.bottom):
            return "plot"
        return ""

    def _share_at(self, share: str, x: int, y: int) -> int:
        """Per cent that puts the border where the mouse is."""
        panes = self.pane("panes").region
        if share == "left":
            return round(100 * (x + 1 - panes.x) / panes.width)
        lines = panes.height
        if share == "plot" and self.pane("context").display:
            lines -= self.pane("context").region.height
        return round(100 * (y + 1 - panes.y) / max(1, lines))
