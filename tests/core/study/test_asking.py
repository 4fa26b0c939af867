"""Requests are checked against a study's state before they are sent, and confirmed in words."""

from __future__ import annotations

from typing import Any

import pytest

import hyperllama
from hyperllama.core.api.hints import in_python
from hyperllama.core.errors import HyperLlamaError, SpaceError, StudyError
from hyperllama.core.events import StudyOpened
from hyperllama.core.events import requests as r
from hyperllama.core.space import Categorical, Float, Integer, Param, SearchSpace
from hyperllama.core.space.describe import describe_space
from hyperllama.core.study import StudyState, TrialState
from hyperllama.core.study.steering.asking import check_request

SPACE = SearchSpace([
    Param("depth", Integer(1, 8), 4), Param("rate", Float(0.01, 1.0, log=True), 0.1),
    Param("kind", Categorical(("a", "b", None)), "a"),
])


def state(**changes: Any) -> StudyState:
    opened = StudyOpened(
        study="s", task="s", kind="regression", metric="r2", estimators=("xgboost",),
        proposer="gp", model="", seed=0, budget_trials=20, budget_s=None, rows=90, features=3,
        folds=5, space=describe_space(SPACE), warnings=(), pid=1,
    )
    trials = (TrialState(0, state="complete", value=0.5), TrialState(1, state="fail"))
    return StudyState(**{"opened": opened, "trials": trials, **changes})


@pytest.mark.parametrize(("request_", "said"), [
    (r.QueueTrial({"depth": 3, "kind": None}), "queued: depth = 3, kind = none"),
    (r.Freeze("rate", 2.0), "rate is frozen at 2"),
    (r.Range("depth", 2, 12), "depth goes from 2 to 12"),
    (r.Range("kind", choices=("a", None)), "kind keeps 'a', none"),
    (r.ResetRange("depth"), "depth has its range of the task again: integer 1 to 8"),
    (r.Extend(trials=5), "the budget is then 25 trials"),
    (r.ChangeJobs(3), "3 trials run side by side"),
    (r.ChangeJobs(1), "one trial runs after the other"),
    (r.Rerun(0, 3), "trial 0 runs again 3 times on other folds"),
    (r.Note(1, "odd"), "note on trial 1: odd"),
    (r.Hint("keep it small"), "the model is told"),
    (r.Pause(), "it pauses after the trial under way"),
    (r.Resume(), "it is not paused"),
])
def test_what_is_accepted_is_said(request_: r.Request, said: str) -> None:
    assert check_request(state(), request_).startswith(said)


@pytest.mark.parametrize(("request_", "message", "hint"), [
    (r.QueueTrial({"deptth": 3}), "no hyperparameter 'deptth'", "did you mean 'depth'?"),
    (r.QueueTrial({"depth": 9}), "depth = 9 is outside", "allowed: integer 1 to 8"),
    (r.QueueTrial({"depth": 2.5}), "depth = 2.5 is not a whole number", "allowed"),
    (r.QueueTrial({"rate": "x"}), "rate = 'x' is not a number", "allowed"),
    (r.QueueTrial({"rate": float("nan")}), "rate = nan is not a number", "allowed"),
    (r.Approve(1, {"kind": "c"}), "kind = 'c' is not one of the choices", "a, b"),
    (r.Freeze("depth", "deep"), "depth needs a number, not 'deep'", "now: integer 1 to 8"),
    (r.Freeze("kind", "c"), "kind = 'c' is not one of the choices", "'a', 'b', none"),
    (r.Range("depth", 5, 2), "5 is above 2", "the lower end comes first"),
    (r.Range("depth", 1.5, 2), "needs whole numbers", "now"),
    (r.Range("rate", 0.0, 1.0), "0 is not above 0", "now"),
    (r.Range("kind", 1, 2), "kind has choices", "choices kind A B"),
    (r.Range("depth", choices=(1,)), "depth has a range of numbers", "range depth LOW HIGH"),
    (r.ResetRange("x"), "no hyperparameter 'x'", "allowed: depth, rate, kind"),
    (r.Rerun(7), "there is no trial 7", "trials 0 to 1"),
    (r.Rerun(1), "trial 1 has no score", "scored trials: 0"),
    (r.Rerun(0, 99), "99 reruns", "allowed: 1 to 20"),
    (r.Note(5, "x"), "there is no trial 5", "trials 0 to 1"),
    (r.ChangeJobs(0), "0 jobs", "allowed: 1 to 256"),
    (r.Extend(), "nothing would be added", "for example"),
    (r.Extend(minutes=5.0), "no time limit", "extend N trials"),
    (r.Hint("  "), "no words", "behind the request"),
    (r.Undo(), "nothing to undo", "changes"),
])
def test_what_cannot_be_is_refused_with_what_is_allowed(
    request_: r.Request, message: str, hint: str
) -> None:
    with pytest.raises((SpaceError, StudyError)) as caught:
        check_request(state(), request_)
    assert message in caught.value.message and hint in caught.value.hint


def test_a_study_that_has_no_state_yet_takes_everything() -> None:
    assert check_request(StudyState(), r.QueueTrial({"depth": 3})) == "queued: depth = 3"


def test_a_name_that_is_no_text_is_an_error_of_ours() -> None:
    for call in (lambda: hyperllama.run("wine", study=5), lambda: hyperllama.resume(5),  # type: ignore[arg-type]
                 lambda: hyperllama.read_study(None)):  # type: ignore[arg-type]
        with pytest.raises(HyperLlamaError, match="a study's name is text"):
            call()


@pytest.mark.parametrize(("shell", "python"), [
    ("`hyperllama resume a` goes on with it; --study NAME starts another",
     '`hyperllama.resume("a")` goes on with it; study=NAME starts another'),
    ("`hyperllama resume b --storage URL` brings it here",
     '`hyperllama.resume("b", storage=URL)` brings it here'),
    ("choose --proposer tpe, gp or random", 'choose proposer="tpe", gp or random'),
    ("choose another name with --study", "choose another name with study="),
])
def test_hints_of_the_command_line_in_the_words_of_python(shell: str, python: str) -> None:
    assert in_python(shell) == python
