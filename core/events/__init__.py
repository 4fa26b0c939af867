"""What happens in a study: frozen values in the past tense, the only thing others see of it.

One JSON object a line in the study's `events.jsonl`, with `t`, seconds since the epoch, when it was
written. Fields are only ever added, and have defaults. `requests` holds what people ask of a study.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Union, get_args

from hyperllama.core.events.codec import decode, encode
from hyperllama.core.objectives import Constraint, Objective


@dataclass(frozen=True)
class StudyOpened:
    """The study process holds the lock, knows the task, and is about to start or resume."""

    study: str
    task: str
    kind: str
    metric: str
    estimators: tuple[str, ...]
    proposer: str
    model: str
    seed: int
    budget_trials: int | None
    budget_s: float | None
    rows: int
    features: int
    folds: int
    space: tuple[Mapping[str, Any], ...] = ()  # name, text (domain in words), description, default
    warnings: tuple[str, ...] = ()
    pid: int = 0
    review: bool = False
    hints: tuple[str, ...] = ()
    ranges: Mapping[str, Any] = field(default_factory=dict)  # changed ranges, as `Ranges.kept`
    jobs: int = 1  # trials that run side by side
    chance: tuple[float, ...] = ()  # fold scores of the most frequent class, or of the mean
    confirm: bool = True  # False: --no-confirm, or the task says so
    unsandboxed: bool = False  # programs are run without a sandbox
    program_turns: Mapping[str, Any] = field(default_factory=dict)  # key -> evaluations; 0: dropped
    program_evaluations: int = 0  # that each program gets; 0: successive halving decides
    scored_share: float = 0.0  # of a fold's rows, see `Validation.scored_share`; 0: not known
    objectives: tuple[Objective, ...] = ()  # the metric first; empty where it is the only one
    constraints: tuple[Constraint, ...] = ()  # that a trial has to keep


@dataclass(frozen=True)
class StudyWaiting:
    """The study waits for `what`, at most `left_s` seconds; 0.0: it goes on. Once a second."""

    what: str
    left_s: float


@dataclass(frozen=True)
class ModelLoading:
    """A model file is being loaded; fraction in [0, 1]."""

    model: str
    fraction: float


@dataclass(frozen=True)
class ModelLoaded:
    """The engine is ready; `facts`: architecture, parameters, quantisation, context_length,
    gpu_layers, threads, file_mb, memory_mb, sha256, backend."""

    model: str
    seconds: float
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PromptReading:
    """The model reads a prompt, at most four times a second: `done` of `total` tokens that were not
    in its cache, in `seconds` so far."""

    done: int
    total: int
    seconds: float


@dataclass(frozen=True)
class ProposalStarted:
    number: int
    proposer: str


@dataclass(frozen=True)
class ProposalText:
    """A piece of reasoning, at most ten times a second."""

    number: int
    text: str


@dataclass(frozen=True)
class ProposalMade:
    """A configuration was proposed. `tokens`: prompt, cached, generated, context_used,
    context_length, per_s, seconds, how the prompt was planned (see `core.study.proposals.counts`).
    `awaits_approval`: it is evaluated once a person approves it."""

    number: int
    proposer: str
    config: Mapping[str, Any]
    reasoning: str = ""
    fallback: str = ""
    tokens: Mapping[str, Any] = field(default_factory=dict)
    beliefs: Mapping[str, Any] = field(default_factory=dict)
    changes: Mapping[str, Any] = field(default_factory=dict)  # name -> [incumbent's, new]
    awaits_approval: bool = False


@dataclass(frozen=True)
class FoldFinished:
    number: int
    fold: int
    folds: int
    score: float
    train_score: float | None
    fit_s: float


@dataclass(frozen=True)
class TrialFinished:
    """A trial ended and is in the storage. `state`: "complete" or "fail"."""

    number: int
    state: str
    config: Mapping[str, Any]
    value: float | None
    fold_scores: tuple[float, ...] = ()
    std: float | None = None
    train_value: float | None = None
    seconds: float = 0.0
    proposer: str = ""
    reason: str = ""
    reasoning: str = ""
    fallback: str = ""
    incumbent: bool = False
    tokens: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)  # as `Result.facts`
    peak_memory_mb: float = 0.0


@dataclass(frozen=True)
class StudyPaused:
    reason: str = ""


@dataclass(frozen=True)
class StudyResumed:
    reason: str = ""


@dataclass(frozen=True)
class ProposalRejected:
    """A person rejected a proposal; the trial of that number gets another one."""

    number: int
    config: Mapping[str, Any]
    reason: str = ""


@dataclass(frozen=True)
class StudySteered:
    """A person changed the course of the study.

    `text` says what in one line, `after` is the number of the last trial begun before it (-1:
    none). `settings` holds what is different from here on: proposer, model, budget_trials,
    budget_s, review, and `space` as in `StudyOpened`. `undo`: what an undo would take back next.
    """

    after: int
    text: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    undo: str = ""


@dataclass(frozen=True)
class TrialNoted:
    """A person's note on a trial; an empty text takes it away."""

    number: int
    text: str


