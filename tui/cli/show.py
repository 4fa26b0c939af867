"""`hyperllama show STUDY`: its trials; one proposal with its prompt; or live, as it goes on."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hyperllama.core.errors import StudyError
from hyperllama.tui.cli.options import add_storage

if TYPE_CHECKING:
    from hyperllama.core.storage.reading import StudyFacts
    from hyperllama.core.storage.store import StoredTrial

NAME = "show"
HELP = "show a study: its trials, the incumbent, one proposal in full, or watch it live"
_VALUES = 6


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", metavar="STUDY")
    parser.add_argument("--json", action="store_true", help="as one JSON object")
    parser.add_argument(
        "--trial", type=int, metavar="N", help="one trial with its prompt, reply and reasoning"
    )
    parser.add_argument("--follow", action="store_true", help="watch it until it ends")
    add_storage(parser)


def run(arguments: argparse.Namespace) -> int:
    if arguments.follow:
        return _follow(arguments)
    from hyperllama.core.storage.reading import read_study

    facts = read_study(arguments.study, arguments.storage)
    if arguments.trial is not None:
        return _one(facts, arguments.trial, arguments.json)
    if arguments.json:
        print(json.dumps(as_json(facts), ensure_ascii=False, indent=1))
        return 0
    _print(facts)
    return 0


def as_json(facts: StudyFacts) -> dict[str, Any]:
    """The study as one object; trial states as Optuna names them."""
    best = facts.best
    summary = facts.summary
    return {
        "study": facts.study,
        "direction": facts.direction,
        "metric": facts.attrs.get("metric"),
        "state": summary.get("state"),
        "task": summary.get("task"),
        "estimators": summary.get("estimators"),
        "proposer": facts.attrs.get("proposer"),
        "model": summary.get("model"),
        "seed": (facts.attrs.get("settings") or {}).get("seed"),
        "budget_trials": facts.attrs.get("budget_trials"),
        "budget_seconds": facts.attrs.get("budget_s"),
        "test_value": facts.attrs.get("test_score"),
        "default_value": facts.default.value if facts.default else None,
        "folder": summary.get("folder"),
        "best": None if best is None else _trial(best),
        "trials": [_trial(t) for t in facts.trials],
    }


def _trial(trial: StoredTrial) -> dict[str, Any]:
    return {
        "number": trial.number,
        "state": trial.state,
        "params": trial.config,
        "value": trial.value,
        "proposer": trial.proposer,
        "fold_scores": list(trial.fold_scores),
        "train_value": trial.train_value,
        "seconds": trial.seconds,
        "reason": trial.reason,
        "reasoning": trial.reasoning,
        "fallback": trial.fallback,
        "tokens": dict(trial.tokens),
        "facts": dict(trial.facts),
        "started": trial.started.isoformat() if trial.started else None,
        "ended": trial.ended.isoformat() if trial.ended else None,
    }


def _print(facts: StudyFacts) -> None:
    from hyperllama.core.study.history import trial_events
    from hyperllama.tui.cli.live import TABLE_HEAD, one_line, score, settings, trial_line

    summary, best = facts.summary, facts.best
    metric = one_line(str(facts.attrs.get("metric")))
    state = summary.get("state", "")
    print(f"{facts.study}: {metric}, {facts.direction}, {state}".rstrip(", "))
    print(TABLE_HEAD)
    for trial in facts.trials:
        if trial.state in ("COMPLETE", "FAIL"):
            event = trial_events(trial)[1]
            print(trial_line(replace(event, incumbent=trial is best)))
        else:
            print(f"{trial.number:5d} {trial.state.lower()}  {settings(trial.config)}")
    if best is not None:
        print(f"best {score(best.value)} in trial {best.number}:")
        for name, value in best.config.items():
            print(f"  {one_line(name)} = {one_line(str(value))}")
    if facts.attrs.get("test_score") is not None:
        print(f"on the rows kept for the end: {score(facts.attrs['test_score'])}")
    if state in ("interrupted", "stopped", "error"):
        print(f"go on with: hyperllama resume {facts.study}")


def _one(facts: StudyFacts, number: int, as_object: bool) -> int:
    from hyperllama.core.storage.folder import PROPOSALS
    from hyperllama.core.storage.proposal_log import read_proposals

    trial = next((t for t in facts.trials if t.number == number), None)
    if trial is None:
        raise StudyError(
            f"the study {facts.study!r} has no trial {number}",
            f"it has trials 0 to {len(facts.trials) - 1}" if facts.trials else "it has none yet",
        )
    record: dict[str, Any] = {}
    if facts.task_file is not None:
        for found in read_proposals(facts.task_file.with_name(PROPOSALS)):
            if found.get("number") == number:
                record = found
    if as_object:
        print(json.dumps({**_trial(trial), "record": record}, ensure_ascii=False, indent=1))
        return 0
    _print_one(trial, record)
    return 0


def _print_one(trial: StoredTrial, record: Mapping[str, Any]) -> None:
    """Everything about a trial: short facts first, beliefs in a line each, long texts last."""
    from hyperllama.core.text import plain
    from hyperllama.tui.cli.live import one_line, settings

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
    from hyperllama.tui.cli.live import one_line

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
    from hyperllama.tui.cli.live import make_output

    folder = find_study(arguments.study)
    tail = EventTail(folder / EVENTS)
    with make_output(arguments.json) as output:
        while True:
            alive = holder(folder) is not None
            events, _ = tail.read()
            for event, t in events:
                output.hear(event, t)
            if not events:
                if not alive:
                    return 0
                time.sleep(0.1)
            elif isinstance(events[-1][0], StudyFinished) and not alive:
                return 0
