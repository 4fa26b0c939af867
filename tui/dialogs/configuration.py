"""A configuration of the user's own: one line with a field a hyperparameter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from rich.cells import cell_len
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Label, Static

from hyperllama.core.text import plain
from hyperllama.tui.text import bounds, names
from hyperllama.tui.widgets.field import Field

_NAME_CELLS = 27


class ConfigurationDialog(ModalScreen["dict[str, Any] | None"]):
    """Returns a configuration, without the hyperparameters whose field is empty."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "cancel"),
        Binding("ctrl+s,f10", "send", "send"),
        Binding("up", "app.focus_previous", show=False),
        Binding("down", "app.focus_next", show=False),
    ]

    def __init__(
        self, space: Sequence[bounds.Param], config: Mapping[str, Any], start: str, send: str
    ) -> None:
        """`start`: where the values of `config` come from; `send`: the word for what enter does."""
        super().__init__()
        self._send = send
        self._space, self._config, self._start = space, config, start

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog -large") as box:
            box.border_title = "Configuration"
            keys = "[bold]↑↓[/] fields · [bold]esc[/] cancel · [bold]↵[/]"
            box.border_subtitle = f"{keys} {self._send}"
            text = f"Starts from {self._start}. An empty field leaves a hyperparameter out."
            yield Static(Content(text), classes="dialog--text")
            with VerticalScroll(can_focus=False):
                labels = names.fitted((str(p.get("name")) for p in self._space), _NAME_CELLS)
                cells = max(map(cell_len, labels.values()), default=0)
                lines = zip(labels.values(), self._space, strict=True)
                for index, (label, param) in enumerate(lines):
                    yield from self._field(index, label.ljust(cells), param)

    def _field(self, index: int, label: str, param: bounds.Param) -> ComposeResult:
        value = self._config.get(str(param.get("name")))
        with Horizontal(classes="field"):
            yield Label(Content(label), classes="-own-width")
            yield Field(
                "" if value is None else bounds.exact(value),
                id=f"field-{index}",
                tooltip=plain(str(param.get("description", ""))) or None,
            )
            yield Static(self._about(param), id=f"about-{index}", classes="about")

    @staticmethod
    def _about(param: bounds.Param, problem: str = "") -> Content:
        """What may be written, or what is wrong with what was."""
        text = plain(problem or str(param.get("text", "")))
        return Content.styled(text, "$bad" if problem else "$dim")

    @on(Input.Submitted)
    def action_send(self) -> None:
        config: dict[str, Any] = {}
        wrong: list[Input] = []
        for index, param in enumerate(self._space):
            field = self.query_one(f"#field-{index}", Input)
            text = field.value.strip()
            value = bounds.typed(text, param.get("default"))
            problem = bounds.problem(value, param) if text else ""
            self.query_one(f"#about-{index}", Static).update(self._about(param, problem))
            if problem:
                wrong.append(field)
            elif text:
                config[str(param.get("name"))] = value
        if wrong:
            wrong[0].focus()
        else:
            self.dismiss(config)
