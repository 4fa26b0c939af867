"""The cells of the history: how a trial, a rerun and a steering action are drawn."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import fmean

from textual.content import Content

from hyperllama.core.evaluate.results import std
from hyperllama.core.objectives import Objective, amount
from hyperllama.core.study import AWAITING, PRUNED, SteeringAction, TrialState
from hyperllama.core.text import one_line, plain
from hyperllama.tui.text import names, wording
from hyperllama.tui.text.glyphs import UNICODE, Glyphs, sparkline

MEASURE = "measure:"
"""Begins the key of a column that shows what was measured beside the score."""
PARAM = "param:"
"""Begins the key of a column that shows one hyperparameter."""
_NOTE_CELLS = 24


@dataclass(frozen=True)
class TrialCells:
    """What the drawing of a trial depends on, beside the trial.

    Attributes:
        scale: the scores at the lowest and the highest level of the fold plots.
        fold_cells: the width of the fold plots.
        shift: how many of the changed values are scrolled out at the left.
        incumbent: the best trial's number.
        shares: importance by hyperparameter, as far as it is known.
        front: numbers of the trials on the front; empty with one objective.
        chosen: number of the trial that a person wants to use.
        now: seconds since the epoch, for the trial under way.
    """

    glyphs: Glyphs = UNICODE
    scale: tuple[float, float] = (0.0, 1.0)
    fold_cells: int = 5
    shift: int = 0
    incumbent: int | None = None
    shares: tuple[tuple[str, float], ...] = ()
    front: frozenset[int] = frozenset()
    chosen: int | None = None
    now: float = field(default=0.0, compare=False)

    def cell(self, trial: TrialState, key: str, width: int) -> Content:
        """What stands in the column `key`."""
        if key.startswith(PARAM):
            value = trial.config.get(key.removeprefix(PARAM))
            return Content("" if value is None else wording.setting(value))
        if key.startswith(MEASURE):
            objective = Objective.of(key.removeprefix(MEASURE))
            value = trial.measures.get(objective.name)
            return Content("" if value is None else amount(value, objective.unit))
        return _CELLS[key](self, trial, width)

    def mark(self, trial: TrialState, width: int) -> Content:
        """A sign for the trial's state."""
        g = self.glyphs
        if trial.number == self.chosen:
            return Content.styled(g.done, "bold $good")
        if trial.number == self.incumbent:
            return Content.styled(g.best, "bold $best")
        if trial.number in self.front:
            return Content.styled(g.chosen, "bold $best")
        if trial.broken:
            return Content.styled("!", "$bad")
        known = {
            "fail": (g.failed, "$bad"),
            PRUNED: ("/", "$dim"),
            AWAITING: ("?", "bold $accent"),
            "training": (g.running, "$primary"),
            "proposing": (g.thinking, "$voice"),
        }
        return Content.styled(*known.get(trial.state, (g.dot if trial.best_then else " ", "$best")))

    def number(self, trial: TrialState, width: int) -> Content:
        return Content(str(trial.number))

    def by(self, trial: TrialState, width: int) -> Content:
        model = trial.proposer in ("llama", "embedded", "hybrid")
        style = "$bad" if trial.fallback else "$voice" if model else "$dim"
        return Content.styled(plain(trial.proposer) + ("!" if trial.fallback else ""), style)

    def score(self, trial: TrialState, width: int) -> Content:
        if trial.value is not None:
            best = trial.number == self.incumbent
            return Content.styled(wording.score(trial.value), "bold $best" if best else "")
        if trial.state == "fail":
            return Content.styled("failed", "$bad")
        if trial.expected is not None:
            return Content.styled(f"~{wording.score(trial.expected)}", "$dim")
        if trial.state == AWAITING:
            return Content.styled("waiting", "bold $accent")
        scores = trial.fold_scores
        return Content.styled(wording.score(fmean(scores)), "$dim") if scores else Content("")

    def std(self, trial: TrialState, width: int) -> Content:
        known = trial.std is not None
        text = self.glyphs.plus_minus + wording.spread(trial.std or 0.0) if known else ""
        return Content.styled(text, "$dim")

    def folds(self, trial: TrialState, width: int) -> Content:
        drawn = sparkline(trial.fold_scores[: self.fold_cells], self.glyphs, *self.scale)
        whole = trial.done and trial.state != PRUNED
        missing = 0 if whole else min(trial.folds, self.fold_cells) - len(drawn)
        return Content.assemble((drawn, "$primary"), (self.glyphs.dot * missing, "$faint"))

    def train(self, trial: TrialState, width: int) -> Content:
        value = trial.train_value
        return Content.styled("" if value is None else wording.score(value), "$dim")

    def time(self, trial: TrialState, width: int) -> Content:
        """Seconds of the evaluation; neither the proposal nor the wait for approval counts."""
        if not trial.done and not trial.trains_t:
            return Content("")
        seconds = trial.seconds if trial.done else max(0.0, self.now - trial.trains_t)
        text = wording.duration(seconds)
        return Content.styled(text if len(text) <= width else text.split()[0], "$dim")

    def what(self, trial: TrialState, width: int) -> Content:
        """What differs from the best trial of that moment, and the user's note."""
        note = self.note(trial)
        return Content.assemble(self._changes(trial, max(8, width - note.cell_length)), note)

    def note(self, trial: TrialState) -> Content:
        """The user's note, cut to a few words."""
        text = one_line(trial.note)
        if len(text) > _NOTE_CELLS:
            text = text[: _NOTE_CELLS - 1] + self.glyphs.ellipsis
        return Content.styled(f'  "{text}"' if text else "", "italic $accent")

    def _changes(self, trial: TrialState, width: int) -> Content:
        if trial.state == "fail":
            return failure(trial)
        if trial.broken:
            return Content.styled(f"breaks {', '.join(trial.broken)}", "$bad")
        if trial.state == "proposing":
            words = one_line(trial.reasoning[-4 * width :])
            return Content.styled(words[-width:] if words else "thinking", "italic $voice")
        if trial.proposer == "default":
            return Content.styled("the library's default", "$dim")
        if "program" in trial.config:  # its values mean something beside its text only
            return Content(plain(one_line(trial.reasoning, width)) or "a program")
        changes = wording.visible(trial.changes) or {n: (None, v) for n, v in trial.config.items()}
        pairs = []
        for name, before, after in names.by_weight(changes, dict(self.shares)):
            was = "" if before is None else wording.setting(before) + self.glyphs.arrow
            now = "off" if after is None else wording.setting(after)
            name = plain(wording.short_name(_without_estimator(name, trial)))
            pairs.append((name, was, now))
        return _as_many_as_fit(pairs[self.shift :], width)

    def rerun(self, trial: TrialState) -> Content:
        """The line under a trial: its scores on other folds."""
        scores = [s for s in trial.reruns if s is not None]
        failed = len(trial.reruns) - len(scores)
        pieces: list[tuple[str, str]] = [("    rerun on other folds  ", "$dim")]
        if scores:
            mean = fmean(scores)
            pieces.append((wording.score(mean), "bold"))
            more = ""
            if (spread := std(scores)) is not None:
                more = f" {self.glyphs.plus_minus}{wording.spread(spread)}"
            if trial.value is not None:
                more += f"  {wording.signed(mean - trial.value)}"
            pieces.append((more + "  " + " ".join(map(wording.score, scores)), "$dim"))
        if failed:
            pieces.append((f"  {failed} failed", "$bad"))
        return Content.assemble(*pieces)

    def action(self, action: SteeringAction) -> Content:
        """The line of a steering action: when, and what was changed."""
        clock = time.strftime("%H:%M", time.localtime(action.t))
        return Content.assemble(
            "  ", (self.glyphs.arrow + " ", "$accent"), (clock + "  ", "$dim"),
            (one_line(action.text), "italic"),
        )  # fmt: skip


