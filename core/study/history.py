"""A study's events in its Optuna storage: written there one by one, and read back as a list.

Trials are Optuna's; whatever else happened stands in attributes of the study. The attributes' names
and forms are those of version 0.1.0. Stored values are not trusted: one that is damaged is left out
with a warning.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hyperllama.core.evaluate.results import STOPPED, std
from hyperllama.core.events import (
    Event,
    ImportanceFound,
    IncumbentTested,
    Noted,
    ProposalMade,
    QuestionAnswered,
    QuestionAsked,
    RerunFinished,
    StudyConfirmed,
    StudyFinished,
    StudyOpened,
    StudyPaused,
    StudyResumed,
    StudySteered,
    TrialFinished,
    TrialNoted,
)
from hyperllama.core.events.codec import decode, encode
from hyperllama.core.objectives import broken, excess_of
from hyperllama.core.space import SearchSpace
from hyperllama.core.storage.event_log import latest
from hyperllama.core.storage.folder import EVENTS, PROPOSALS
from hyperllama.core.storage.paths import study_dir
from hyperllama.core.storage.proposal_log import read_beliefs
from hyperllama.core.storage.reading import StoredStudy, read_stored
from hyperllama.core.storage.store import Store
from hyperllama.core.storage.trial_rows import StoredTrial
from hyperllama.core.study.folding import fold
from hyperllama.core.study.proposals import differences
from hyperllama.core.study.state import PRUNED, StudyState, TrialState

_ACTIONS_KEPT = 500
_EXCHANGES_KEPT = 40
_SETTINGS = ("proposer", "budget_trials", "budget_s", "review", "hints", "ranges",
             "program_turns")
"""Settings of `StudySteered` that are attributes of the stored study."""


def store_event(
    store: Store, event: Event, space: SearchSpace, t: float | None = None
) -> None:
    """Write what a resumed study has to know of an event.

    Args:
        space: the search space that parameters are stored with.
        t: when it happened, seconds since the epoch; default: now.

    Raises:
        StudyError: the storage failed.
    """
    if isinstance(event, ProposalMade) and not event.awaits_approval:
        proposal = ("proposer", "reasoning", "fallback", "tokens")
        attrs = {name: getattr(event, name) for name in proposal}
        store.propose(event.number, dict(event.config), space, attrs)
    elif isinstance(event, TrialFinished):
        result = ("fold_scores", "seconds", "peak_memory_mb", "reason", "facts")
        attrs = {name: encode(getattr(event, name)) for name in result}
        attrs["train_score"] = event.train_value
        store.finish(event.number, event.value, attrs, pruned=event.state == PRUNED,
                     constraints=excess_of(event.facts))
    else:
        attrs = _attributes(store, event, round(time.time() if t is None else t, 3))
        if attrs:
            store.set_attrs(attrs)


def _attributes(store: Store, event: Event, t: float) -> dict[str, Any]:
    """The attributes of the study that an event at the time `t` changes."""
    if isinstance(event, StudyOpened):
        return {"opened": encode(event), "finished": None, "paused": False}
    if isinstance(event, (StudyPaused, StudyResumed)):
        return {"paused": isinstance(event, StudyPaused)}
    if isinstance(event, StudyFinished):
        scores: dict[str, Any] = {}
        if event.test_value is not None:
            of = event.best_number if event.winner_number is None else event.winner_number
            scores = {"test_score": event.test_value, "test_of": of,
                      "default_test_score": event.default_test_value,
                      "test_looks": event.test_rows_used + 1}  # fmt: skip
        return {"finished": encode(event), **scores}
    if isinstance(event, StudySteered):
        action = [t, event.after, event.text]
        actions = [*_kept(store, "steered", list), action][-_ACTIONS_KEPT:]
        settings = {k: encode(v) for k, v in event.settings.items() if k in _SETTINGS}
        return {**settings, "steered": actions}
    if isinstance(event, TrialNoted):
        notes = {**_kept(store, "notes", dict), str(event.number): event.text}
        return {"notes": {number: text for number, text in notes.items() if text}}
    if isinstance(event, RerunFinished):
        reruns, number = _kept(store, "reruns", dict), str(event.number)
        rerun = {k: v for k, v in encode(event).items() if k != "number"}
        return {"reruns": {**reruns, number: [*reruns.get(number, ()), rerun]}}
    if isinstance(event, StudyConfirmed):
        return {"confirmed": encode(event)}
    if isinstance(event, QuestionAnswered) and not event.problem:
        asked = {"asked": event.asked, "text": event.text, "config": encode(event.config),
                 "computed": list(event.computed), "cut": event.cut, "t": t}  # fmt: skip
        return {"talk": [*_kept(store, "talk", list), asked][-_EXCHANGES_KEPT:]}
    return {}


def stored_events(
    trials: Sequence[StoredTrial],
    attrs: Mapping[str, Any],
    opened: StudyOpened,
    beliefs: Mapping[int, Mapping[str, Any]],
    direction: str = "maximize",
) -> list[tuple[Event, float]]:
    """What happened in a stored study, by the numbers of its trials, each with seconds since the
    epoch.

    Args:
        attrs: what the storage keeps about the study.
        opened: the facts of the study; trials of other programs that name hyperparameters unknown
            to it are left out. A study that is all of another program keeps all of its trials.
        beliefs: what the model believed at each trial's proposal, by number.
        direction: "maximize" for studies of HyperLlama, or "minimize".
    """
    trials = [t for t in trials if t.state in ("COMPLETE", "FAIL", "PRUNED") and not t.rejected]
    trials.sort(key=lambda trial: trial.number)  # a clock that was set would mix them up
    known = {str(row.get("name")) for row in opened.space}
    known = known.union(*(t.config for t in trials if t.ours))
    actions = deque(_actions(attrs))
    events: list[tuple[Event, float]] = []
    best: TrialFinished | None = None
    for trial in trials:
        while actions and actions[0][0] < trial.number:
            events.append(actions.popleft()[1:])
        if known and not (trial.config and known.issuperset(trial.config)):
            continue
        made, finished = trial_events(trial, best, beliefs.get(trial.number, {}), direction)
        if finished.incumbent:
            best = finished
        events += [(made, _started_t(trial)), (finished, _ended_t(trial))]
    events += [*(action[1:] for action in actions), *_exchanges(attrs)]
    end = max((t for _, t in events), default=0.0)
    ended = sum(isinstance(event, TrialFinished) for event, _ in events)
    lost = [(f"trial {t.number}", name) for t in trials for name in t.damaged]
    lost += [("the study", name) for name in attrs.get("damaged", ())]
    untimed = (*(_damaged(f"{name} of {where}") for where, name in lost), *_notes(attrs),
               *_reruns(attrs), *_confirmed(attrs, ended), *_tested(attrs))  # fmt: skip
    return [*events, *((event, end) for event in untimed)]


def stored_settings(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """What steering changed in a study, as fields of `StudyOpened`; damaged ones are left out."""
    found: dict[str, Any] = {"review": attrs.get("review") is True}
    if isinstance(attrs.get("hints"), list):
        found["hints"] = tuple(str(hint) for hint in attrs["hints"])
    if isinstance(attrs.get("ranges"), dict):
        found["ranges"] = attrs["ranges"]
    turns = attrs.get("program_turns")
    if isinstance(turns, dict):
        found["program_turns"] = {k: n for k, n in turns.items() if type(n) is int and n >= 0}
    return found


def read_state(study: str, storage: str | None = None) -> StudyState:
    """The state of a study, read from its storage; it may be running.

    Args:
        study: its name.
        storage: an Optuna storage URL; default: where the study's folder says it is.

    Raises:
        StudyError: there is no such study, or its storage cannot be read.
    """
    return state_of(read_stored(study, storage))


def state_of(stored: StoredStudy) -> StudyState:
    """The state of a study that was read from its storage."""
    return fold(events_of(stored))


def events_of(stored: StoredStudy) -> list[tuple[Event, float]]:
    """What happened in a study that was read from its storage, each with seconds since the
    epoch."""
    opened, finished = _opened(stored), _finished(stored)
    beliefs = read_beliefs(study_dir(stored.name) / PROPOSALS)
    past = stored_events(stored.trials, stored.attrs, opened, beliefs, stored.direction)
    end = past[-1][1] if past else 0.0
    last = [(finished, end)] if finished is not None else []
    told = latest(ImportanceFound, study_dir(stored.name) / EVENTS)
    past += [(told, end)] if told is not None else []
    return [(opened, float(stored.attrs.get("created_t") or 0.0)), *past, *last]


def trial_events(
    trial: StoredTrial,
    best: TrialFinished | TrialState | None = None,
    beliefs: Mapping[str, Any] = {},
    direction: str = "maximize",
) -> tuple[ProposalMade, TrialFinished]:
    """The proposal and the end of a finished trial; `best` is the incumbent before it."""
    common: dict[str, Any] = {
        "number": trial.number,
        "proposer": trial.proposer,
        "config": trial.config,
        "reasoning": trial.reasoning,
        "fallback": trial.fallback,
        "tokens": trial.tokens,
    }
    value = trial.value if trial.state == "COMPLETE" else None
    sign = -1 if direction == "minimize" else 1
    improved = value is not None and not broken(trial.facts) and (
        best is None or best.value is None or sign * value > sign * best.value
    )
    changed = differences(best.config, trial.config) if best is not None else {}
    made = ProposalMade(**common, beliefs=beliefs, changes=changed)
    finished = TrialFinished(
        **common,
        state=_state(trial),
        value=value,
        fold_scores=trial.fold_scores,
        std=None if value is None else std(trial.fold_scores),
        train_value=trial.train_score,
        seconds=trial.seconds,
        reason=trial.reason,
        incumbent=improved,
        facts=trial.facts,
        peak_memory_mb=trial.peak_memory_mb,
    )
    return made, finished


def _state(trial: StoredTrial) -> str:
    """How a stored trial ended, as events have it; what another program pruned has no score."""
    if trial.state == "PRUNED" and STOPPED in trial.facts:
        return PRUNED
    return "fail" if trial.state != "COMPLETE" or trial.value is None else "complete"


def _actions(attrs: Mapping[str, Any]) -> Iterator[tuple[int, Event, float]]:
    """What people changed, in their order: the last trial begun before it, the event, its time."""
    for entry in _values(attrs, "steered"):
        try:
            t, after, text = entry
            yield int(after), StudySteered(int(after), str(text)), float(t)
        except (TypeError, ValueError):
            yield -1, _damaged("a steering action"), 0.0


def _exchanges(attrs: Mapping[str, Any]) -> Iterator[tuple[Event, float]]:
    for number, entry in enumerate(_values(attrs, "talk")):
        try:
            answer = decode(QuestionAnswered, {**entry, "number": number})
            yield QuestionAsked(number, answer.asked, answer.computed), float(entry["t"])
            yield answer, float(entry["t"])
        except (TypeError, ValueError, KeyError):
            yield _damaged("an answer"), 0.0


def _notes(attrs: Mapping[str, Any]) -> Iterator[Event]:
    for number, text in _pairs(attrs, "notes"):
        yield TrialNoted(number, str(text))


def _reruns(attrs: Mapping[str, Any]) -> Iterator[Event]:
    for number, found in _pairs(attrs, "reruns"):
        for entry in found if isinstance(found, list) else ():
            try:
                yield decode(RerunFinished, {**entry, "number": number})
            except (TypeError, ValueError):
                yield _damaged(f"a rerun of trial {number}")


def _confirmed(attrs: Mapping[str, Any], ended: int) -> Iterator[Event]:
    """The newest confirmation, unless more than the trials it looked at have `ended`."""
    if attrs.get("confirmed") is not None:
        try:
            found = decode(StudyConfirmed, attrs["confirmed"])
        except ValueError:
            yield _damaged("a confirmation")
        else:
            if found.trials == ended:
                yield found


def _tested(attrs: Mapping[str, Any]) -> Iterator[Event]:
    """The newest test scores: a later end of the study may have computed none."""
    if isinstance(attrs.get("test_of"), int) and attrs.get("test_score") is not None:
        scores = {"value": attrs["test_score"], "default_value": attrs.get("default_test_score")}
        looks = attrs.get("test_looks")
        scores["earlier_looks"] = looks - 1 if isinstance(looks, int) else 0
        try:
            yield decode(IncumbentTested, {"number": attrs["test_of"], **scores})
        except ValueError:
            yield _damaged("a test score")


def _started_t(trial: StoredTrial) -> float:
    return trial.started.timestamp() if trial.started else 0.0


def _ended_t(trial: StoredTrial) -> float:
    return trial.ended.timestamp() if trial.ended else _started_t(trial)


def _opened(study: StoredStudy) -> StudyOpened:
    """The facts of a stored study; what version 0.1.0 did not store comes from its settings and
    from its summary."""
    attrs, stored = study.attrs, study.attrs.get("opened")
    least = StudyOpened(study.name, "", "", "", (), "", "", 0, None, None, 0, 0, 0)
    settings = attrs.get("settings")
    seed = settings.get("seed") if isinstance(settings, dict) else None
    names = ("metric", "proposer", "budget_trials", "budget_s")
    now = {name: attrs[name] for name in names if name in attrs} | stored_settings(attrs)
    known = {**study.summary, **(stored if isinstance(stored, dict) else {}), **now}
    try:
        return decode(
            StudyOpened, {**encode(least), "seed": seed or 0, **known, "study": study.name}
        )
    except ValueError:
        return least


def _finished(study: StoredStudy) -> StudyFinished | None:
    """How a stored study ended; None while it runs, and where its process was killed."""
    kept_by_0_1_0 = {**study.summary, "default_test_value": study.attrs.get("default_test_score")}
    try:
        event = decode(StudyFinished, study.attrs.get("finished", kept_by_0_1_0))
    except ValueError:
        return None
    return event if event.why else None


def _kept(store: Store, name: str, kind: type[Any]) -> Any:
    """An attribute of the study; empty where it is missing or damaged."""
    value = store.attrs().get(name)
    return value if isinstance(value, kind) else kind()


def _values(attrs: Mapping[str, Any], name: str) -> list[Any]:
    value = attrs.get(name)
    return value if isinstance(value, list) else []


def _pairs(attrs: Mapping[str, Any], name: str) -> Iterator[tuple[int, Any]]:
    """The entries of an attribute whose keys are trials' numbers."""
    value = attrs.get(name)
    for key, entry in value.items() if isinstance(value, dict) else ():
        if str(key).isdecimal():
            yield int(key), entry


def _damaged(what: str) -> Noted:
    return Noted("warning", f"{what} in the storage is damaged and was left out")
