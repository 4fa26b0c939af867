"""The task preview: the task file as it is, and what may be chosen before a study of it starts."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Input, Label, Static

from hyperllama.core.text import plain
from hyperllama.tui import actions
from hyperllama.tui.content.library import TaskEntry
from hyperllama.tui.processes.bridge import Choices
from hyperllama.tui.screens.base import BaseScreen
from hyperllama.tui.widgets.field import Field
from hyperllama.tui.widgets.form.task_file import file_lines

_FIELDS = (
    ("model", "model", "as in the task; a name or a path to a GGUF file"),
    ("proposer", "proposer", "as in the task; hybrid, llama, gp, tpe, cmaes, random"),
    ("budget", "trials", "as in the task"),
    ("seed", "seed", "as in the task"),
)


class Preview(BaseScreen[None]):
    """A task file to read, with four fields; empty fields leave it to the file."""

    WHERE = "preview"
    BINDINGS: ClassVar[list[BindingType]] = [
        *actions.bindings("preview"),
        Binding("up", "app.focus_previous", show=False),
        Binding("down", "app.focus_next", show=False),
    ]
    NAME = "Task"
    HELP = """\
The task file as it is on the disk. The fields below it override the file for this one study; \
an empty field leaves the file as it is. `↵` in a field starts the study.
"""

    def __init__(self, entry: TaskEntry) -> None:
        super().__init__()
        self.entry = entry

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="task-file") as box:
            box.border_title = Content(plain(str(self.entry.path)))
            yield Static(_toml(self.entry))
        with Vertical(id="choices") as choices:
            choices.border_title = "This study"
            for name, label, hint in _FIELDS:
                with Horizontal(classes="choice"):
                    yield Label(label)
                    kind = "integer" if name in ("budget", "seed") else "text"
                    yield Field(id=f"choose-{name}", placeholder=hint, type=kind, compact=True)  # type: ignore[arg-type]
        yield self.key_bar()

    def on_mount(self) -> None:
        self.query_one("#choose-model", Input).focus()

    @on(Input.Submitted)
    def action_run(self) -> None:
        values = {
            name: self.query_one(f"#choose-{name}", Input).value.strip() for name, _, _ in _FIELDS
        }
        self.interface.begin_study(self.entry.path, Choices(**values))

    def action_back(self) -> None:
        self.dismiss()


def _toml(entry: TaskEntry) -> Content:
    """The file's text with comments and keys told apart."""
    try:
        text = entry.path.read_text("utf8")
    except (OSError, UnicodeDecodeError) as error:
        return Content.styled(f"The file cannot be read: {error}", "$bad")
    return Content("\n").join(file_lines(text))
