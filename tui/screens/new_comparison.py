"""A new comparison: contenders, tasks and seeds, and how long they will take."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Static

from hyperllama.core.errors import HyperLlamaError
from hyperllama.core.experiments.grid import MOST_SEEDS, MOST_TRIALS, comparison_names
from hyperllama.core.text import plain
from hyperllama.models.paths import model_names
from hyperllama.tui import actions
from hyperllama.tui.content import library
from hyperllama.tui.content.estimates import KnownSpeeds, known_speeds, label_of
from hyperllama.tui.screens.base import BaseScreen
from hyperllama.tui.text import wording
from hyperllama.tui.widgets.form.choice import Choice
from hyperllama.tui.widgets.form.lines import FormField, FormLine
from hyperllama.tui.widgets.sheet import bar

if TYPE_CHECKING:
    from hyperllama.models.gguf import ModelFile

_LONGEST_NAME = 60
_BASELINES = ("random", "tpe", "gp", "cmaes")
_HOW = (
    ("hybrid", "hybrid", "the model begins, a Gaussian process continues"),
    ("llama", "llama", "the model alone makes every proposal"),
)
_FIELDS = (
    FormField(("models",), "models", "choices", "contenders with a language model", "none"),
    FormField(("how",), "used as", "choice", "what a model does"),
    FormField(("baselines",), "baselines", "choices", "proposers without a model", "none"),
    FormField(("tasks",), "tasks", "choices", "what they are compared on", "none"),
    FormField(("seeds",), "seeds", "integer", "other proposals each, on the same folds", "3"),
    FormField(("budget",), "trials", "integer", "of each cell", "20"),
    FormField(("name",), "name", "text", "of the comparison"),
)


@dataclass(frozen=True)
class ComparisonPlan:
    """A comparison to be made; `start`: at once."""

    name: str
    contenders: tuple[str, ...]
    how: str
    tasks: tuple[Path, ...]
    seeds: int
    budget: int
    start: bool

    @property
    def trials(self) -> int:
        return len(self.contenders) * len(self.tasks) * self.seeds * self.budget

    def make(self) -> list[tuple[str, str]]:
        """Write its queue; task files are read and checked. Raises HyperLlamaError.

        Returns (file, contender that is the same file and runs in its place) pairs.
        """
        from hyperllama.core.experiments.contenders import parse_contender, without_copies
        from hyperllama.core.experiments.grid import make_grid

        every = [parse_contender(text, self.how) for text in self.contenders]
        contenders, copies = without_copies(every)
        make_grid(self.name, contenders, self.tasks, range(self.seeds), self.budget)
        return copies


class NewComparison(BaseScreen["ComparisonPlan | None"]):
    """Seven fields, and an estimate of the time; returns the plan once its queue is written."""

    WHERE = "new_comparison"
    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings("new_comparison")]
    NAME = "New comparison"
    HELP = """\
