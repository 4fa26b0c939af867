"""The progress pane: the best so far, with what it has to beat; and views of the search space."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

from textual.binding import BindingType
from textual.content import Content
from textual.message import Message

from hyperllama.core.experiments.panel import BaselinePanel
from hyperllama.core.study import StudyState, TrialState
from hyperllama.core.study.findings.axes import ParameterAxis, axes_of, shared_axes
from hyperllama.core.text import plain
from hyperllama.tui import actions
from hyperllama.tui.text import wording
from hyperllama.tui.text.glyphs import UNICODE, Glyphs
from hyperllama.tui.widgets.sheet import words
from hyperllama.tui.widgets.study import slices, views
from hyperllama.tui.widgets.study.front_plot import front_lines
from hyperllama.tui.widgets.study.pane import Pane
from hyperllama.tui.widgets.study.score_curve import ScoreCurve

Made = TypeVar("Made")

HELP = """\
The stepped line is the best score so far, greater is better; dots are single trials, ★ the best \
one, ✗ failures. The dashed line is the library's default configuration. The shaded height around \
the best is the noise: trials and defaults within it may be ahead or behind by luck, computed from \
paired differences between the folds of all trials.

▾ at the bottom stands for a trial that scored lower than the plot shows. Thin lines are baselines \
with the same budget (random search, TPE, a Gaussian process), where they were run.

`x` goes on to the next view: how important each hyperparameter was, one of them against the \
score, two, parallel coordinates, learning curves, and with several objectives the front: the \
trials that no other is better than. `l` and `h` choose the hyperparameter or the objective, `j` \
and `k` the second.

