"""Small questions on top of a screen: one choice, one line, one configuration, a text to read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Label, OptionList, Static
from textual.widgets.option_list import Option as ListOption

from hyperllama.core.text import plain
from hyperllama.tui import wording
from hyperllama.tui.actions import shown


class Field(Input):
    """A line to write in; its cursor stands still."""

    def on_mount(self) -> None:
        self.cursor_blink = False

    async def _on_key(self, event: events.Key) -> None:
        """Enter takes the line as it is now; left to the bindings, later keys would be in it."""
        if event.key == "enter":
            event.stop()
            event.prevent_default()
            await self.action_submit()
        else:
            await super()._on_key(event)


@dataclass(frozen=True)
class Option:
    """An answer: what is returned, its key, its words."""

    id: str
    key: str
    text: str


class Ask(ModalScreen[str]):
    """A question with a few answers, each with a key."""

    def __init__(self, title: str, text: str, options: Sequence[Option]) -> None:
        super().__init__()
        self._title, self._text, self._options = title, text, options

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = Content(self._title)
            yield Static(Content(self._text), classes="dialog--text")
            yield OptionList(
                *(
                    ListOption(
                        Content.assemble((shown(o.key).rjust(4), "bold $primary"), "  ", o.text)
                    )
                    for o in self._options
                )
            )

    def on_key(self, event: events.Key) -> None:
        for option in self._options:
            if event.key == option.key:
                event.stop()
                self.dismiss(option.id)

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._options[event.option_index].id)


class Line(ModalScreen["str | None"]):
    """One line of text; None when it was given up, or empty where that means nothing."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "give up")]

    def __init__(
        self,
        title: str,
        text: str,
        example: str = "",
        *,
        digits: bool = False,
        value: str = "",
        empty: bool = False,
    ) -> None:
        """`value`: what stands in it at first; `empty`: an empty line is an answer too."""
        super().__init__()
        self._title, self._text, self._example, self._digits = title, text, example, digits
        self._value, self._empty = value, empty

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = Content(self._title)
            box.border_subtitle = "[bold]↵[/] send   [bold]esc[/] give up"
            yield Static(Content(self._text), classes="dialog--text")
            kind = "integer" if self._digits else "text"
            yield Field(self._value, placeholder=self._example, type=kind)  # type: ignore[arg-type]

    @on(Input.Submitted)
    def _done(self, event: Input.Submitted) -> None:
        text = event.value.strip()
        self.dismiss(text if text or self._empty else None)


class Configure(ModalScreen["dict[str, Any] | None"]):
    """A configuration to be queued: one field a hyperparameter."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "give up"),
        Binding("ctrl+s,f10", "send", "queue"),
        Binding("up", "app.focus_previous", show=False),
        Binding("down", "app.focus_next", show=False),
    ]

    def __init__(
        self, space: Sequence[Mapping[str, Any]], config: Mapping[str, Any], start: str
    ) -> None:
        """`space`: name, text (domain in words), description, default of each hyperparameter."""
        super().__init__()
        self._space, self._config, self._start = space, config, start

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog -large") as box:
            box.border_title = "Add a trial"
            box.border_subtitle = "[bold]↵[/] queue   [bold]↑↓[/] fields   [bold]esc[/] give up"
            text = f"Starts from {self._start}. An empty field leaves a hyperparameter out."
            yield Static(Content(text), classes="dialog--text")
            with VerticalScroll(can_focus=False):
                for index, param in enumerate(self._space):
                    name = str(param.get("name"))
                    value = self._config.get(name)
                    with Vertical(classes="field"):
                        yield Label(
                            Content.assemble(
                                (plain(name), "bold"),
                                (f"  {plain(str(param.get('text', '')))}", "$dim"),
                            )
                        )
                        yield Field(
                            "" if value is None else _exact(value),
                            id=f"field-{index}",
                            tooltip=plain(str(param.get("description", ""))) or None,
                        )
                        yield Static(id=f"wrong-{index}", classes="wrong")

    @on(Input.Submitted)
    def action_send(self) -> None:
        config: dict[str, Any] = {}
        first_wrong: Input | None = None
        for index, param in enumerate(self._space):
            field = self.query_one(f"#field-{index}", Input)
            text = field.value.strip()
            said = wrong(text, param) if text else ""
            self.query_one(f"#wrong-{index}", Static).update(Content.styled(said, "$bad"))
            if said:
                first_wrong = first_wrong or field
            elif text:
                config[str(param.get("name"))] = typed(text, param.get("default"))
        if first_wrong is not None:
            first_wrong.focus()
        else:
            self.dismiss(config)


def wrong(text: str, param: Mapping[str, Any]) -> str:
    """What is wrong with a value that was written, if that can be told; the study checks again."""
    value = typed(text, param.get("default"))
    choices = param.get("choices")
    if choices is not None:
        known = ", ".join(wording.setting(choice) for choice in choices)
        return "" if value in choices else f"one of {known}"
    low, high = param.get("low"), param.get("high")
    if low is None or high is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return "a number is needed"
    if param.get("type") == "integer" and value != int(value):
        return "a whole number is needed"
    if not low <= value <= high:
        return f"between {wording.setting(low)} and {wording.setting(high)}"
    return ""


def typed(text: str, default: Any) -> Any:
    """What a person wrote, as a number, truth value or text; the study checks it."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if text.lower() in ("none", "null"):
        return None
    if isinstance(default, str):
        return text
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return text


def _exact(value: Any) -> str:
    return repr(value) if isinstance(value, float) else wording.setting(value)


class Read(ModalScreen[None]):
    """A text to read and scroll."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "dismiss(None)", "close"),
        Binding("j", "scroll('down')", show=False),
        Binding("k", "scroll('up')", show=False),
    ]

    def __init__(self, title: str, content: Content) -> None:
        super().__init__()
        self._title, self._content = title, content

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog -large") as box:
            box.border_title = Content(self._title)
            box.border_subtitle = "[bold]esc[/] closes"
            yield Static(self._content, classes="read")

    def on_mount(self) -> None:
        self.query_one(VerticalScroll).focus()

    def action_scroll(self, way: str) -> None:
        box = self.query_one(VerticalScroll)
        (box.action_scroll_down if way == "down" else box.action_scroll_up)()
