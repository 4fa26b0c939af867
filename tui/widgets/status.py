"""The two lines at the top of a study: which study it is, and how it stands."""

from __future__ import annotations

from textual.content import Content
from textual.widget import Widget

from hyperllama.core.study import AWAITING, StudyState
from hyperllama.core.text import plain
from hyperllama.tui import wording
from hyperllama.tui.glyphs import UNICODE, Glyphs

_STATES = {
    "waiting": "starting",
    "loading": "loading the model",
    "proposing": "proposing",
    AWAITING: "waiting for your approval",
    "training": "training",
    "rerunning": "running a trial again",
    "between": "running",
    "paused": "paused",
    "finished": "finished",
}
_ENDS = {
    "budget": "finished",
    "minutes": "finished, time is used",
    "stopped": "stopped",
    "error": "ended by an error",
    "exhausted": "finished, nothing left to try",
}


class StatusLine(Widget):
    """State, trial k of n, best score, gain over the default, time left."""

    def __init__(self, name: str, *, glyphs: Glyphs = UNICODE, id: str | None = None) -> None:
        super().__init__(id=id)
        self.study = name
        self.glyphs = glyphs
        self.snapshot = StudyState()
        self.alive = True
        self.now = 0.0
        self._drawn: tuple[object, ...] = ()

    def show(self, snapshot: StudyState, alive: bool, now: float) -> None:
        """Draw that snapshot; `alive`: the study's process is there; `now` in seconds."""
        drawn = (id(snapshot), alive, int(now))
        self.snapshot, self.alive, self.now = snapshot, alive, now
        if drawn != self._drawn:
            self._drawn = drawn
            self.refresh()

    def render(self) -> Content:
        width = self.size.width
        return Content("\n").join([self._what(width), self._how(width)])

    @property
    def dead(self) -> bool:
        """Its process is gone although it never said that it ended."""
        return self.snapshot.live and not self.alive

    def state(self) -> tuple[str, str, str]:
        """(glyph, word, style) for the state of the study."""
        g, snapshot = self.glyphs, self.snapshot
        if self.dead:
            return g.stopped, "interrupted", "$bad"
        if snapshot.finished is not None:
            why = snapshot.finished.why
            good = why in ("budget", "minutes", "exhausted")
            word = _ENDS.get(why, plain(why) or "ended")
            return (g.done if good else g.stopped), word, "$good" if good else "$bad"
        word = _STATES.get(snapshot.phase, snapshot.phase)
        if snapshot.phase == "paused":
            return g.paused, word, "$best"
        if snapshot.phase == AWAITING:
            return "?", word, "$accent"
        if snapshot.phase == "proposing":
            return g.running, word, "$voice"
        if snapshot.phase in ("waiting", "loading"):
            return g.waiting, word, "$dim"
        return g.running, word, "$primary"

    def _what(self, width: int) -> Content:
        opened = self.snapshot.opened
        left = [Content.styled(plain(self.study), "bold")]
        right = Content("")
        if opened is not None:
            dot = f" {self.glyphs.dot} "
            if width >= 70:
                estimators = ", ".join(plain(name) for name in opened.estimators)
                facts = [estimators, plain(opened.metric)]
                if width >= 100:
                    facts.append(f"{opened.rows:,} rows × {opened.features}")
                    facts.append(f"{opened.folds} folds")
                left.append(Content.styled("  " + dot.join(filter(None, facts)), "$dim"))
            words = [plain(opened.proposer)]
            if opened.model:
                words.append(plain(opened.model).rpartition("/")[2].removesuffix(".gguf"))
            right = Content.styled(dot.join(words), "$voice")
        return _spread(Content.assemble(*left), right, width)

    def _how(self, width: int) -> Content:
        snapshot = self.snapshot
        glyph, word, style = self.state()
        left = [Content.styled(f"{glyph} {word}", f"bold {style}")]
        opened = snapshot.opened
        if opened is not None:
            left.append(self._trials(width))
        elif not self.dead:
            left.append(Content.styled("  the table is read, the model is looked for", "$dim"))
        best = snapshot.best
        gap = "   " if width >= 76 else "  "
        if best is not None and best.value is not None:
            left.append(
                Content.assemble(
                    (f"{gap}{self.glyphs.best} ", "$best"),
                    (wording.score(best.value), "bold $best"),
                    (f" {self.glyphs.plus_minus} {wording.score(best.std)}", "$dim")
                    if best.std is not None and width >= 100
                    else "",
                )
            )
        if opened is not None and opened.review and snapshot.awaiting is None and width >= 64:
            left.append(Content.styled(f"{gap}review", "$accent"))
        gain = snapshot.gain
        if gain is not None:
            style = "$good" if gain > 0 else "$dim"
            tail = " over the default" if width >= 100 else " vs default" if width >= 80 else ""
            left.append(Content.assemble((gap + wording.signed(gain), style), (tail, "$dim")))
        end = snapshot.finished
        if end is not None and end.test_value is not None and width >= 72:
            text = f"{gap}test {wording.score(end.test_value)}"
            left.append(Content.styled(text, ""))
        return _spread(Content.assemble(*left), self._time(width), width)

    def _trials(self, width: int) -> Content:
        snapshot = self.snapshot
        opened = snapshot.opened
        assert opened is not None
        current = snapshot.current
        number = snapshot.done_count if current is None else snapshot.done_count + 1
        total = f" of {opened.budget_trials}" if opened.budget_trials else ""
        if width < 64:
            total = total.replace(" of ", "/")
        label = "  trial " if width >= 64 else "  "
        text = Content.assemble((label, "$dim"), (str(number), "bold"), (total, "$dim"))
        if snapshot.finished is not None:
            noun = "trial" if number == 1 else "trials"
            text = Content.assemble(("  ", ""), (str(number), "bold"), (f" {noun}", "$dim"))
        if current is not None and current.state == "training" and width >= 100:
            done = len(current.fold_scores)
            folds = current.folds or opened.folds
            text = Content.assemble(
                text,
                ("  fold ", "$dim"),
                (self.glyphs.full * done, "$primary"),
                (self.glyphs.empty * max(0, folds - done), "$faint"),
            )
        return text

    def _time(self, width: int) -> Content:
        snapshot = self.snapshot
        if self.dead:
            return Content.assemble(("r", "bold $primary"), (" resumes it", "$dim"))
        elapsed = snapshot.elapsed_s(self.now)
        if snapshot.finished is not None:
            return Content.styled(f"took {wording.duration(elapsed)}", "$dim")
        left = snapshot.left_s(self.now)
        if left is None or snapshot.phase == "paused":
            return Content.styled(wording.duration(elapsed), "$dim") if elapsed else Content("")
        if width >= 100:
            return Content.assemble(
                (f"{wording.duration(elapsed)}  ", "$dim"),
                f"{wording.duration(left)}",
                (" left", "$dim"),
            )
        return Content.assemble(wording.duration(left), (" left", "$dim"))


def _spread(left: Content, right: Content, width: int) -> Content:
    """`left` and `right` at the two ends of a line; the left one is cut if they collide."""
    room = width - right.cell_length
    if room < 8:
        return left.truncate(width, ellipsis=True)
    left = left.truncate(max(1, room - 2), ellipsis=True)
    return Content.assemble(left, " " * (room - left.cell_length), right)