Every contender runs on every task under every seed. `↵` lists what a field can hold, `space` \
marks in the list. The time is an estimate from earlier comparisons and from the measured speed \
of the models; nothing that was trained before on the same folds is trained again.
"""

    def __init__(self) -> None:
        super().__init__()
        self._speeds = KnownSpeeds()

    def compose(self) -> ComposeResult:
        yield Static(Content.styled("New comparison", "bold $primary"), id="compare-title")
        with Vertical(id="comparison-fields"):
            for field in _FIELDS:
                yield FormLine(field)
        yield Static(id="comparison-told")
        yield self.key_bar()

    def on_mount(self) -> None:
        self._choice("how").offer(_HOW)
        self._choice("how").show(["hybrid"])
        self._choice("baselines").offer([(b, b, "") for b in _BASELINES])
        self._choice("baselines").show(["random", "tpe"])
        tasks = [t for t in library.tasks() if not t.problem]
        self._choice("tasks").offer([(str(t.path), t.name, t.about) for t in tasks])
        for name, value in (("seeds", "3"), ("budget", "20"), ("name", _free_name())):
            self.query_one(f"#f-{name}", Input).value = value
        self._choice("models").focus()
        self._find_models()

    @work(group="models", exclusive=True)
    async def _find_models(self) -> None:
        from hyperllama.models.gguf import find_models

        found, self._speeds = await asyncio.to_thread(lambda: (find_models(), known_speeds()))
        if self.is_mounted:
            self._choice("models").offer(
                _model_options([m for m in found if not m.problem])
            )
            self.refresh_told()

    def _choice(self, name: str) -> Choice:
        return self.query_one(f"#f-{name}", Choice)

    @on(Choice.Changed)
    @on(Input.Changed)
    def refresh_told(self) -> None:
        """Show the number of trials and the time, or what is missing."""
        plan, wrong = self._plan(False)
        for line in self.query(FormLine):
            line.note(wrong.get(line.field.key, ""), self.glyphs.failed)
        told = Content.styled("Mark contenders and tasks; enter lists them.", "$dim")
        if plan is not None and plan.trials:
            cells = len(plan.contenders) * len(plan.tasks) * plan.seeds
            seconds = self._estimate(plan)
            time = f"about {wording.duration(sum(seconds.values()))}, {self._speeds.basis}"
            told = Content("\n").join(
                [
                    Content.assemble(
                        (f"{cells} cells, {plan.trials:,} trials", "bold"), (f"   {time}", "$dim")
                    ),
                    Content(""),
                    *self._shares(seconds),
                ]
            )
        self.query_one("#comparison-told", Static).update(told)

    def _plan(self, start: bool) -> tuple[ComparisonPlan | None, dict[str, str]]:
        """What the fields say, or what is wrong with each."""
        wrong: dict[str, str] = {}
        numbers: dict[str, int] = {}
        for name, most in (("seeds", MOST_SEEDS), ("budget", MOST_TRIALS)):
            text = self.query_one(f"#f-{name}", Input).value.strip()
            if not text.isdigit() or not 1 <= int(text) <= most:
                wrong[name] = f"a whole number from 1 to {most:,}"
            else:
                numbers[name] = int(text)
        name = self.query_one("#f-name", Input).value.strip()
        if not name or "/" in name or name.startswith((".", "-")) or len(name) > _LONGEST_NAME:
            wrong["name"] = f"1 to {_LONGEST_NAME} characters without /, the first no . or -"
        elif name in comparison_names():
            wrong["name"] = "a comparison has this name already"
        if wrong:
            return None, wrong
        models = [v for v in self._choice("models").value if v]
        baselines = [v for v in self._choice("baselines").value if v]
        tasks = [Path(v) for v in self._choice("tasks").value if v]
        how = (self._choice("how").value or ("hybrid",))[0]
        plan = ComparisonPlan(
            name,
            (*baselines, *models),
            how,
            tuple(tasks),
            numbers["seeds"],
            numbers["budget"],
            start,
        )
        return plan, {}

    def _estimate(self, plan: ComparisonPlan) -> dict[str, float]:
        """Seconds by contender."""
        names = {path: name for path, name, _ in self._choice("tasks").options}
        tasks = [names.get(str(task), task.stem) for task in plan.tasks]
        times = plan.seeds * plan.budget
        return {
            c: times * sum(
                self._speeds.seconds(label_of(c), c if "/" in c else "", task) for task in tasks
            )
            for c in plan.contenders
        }  # fmt: skip

    def _shares(self, seconds: dict[str, float]) -> list[Content]:
        """A bar a contender: its part of the time."""
        names = {c: plain(label_of(c)) for c in seconds}
        name_cells = min(30, max(map(len, names.values())))
        cells = max(8, min(48, self.size.width - name_cells - 16))
        longest = max(seconds.values())
        return [
            Content.assemble(
                Content(names[c]).truncate(name_cells, ellipsis=True, pad=True),
                "  ",
                bar(took / longest if longest else 0.0, cells, self.glyphs),
                f" {wording.duration(took):>8}",
            )
            for c, took in seconds.items()
        ]

    def action_start(self) -> None:
        self._end(True)

    def action_save(self) -> None:
        self._end(False)

    def _end(self, start: bool) -> None:
        plan, wrong = self._plan(start)
        if plan is None:
            key, said = next(iter(wrong.items()))
            self.interface.report("warning", f"{key}: {said}")
            self.query_one(f"#f-{key}").focus()
        elif not plan.contenders or not plan.tasks:
            missing = "models" if not plan.contenders else "tasks"
            self.interface.report("warning", f"Mark at least one of the {missing} first.")
            self._choice(missing).focus()
        else:
            self._make(plan)

    @work(group="make", exclusive=True)
    async def _make(self, plan: ComparisonPlan) -> None:
        """Write the queue; what is refused leaves the form as it is filled in."""
        try:
            copies = await asyncio.to_thread(plan.make)
        except HyperLlamaError as error:
            self.interface.report_error(error)
            return
        for file, kept in copies:
            said = f"{plain(file)} is the same file as {plain(kept)}: it runs once."
            self.interface.report("info", said)
        self.dismiss(plan)

    @on(Input.Submitted)
    def _next_field(self) -> None:
        self.focus_next()

    def action_back(self) -> None:
        self.dismiss(None)


def _model_options(models: Sequence[ModelFile]) -> list[tuple[str, str, str]]:
    """Models to choose from; those with one name show their folders."""
    names = model_names([m.path for m in models])
    return [
        (str(m.path), name, wording.size(m.size_bytes))
        for name, m in zip(names, models, strict=True)
    ]


def _free_name() -> str:
    taken = set(comparison_names())
    number = 1
    while f"comparison-{number}" in taken:
        number += 1
    return f"comparison-{number}"
