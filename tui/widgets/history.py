"""The history: a live table of trials and steering, newest last, followed until one leaves it."""

from __future__ import annotations

import json
import time
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import ClassVar

from textual.binding import BindingType
from textual.content import Content
from textual.message import Message

from hyperllama.core.study import AWAITING, SteeringAction, StudyState, TrialState
from hyperllama.core.text import plain
from hyperllama.tui import actions, wording
from hyperllama.tui.arrange import Again, Order, Row, rows
from hyperllama.tui.glyphs import UNICODE, Glyphs, sparkline
from hyperllama.tui.widgets.rows import Column, Rows, fit

PARAM = "param:"
COLUMN_HELP = {
    "by": "who proposed it",
    "score": "mean over the folds, greater is better",
    "std": "standard deviation over the folds",
    "folds": "the fold scores as a small plot",
    "train": "score on the training rows",
    "time": "seconds of the trial",
    "what": "what differs from the best trial of that moment",
}
COLUMNS = tuple(COLUMN_HELP)
_SCALE_TRIALS = 200  # the fold plots share a scale over that many last trials

HELP = """\
Each line is a trial. ★ marks the best so far, ✗ a failure with its reason, ▸ the one under way.

*score* is the mean over the folds, greater is better; *±* its standard deviation over the folds; \
*folds* draws the fold scores, all on one scale; *train* is the score on the training rows: much \
higher than *score* means overfitting. The last column says what differs from the best trial of \
that moment.

Lines between the trials say what you did: hints, ranges, pauses. *again* under a trial is its \
configuration on other folds: how much of the score is luck.

Moving in the history shows that trial's reasoning, tokens and beliefs in the other panes; `f` \
returns to the newest. `↵` shows everything about a trial, `e` queues its configuration changed.

`o` sorts, `c` chooses the columns, `/` filters: words that a trial has to hold, `failed`, `best`, \
`noted`, and comparisons such as `score>0.85 max_depth<=4 by=tpe`; `-tpe` is everything but.
"""


