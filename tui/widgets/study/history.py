"""The history: a live table of trials and steering actions; it follows the newest trial."""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import ClassVar

from textual.binding import BindingType
from textual.content import Content
from textual.message import Message

from hyperllama.core.study import SteeringAction, StudyState, TrialState
from hyperllama.core.study.front import columns as measured_columns
from hyperllama.tui import actions
from hyperllama.tui.content.arrange import Order, RerunLine, Row, rows
from hyperllama.tui.text import names, wording
from hyperllama.tui.text.glyphs import UNICODE, Glyphs
from hyperllama.tui.widgets.lists.rows import ListColumn, Rows, fit
from hyperllama.tui.widgets.sheet import words
from hyperllama.tui.widgets.study.trial_cells import MEASURE, PARAM, TrialCells, failure

COLUMN_HELP = {
    "by": "who proposed it",
    "score": "mean over the folds, greater is better",
    "std": "standard deviation over the folds",
    "folds": "the fold scores as a small plot",
    "train": "score on the training rows",
    "time": "how long its evaluation took",
    "what": "what differs from the best trial of that moment",
}
COLUMNS = tuple(COLUMN_HELP)
_TITLES = {"predict_seconds": "predict", "predict_ms_per_row": "per row", "fit_seconds": "fit",
           "model_bytes": "size"}  # fmt: skip
_PARAM_CELLS = 12  # of a column that shows one hyperparameter
_SCALE_TRIALS = 200  # the fold plots share a scale over that many last trials

HELP = """\
Each line is a trial. ★ marks the best so far, ✗ a failure with its reason, ▸ the one under way.

*score* is the mean over the folds, greater is better; *±* its standard deviation over the folds; \
*folds* draws the fold scores, all on one scale; *train* is the score on the training rows: much \
higher than *score* means overfitting. The last column says what differs from the best trial of \
that moment.

With several objectives, ◆ marks the trials that no other is better than, and a column shows each \
further objective; *!* marks one that breaks a constraint. `U` makes the selected trial the one to \
use: ✓ marks it, `E` exports it and `P` predicts with it.

Lines between the trials say what you did: hints, ranges, pauses. *rerun* under a trial is its \
configuration on other folds: how much of the score is luck.

Moving in the history shows that trial's reasoning, tokens and beliefs in the other panes; `f` \
returns to the newest. `↵` shows everything about a trial, `e` queues its configuration changed.

`o` sorts, `c` chooses the columns, `/` filters: words that a trial contains, `failed`, `best`, \
`noted`, `front`, `broken`, and comparisons such as `score>0.85 max_depth<=4 by=tpe`; `-tpe` is \
everything but.
"""


