"""A configuration of the user's own: one line with a field a hyperparameter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from rich.cells import cell_len
from textual import events, on
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
_OWN = 10  # lines of the dialog without the fields: frame, what it starts from, what a field takes


class ConfigurationDialog(ModalScreen["dict[str, Any] | None"]):
    """Returns a configuration, without the hyperparameters whose field is empty."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "cancel"),
        Binding("ctrl+s,f10", "send", "send"),
        # before the scrolling of what is around the fields
        Binding("up", "app.focus_previous", show=False, priority=True),
        Binding("down", "app.focus_next", show=False, priority=True),
    ]

    def __init__(
        self, space: Sequence[bounds.Param], config: Mapping[str, Any], start: str, send: str
    ) -> None:
        """`start`: where the values of `config` come from; `send`: the word for what enter does."""
        super().__init__()
        self._send = send
        self._space, self._config, self._start = space, config, start
        self._wrong: dict[int, str] = {}  # by the number of the field: what was wrong when sent

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
            yield Static(id="field-told")

    def on_resize(self) -> None:
        """Keep the fields within what the dialog's own lines leave of the screen."""
        self.query_one(VerticalScroll).styles.max_height = max(3, self.size.height * 9 // 10 - _OWN)

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

    @on(events.DescendantFocus)
    def _tell(self) -> None:
        """Say in full what may be written into the field with the focus, or what is wrong there."""
        field = self.focused
        if isinstance(field, Field) and field.id is not None:
            index = int(field.id.removeprefix("field-"))
            about = plain(str(self._space[index].get("description") or ""))
            told = self._about(self._space[index], self._wrong.get(index, ""))
            text = Content.assemble(told, (f"  {about}" if about else "", "$dim"))
            self.query_one("#field-told", Static).update(text)

    @staticmethod
    def _about(param: bounds.Param, problem: str = "") -> Content:
        """What may be written, or what is wrong with what was."""
        text = plain(problem or str(param.get("text", "")))
        return Content.styled(text, "$bad" if problem else "$dim")

    @on(Input.Submitted)
    def action_send(self) -> None:
        config: dict[str, Any] = {}
        self._wrong = {}
        for index, param in enumerate(self._space):
            field = self.query_one(f"#field-{index}", Input)
            text = field.value.strip()
            value = bounds.typed(text, param.get("default"))
            problem = bounds.problem(value, param) if text else ""
            self.query_one(f"#about-{index}", Static).update(self._about(param, problem))
            if problem:
                self._wrong[index] = problem
            elif text:
                config[str(param.get("name"))] = value
        if self._wrong:
            self.query_one(f"#field-{next(iter(self._wrong))}", Input).focus()
            self._tell()
        else:
            self.dismiss(config)