class History(Rows):
    """All trials of a study."""

    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings("history")]
    NAME = "History"
    HELP = HELP
    WHERE = "history"
    LEAST = 26

    class Selected(Message):
        """Another trial is looked at: None means the newest, whatever it is."""

        def __init__(self, number: int | None) -> None:
            super().__init__()
            self.number = number

    class DialogRequested(Message):
        """The user wants to choose; `dialog`: "sort", "filter" or "columns"."""

        def __init__(self, dialog: str) -> None:
            super().__init__()
            self.dialog = dialog

    class LineOpened(Message):
        """The user wants to read a steering line in full."""

        def __init__(self, line: SteeringAction) -> None:
            super().__init__()
            self.line = line

    class Arranged(Message):
        """The person chose other columns or another order."""

    def __init__(self, *, glyphs: Glyphs = UNICODE, id: str | None = None) -> None:
        super().__init__(id=id)
        self.glyphs = glyphs
        self.following = True
        self.looked: int | None = None  # number of the trial looked at; None: the newest
        self.order = Order()
        self.shown: tuple[str, ...] = COLUMNS  # columns, and hyperparameters with one of their own
        self._snapshot = StudyState()
        self._now = 0.0
        self._shift = 0
        self._scale = (0.0, 1.0)
        self._fold_cells = 5
        self._rows: list[Row] = []
        self._row_of: dict[int, int] = {}
        self._ordered_as: object = None
        self._number: int | None = None  # of the trial under the cursor, kept when rows move

    # State

    def show(self, snapshot: StudyState, now: float) -> None:
        """Draw the trials of `snapshot`; `now` (seconds since the epoch) ages the running one."""
        changed = snapshot.trials is not self._snapshot.trials
        self._snapshot, self._now = snapshot, now
        arranged = (snapshot.shape, snapshot.started_t, len(snapshot.trials), self.order)
        if arranged != self._ordered_as:
            self._ordered_as = arranged
            self._put_in_order()
        elif changed or snapshot.current is not None:
            row = self._row_of.get(snapshot.trials[-1].number) if snapshot.trials else None
            if row is not None:
                self.refresh_rows(row, row)

    def _put_in_order(self) -> None:
        """Order the rows anew; the cursor stays with its trial, or follows the newest."""
        trials = self._snapshot.trials
        recent = trials[-_SCALE_TRIALS:]
        scores = sorted(s for t in recent for s in t.fold_scores)
        if scores:
            self._scale = (scores[len(scores) // 10], scores[-1])
        folds = max((t.folds for t in recent), default=0)
        self._fold_cells = min(10, max(5, folds))
        self._rows = rows(self._snapshot, self.order)
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
        trials = self._snapshot.trials
        return self._row_of.get(trials[-1].number, 0) if trials else 0

    def _at(self, index: int) -> Row | None:
        return self._rows[index] if 0 <= index < len(self._rows) else None

    @property
    def trial(self) -> TrialState | None:
        """The trial under the cursor."""
        row = self._at(self.cursor)
        trials = self._snapshot.trials
        if isinstance(row, Again):
            return trials[row.trial]
        return trials[row] if isinstance(row, int) and row < len(trials) else None

    def select(self, number: int | None) -> None:
        """Put the cursor on that trial; None follows the newest."""
        self.following, self._number = number is None, number
        if number is None:
            self.cursor = self._newest_row()
        elif number in self._row_of:
            self.cursor = self._row_of[number]
        self._look_at(number)

    def watch_cursor(self, old: int, new: int) -> None:
        super().watch_cursor(old, new)
        if old == new:
            return
        newest = self.order.sort == "number" and new >= self._newest_row()
        if self.following and newest:
            return
        self.following = newest
        row, trial = self._at(new), self.trial
        number = None if trial is None else trial.number
        number = row.after if isinstance(row, SteeringAction) else number
        self._number = number
        self._look_at(None if newest or number is None else max(0, number))

    def _look_at(self, number: int | None) -> None:
        """Known at once, so that the next key is about that trial; drawn a little later."""
        self.looked = number
        self.post_message(self.Selected(number))

    # Rows

    def identity(self, index: int) -> Hashable | None:
        row = self._at(index)
        look = (self._fold_cells, self._shift, self.shown, self._scale, self._snapshot.started_t)
        if isinstance(row, SteeringAction):
            return row, look
        if row is None:
            return None
        trial = self._snapshot.trials[row.trial if isinstance(row, Again) else row]
        if not trial.done:
            return None
        best = trial.number == self._snapshot.incumbent
        return type(row), trial.number, trial.state, trial.note, trial.reruns, best, look

    def row_count(self) -> int:
        return len(self._rows)

    def columns(self) -> Sequence[Column]:
        count = self._snapshot.trials[-1].number if self._snapshot.trials else 0
        g = self.glyphs
        known = {
            "by": Column("by", "by", 7, drop=2),
            "score": Column("score", "score", 7, right=True, gap=1),
            "std": Column("std", g.plus_minus + " std", 5 + len(g.plus_minus), drop=3),
            "folds": Column("folds", "folds", self._fold_cells, drop=4),
            "train": Column("train", "train", 7, right=True, drop=6),
            "time": Column("time", "time", 5, right=True, drop=5),
        }
        found = [
            Column("mark", "", 1, gap=1),
            Column("number", "#", max(2, len(str(count))), right=True),
        ]
        found += [column for key, column in known.items() if key in self.shown]
        for name in self.shown:
            if name.startswith(PARAM):
                short = plain(wording.short_name(name.removeprefix(PARAM)))
                found.append(Column(name, short, max(8, min(12, len(short))), right=True, drop=1))
        if "what" in self.shown:
            found.append(Column("what", "changed vs best", 0))
        sorted_by = {"number": "number", "gap": "train"}.get(self.order.sort, self.order.sort)
        if self.order.plain:
            return found
        arrow = g.up if self.order.backwards else g.down
        return [
            replace(c, title=f"{c.title}{arrow}")
            if c.key in (sorted_by, PARAM + sorted_by) else c
            for c in found
        ]  # fmt: skip

    def _row(self, index: int, width: int) -> Content:
        row = self._at(index)
        if isinstance(row, (SteeringAction, Again)):
            mark = ("▌" if self.has_focus else "▏") if index == self.cursor else " "
            lead = Content.styled(mark if self.glyphs.braille else ">"[: mark != " "], "$primary")
            text = self._line(row) if isinstance(row, SteeringAction) else self._again(row)
            return Content.assemble(lead, text).truncate(width, ellipsis=True)
        whole = super()._row(index, width)
        trial = self.trial_at(index)
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
        reason = Content.styled(_one_line(trial.reason) or "failed without a reason", "$bad")
        note = self._note(trial)
        room = max(8, width - used - note.cell_length - 1)
        kept = reason.truncate(room, ellipsis=True)
        return Content.assemble(whole[:used], " ", kept, note)

    def trial_at(self, index: int) -> TrialState | None:
        """The trial of a row, None for a steering line."""
        row = self._at(index)
        if isinstance(row, Again):
            return self._snapshot.trials[row.trial]
        return self._snapshot.trials[row] if isinstance(row, int) else None

    def _line(self, line: SteeringAction) -> Content:
        clock = time.strftime("%H:%M", time.localtime(line.t))
        return Content.assemble(
            ("  ", ""), (self.glyphs.arrow + " ", "$accent"), (clock + "  ", "$dim"),
            (_one_line(line.text), "italic"),
        )  # fmt: skip

    def _again(self, row: Again) -> Content:
        trial = self._snapshot.trials[row.trial]
        scores = [s for s in trial.reruns if s is not None]
        failed = len(trial.reruns) - len(scores)
        pieces: list[Content | tuple[str, str]] = [("    again on other folds  ", "$dim")]
        if scores:
            mean = sum(scores) / len(scores)
            pieces.append((wording.score(mean), "bold"))
            if len(scores) > 1:
                std = (sum((s - mean) ** 2 for s in scores) / (len(scores) - 1)) ** 0.5
                pieces.append((f" {self.glyphs.plus_minus}{wording.spread(std)}", "$dim"))
            if trial.value is not None:
                pieces.append((f"  {wording.signed(mean - trial.value)}", "$dim"))
            pieces.append(("  " + " ".join(wording.score(s) for s in scores), "$dim"))
        if failed:
            pieces.append((f"  {failed} failed", "$bad"))
        return Content.assemble(*pieces)

    def cell(self, index: int, key: str, width: int) -> Content:
        trial = self.trial_at(index)
        if trial is None:
            return Content("")
        if key == "mark":
            return self._mark(trial)
        if key == "number":
            return Content(str(trial.number))
        if key == "by":
            style = "$bad" if trial.fallback else "$voice" if _is_model(trial.proposer) else "$dim"
            return Content.styled(plain(trial.proposer) + ("!" if trial.fallback else ""), style)
        if key == "score":
            return self._score(trial)
        if key == "std":
            if trial.std is None:
                return Content("")
            return Content.styled(self.glyphs.plus_minus + wording.spread(trial.std), "$dim")
        if key == "folds":
            return self._folds(trial)
        if key == "train":
            return Content.styled(
                "" if trial.train_value is None else wording.score(trial.train_value), "$dim"
            )
        if key == "time":
            seconds = trial.seconds if trial.done else max(0.0, self._now - trial.started_t)
            return Content.styled(wording.duration(seconds), "$dim")
        if key.startswith(PARAM):
            value = trial.config.get(key.removeprefix(PARAM))
            return Content("" if value is None else wording.setting(value))
        note = self._note(trial)
        return Content.assemble(self._what(trial, max(8, width - note.cell_length)), note)

    def empty(self) -> Content:
        if self.order.text and self._snapshot.trials:
            return Content.styled("No trial fits the filter; / changes it.", "$dim")
        if self._snapshot.phase == "loading":
            return Content.styled("The model is being loaded. The first trial comes next.", "$dim")
        return Content.styled("The first trial is on its way.", "$dim")

    def _note(self, trial: TrialState) -> Content:
        if not trial.note:
            return Content("")
        text = _one_line(trial.note)
        shown = text if len(text) <= 24 else text[:23] + self.glyphs.ellipsis
        return Content.styled(f'  "{shown}"', "italic $accent")

    def _mark(self, trial: TrialState) -> Content:
        if trial.number == self._snapshot.incumbent:
            return Content.styled(self.glyphs.best, "bold $best")
        if trial.state == "fail":
            return Content.styled(self.glyphs.failed, "$bad")
        if trial.state == AWAITING:
            return Content.styled("?", "bold $accent")
        if trial.state == "training":
            return Content.styled(self.glyphs.running, "$primary")
        if trial.state == "proposing":
            return Content.styled(self.glyphs.thinking, "$voice")
        return Content.styled(self.glyphs.dot if trial.best_then else " ", "$best")

    def _score(self, trial: TrialState) -> Content:
        if trial.value is not None:
            best = trial.number == self._snapshot.incumbent
            return Content.styled(wording.score(trial.value), "bold $best" if best else "")
        if trial.state == "fail":
            return Content.styled("failed", "$bad")
        if trial.state == AWAITING:
            return Content.styled("waits", "bold $accent")
        if trial.fold_scores:
            mean = sum(trial.fold_scores) / len(trial.fold_scores)
            return Content.styled(wording.score(mean), "$dim")
        return Content("")

    def _folds(self, trial: TrialState) -> Content:
        low, high = self._scale
        drawn = sparkline(trial.fold_scores[: self._fold_cells], self.glyphs, low, high)
        missing = min(trial.folds, self._fold_cells) - len(drawn)
        open_folds = self.glyphs.dot * missing if not trial.done else ""
        return Content.assemble((drawn, "$primary"), (open_folds, "$faint"))

    def _what(self, trial: TrialState, width: int) -> Content:
        if trial.state == "fail":
            return Content.styled(_one_line(trial.reason) or "failed without a reason", "$bad")
        if trial.state == "proposing":
            words = _one_line(trial.reasoning[-4 * width :])
            return Content.styled(words[-width:] if words else "thinking", "italic $voice")
        if trial.proposer == "default":
            return Content.styled("the library's default", "$dim")
        pairs: list[Content] = []
        changes = wording.visible(trial.changes)
        for name, value in (changes or trial.config).items():
            before, after = changes.get(name, (None, value))
            pairs.append(
                Content.assemble(
                    (plain(wording.short_name(name)) + " ", "$dim"),
                    (_before(before, self.glyphs), "$dim"),
                    wording.setting(after) if after is not None else "off",
                )
            )
        return self._as_many_as_fit(pairs[self._shift :], width)

    def _as_many_as_fit(self, pairs: list[Content], width: int) -> Content:
        """Whole pairs, and how many more there are; a number is never cut in two."""
        drawn = Content("")
        for index, pair in enumerate(pairs):
            left = len(pairs) - index
            gap = "  " if index else ""
            room = width - (len(f"  +{left - 1}") if left > 1 else 0)
            if drawn.cell_length + len(gap) + pair.cell_length > room:
                return Content.assemble(drawn, (f"{gap}+{left}", "$dim"))
            drawn = Content.assemble(drawn, gap, pair)
        return drawn

    # Keys

    def action_last(self) -> None:
        self.select(None)

    def action_wider(self) -> None:
        self._shift += 1
        self.refresh()

    def action_narrower(self) -> None:
        self._shift = max(0, self._shift - 1)
        self.refresh()

    def action_copy(self) -> None:
        trial = self.trial
        if trial is not None:
            self.app.copy_to_clipboard(json.dumps(dict(trial.config)))
            self.notify(f"Configuration of trial {trial.number} copied, as JSON")

    def action_details(self) -> None:
        row = self._at(self.cursor)
        if isinstance(row, SteeringAction):
            self.post_message(self.LineOpened(row))
        elif row is not None:
            self.post_message(self.Chosen(self, self.cursor))

    def action_sort(self) -> None:
        self.post_message(self.DialogRequested("sort"))

    def action_filter(self) -> None:
        self.post_message(self.DialogRequested("filter"))

    def action_columns(self) -> None:
        self.post_message(self.DialogRequested("columns"))

    def reorder(self, order: Order) -> None:
        """Take that order; the cursor stays with its trial."""
        if self.following and order.sort != "number" and self.trial is not None:
            self.following, self._number = False, self.trial.number
        self.order = order
        self.show(self._snapshot, self._now)
        self.refresh()
        self.post_message(self.Arranged())


def _is_model(proposer: str) -> bool:
    return proposer in ("llama", "embedded", "hybrid")


def _before(value: object, glyphs: Glyphs) -> str:
    return "" if value is None else wording.setting(value) + glyphs.arrow


def _one_line(text: str) -> str:
    return " ".join(plain(text).split())