class History(Rows):
    """All trials of a study."""

    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings("history")]
    NAME = "History"
    HELP = HELP
    WHERE = "history"
    LEAST = 26

    class Selected(Message):
        """Another trial was selected; see `History.selected`."""

    class ActionOpened(Message):
        """The user wants to read a steering action in full."""

        def __init__(self, action: SteeringAction) -> None:
            super().__init__()
            self.action = action

    class Arranged(Message):
        """The user chose other columns or another order."""

    def __init__(self, *, glyphs: Glyphs = UNICODE, id: str | None = None) -> None:
        super().__init__(id=id)
        self.glyphs = glyphs
        self.following = True
        self.selected: int | None = None  # number of the selected trial; None: the newest
        self.order = Order()
        self.shown: tuple[str, ...] = COLUMNS  # columns, and hyperparameters with one of their own
        self._state = StudyState()
        self._problem = ""
        self._cells = TrialCells(glyphs)
        self._rows: list[Row] = []
        self._row_of: dict[int, int] = {}
        self._score_cells, self._time_cells = 7, 5
        self._ordered_as: object = None
        self._number: int | None = None  # of the trial under the cursor, kept when rows move

    # State

    def show(self, state: StudyState, now: float, problem: str = "") -> None:
        """Draw the trials of `state`.

        Args:
            now: seconds since the epoch; it ages the trial under way.
            problem: why no process works on the study; it is shown where there is no trial.
        """
        changed = state.trials is not self._state.trials or problem != self._problem
        self._state, self._problem = state, problem
        shares = tuple(state.importance.shares.items()) if state.importance else ()
        self._cells = replace(self._cells, incumbent=state.incumbent, shares=shares, now=now)
        arranged = (state.shape, state.started_t, len(state.trials), self.order)
        if arranged != self._ordered_as:
            self._ordered_as = arranged
            self._put_in_order()
        elif changed or state.current is not None:
            row = self._row_of.get(state.trials[-1].number) if state.trials else None
            if row is not None:
                self.refresh_row(row)

    def _put_in_order(self) -> None:
        """Order the rows anew; the cursor stays with its trial, or follows the newest."""
        trials = self._state.trials
        recent = trials[-_SCALE_TRIALS:]
        scores = sorted(s for t in recent for s in t.fold_scores)
        scale = (scores[len(scores) // 10], scores[-1]) if scores else self._cells.scale
        folds = max((t.folds for t in recent), default=0)
        front = frozenset(t.number for t in self._state.front)
        self._cells = replace(
            self._cells, scale=scale, fold_cells=min(10, max(5, folds)), front=front
        )
        self._score_cells = _score_cells(recent)
        self._time_cells = max([5, *(len(wording.duration(t.seconds)) for t in recent)])
        self._rows = rows(self._state, self.order)
        self._row_of = {trials[r].number: i for i, r in enumerate(self._rows) if isinstance(r, int)}
        self.rows_changed()
        if self.following:
            self._number = None
            self.cursor = self._newest_row()
        elif self._number in self._row_of:
            self.cursor = self._row_of[self._number]
        self._reveal()

    def _newest_row(self) -> int:
        """The row of the newest trial; the first where it is filtered out."""
        trials = self._state.trials
        return self._row_of.get(trials[-1].number, 0) if trials else 0

    def row_at(self, index: int) -> Row | None:
        """What stands in a row; None beyond the last."""
        return self._rows[index] if 0 <= index < len(self._rows) else None

    def trial_at(self, index: int) -> TrialState | None:
        """The trial of a row, None for a steering action."""
        row = self.row_at(index)
        at = row.trial if isinstance(row, RerunLine) else row
        return self._state.trials[at] if isinstance(at, int) else None

    @property
    def trial(self) -> TrialState | None:
        """The trial under the cursor."""
        return self.trial_at(self.cursor)

    def select(self, number: int | None) -> None:
        """Put the cursor on that trial; None follows the newest."""
        self.following, self._number = number is None, number
        if number is None:
            self.cursor = self._newest_row()
        elif number in self._row_of:
            self.cursor = self._row_of[number]
        self._select(number)

    def watch_cursor(self, old: int, new: int) -> None:
        super().watch_cursor(old, new)
        if old == new:
            return
        newest = self.order.sort == "number" and new >= self._newest_row()
        if self.following and newest:
            return
        self.following = newest
        row, trial = self.row_at(new), self.trial
        number = None if trial is None else trial.number
        if isinstance(row, SteeringAction):
            number = row.after
        self._number = number
        self._select(None if newest or number is None else max(0, number))

    def _select(self, number: int | None) -> None:
        """Set at once, so that the next key is about that trial; drawn a little later."""
        self.selected = number
        self.post_message(self.Selected())

    # Rows

    def identity(self, index: int) -> Hashable | None:
        row, look = self.row_at(index), (self._cells, self.shown, self._state.started_t)
        if isinstance(row, SteeringAction):
            return row, look
        trial = self.trial_at(index)
        if trial is None or not trial.done:
            return None
        return type(row), trial.number, trial.state, trial.note, trial.reruns, look

    def row_count(self) -> int:
        return len(self._rows)

    def columns(self) -> Sequence[ListColumn]:
        count = self._state.trials[-1].number if self._state.trials else 0
        g = self.glyphs
        found = [
            ListColumn("mark", "", 1, gap=1),
            ListColumn("number", "#", max(2, len(str(count))), right=True),
            ListColumn("by", "by", 7, drop=2),
            ListColumn("score", "score", self._score_cells, right=True, gap=1),
            ListColumn("std", g.plus_minus + " std", 6 + len(g.plus_minus), drop=3),
            ListColumn("folds", "folds", self._cells.fold_cells, drop=4),
            ListColumn("train", "train", self._score_cells, right=True, drop=6),
            ListColumn("time", "time", self._time_cells, right=True, drop=5),
        ]
        own = [name.removeprefix(PARAM) for name in self.shown if name.startswith(PARAM)]
        for name, short in names.fitted(own, _PARAM_CELLS).items():
            found.append(ListColumn(PARAM + name, short, max(8, len(short)), right=True, drop=1))
        found += _measures(self._state)
        found.append(ListColumn("what", "changed vs best", 0))
        kept = ("mark", "number", *self.shown)
        found = [c for c in found if c.key in kept or c.key.startswith(MEASURE)]
        if self.order.plain:
            return found
        sort = {"gap": "train"}.get(self.order.sort, self.order.sort)
        arrow = g.up if self.order.backwards else g.down
        return [
            replace(c, title=c.title + arrow) if c.key in (sort, PARAM + sort) else c
            for c in found
        ]

    def choose(self, number: int | None) -> None:
        """Mark the trial that a person wants to use."""
        self._cells = replace(self._cells, chosen=number)
        self.refresh()

    def _row(self, index: int, width: int) -> Content:
        row, trial = self.row_at(index), self.trial_at(index)
        if isinstance(row, SteeringAction):
            return self._whole_line(index, self._cells.action(row), width)
        if isinstance(row, RerunLine) and trial is not None:
            return self._whole_line(index, self._cells.rerun(trial), width)
        whole = super()._row(index, width)
        if trial is None or trial.state != "fail":
            return whole
        # A reason takes the room of the scores that a failed trial does not have.
        used = 1
        for column, cells in fit(self.columns(), width - 1, self.LEAST):
            used += cells + column.gap
            if column.key == "score":
                break
        else:
            return whole
        note = self._cells.note(trial)
        room = max(8, width - used - note.cell_length - 1)
        reason = failure(trial).truncate(room, ellipsis=True)
        return Content.assemble(whole[:used], " ", reason, note)

    def _whole_line(self, index: int, text: Content, width: int) -> Content:
        """A row that is no trial, without columns."""
        mark = ("▌" if self.has_focus else "▏") if index == self.cursor else " "
        lead = mark if self.glyphs.braille else ">"[: mark != " "]
        return Content.assemble((lead, "$primary"), text).truncate(width, ellipsis=True)

    def cell(self, index: int, key: str, width: int) -> Content:
        trial = self.trial_at(index)
        return Content("") if trial is None else self._cells.cell(trial, key, width)

    def empty(self) -> Content:
        if self.order.text and self._state.trials:
            return Content.styled("No trial fits the filter; / changes it.", "$dim")
        return _before_first(self._state, self._problem, self._inner_width())

    # Keys

    def action_last(self) -> None:
        self.select(None)

    def action_shift(self, by: int) -> None:
        """Scroll the changed values by that many."""
        self._cells = replace(self._cells, shift=max(0, self._cells.shift + by))
        self.refresh()

    def action_copy(self) -> None:
        trial = self.trial
        if trial is None or not trial.config:
            self.notify("There is no configuration here to copy", timeout=4)
            return
        self.app.copy_to_clipboard(json.dumps(dict(trial.config)))
        self.notify(f"Configuration of trial {trial.number} copied as JSON")

    def action_details(self) -> None:
        row = self.row_at(self.cursor)
        if isinstance(row, SteeringAction):
            self.post_message(self.ActionOpened(row))
        elif row is not None:
            self.post_message(self.Chosen(self, self.cursor))

    def show_arranged(self, order: Order, shown: Sequence[str]) -> None:
        """Show that order and those columns; the cursor stays with its trial."""
        if self.following and order.sort != "number" and self.trial is not None:
            self.following, self._number = False, self.trial.number
        self.order, self.shown = order, tuple(shown)
        self.show(self._state, self._cells.now, self._problem)
        self.refresh()
        self.post_message(self.Arranged())


def _score_cells(trials: Sequence[TrialState]) -> int:
    """The width of the columns of scores, so that none is cut."""
    texts = [wording.score(v) for t in trials for v in (t.value, t.train_value)]
    texts += [f"~{wording.score(t.expected)}" for t in trials if t.expected is not None]
    return max(7, max(map(len, texts), default=0))


def _measures(state: StudyState) -> list[ListColumn]:
    """A column for each further objective, and for what is bounded."""
    opened = state.opened
    own = [o.name for o in measured_columns(state) if opened and o.name != opened.metric]
    titles = names.fitted([n for n in own if n not in _TITLES], _PARAM_CELLS)
    shown = {n: _TITLES.get(n) or titles[n] for n in own}
    return [ListColumn(MEASURE + name, title, max(8, len(title)), right=True, drop=1)
            for name, title in shown.items()]  # fmt: skip


def _before_first(state: StudyState, problem: str, width: int) -> Content:
    """What stands there while there is no trial."""
    if problem:
        lines = [*words(problem, width, "$bad"), Content("")]
        lines += words("r tries again, esc returns to the list.", width, "$dim")
        return Content("\n").join(lines)
    if state.phase == "loading":
        return Content.styled("The model is being loaded. The first trial comes next.", "$dim")
    return Content.styled("No trial yet.", "$dim")
