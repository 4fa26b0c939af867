"""New rows through the winner of a study: which file, where to, how far, what is odd about them."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.suggester import Suggester
from textual.widgets import Input, Label, Static

from hyperllama.core.errors import HyperLlamaError
from hyperllama.core.text import plain, table_stem
from hyperllama.tui.content.paths import complete
from hyperllama.tui.processes import bridge
from hyperllama.tui.widgets.field import Field
from hyperllama.tui.widgets.form.choice import Choice

_NOTHING = ("", "nothing else", "")
_REASONS = ("explain", "the columns that mattered most", "")
_PROBABILITIES = ("proba", "the probability of each class", "")
_BOTH = ("proba explain", "probabilities, and the columns", "")
"""What may be written beside each prediction: the options of `hyperllama predict`."""


class _Paths(Suggester):
    """Completes a path with the first folder or table that begins so."""

    async def get_suggestion(self, value: str) -> str | None:
        typed = value.rpartition("/")[2]
        found = complete(value)[1]
        if not found or not found[0].name.startswith(typed):
            return None
        return value[: len(value) - len(typed)] + found[0].name + "/" * found[0].is_dir()


class PredictDialog(ModalScreen[None]):
    """Asks for a file, predicts its rows while it is shown, then says how they differ.

    Closing it ends a prediction that is under way.

    Args:
        study: its name.
        winner: number of the trial that predicts.
        classes: whether it predicts classes, which have probabilities.
        chosen: whether a person chose that trial.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "close"),
        Binding("up", "app.focus_previous", show=False),
        Binding("down", "app.focus_next", show=False),
    ]

    def __init__(self, study: str, winner: int, *, classes: bool, chosen: bool = False) -> None:
        super().__init__()
        self._options = ["--trial", str(winner)] if chosen else []
        self._study, self._winner = study, winner
        self._also = [_NOTHING, _REASONS, *([_PROBABILITIES, _BOTH] if classes else [])]
        self._suggested, self._warned = "", ""

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog -large") as box:
            box.border_title = "Predict new rows"
            box.border_subtitle = (
                "[bold]↑↓[/] fields · [bold]→[/] complete, next · [bold]esc[/] close · "
                "[bold]↵[/] predict"
            )
            about = f"Trial {self._winner}, fitted on all rows. Columns are matched by name."
            yield Static(about, classes="dialog--text")
            with Horizontal(classes="field"):
                yield Label("rows")
                yield Field(
                    placeholder="(a table with the study's columns)",
                    id="rows", suggester=_Paths(case_sensitive=True),
                )  # fmt: skip
            with Horizontal(classes="field"):
                yield Label("write to")
                yield Field(placeholder="(a .csv or .parquet file)", id="output")
            with Horizontal(classes="field"):
                yield Label("also")
                yield Choice(self._also, title="also", empty=_NOTHING[1], id="also")
            with VerticalScroll(can_focus=False):
                yield Static(id="told")

    @on(Input.Changed, "#rows")
    def _suggest_output(self, event: Input.Changed) -> None:
        output = self.query_one("#output", Input)
        if output.value == self._suggested:
            typed = event.value.strip()
            stem = table_stem(Path(typed).name)
            folder = typed[: len(typed) - len(Path(typed).name)]
            self._suggested = f"{folder}{stem}-predicted.csv" if stem else ""
            output.value = self._suggested

    @on(Input.Submitted)
    @on(Choice.Opened)
    def _submitted(self) -> None:
        rows, output = (self._path(name) for name in ("rows", "output"))
        problem = ""
        if rows is None or not rows.is_file():
            problem = "Name a table." if rows is None else f"There is no file {rows}"
        elif output is None or output.suffix.lower() not in (".csv", ".parquet"):
            problem = "Predictions are written as .csv or .parquet."
        elif output.exists() and str(output) != self._warned:
            self._warned = str(output)
            problem = f"{output.name} is there; press enter again to replace it."
        self._tell([problem], "$bad")
        if not problem and rows is not None and output is not None:
            self._run(rows, output)

    def _path(self, name: str) -> Path | None:
        text = self.query_one(f"#{name}", Input).value.strip()
        return Path.cwd() / Path(text).expanduser() if text else None

    @work(exclusive=True)
    async def _run(self, rows: Path, output: Path) -> None:
        for field in self.query(".field > *"):
            field.disabled = True
        self._tell(["starting"], "$dim")
        also = self.query_one(Choice).value
        try:
            found = await bridge.predict(
                self._study, rows, output, lambda line: self._tell([line], "$dim"),
                [*self._options, *(f"--{option}" for option in " ".join(also).split())],
            )
        except HyperLlamaError as error:
            self._tell([error.message, error.hint], "$bad")
        else:
            odd = found or ["The rows are like the training rows."]
            self._tell([f"The predictions are in {output}", "", *odd], "$foreground")
            self.query_one(".dialog").border_subtitle = "[bold]esc[/] close"
            return
        for field in self.query(".field > *"):
            field.disabled = False
        self.query_one("#rows", Input).focus()

    def _tell(self, lines: list[str], style: str) -> None:
        text = plain("\n".join(line for line in lines))
        self.query_one("#told", Static).update(Content.styled(text, style))
