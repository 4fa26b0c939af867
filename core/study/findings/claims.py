"""What a study claims, in plain sentences: its gain, how sure that is, and the test rows."""

from __future__ import annotations

from hyperllama.core.events import StudyConfirmed
from hyperllama.core.study.state import PRUNED, StudyState
from hyperllama.core.text import counted, percent


def say_gain(state: StudyState) -> str:
    """The confirmed gain with its interval, or why there is none; empty before there is a gain."""
    found, claimed = state.confirmation, state.gain
    if found is not None and found.repeats:
        return _confirmed(found, state)
    if claimed is None:
        return ""
    if state.chosen is not None:
        return f"gain {claimed:+.4g} against the default in the study's own folds"
    if claimed <= 0:
        return "no trial scored better than the default configuration"
    why = "it is while the study goes on"
    if found is not None:
        why = found.why
    elif state.opened is not None and not state.opened.confirm:
        why = "confirmation was left out (--no-confirm)"
    elif state.finished is not None:
        why = "the study ended before that"
    return f"gain {claimed:+.4g} over the default in the study's own folds, not confirmed: {why}"


def say_racing(state: StudyState) -> str:
    """How many trials were stopped before their last fold, and what that saved; empty without."""
    stopped = [t for t in state.trials if t.state == PRUNED]
    if not stopped:
        return ""
    folds = sum(t.folds for t in state.trials if t.done)
    saved = sum(t.folds - len(t.fold_scores) for t in stopped)
    wrong = sum(t.chance or 0.0 for t in stopped)
    return (
        f"{len(stopped)} of {state.done_count} trials were stopped early, which saved "
        f"{percent(saved / max(folds, 1))} of the folds; by their chances, {wrong:.1f} of them "
        "would have become the best of their time"
    )


def _confirmed(found: StudyConfirmed, state: StudyState) -> str:
    claimed = "" if found.claimed_gain is None else f"; claimed {found.claimed_gain:+.4g}"
    folds = f"{counted(found.repeats, 'set')} of fresh folds{claimed}"
    if found.gain is None:
        return f"no gain on {folds}"
    reach = ""
    if found.gain_low is not None and found.gain_high is not None:
        reach = f", 90 % interval {found.gain_low:+.4g} to {found.gain_high:+.4g}"
    sure = found.gain_low is None or found.gain_low > 0.0
    what = "confirmed gain" if sure else "gain within noise:"
    return f"{what} {found.gain:+.4g} of trial {found.winner}{reach}, on {folds}"


def say_test_rows(state: StudyState) -> str:
    """The scores on the test rows, and whether these had been used before; empty without any."""
    if state.test_value is None:
        return ""
    text = f"on the test rows: {state.test_value:.5g}"
    if state.default_test_value is not None and state.winner is not state.default:
        ahead = "is better: " if state.default_test_value > state.test_value else ""
        text += f", the default {ahead}{state.default_test_value:.5g}"
    if state.test_rows_used:
        times = "once" if state.test_rows_used == 1 else f"{state.test_rows_used} times"
        text += f"; these rows had been scored {times} before, so they are not untouched any more"
    return text
