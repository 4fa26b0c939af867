"""A study as plain sentences, for screen readers: no tables, no drawing. No widgets."""

from __future__ import annotations

from hyperllama.core.study import AWAITING, PRUNED, StudyState, TrialState
from hyperllama.core.study.findings.claims import say_gain, say_test_rows
from hyperllama.core.text import counted, plain
from hyperllama.tui.content import arrange
from hyperllama.tui.text import wording

_LATEST = 60  # rows of the history that are described

_STATES = {
    "waiting": "is starting",
    "loading": "is loading the model",
    "proposing": "is proposing the next trial",
    AWAITING: "waits for your approval",
    "training": "is training a trial",
    "rerunning": "is rerunning a trial on other folds",
    "confirming": "is scoring the best trials on fresh folds",
    "between": "is running",
    "paused": "is paused",
    "finished": "is finished",
}


def describe(state: StudyState, name: str, alive: bool) -> list[str]:
    """The study from its head to what happens now, one sentence or two a line."""
    lines = [_head(state, name, alive)]
    best, gain = state.best, state.gain
    if best is not None and best.value is not None:
        over = f", {wording.signed(gain)} against the default" if gain is not None else ""
        noise = wording.within_noise(gain, state.beyond_noise)
        over += f", {noise}" if noise else ""
        score = wording.score(best.value)
        lines.append(f"The best score is {score}, in trial {best.number}{over}.")
        lines.append(f"Its configuration: {plain(wording.configuration(best.config))}.")
    if state.finished is not None:
        claims = filter(None, (say_gain(state), say_test_rows(state)))
        lines += [f"{text[0].upper()}{text[1:]}." for text in claims]
    for row in arrange.rows(state, arrange.Order())[-_LATEST:]:
        if isinstance(row, int):
            lines.append(_trial(state.trials[row], state))
        elif isinstance(row, arrange.RerunLine):
            lines.append(_again(state.trials[row.trial]))
        else:
            lines.append(f"You: {plain(row.text)}.")
    if state.conversation:
        last = state.conversation[-1]
        lines.append(f"You asked: {plain(last.asked)}")
        lines += map(plain, last.computed)
        waits = "" if last.done else "The model's words are not there yet."
        lines += filter(None, [plain(last.text or last.problem) or waits])
    awaiting = state.awaiting
    if awaiting is not None:
        lines.append(
            f"Trial {awaiting.number} waits for your approval: space approves, e edits, "
            "d rejects with a reason, capital D without one."
        )
    return lines


def _head(state: StudyState, name: str, alive: bool) -> str:
    opened, finished = state.opened, state.finished
    if finished is None and not alive:
        return f"Study {plain(name)} was interrupted; r resumes it."
    doing = _STATES.get(state.phase, state.phase)
    if finished is not None:
        doing = f"is finished: {plain(finished.why)}"
    text = f"Study {plain(name)} {doing}. {counted(state.done_count, 'trial')} "
    text += "is done" if state.done_count == 1 else "are done"
    if opened is not None and opened.budget_trials:
        text += f" of {opened.budget_trials}"
    if opened is not None:
        text += f". {plain(opened.proposer)} proposes; the score is {plain(opened.metric)}"
    return text + "."


def _trial(trial: TrialState, state: StudyState) -> str:
    by = f"Trial {trial.number} by {plain(trial.proposer)}"
    if trial.state == "proposing":
        words = " ".join(plain(trial.reasoning).split())
        return f"{by} is being proposed. {words[-300:]}"
    changes = wording.visible(trial.changes)
    what = ", ".join(
        f"{plain(name)} {wording.setting(after)}, was {wording.setting(before)}"
        for name, (before, after) in changes.items()
    )
    changed = f" It sets {what}." if what else ""
    note = f" Your note: {plain(trial.note)}." if trial.note else ""
    if trial.state == "fail":
        return f"{by} failed: {plain(trial.reason) or 'no reason given'}.{changed}{note}"
    if trial.state == PRUNED:
        return f"{by} was {plain(trial.reason)}.{changed}{note}"
    if trial.value is None:
        return f"{by} is {'waiting' if trial.state == AWAITING else 'in training'}.{changed}{note}"
    spread = f", plus or minus {wording.spread(trial.std)}" if trial.std is not None else ""
    best = " It was the best so far." if trial.best_then else ""
    if trial.number == state.incumbent:
        best = " It is the best."
    return (
        f"{by}: score {wording.score(trial.value)}{spread}, "
        f"{wording.duration(trial.seconds)}.{best}{changed}{note}"
    )


def _again(trial: TrialState) -> str:
    scores = ", ".join(wording.score(s) if s is not None else "failed" for s in trial.reruns)
    return f"Trial {trial.number} rerun on other folds: {scores}."