@dataclass(frozen=True)
class RerunStarted:
    """A trial's configuration is evaluated again, on other folds; the `index`-th of `count`."""

    number: int
    seed: int
    index: int
    count: int


@dataclass(frozen=True)
class RerunFinished:
    """How a trial's configuration did on other folds; `value` is None where it failed."""

    number: int
    seed: int
    value: float | None
    seconds: float = 0.0
    reason: str = ""


@dataclass(frozen=True)
class ImportanceFound:
    """How much each hyperparameter mattered so far: shares that add up to 1, and of how many
    scored trials. `method` names the evaluator."""

    shares: Mapping[str, float]
    trials: int
    method: str = ""


@dataclass(frozen=True)
class CandidateStarted:
    """A confirmation goes on: trial `number` is about to be scored on fresh folds.

    `repeat` counts the sets of fresh folds, from 1; `repeats` is the most there can be.
    `candidates` are all that were compared, the default first, `racing` those that still are.
    `seconds` of at most `limit_s` were spent.
    """

    number: int
    repeat: int
    repeats: int
    candidates: tuple[int, ...] = ()
    racing: tuple[int, ...] = ()
    seconds: float = 0.0
    limit_s: float = 0.0


@dataclass(frozen=True)
class ConfirmedCandidate:
    """How the configuration of a trial did on fresh folds.

    `value` is its mean score there, `gain` that score minus the default's on the same folds as it
    was measured, with its 90 % interval; they are None for the default, and for one that failed.
    `fits` counts folds.
    """

    number: int
    value: float | None
    gain: float | None = None
    low: float | None = None
    high: float | None = None
    fits: int = 0


@dataclass(frozen=True)
class StudyConfirmed:
    """The default and the best trials were compared on fresh folds, or could not be.

    `winner` is the trial to use: the default's number where nothing is confirmed to be better.
    `gain` is the winner's score minus the default's on fresh folds, drawn towards 0 for the luck in
    it (see `core.trials.race.shrunk`), `gain_low` and `gain_high` its 90 % interval, in units of
    the score; None where the winner is the default, or nothing was scored. `claimed_gain` is the
    incumbent's gain in the study's own folds. `repeats` sets of fresh folds were used; with 0,
    nothing was scored. `why` says why it ended so. `trials` had ended before it.
    """

    winner: int
    claimed_gain: float | None = None
    gain: float | None = None
    gain_low: float | None = None
    gain_high: float | None = None
    repeats: int = 0
    candidates: tuple[ConfirmedCandidate, ...] = ()
    seconds: float = 0.0
    why: str = ""
    trials: int = 0


