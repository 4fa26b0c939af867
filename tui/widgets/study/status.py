"""The two lines at the top of a study: which study it is, and how it stands."""

from __future__ import annotations

from textual.content import Content
from textual.widget import Widget

from hyperllama.core.study import AWAITING, StudyState
from hyperllama.core.text import plain
from hyperllama.tui.text import wording
from hyperllama.tui.text.glyphs import UNICODE, Glyphs

_PHASES = {
    "waiting": ("waiting", "starting", "$dim"),
    "loading": ("waiting", "loading the model", "$dim"),
    "proposing": ("running", "proposing", "$voice"),
    AWAITING: ("", "waiting for your approval", "$accent"),
    "training": ("running", "training", "$primary"),
    "rerunning": ("running", "rerunning a trial", "$primary"),
    "confirming": ("running", "confirming on fresh folds", "$primary"),
    "answering": ("running", "answering a question", "$voice"),
    "between": ("running", "running", "$primary"),
    "paused": ("paused", "paused", "$best"),
}
"""Phase -> glyph, words, style."""
_ENDS = {
    "budget": ("done", "finished", "$good"),
    "minutes": ("done", "time limit reached", "$good"),
    "exhausted": ("done", "finished, nothing left to try", "$good"),
    "stopped": ("stopped", "stopped", "$bad"),
    "error": ("stopped", "ended by an error", "$bad"),
}
_SIDE_BY_SIDE = 4  # running trials whose folds are shown


