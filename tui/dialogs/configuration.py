"""A configuration of the user's own: one field a hyperparameter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Label, Static

from hyperllama.core.text import plain
from hyperllama.tui.text import bounds
from hyperllama.tui.widgets.field import Field


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
                for index, param in enumerate(self._space):
                    yield from self._field(index, param)

    def _field(self, index: int, param: bounds.Param) -> ComposeResult:
        name = str(param.get("name"))
        domain = f"  {plain(str(param.get('text', '')))}"
        value = self._config.get(name)
        with Vertical(classes="field"):
            yield Label(Content.assemble((plain(name), "bold"), (domain, "$dim")))
            yield Field(
                "" if value is None else bounds.exact(value),
                id=f"field-{index}",
                tooltip=plain(str(param.get("description", ""))) or None,
            )
            yield Static(id=f"wrong-{index}", classes="wrong")

    @on(Input.Submitted)
    def action_send(self) -> None:
        config: dict[str, Any] = {}
        wrong: list[Input] = []
        for index, param in enumerate(self._space):
            field = self.query_one(f"#field-{index}", Input)
            text = field.value.strip()
            value = bounds.typed(text, param.get("default"))
            problem = bounds.problem(value, param) if text else ""
            self.query_one(f"#wrong-{index}", Static).update(Content.styled(problem, "$bad"))
            if problem:
                wrong.append(field)
            elif text:
                config[str(param.get("name"))] = value
        if wrong:
            wrong[0].focus()
        else:
            self.dismiss(config)
