"""The history of trials: a live table, newest last, followed until the cursor leaves it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import ClassVar

from textual.binding import BindingType
from textual.content import Content
from textual.message import Message

from core.text import plain
from tui import actions, wording
from tui.glyphs import UNICODE, Glyphs, sparkline
from tui.snapshot import Snapshot, TrialView
from tui.widgets.rows import Column, Rows

_SCALE_TRIALS = 200  # the fold plots share a scale over that many last trials

HELP = """\
Each line is a trial. ★ marks the best so far, ✗ a failure with its reason, ▸ the one under way.

*score* is the mean over the folds, greater is better; *±* its standard deviation over the folds; \
*folds* draws the fold scores, all on one scale; *train* is the score on the training rows: much \
higher than *score* means overfitting. The last column says what differs from the best trial of \
that moment.

Moving in the history shows that trial's reasoning, tokens and beliefs in the other panes; `f` \
returns to the newest. `↵` shows everything about a trial, `e` queues its configuration changed.
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

    class EditAsked(Message):
        """The person wants to queue that trial's configuration, changed."""

        def __init__(self, trial: TrialView) -> None:
            super().__init__()
            self.trial = trial

    def __init__(self, *, glyphs: Glyphs = UNICODE, id: str | None = None) -> None:
        super().__init__(id=id)
        self.glyphs = glyphs
        self.following = True
        self._snapshot = Snapshot()
        self._now = 0.0
        self._shift = 0
        self._scale = (0.0, 1.0)
        self._fold_cells = 5

    # State

    def show(self, snapshot: Snapshot, now: float) -> None:
        """Draw the trials of `snapshot`; `now` (seconds since the epoch) ages the running one."""
        changed = snapshot.trials is not self._snapshot.trials
        self._snapshot, self._now = snapshot, now
        if not changed:
            if snapshot.current is not None:
                self.refresh_rows(self.row_count() - 1, self.row_count() - 1)
            return
        recent = snapshot.trials[-_SCALE_TRIALS:]
        scores = sorted(s for t in recent for s in t.fold_scores)
        if scores:
            self._scale = (scores[len(scores) // 10], scores[-1])
        folds = max((t.folds for t in recent), default=0)
        self._fold_cells = min(10, max(5, folds))
        self.rows_changed()
        if self.following:
            self.cursor = len(snapshot.trials) - 1
            self._reveal()

    @property
    def trial(self) -> TrialView | None:
        """The trial under the cursor."""
        trials = self._snapshot.trials
        return trials[self.cursor] if 0 <= self.cursor < len(trials) else None

    def select(self, number: int | None) -> None:
        """Put the cursor on that trial; None follows the newest."""
        self.following = number is None
        if number is None:
            self.cursor = self.row_count() - 1
        else:
            for index, trial in enumerate(self._snapshot.trials):
                if trial.number == number:
                    self.cursor = index
        self.post_message(self.Selected(number))

    def watch_cursor(self, old: int, new: int) -> None:
        super().watch_cursor(old, new)
        if old == new:
            return
        newest = new >= self.row_count() - 1
        if self.following and newest:
            return
        self.following = newest
        trial = self.trial
        self.post_message(self.Selected(None if newest or trial is None else trial.number))

    # Rows

    def identity(self, index: int) -> Hashable | None:
        trial = self._snapshot.trials[index]
        if not trial.done:
            return None
        best = trial.number == self._snapshot.incumbent
        return id(trial), best, self._scale, self._fold_cells, self._shift

    def row_count(self) -> int:
        return len(self._snapshot.trials)

    def columns(self) -> Sequence[Column]:
        return (
            Column("mark", "", 1, gap=1),
            Column("number", "#", max(2, len(str(self.row_count()))), right=True),
            Column("by", "by", 7, drop=2),
            Column("score", "score", 7, right=True, gap=1),
            Column("std", self.glyphs.plus_minus + " std", 6, drop=3),
            Column("folds", "folds", self._fold_cells, drop=4),
            Column("train", "train", 7, right=True, drop=6),
            Column("time", "time", 5, right=True, drop=5),
            Column("what", "changed vs best", 0),
        )

    def cell(self, index: int, key: str, width: int) -> Content:
        trial = self._snapshot.trials[index]
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
        return self._what(trial, width)

    def empty(self) -> Content:
        if self._snapshot.state == "loading":
            return Content.styled("The model is being loaded. The first trial comes next.", "$dim")
        return Content.styled("The first trial is on its way.", "$dim")

    def _mark(self, trial: TrialView) -> Content:
        if trial.number == self._snapshot.incumbent:
            return Content.styled(self.glyphs.best, "bold $best")
        if trial.state == "fail":
            return Content.styled(self.glyphs.failed, "$bad")
        if trial.state == "training":
            return Content.styled(self.glyphs.running, "$primary")
        if trial.state == "proposing":
            return Content.styled(self.glyphs.thinking, "$voice")
        return Content.styled(self.glyphs.dot if trial.best_then else " ", "$best")

    def _score(self, trial: TrialView) -> Content:
        if trial.value is not None:
            best = trial.number == self._snapshot.incumbent
            return Content.styled(wording.score(trial.value), "bold $best" if best else "")
        if trial.state == "fail":
            return Content.styled("failed", "$bad")
        if trial.fold_scores:
            mean = sum(trial.fold_scores) / len(trial.fold_scores)
            return Content.styled(wording.score(mean), "$dim")
        return Content("")

    def _folds(self, trial: TrialView) -> Content:
        low, high = self._scale
        drawn = sparkline(trial.fold_scores[: self._fold_cells], self.glyphs, low, high)
        missing = min(trial.folds, self._fold_cells) - len(drawn)
        open_folds = self.glyphs.dot * missing if not trial.done else ""
        return Content.assemble((drawn, "$primary"), (open_folds, "$faint"))

    def _what(self, trial: TrialView, width: int) -> Content:
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
        if self.trial is not None:
            self.app.copy_to_clipboard(wording.configuration(self.trial.config))
            self.notify(f"Configuration of trial {self.trial.number} copied")

    def action_details(self) -> None:
        self.post_message(self.Chosen(self, self.cursor))

    def action_edit(self) -> None:
        if self.trial is not None:
            self.post_message(self.EditAsked(self.trial))


def _is_model(proposer: str) -> bool:
    return proposer in ("llama", "embedded", "hybrid")


def _before(value: object, glyphs: Glyphs) -> str:
    return "" if value is None else wording.setting(value) + glyphs.arrow


def _one_line(text: str) -> str:
    return " ".join(plain(text).split())