With one hyperparameter the line is what a Gaussian process expects, the others as in the best \
trial, and the dots beside it are its standard deviation. With two, lines join equal expected \
scores, and brighter is better. ● is a trial of the best third, · one of the worst.
"""
VIEWS = {
    "best": "best so far",
    "importance": "importance",
    "one": "one hyperparameter",
    "two": "two hyperparameters",
    "all": "parallel coordinates",
    "curves": "learning curves",
    "front": "front",
}


class ProgressPlot(Pane):
    """Score against trial number, and other views of the trials."""

    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings("progress")]
    NAME = "Progress"
    HELP = HELP
    WHERE = "progress"

    class Turned(Message):
        """The user chose another view."""

    class PictureWanted(Message):
        """The user wants to see the view as a picture; `shown`: the view and its two axes."""

        def __init__(self, shown: dict[str, str]) -> None:
            super().__init__()
            self.shown = shown

    class FitWanted(Message):
        """The GP is needed for what is shown; `show_fit` takes the answer to `request`."""

        def __init__(self, key: tuple[object, object], request: dict[str, Any]) -> None:
            super().__init__()
            self.key, self.request = key, request

    def __init__(self, *, glyphs: Glyphs = UNICODE, id: str | None = None) -> None:
        super().__init__(glyphs=glyphs, id=id)
        self.view = "best"
        self.baselines: BaselinePanel | None = None
        self._chosen = [0, 1]  # positions among the hyperparameters, the most important first
        self._drawn: dict[object, Any] = {}  # for the scores shown now; see `_once`
        self._fits: dict[object, Mapping[str, Any] | None] = {}  # None: asked for

    @property
    def title(self) -> str:
        """The view, in words; empty for the usual one."""
        return "" if self.view == "best" else VIEWS.get(self.view, "")

    def show(self, state: StudyState, trial: TrialState | None) -> None:
        """Draw that state; text and fold scores that come in change nothing here."""
        before = self.state
        fresh = (state.shape, state.started_t) != self._scores
        if fresh:
            self._drawn.clear()
            self._fits.clear()
        moved = (trial and trial.number) != (self.trial and self.trial.number)
        self.state, self.trial = state, trial
        if self.view == "front" and state.opened is not None and not state.opened.objectives:
            self.view = "best"  # another study's choice
        if fresh or moved or not (state.trials and before.trials):
            self.refresh()

    def compare(self, baselines: BaselinePanel | None) -> None:
        """Draw these baselines beside the study."""
        if baselines != self.baselines:
            self.baselines = baselines
            self._drawn.clear()
            self.refresh()

    def _once(self, key: object, make: Callable[[], Made]) -> Made:
        """What `make` returned for that key since the scores changed last."""
        if key not in self._drawn:
            self._drawn[key] = make()
        made: Made = self._drawn[key]
        return made

    def lines(self, width: int, height: int) -> list[Content]:
        if self.view == "best":
            return self._curve(width, height)
        selected = self.trial.number if self.trial and self.view != "importance" else None
        key = (self.view, width, height, *self._chosen, selected)
        return self._once(key, lambda: self._view_lines(width, height))

    def _view_lines(self, width: int, height: int) -> list[Content]:
        state, g = self.state, self.glyphs
        if self.view == "importance":
            return views.importance(state, width, height, g)
        if self.view == "front":
            return front_lines(state, self._chosen[0], self.trial, width, height, g)
        if self.view == "curves":
            return views.learning_curves(state, self.trial, width, height, g)
        axes = self._axes()
        if not axes:
            return words("No hyperparameter took two values yet.", width, "$dim")
        if self.view == "all":
            return views.parallel(state, axes, self.trial, width, height, g)
        first, second = (axes[i % len(axes)] for i in self._chosen)
        if self.view == "two" and len(axes) < 2:
            return words("Two hyperparameters have to vary first.", width, "$dim")
        if first is second:
            second = axes[(self._chosen[1] + 1) % len(axes)]
        up = second if self.view == "two" else None
        return self._slice(slices.Slice(state, axes, first, up), width, height)

    def _slice(self, shown: slices.Slice, width: int, height: int) -> list[Content]:
        """One or two hyperparameters; the GP's part is asked for, and drawn once it is there."""
        if height < 6 or width < 20:
            return [Content.styled("Nothing to draw yet.", "$dim")]
        plot = shown.plot(width, height - 1, self.glyphs)
        key = (shown.across.name, shown.up and shown.up.name, plot.width, plot.height)
        if key not in self._fits:
            self._fits[key] = None
            request = shown.request(plot.width, plot.height)
            if request is not None:
                self.post_message(self.FitWanted((self._scores, key), request))
        found = self._fits[key]
        noise, shaded = self._noise(), not self.app.native_ansi_color
        if shown.up is None:
            return slices.draw_one(shown, plot, found, self.trial, width, noise, self.glyphs)
        return slices.draw_two(shown, plot, found, self.trial, width, noise, shaded, self.glyphs)

    def show_fit(self, key: tuple[object, object], found: Mapping[str, Any]) -> None:
        """Draw what the GP expects; an answer about earlier scores is left out."""
        if key[0] == self._scores:
            self._fits[key[1]] = found
            self._drawn.clear()
            self.refresh()

    @property
    def _scores(self) -> tuple[int, float]:
        """Another value whenever the scores are others."""
        return self.state.shape, self.state.started_t

    def _axes(self) -> list[ParameterAxis]:
        """Those of the best trial's estimator first: they are what can be compared."""

        def ordered() -> list[ParameterAxis]:
            axes = axes_of(self.state)
            shared = shared_axes(axes, self.state.best)
            return [*shared, *(a for a in axes if a not in shared)]

        return self._once("axes", ordered)

    def _noise(self) -> float:
        """The gain below which two scores may differ by luck."""
        noise = self.state.noise
        return noise.margin if noise is not None else 0.0

    # Keys

    def action_picture(self) -> None:
        names = [axis.name for axis in self._axes()] or [""]
        across, up = (names[i % len(names)] for i in self._chosen)
        self.post_message(self.PictureWanted({"view": self.view, "across": across, "up": up}))

    def action_view(self) -> None:
        opened = self.state.opened
        several = opened is not None and opened.objectives
        names = [name for name in VIEWS if several or name != "front"]
        self.view = self.view if self.view in names else names[0]
        self.turn(names[(names.index(self.view) + 1) % len(names)])
        self.post_message(self.Turned())

    def turn(self, view: str) -> None:
        """Show that view."""
        self.view = view if view in VIEWS else "best"
        self.refresh()

    def action_choose(self, which: int, by: int) -> None:
        """Go `by` hyperparameters on, for the first (0) or the second (1) that is shown."""
        if which >= {"one": 1, "two": 2, "front": 1}.get(self.view, 0):
            which_one = "second hyperparameter" if which else "hyperparameter"
            self.notify(f"No {which_one} to choose in this view; x goes on to the next", timeout=4)
            return
        opened = self.state.opened
        count = max(1, len(self._axes()))
        if self.view == "front":
            count = max(1, len(opened.objectives) - 1 if opened is not None else 0)
        self._chosen[which] = (self._chosen[which] + by) % count
        self.refresh()

    # The curve

    def _curve(self, width: int, height: int) -> list[Content]:
        state = self.state
        if not any(t.value is not None for t in state.trials):
            return words("The plot begins with the first score.", width, "$dim")
        legend = [self._legend(width)] if height >= 7 else []
        plot_height = height - len(legend)
        if plot_height < 4 or width < 16:
            best = state.best
            return [Content(f"best {wording.score(best.value if best else None)}")]
        found = self.baselines
        lines = found.lines if found is not None else ()
        means = {one.name: one.mean for one in lines if one.name != "default" and one.mean}
        curve = ScoreCurve(state, means, self.glyphs)
        plot = self._once((width, plot_height), lambda: curve.plot(width, plot_height))
        return [*legend, *curve.lines(plot, self.trial)][:height]

    def _legend(self, width: int) -> Content:
        g, opened = self.glyphs, self.state.opened
        left = Content.assemble(
            ("⠒⠒ " if g.braille else ".. ", "$primary"),
            ("best so far   ", "$dim"),
            ("⠒ ⠒ " if g.braille else ". . ", "$dim"),
            ("default   ", "$dim"),
            ("   ", "on $row-cursor-blurred"),
            (" noise", "$dim"),
        )
        metric = plain(opened.metric) if opened else ""
        spare = width - left.cell_length - len(metric)
        return Content.assemble(left, " " * spare, (metric, "$dim")) if spare >= 2 else left