_CELLS: dict[str, Callable[[TrialCells, TrialState, int], Content]] = {
    "mark": TrialCells.mark,
    "number": TrialCells.number,
    "by": TrialCells.by,
    "score": TrialCells.score,
    "std": TrialCells.std,
    "folds": TrialCells.folds,
    "train": TrialCells.train,
    "time": TrialCells.time,
    "what": TrialCells.what,
}


def failure(trial: TrialState) -> Content:
    """Why a trial failed, in one line."""
    return Content.styled(one_line(trial.reason) or "failed without a reason", "$bad")


def _without_estimator(name: str, trial: TrialState) -> str:
    """A hyperparameter's name without its estimator, where that is the one of the trial."""
    prefix, _, rest = name.rpartition(".")
    return rest if prefix in trial.config.values() else name


def _as_many_as_fit(pairs: list[tuple[str, str, str]], width: int) -> Content:
    """(name, before, now) pairs, and how many more there are; the first is shown in any case.

    Where there is no room for all of the first, its name is cut: a number never is.
    """
    drawn = Content("")
    for index, (name, was, now) in enumerate(pairs):
        left = len(pairs) - index
        gap = "  " if index else ""
        room = width - (len(f"  +{left - 1}") if left > 1 else 0)
        if not index and len(name) + len(was) + len(now) + 1 > room:
            was = was if len(was) + len(now) + 8 <= room else ""
            name = names.cut_middle(name, max(4, room - len(was) - len(now) - 1))
        pair = Content.assemble((f"{name} {was}", "$dim"), now)
        if index and drawn.cell_length + len(gap) + pair.cell_length > room:
            return Content.assemble(drawn, (f"{gap}+{left}", "$dim"))
        drawn = Content.assemble(drawn, gap, pair)
    return drawn