@dataclass(frozen=True)
class IncumbentTested:
    """The winner, a trial of that number, was scored on rows that no trial saw.

    `default_value` is the score of the default configuration there, where it was computed.
    `earlier_looks`: how often these rows had been scored before, in this study.
    """

    number: int
    value: float
    default_value: float | None = None
    earlier_looks: int = 0


@dataclass(frozen=True)
class QuestionAsked:
    """A person asked something about the study; `number` counts the questions.

    `computed`: what the program itself answers, sentence by sentence."""

    number: int
    text: str
    computed: tuple[str, ...] = ()


@dataclass(frozen=True)
class AnswerText:
    """A piece of an answer, at most ten times a second."""

    number: int
    text: str


@dataclass(frozen=True)
class QuestionAnswered:
    """An answer is whole. `config`: a configuration that it suggests, checked, or empty.
    `problem`: why there is no answer, with a `hint`. `cut`: why the model's words end early.
    `computed`: as in `QuestionAsked`; with an empty text it is the whole answer."""

    number: int
    text: str
    config: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""
    hint: str = ""
    model: str = ""
    seconds: float = 0.0
    tokens: Mapping[str, float] = field(default_factory=dict)
    asked: str = ""
    computed: tuple[str, ...] = ()
    cut: str = ""


@dataclass(frozen=True)
class Noted:
    """Something that people should read: a warning, an error, a process that was restarted."""

    level: str  # "info", "warning", "error"
    text: str
    hint: str = ""


@dataclass(frozen=True)
class StudyFinished:
    """The study process is done. `why`: "budget", "stopped", "minutes", "error", "exhausted"."""

    why: str
    best_number: int | None
    best_value: float | None
    default_value: float | None
    test_value: float | None = None
    seconds: float = 0.0
    message: str = ""
    default_test_value: float | None = None
    winner_number: int | None = None  # whom `test_value` is of; None: the incumbent
    test_rows_used: int = 0  # how often the test rows had been scored before


Event = Union[
    StudyOpened, StudyWaiting, ModelLoading, ModelLoaded, PromptReading, ProposalStarted,
    ProposalText, ProposalMade, ProposalRejected, FoldFinished, TrialFinished, StudyPaused,
    StudyResumed, StudySteered, TrialNoted, RerunStarted, RerunFinished, CandidateStarted,
    StudyConfirmed, ImportanceFound, IncumbentTested, QuestionAsked, AnswerText,
    QuestionAnswered, Noted, StudyFinished,
]  # fmt: skip

_LINE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)
_TYPES: dict[str, type[Any]] = {kind.__name__: kind for kind in get_args(Event)}
_TYPES |= {  # names that version 0.1.0 wrote: finished studies keep their files
    "ProposalTurnedDown": ProposalRejected,
    "Steered": StudySteered,
    "TalkAsked": QuestionAsked,
    "TalkText": AnswerText,
    "TalkAnswered": QuestionAnswered,
}


def to_json(event: Event, t: float) -> str:
    """One line, without the newline. Strings keep their characters; NaN is written as null."""
    head = {"event": type(event).__name__, "t": round(t, 3)}
    try:
        return _LINE.encode({**head, **vars(event)})  # nearly always; half the time
    except (TypeError, ValueError):
        return _LINE.encode({**head, **encode(event)})


def from_json(line: str) -> tuple[Event, float] | None:
    """The event and its time; None for an unknown one (a newer version wrote it), for a damaged
    line a warning that one was left out."""
    try:
        payload = json.loads(line)
        kind = _TYPES.get(str(payload.get("event")))
        if kind is None:
            return None
        if "held" in payload:  # as version 0.1.0 called it
            payload["awaits_approval"] = payload.pop("held")
        return decode(kind, payload), float(payload.get("t", 0.0))
    except (ValueError, TypeError, AttributeError) as error:
        return Noted("warning", "a damaged event was left out", str(error)[:200]), 0.0
