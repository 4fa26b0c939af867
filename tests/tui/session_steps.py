"""A whole session at the keyboard, from a table to an exported winner.

Each step waits for what it leaves behind; `scripts/screens.py` takes pictures on the way.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

from tests.tui.session import F9, NEW_ROWS, Session

PIPELINES = "pipelines"
_ENTER, _BACKSPACE, _TAB = "\r", "\x7f", "\t"
_ESCAPE = "\x1b[27u"
"""As terminals with kitty's keyboard protocol send it: a lone escape and the key after it would be
one key where the program reads both at once, as it does under load."""
_CTRL = {name: chr(ord(name) - 96) for name in "abcdefghijklmnopqrstuvwxyz"}


def steps(session: Session) -> Iterator[str]:
    """The session; yields the name of each screen that is worth a picture."""
    session.wait("breast_cancer")
    yield "home"
    yield from _new_study(session)
    yield from _review(session)
    _steer(session)
    yield from _rest_and_crash(session)
    yield from _end(session)
    yield from _hand_on(session)
    yield from _elsewhere(session)


def _new_study(s: Session) -> Iterator[str]:
    """A study of the table: its target, a quick estimator, a small budget, one held value."""
    s.press("n")
    s.wait("type a path")
    s.press(s.table, _ENTER)
    s.wait("predict this")
    s.press("g", *"j" * s.columns.index(s.target), "t")
    yield "new-table"
    s.press(_CTRL["n"])
    s.wait("Validation")
    s.press(*[_TAB] * 3, _ENTER)
    s.wait("narrow the list")
    s.press(" ", "decision", " ", _ENTER)
    s.wait('estimators = ["decision_tree"]')
    s.press(*[_TAB] * 9, _BACKSPACE, _BACKSPACE, "7")
    s.wait("trials = 7")
    yield "new-task"
    s.press(_CTRL["n"])
    s.wait("Search space")
    s.press("j", "j", "v")
    s.wait("frozen")
    yield "new-space"
    s.press(_CTRL["r"])
    s.wait("1 History")


def _review(s: Session) -> Iterator[str]:
    """Proposals that wait: one is edited, one approved, one rejected."""
    s.press("v")  # the study's process has hardly begun to start
    s.wait("waiting for your approval")
    yield "study-review"
    s.press("e")
    s.wait("Starts from the proposal")
    s.press(_CTRL["u"], "5", _ENTER)
    s.until(lambda: s.trials >= 2, "the edited trial")
    s.see_proposal(2)
    s.press(" ")
    s.until(lambda: s.trials >= 3, "the accepted trial")
    s.see_proposal(3)
    s.press("d")
    s.wait("Reject the proposal")
    s.press("too deep", _ENTER)
    s.until(lambda: '"ProposalRejected"' in s.heard, "the refusal")
    s.until(lambda: s.held == 3, "another proposal")


def _steer(s: Session) -> None:
    """A frozen hyperparameter, a narrower range, a hint, a note on the best trial."""
    for name, text, request in (
        ("min_samples_leaf", "5", '"freeze"'),
        ("max_depth", "2 to 8", '"range"'),
    ):
        s.press("w")
        s.wait("Change a range")
        s.press(name, _ENTER)
        s.wait("Range of")
        s.press(_CTRL["u"], text, _ENTER)
        s.until(lambda said=request: said in s.asked, request)
    s.press("t")
    s.wait("Hint for the model")
    s.press("prefer small trees", _ENTER)
    s.until(lambda: "hint: prefer small trees" in s.heard, "the hint")
    s.press("b", "N")
    s.wait("Note on trial")
    s.press("a good one", _ENTER)
    s.until(lambda: '"TrialNoted"' in s.heard, "the note")
    s.press("f")


def _rest_and_crash(s: Session) -> Iterator[str]:
    """A pause; then the process is killed, and the study goes on in another one."""
    s.press("p")
    s.until(lambda: '"pause"' in s.asked, "the request to pause")
    s.press(" ")
    s.until(lambda: s.state == "paused", "the pause")
    s.wait("paused")
    yield "study-paused"
    pid = s.process
    assert pid
    os.kill(pid, signal.SIGKILL)
    s.wait("resume")
    yield "study-killed"
    s.press("r")
    s.wait("starting")
    s.press("t")
    s.wait("Hint for the model")
    s.press("not this", _ENTER)  # the new process has hardly begun to start
    s.until(lambda: s.process not in (None, pid), "another process")
    s.wait("hint: not this")
    s.press("u")
    s.until(lambda: "undone: hint: not this" in s.heard, "the undoing")


def _end(s: Session) -> Iterator[str]:
    """Without review to the end of the budget, where the verdict stands."""
    s.press("v")
    s.until(lambda: s.asked.count('"review"') > 1, "the request to go on without review")
    s.until(lambda: s.state in ("paused", "running", "finished"), "the study where it was")
    if s.state == "paused":
        s.press("p")
    s.until(lambda: s.state == "finished", "the end of the study")
    s.wait(s.verdict)
    yield "verdict"


def _hand_on(s: Session) -> Iterator[str]:
    """New rows are predicted, the winner is written, the panes are looked at once more."""
    wrong = s.write_new_rows()
    s.press("P")
    s.wait("Predict new rows")
    s.press(NEW_ROWS, _ENTER)
    s.wait("The predictions are in")
    s.until(lambda: all(words in s.said for words in wrong), "what is wrong with the new rows")
    yield "predict"
    s.press(_ESCAPE)
    s.press("E")
    s.wait("The winner is in")
    yield "export"
    s.press(F9, "0", "b")
    yield "study-finished"
    s.press(_ESCAPE)


def _elsewhere(s: Session) -> Iterator[str]:
    """Beside another study, at the models, and out."""
    s.wait("breast_cancer")
    s.press(" ", " ", "c")
    s.wait("Winners")
    yield "compare"
    s.press(_ESCAPE)
    s.wait("breast_cancer")
    s.press("m")
    s.wait("of memory free")
    yield "models"
    s.press(_ESCAPE)
    s.wait("breast_cancer")
    s.press("q")
    assert s.terminal.wait_for_end() == 0


def program_steps(s: Session) -> Iterator[str]:
    """The study `PIPELINES` goes on in review: programs are read, compared, edited and kept."""
    s.name = PIPELINES
    s.wait("breast_cancer")
    s.press("/")
    s.wait("words that a study must")
    s.press(s.name, _ENTER)
    s.terminal.settle(0.1)
    s.press(_ENTER)
    s.wait("m more trials")
    s.press("v")
    s.until(lambda: '"review"' in s.asked, "the request to review")
    s.press("m")
    s.wait("Add trials or minutes")
    s.press("3", _ENTER)
    s.see_proposal(2)
    s.press("f", "I")
    s.wait("awaiting approval")
    yield "program"
    s.press(_ESCAPE, F9, "I")
    s.wait("Program of trial 2")
    s.press("d")
    s.wait("(the best)")
    s.wait("@@")
    yield "program-difference"
    s.press(_ESCAPE, F9, "I")
    s.wait("Program of trial 2")
    s.press("f")
    s.wait("Keep which part")
    s.wait("vote")
    yield "program-kept-part"
    s.press(_ENTER)
    s.until(lambda: '"freeze"' in s.asked, "the part that is kept")
    s.press("I")
    s.wait("Program of trial 2")
    s.press("e")  # the editor is `_EDITOR`
    s.until(lambda: '"queue_program"' in s.asked, "the edited program")
    s.until(lambda: "queued a program" in s.heard, "the program in the queue")
    s.press("d")
    s.wait("Reject the proposal")
    s.press("another scale", _ENTER)
    s.until(lambda: '"ProposalRejected"' in s.heard, "the refusal")
    s.until(lambda: s.held == 2, "another proposal")
    s.approve(2)
    s.until(lambda: "IndexError" in s.heard, "the program that fails")
    s.see_proposal(4)
    s.press("k")
    s.wait("line")
    s.press("I")
    s.wait("Program of trial 3")
    s.wait("IndexError")
    yield "program-error"
    s.press(_ESCAPE, "v")
    s.until(lambda: s.state == "finished", "the end of the study")
    s.press(_ESCAPE)
    s.wait("breast_cancer")
    s.press("q")
    assert s.terminal.wait_for_end() == 0
