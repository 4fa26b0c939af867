"""What the program itself answers to questions, from the state of a study."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hyperllama.core.events import ImportanceFound, StudyOpened
from hyperllama.core.study import StudyState, TrialState
from hyperllama.core.study.findings.computed_answer import MOST, computed_answer, named_parameters

SPACE = tuple(
    {"name": name, "type": kind, "low": low, "high": high, "log": kind == "float"}
    for name, kind, low, high in (
        ("learning_rate", "float", 0.001, 1.0), ("max_depth", "integer", 1, 12),
        ("xgboost.max_leaves", "integer", 2, 64),
    )
)  # fmt: skip
OPENED = StudyOpened("s", "t", "classification", "accuracy", ("xgboost",), "hybrid", "", 0, 20,
                     None, 100, 4, 5, space=SPACE)  # fmt: skip


def trial(number: int, value: float | None, depth: int, rate: float = 0.3) -> TrialState:
    if value is None:
        return TrialState(number, "gp", "fail", {"max_depth": depth, "learning_rate": rate},
                          reason="out of memory")  # fmt: skip
    folds = tuple(value + d for d in (-0.02, -0.01, 0.0, 0.01, 0.02 + 1e-4 * number))
    return TrialState(
        number, "gp" if number else "default", "complete",
        {"max_depth": depth, "learning_rate": rate}, value, folds, 5,
    )  # fmt: skip


STATE = StudyState(
    OPENED, "training",
    trials=(
        trial(0, 0.80, 6), trial(1, 0.79, 12), trial(2, 0.9, 3, 0.05), trial(3, None, 11),
        trial(4, 0.8, 6, 0.1), trial(5, 0.80001, 4), TrialState(6, "gp", "training"),
    ),
    running=6, under_way=1, incumbent=2,
    importance=ImportanceFound({"max_depth": 0.7, "learning_rate": 0.3}, 6),
)  # fmt: skip


def answer(question: str, state: StudyState = STATE) -> str:
    found = computed_answer(question, state)
    assert len(found) <= MOST and all(s[-1] == "." for s in found)
    return " ".join(found)


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("is trial 2 better than the default?", "Trial 2 scored 0.9, 0.1 better (beyond noise)"),
        ("trial 5, what of it?", "1e-05 better (within noise) than the default; it differs in "
                                 "max_depth 4."),
        ("was trial 1 worse?", "0.01 worse (beyond noise) than the default"),
        ("trial 4?", "Trial 4 scored 0.8, exactly as good as the default; it differs in "
                     "learning_rate 0.1."),
        ("trials 2 and 1?", "Trial 2 is 0.11 better (beyond noise) than trial 1."),
        ("trial 3 failed, why?", "Trial 3 failed: out of memory."),
        ("trial 6?", "Trial 6 has not ended."),
        ("what failed?", "1 of 6 trials failed."),
        ("why is depth 12 bad?", "max_depth 12: trial 1 scored 0.79, 0.01 worse"),
        ("and max depth 10?", "No trial had max_depth 10; the nearest is 12: trial 1 scored"),
        ("what about max_depth?", "max_depth, 70 % of the importance: the best 5 trials have 3 to"),
        ("and leaves?", "xgboost.max_leaves was in no trial that has a score."),
        ("would deeper trees help?", "max_depth, 70 % of the importance"),
        ("are shallow ones better?", "max_depth, 70 % of the importance"),
        ("should it learn slower?", "learning_rate, 30 % of the importance"),
        ("what matters most?", "What mattered over 6 trials: max_depth 70 %, learning_rate 30 %."),
        ("is it luck?", "A gap below"),
        ("what next?", "The best 5 trials have max_depth 3 to 12; learning_rate 0.05 to 0.3."),
        ("should I stop?", "They may pay"),
        ("how is it?", "Trial 2 is better than the default: by more than noise, not confirmed."),
    ],
)  # fmt: skip
def test_a_question_gets_what_can_be_computed(question: str, said: str) -> None:
    text = answer(question)
    assert said.lower() in text.lower(), text


@pytest.mark.parametrize(
    ("question", "names"),
    [
        ("would more trees pay?", ["n_estimators"]),
        ("would deeper trees help?", ["max_depth"]),
        ("is it not regularised enough?", ["reg_alpha", "svm.C"]),
        ("a larger step size?", ["learning_rate"]),
        ("what about n_estimators and deeper trees?", ["n_estimators", "max_depth"]),
        ("is it good?", []),
    ],
)
def test_a_hyperparameter_is_found_by_the_words_people_use(
    question: str, names: list[str]
) -> None:
    space = ("n_estimators", "max_depth", "learning_rate", "reg_alpha", "svm.C", "subsample")
    opened = replace(OPENED, space=tuple({"name": name} for name in space))
    assert named_parameters(question, StudyState(opened)) == names


def test_little_is_known_at_the_beginning() -> None:
    nothing = StudyState(OPENED)
    assert computed_answer("why?", nothing) == ("No trial has a score yet.",)
    assert computed_answer("why?", StudyState()) == ("No trial has a score yet.",)
    first = replace(STATE, trials=STATE.trials[:1], incumbent=0, running=None, under_way=0,
                    importance=None)  # fmt: skip
    assert "library's default" in answer("is trial 0 good?", first)
    assert "Only the default has a score." in answer("how is it?", first)
    assert "not known yet" in answer("what matters?", first)
    assert "never varied" in answer("what about depth?", first)
    assert "not known yet" in answer("is it luck?", first)


def test_names_from_a_storage_reach_no_terminal() -> None:
    evil = replace(STATE.trials[1], config={"max_depth": "\x1b[31m"}, reason="")
    state = replace(STATE, trials=(STATE.trials[0], evil), running=None, under_way=0, incumbent=0)
    assert "\x1b" not in answer("trial 1, depth?", state)
