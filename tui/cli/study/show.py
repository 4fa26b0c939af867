"""`hyperllama show STUDY`: its trials; one proposal with its prompt; or live, as it goes on."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hyperllama.core.errors import StudyError
from hyperllama.core.evaluate.results import STOPPED
from hyperllama.core.events.codec import encode
from hyperllama.core.programs.store import TRIES
from hyperllama.core.study.findings.verdict import verdict_lines
from hyperllama.core.study.front import columns, front_rows, say_constraints, say_front
from hyperllama.tui.cli.options import add_storage

if TYPE_CHECKING:
    from hyperllama.core.storage.reading import StoredStudy
    from hyperllama.core.storage.trial_rows import StoredTrial
    from hyperllama.core.study import StudyState

NAME = "show"
HELP = "show a study: its trials, the incumbent, one proposal in full, or watch it live"
_VALUES = 6
_LOOKED_EVERY_S = 2.0  # at a storage


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", metavar="STUDY")
    parser.add_argument("--json", action="store_true", help="as one JSON object")
    parser.add_argument(
        "--trial", type=int, metavar="N", help="one trial with its prompt, reply and reasoning"
    )
    parser.add_argument(
        "--beside", type=int, metavar="M", help="trial N, or the winner, side by side with M"
    )
    parser.add_argument(
        "--program", type=int, metavar="N", help="the program of a trial; reads the table"
    )
    parser.add_argument("--front", action="store_true",
                        help="the trials that none is better than, of several objectives")
    parser.add_argument("--follow", action="store_true", help="watch it until it ends")
    add_storage(parser)


def run(arguments: argparse.Namespace) -> int:
    if arguments.follow:
        return _follow(arguments)
    from hyperllama.core.storage.reading import read_stored

    if arguments.trial is not None and arguments.beside is None:
        return _one(arguments)
    from hyperllama.core.study.history import state_of

    stored = read_stored(arguments.study, arguments.storage)
    if arguments.beside is not None:
        return _beside(state_of(stored), arguments.trial, arguments.beside)
    if arguments.program is not None:
        return _program(stored, arguments.program)
    state = state_of(stored)
    if arguments.json:
        print(json.dumps(as_json(stored, state), ensure_ascii=False, indent=1))
        return 0
    if arguments.front:
        return _front(state)
    _print(stored, state)
    return 0


def _front(state: StudyState) -> int:
    """The front as a table, with what is better in each column."""
    from hyperllama.core.experiments.figures.writing import aligned

    if state.opened is None or not state.opened.objectives:
        raise StudyError("the study has one objective, so it has no front",
                         'a task file names more: also = ["model_bytes", "predict_seconds"]')
    print(", ".join(o.label for o in columns(state)))
    print(aligned(front_rows(state)))
    for text in filter(None, (say_front(state), say_constraints(state))):
        print(text)
    return 0


def _beside(state: StudyState, one: int | None, other: int) -> int:
    """Two trials: which is better, outcomes, configurations."""
    from hyperllama.core.experiments.figures.writing import aligned
    from hyperllama.tui.content.two_trials import beside, standing

    numbers = (state.winner_number if one is None else one), other
    trials = [state.trial(number) for number in numbers]
    if trials[0] is None or trials[1] is None:
        missing = next(n for n, trial in zip(numbers, trials, strict=True) if trial is None)
        raise StudyError(f"there is no trial {missing}", "`hyperllama show STUDY` lists them")
    print("\n".join(standing(trials[0], trials[1], state)) + "\n")
    print(aligned(beside(trials[0], trials[1])))
    return 0


def as_json(stored: StoredStudy, state: StudyState) -> dict[str, Any]:
    """The study as one object; trial states as Optuna names them.

    What only HyperLlama keeps is null for a study of another program.
    """
    opened = vars(state.opened) if stored.attrs else {}
    summary, best = stored.summary, state.incumbent
    return {
        "study": stored.name,
        "direction": stored.direction,
        "metric": opened.get("metric"),
        "state": summary.get("state"),
        "task": opened.get("task"),
        "estimators": opened.get("estimators"),
        "proposer": opened.get("proposer"),
        "model": summary.get("model"),
        "seed": opened.get("seed"),
        "budget_trials": opened.get("budget_trials"),
        "budget_seconds": opened.get("budget_s"),
        "test_value": state.test_value,
        "default_test_value": state.default_test_value,
        "test_rows_used": state.test_rows_used,
        "default_value": state.default_value,
        "unsandboxed": opened.get("unsandboxed"),
        "objectives": encode(opened.get("objectives", ())),
        "constraints": encode(opened.get("constraints", ())),
        "front": [t.number for t in state.front],
        "winner": state.winner_number,
        "claimed_gain": state.gain,
        "confirmation": None if state.confirmation is None else encode(state.confirmation),
        "folder": summary.get("folder"),
        "best": next((_trial(t) for t in stored.trials if t.number == best), None),
        "trials": [_trial(t) for t in stored.trials],
    }


def _trial(trial: StoredTrial) -> dict[str, Any]:
    return {
        "number": trial.number,
        "state": trial.state,
        "params": trial.config,
        "value": trial.value,
        "proposer": trial.proposer,
        "process": trial.process,
        "fold_scores": list(trial.fold_scores),
        "train_value": trial.train_score,
        "seconds": trial.seconds,
        "reason": trial.reason,
        "reasoning": trial.reasoning,
        "fallback": trial.fallback,
        "tokens": dict(trial.tokens),
        "facts": dict(trial.facts),
        "started": trial.started.isoformat() if trial.started else None,
        "ended": trial.ended.isoformat() if trial.ended else None,
    }


def _print(stored: StoredStudy, state: StudyState) -> None:
    from hyperllama.core.study.history import trial_events
    from hyperllama.core.text import one_line
    from hyperllama.tui.cli.printing import short
    from hyperllama.tui.cli.study.live import TABLE_HEAD, settings, trial_line

    best, phase = state.best, stored.summary.get("state", "")
    metric = one_line(str(stored.attrs.get("metric")))
    if "owner" in stored.summary:
        phase = f"owned by process {stored.summary['owner']}"
    print(f"{stored.name}: {metric}, {stored.direction}, {phase}".rstrip(", "))
    if state.opened is not None and state.opened.unsandboxed:
        print("programs are run without a sandbox (--unsandboxed)")
    print(TABLE_HEAD)
    for trial in stored.trials:
        if trial.state in ("COMPLETE", "FAIL") or STOPPED in trial.facts:
            event = trial_events(trial)[1]
            print(trial_line(replace(event, incumbent=trial.number == state.incumbent)))
        else:
            print(f"{trial.number:5d} {trial.state.lower()}  {settings(trial.config)}")
    winner = state.winner
    if best is not None:
        same = winner is best
        print(f"best {short(best.value)} in trial {best.number}{':' if same else ''}")
        if winner is not None and not same:
            print(f"to use: trial {winner.number}, {short(winner.value)}:")
        for name, value in (winner or best).config.items():
            print(f"  {one_line(name)} = {one_line(str(value))}")
    if winner is not None and (tries := winner.facts.get(TRIES)):
        print(f"program: {one_line(tries)}")
        print(f"  hyperllama show {stored.name} --program {winner.number}")
    for text in verdict_lines(state) if stored.attrs else ():  # not of another program
        print(one_line(text))
    if phase in ("interrupted", "stopped", "error"):
        print(f"go on with: hyperllama resume {stored.name}")


def _program(stored: StoredStudy, number: int) -> int:
    from hyperllama.core.report.programs import trial_program

    print(trial_program(stored, _found(stored, number)), end="")
    return 0


def _found(stored: StoredStudy, number: int) -> StoredTrial:
    """A trial by its number."""
    trial = next((t for t in stored.trials if t.number == number), None)
    if trial is None:
        raise StudyError(
            f"the study {stored.name!r} has no trial {number}",
            f"it has trials 0 to {len(stored.trials) - 1}" if stored.trials else "it has none yet",
        )
    return trial


def _one(arguments: argparse.Namespace) -> int:
    """One trial alone, so that it is as quick in a long study."""
    from hyperllama.core.storage.folder import PROPOSALS
    from hyperllama.core.storage.proposal_log import read_proposals
    from hyperllama.core.storage.reading import read_stored

    number = arguments.trial
    stored = read_stored(arguments.study, arguments.storage, number=number)
    if not stored.trials:
        _found(read_stored(arguments.study, arguments.storage), number)
    trial = stored.trials[0]
    record: dict[str, Any] = {}
    if stored.task_file is not None:
        for found in read_proposals(stored.task_file.with_name(PROPOSALS), number):
            if found.get("number") == number:
                record = found
    if arguments.json:
        print(json.dumps({**_trial(trial), "record": record}, ensure_ascii=False, indent=1))
        return 0
    _print_one(trial, record)
    return 0


def _print_one(trial: StoredTrial, record: Mapping[str, Any]) -> None:
    """Everything about a trial: short facts first, beliefs in a line each, long texts last."""
    from hyperllama.core.text import one_line, plain
    from hyperllama.tui.cli.study.live import settings

    facts = {**record, **_trial(trial)}
    for name in ("params", "config", "t", "beliefs"):
        facts.pop(name, None)
    print(f"trial {trial.number}, {trial.state.lower()}: {settings(trial.config)}")
    texts = []
    for key, value in facts.items():
        if value in (None, "", [], {}):
            continue
        if isinstance(value, float):
            value = f"{value:.6g}"
        text = plain(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
        if "\n" in text or len(text) > 400:
            texts.append(f"{key}:\n{text.rstrip()}")
        else:
            print(f"{key}: {text}")
    beliefs = record.get("beliefs") or {}
    for name, pairs in beliefs.items():
        print(f"belief of {one_line(str(name))}: {_likeliest(pairs)}")
    for text in texts:
        print(f"\n{text}")


def _likeliest(pairs: Sequence[tuple[Any, float]]) -> str:
    """The likeliest values of a hyperparameter with their probabilities."""
    from hyperllama.core.text import one_line

    ranked = sorted(pairs, key=lambda pair: -pair[1])
    shown = [
        f"{v:.4g}" if isinstance(v, float) else one_line(str(v)) for v, _ in ranked[:_VALUES]
    ]
    text = ", ".join(f"{v} {p:.0%}" for v, (_, p) in zip(shown, ranked, strict=False))
    rest = sum(p for _, p in ranked[_VALUES:])
    return text + (f", {len(ranked) - _VALUES} others {rest:.0%}" if rest > 0.005 else "")


def _follow(arguments: argparse.Namespace) -> int:
    """Print a running study's events until it ends; Ctrl-C ends the watching alone."""
    from hyperllama.core.events import StudyFinished
    from hyperllama.core.storage.event_log import EventTail
    from hyperllama.core.storage.folder import EVENTS, find_study, holder
    from hyperllama.core.storage.paths import study_dir
    from hyperllama.core.study import StateFold
    from hyperllama.tui.cli.study.live import make_output

    if arguments.storage and holder(study_dir(arguments.study)) is None:
        return _follow_storage(arguments)
    folder = find_study(arguments.study)
    tail, folding = EventTail(folder / EVENTS), StateFold()
    with make_output(arguments.json) as output:
        while True:
            alive = holder(folder) is not None
            events, _ = tail.read()
            for event, t in events:
                folding.apply(event, t)
                output.hear(event, t, folding)
            if not events:
                if not alive:
                    return 0
                time.sleep(0.1)
            elif isinstance(events[-1][0], StudyFinished) and not alive:
                return 0


