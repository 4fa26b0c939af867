"""A picture that fills the screen."""

from __future__ import annotations

import io
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen


class PictureDialog(ModalScreen[None]):
    """Shows a PNG picture in a widget of textual-image, made by `widget`."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,enter,V", "dismiss(None)", "close")]

    def __init__(self, png: bytes, widget: Any) -> None:
        super().__init__()
        self._png, self._widget = png, widget

    def compose(self) -> ComposeResult:
        yield self._widget(io.BytesIO(self._png), id="picture")