class StatusLine(Widget):
    """State, trial k of n, best score, gain over the default, time left."""

    def __init__(self, name: str, *, glyphs: Glyphs = UNICODE, id: str | None = None) -> None:
        super().__init__(id=id)
        self.study = name
        self.glyphs = glyphs
        self.state = StudyState()
        self.process = "alive"
        self.now = 0.0
        self._drawn: tuple[object, ...] = ()

    def show(self, state: StudyState, process: str, now: float) -> None:
        """Draw that state.

        Args:
            process: of the study: "alive", "opening" (it was started a moment ago), "refused" (it
                failed to start) or "gone".
            now: seconds since the epoch.
        """
        drawn = (id(state), process, int(now))
        self.state, self.process, self.now = state, process, now
        if drawn != self._drawn:
            self._drawn = drawn
            self.refresh()

    def render(self) -> Content:
        width = self.size.width
        return Content("\n").join([self._study(width), self._progress(width)])

    @property
    def dead(self) -> bool:
        """The process is gone although it never said that the study ended."""
        return self.state.finished is None and self.process in ("refused", "gone")

    def _phase(self) -> tuple[str, str]:
        """What the study is doing, and the style for it."""
        state = self.state
        if self.process == "opening":
            glyph, text, style = _PHASES["waiting"]
        elif self.dead:
            began = state.opened is not None and self.process != "refused"
            glyph, text, style = "stopped", "interrupted" if began else "did not start", "$bad"
        elif state.finished is not None:
            why = state.finished.why
            glyph, text, style = _ENDS.get(why, ("stopped", plain(why) or "ended", "$bad"))
        else:
            glyph, text, style = _PHASES.get(state.phase, ("running", state.phase, "$primary"))
            text = progress_words(state, self.size.width) or text
        return f"{getattr(self.glyphs, glyph) if glyph else '?'} {text}", f"bold {style}"

    def _study(self, width: int) -> Content:
        """The first line: the study's name and facts, who proposes."""
        opened, dot = self.state.opened, f" {self.glyphs.dot} "
        facts: list[str] = []
        proposer = ""
        if opened is not None:
            if width >= 70:
                facts = [", ".join(map(plain, opened.estimators)), plain(opened.metric)]
            if width >= 100:
                facts += [f"{opened.rows:,} rows × {opened.features}", f"{opened.folds} folds"]
            model = [wording.model_name(opened.model)] if opened.model else []
            proposer = dot.join([plain(opened.proposer), *model])
        unsandboxed = opened is not None and opened.unsandboxed
        left = Content.assemble(
            (plain(self.study), "bold"), ("  " + dot.join(filter(None, facts)), "$dim"),
            (f"  {wording.UNSANDBOXED}" if unsandboxed else "", "$bad"),
        )  # fmt: skip
        return _at_both_ends(left, Content.styled(proposer, "$voice"), width)

    def _progress(self, width: int) -> Content:
        """The second line: state, trials, best score, gain, time."""
        state, g = self.state, self.glyphs
        opened, best, gain = state.opened, state.winner, state.gain
        gap = "   " if width >= 76 else "  "
        left: list[Content | tuple[str, str]] = [self._phase()]
        if opened is not None:
            left.append(self._trials(width))
        elif not self.dead or self.process == "opening":
            left.append(("  reading the table, finding the model", "$dim"))
        if best is not None and best.value is not None:
            star = f"{g.best} " if best.number == state.incumbent else "winner "
            left += [(gap + star, "$best"), (wording.score(best.value), "bold $best")]
            if best.std is not None and width >= 100:
                left.append((f" {g.plus_minus} {wording.spread(best.std)}", "$dim"))
        if opened is not None and opened.review and state.awaiting is None and width >= 64:
            left.append((f"{gap}review", "$accent"))
        confirmed, tail = state.confirmation, ""
        if confirmed is not None and confirmed.repeats:
            text = wording.signed(confirmed.gain) if confirmed.gain is not None else "no gain"
            within = confirmed.gain is not None and not state.beyond_noise
            left.append((gap + text, wording.gain_style(state.beyond_noise)))
            tail = " within noise" if within else " confirmed"
        elif gain is not None and best is not None and best.proposer != "default":
            short = " vs default" if width >= 80 and state.confirming is None else ""
            tail = " over the default" if width >= 100 else short
            if state.confirmed_gain is not None:
                gain, tail = state.confirmed_gain, " confirmed" if width >= 80 else ""
            left.append((gap + wording.signed(gain), wording.gain_style(state.beyond_noise)))
            within = state.beyond_noise is False and gain > 0 and width >= 100
            tail += ", within noise" if within else ""
        told, time, test = Content.assemble(*left), self._time(width), ""
        if state.finished is not None and state.test_value is not None:
            test = f"{gap}test {wording.score(state.test_value)}"
        for more in ((tail, "$dim"), (test, "")):  # each whole, or not at all
            if told.cell_length + len(more[0]) + 2 + time.cell_length <= width:
                told = Content.assemble(told, more)
        return _at_both_ends(told, time, width)

    def _trials(self, width: int) -> Content:
        """How many trials are done, of how many, and the number of the one under way."""
        state, g = self.state, self.glyphs
        opened, current, done = state.opened, state.current, state.done_count
        assert opened is not None
        if state.finished is not None:
            noun = " trial" if done == 1 else " trials"
            return Content.assemble("  ", (str(done), "bold"), (noun, "$dim"))
        total = f" of {opened.budget_trials}" if opened.budget_trials else ""
        if width < 64:
            return Content.assemble("  ", (str(done), "bold"), (total.replace(" of ", "/"), "$dim"))
        text = Content.assemble("  ", (str(done), "bold"), (f"{total} done", "$dim"))
        if opened.jobs > 1 and width < 100 and state.confirming is None:
            run = state.under_way - (self._next is not None)
            return Content.assemble(text, (f", {run} of {opened.jobs} run", "$dim"))
        if current is None or width < 100:
            return text
        if opened.jobs > 1 or state.under_way > 1:
            return Content.assemble(*self._side_by_side(), text)
        text = Content.assemble(("  trial ", "$dim"), (str(current.number), "bold"), text)
        if current.state == "training":
            folds = len(current.fold_scores)
            missing = max(0, (current.folds or opened.folds) - folds)
            bars = ((g.full * folds, "$primary"), (g.empty * missing, "$faint"))
            text = Content.assemble(text, ("  fold ", "$dim"), *bars)
        return text

    @property
    def _next(self) -> int | None:
        """The trial that waits for a runner, or to be approved, while all runners train."""
        opened, unfinished = self.state.opened, self.state.unfinished
        if opened is None or opened.jobs < 2 or len(unfinished) != opened.jobs + 1:
            return None
        return None if unfinished[-1].fold_scores else unfinished[-1].number

    def _side_by_side(self) -> list[tuple[str, str]]:
        """The trials under way with their folds, how many there may be, and which is next."""
        state, opened = self.state, self.state.opened
        assert opened is not None
        text = [("  trials" if state.under_way else "", "$dim")]
        follows = self._next
        running = state.unfinished if follows is None else state.unfinished[:-1]
        for trial in running[:_SIDE_BY_SIDE]:
            text.append((f" {trial.number}", "bold"))
            if trial.state == "training":
                text.append((f" {len(trial.fold_scores)}/{trial.folds or opened.folds}", "$dim"))
        more = len(running) - _SIDE_BY_SIDE
        jobs = f" of {opened.jobs} jobs" if opened.jobs > 1 else ""
        jobs += "" if follows is None else f", {follows} next"
        return [*text, (f" and {more} more" if more > 0 else "", "$dim"), (jobs, "$dim")]

    def _time(self, width: int) -> Content:
        state = self.state
        if self.process == "opening":
            return Content("")
        if self.dead:
            began = self.state.opened is not None
            return Content.assemble(
                ("r", "bold $primary"), (" resumes it" if began else " tries again", "$dim")
            )
        elapsed, left = state.elapsed_s(self.now), state.left_s(self.now)
        spent = wording.duration(elapsed)
        if state.finished is not None:
            return Content.styled(f"took {spent}", "$dim")
        if state.confirming is not None:  # it does not count: the seconds would stand still
            return Content("")
        if left is None or state.phase == "paused":
            return Content.styled(spent if elapsed else "", "$dim")
        before = f"{spent}  " if width >= 100 else ""
        return Content.assemble((before, "$dim"), wording.duration(left), (" left", "$dim"))


def progress_words(state: StudyState, width: int = 140) -> str:
    """What the study is doing with how far it is, in so many columns; empty where that is not
    known."""
    reading, confirming = state.reading, state.confirming
    if state.waiting is not None:
        return f"waits for {state.waiting.what}, {state.waiting.left_s:.0f} s at most"
    if state.phase == "loading" and state.loading:
        return f"loading the model, {state.loading:.0%}"
    if state.phase == "proposing" and reading is not None:
        return f"reading the prompt, {reading.done / reading.total:.0%}"
    if state.phase == "confirming" and confirming is not None:
        sets = f"set {confirming.repeat} of {confirming.repeats}"
        fresh = " on fresh folds" if width >= 100 else ""
        return f"confirming trial {confirming.number}{fresh}, {sets}"
    return ""


def _at_both_ends(left: Content, right: Content, width: int) -> Content:
    """Two texts at the ends of a line; the left one is cut if they collide."""
    room = width - right.cell_length
    if room < 8:
        return left.truncate(width, ellipsis=True)
    left = left.truncate(max(1, room - 2), ellipsis=True)
    return Content.assemble(left, " " * (room - left.cell_length), right)