def _follow_storage(arguments: argparse.Namespace) -> int:
    """Print what a study's storage says until the study ends, or its owner, which is on another
    machine, is gone."""
    from hyperllama.core.events import ProposalMade, StudyFinished, StudyOpened, TrialFinished
    from hyperllama.core.storage.reading import read_stored
    from hyperllama.core.storage.sharing import BEAT_S, SILENT_BEATS
    from hyperllama.core.study import StateFold
    from hyperllama.core.study.history import events_of
    from hyperllama.tui.cli.study.live import make_output

    told, folding = set[tuple[type, int]](), StateFold()
    beat, heard_s = None, time.monotonic()
    with make_output(arguments.json) as output:
        while True:
            stored = read_stored(arguments.study, arguments.storage)
            for event, t in events_of(stored):
                number = getattr(event, "number", 0)
                known = isinstance(event, (ProposalMade, StudyFinished, StudyOpened, TrialFinished))
                if known and (type(event), number) not in told:
                    told.add((type(event), number))
                    folding.apply(event, t)
                    output.hear(event, t, folding)
            if stored.summary.get("owner_beat") != beat:
                beat, heard_s = stored.summary.get("owner_beat"), time.monotonic()
            silent = beat is None or time.monotonic() - heard_s > SILENT_BEATS * BEAT_S
            if (StudyFinished, 0) in told or silent:
                return 0
            time.sleep(_LOOKED_EVERY_S)
