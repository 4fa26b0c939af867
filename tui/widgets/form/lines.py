"""One line of a form: a label, a field, and beside it what the field is for, or what is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Input, Label, Static

from hyperllama.core.text import plain
from hyperllama.tui.text import wording
from hyperllama.tui.widgets.field import Field
from hyperllama.tui.widgets.form.choice import Choice


@dataclass(frozen=True)
class FormField:
    """A key of the task file, or (path "run.x") of how the study is started.

    Attributes:
        kind: "text", "integer", "number", "choice" or "choices".
        hint: shown beside it while nothing is wrong.
        empty: what an empty field means.
        section: heading above it, where one begins.
    """

    path: tuple[str, ...]
    label: str
    kind: str
    hint: str = ""
    empty: str = ""
    section: str = ""

    @property
    def key(self) -> str:
        return ".".join(self.path)

    @property
    def id(self) -> str:
        return "f-" + "-".join(self.path)

    def read(self, text: str) -> Any:
        """What was written, as the task file says it; None for nothing.

        Raises:
            ValueError: it is no number.
        """
        text = text.strip()
        if not text:
            return None
        if self.kind == "integer":
            try:
                return int(text.replace("_", ""))
            except ValueError:
                raise ValueError("a whole number is needed") from None
        if self.kind == "number":
            try:
                return float(text) if any(c in text for c in ".eE") else int(text)
            except ValueError:
                raise ValueError("a number is needed, like 0.5") from None
        return text


FIELDS = (
    FormField(("data", "target"), "target", "choice", "what is predicted", section="What"),
    FormField(("kind",), "kind", "choice", "class or number"),
    FormField(("metric",), "metric", "choice", "greater is better"),
    FormField(("estimators",), "estimators", "choices", "of several, the best is found"),
    FormField(("data", "weights"), "weights", "choice", "how much each row counts", "none"),
    FormField(("notes",), "notes", "text", "what the model should know"),
    FormField(("validation", "method"), "method", "choice", "how rows are split into folds",
              section="Validation"),
    FormField(("validation", "group"), "group", "choice", "equal values stay together", "none"),
    FormField(("validation", "time"), "time", "choice", "learn from the past", "none"),
    FormField(("validation", "folds"), "folds", "integer", "2 to 50", "5"),
    FormField(("validation", "repeats"), "repeats", "integer", "steadier scores, more time", "1"),
    FormField(("validation", "test_share"), "test share", "number", "rows kept for the end", "0.2"),
    FormField(("budget", "trials"), "trials", "integer", "configurations to try", "20",
              section="Budget"),
    FormField(("budget", "minutes"), "minutes", "number", "whichever is reached first", "no limit"),
    FormField(("limits", "trial_seconds"), "trial seconds", "number", "a longer trial is stopped",
              "300", section="Limits"),
    FormField(("limits", "trial_memory_mb"), "trial MB", "number", "memory of one trial",
              "no limit"),
    FormField(("limits", "threads"), "threads", "integer", "for training", "all but one"),
    FormField(("limits", "jobs"), "jobs", "integer", "trials side by side", "by the machine"),
    FormField(("run", "proposer"), "proposer", "choice", "who suggests the next trial", "default",
              section="This study"),
    FormField(("run", "model"), "model", "choice", "the language model", "default"),
    FormField(("seed",), "seed", "integer", "the same seed repeats a study", "0"),
    FormField(("run", "file"), "save as", "text", "the task file"),
)  # fmt: skip
BY_ID = {field.id: field for field in FIELDS}


class FormLine(Horizontal):
    """A `FormField` on the screen; its editor has the field's id."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "app.focus_previous", "previous field", show=False),
        Binding("down", "app.focus_next", "next field", show=False),
    ]

    def __init__(self, field: FormField) -> None:
        super().__init__(classes="form-line")
        self.field = field
        self._wrong = ""
        self._advice = ("", False)

    def compose(self) -> ComposeResult:
        field = self.field
        yield Label(field.label)
        if field.kind in ("choice", "choices"):
            many = field.kind == "choices"
            yield Choice(title=field.label, empty=field.empty, many=many, id=field.id)
        else:
            default = f"({field.empty})" if field.empty else ""  # no value, also without colours
            yield Field(id=field.id, placeholder=default, compact=True)
        yield Static(Content.styled(field.hint, "$dim"), classes="form-note")

    @property
    def choice(self) -> Choice:
        return self.query_one(Choice)

    def show(self, value: Any) -> None:
        """Show what the file says, unless the field has the focus."""
        if self.field.kind in ("choice", "choices"):
            values: Sequence[Any] = value if isinstance(value, (list, tuple)) else [value or ""]
            self.choice.show([str(v) for v in values])
            return
        editor = self.query_one(Input)
        text = "" if value is None else _exact(value)
        if not editor.has_focus and editor.value != text:
            with editor.prevent(Input.Changed):
                editor.value = text.replace("\n", " ")

    def advise(self, text: str, other: bool) -> None:
        """Say what the chosen value is, or (`other`) which one would be better, and why."""
        if self._wrong or (text, other) == self._advice:
            return
        self._advice = text, other
        self.query_one(".form-note", Static).update(
            Content.styled(plain(text) or self.field.hint, "$best" if other else "$dim")
        )

    def note(self, wrong: str, mark: str) -> None:
        """Say what is wrong beside the field; nothing: the hint again."""
        if wrong == self._wrong:
            return
        self._wrong, self._advice = wrong, ("", False)
        self.set_class(bool(wrong), "-wrong")
        text = plain(f"{mark} {wrong}") if wrong else self.field.hint
        self.query_one(".form-note", Static).update(
            Content.styled(text, "$bad" if wrong else "$dim")
        )


def _exact(value: Any) -> str:
    return repr(value) if isinstance(value, float) else wording.setting(value)
