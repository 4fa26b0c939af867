"""Earlier studies that a new one begins with: the best trials of each are evaluated first, and all
its scores are a prior mean of the Gaussian process (`core.propose.gp.earlier`)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hyperllama.core.errors import StudyError
from hyperllama.core.events import Noted
from hyperllama.core.space import Config, SearchSpace
from hyperllama.core.storage.folder import all_summaries
from hyperllama.core.storage.store import Store
from hyperllama.core.study.history import read_state
from hyperllama.core.study.proposals import default_proposal
from hyperllama.core.task import Problem
from hyperllama.core.trials.history import project

BEST = 2  # trials of each study that are evaluated again
_MOST_TRIALS = 150  # of each study are kept
PROPOSER = "earlier"
_ATTRIBUTE = "earlier"


@dataclass(frozen=True)
class EarlierStudy:
    """What is taken from an earlier study.

    Attributes:
        trials: (number, configuration, score), best first; greater is better.
    """

    study: str
    trials: tuple[tuple[int, Config, float], ...]

    @property
    def scores(self) -> tuple[tuple[Config, float], ...]:
        """Configurations with their scores."""
        return tuple((config, score) for _, config, score in self.trials)


def read_earlier(names: Iterable[str], problem: Problem) -> list[EarlierStudy]:
    """The scored trials of these studies that lie in the problem's space.

    Raises:
        StudyError: there is no such study, it was scored by another metric, or none of its trials
            lies in the space.
    """
    return [_read(name, problem) for name in dict.fromkeys(names)]


def _read(name: str, problem: Problem) -> EarlierStudy:
    state = read_state(name)
    opened = state.opened
    if opened is None or (opened.kind, opened.metric) != (problem.kind, problem.metric):
        theirs = f"{opened.metric} ({opened.kind})" if opened else "nothing that is known"
        raise StudyError(
            f"--warm-start {name}: it was scored by {theirs}, this study by {problem.metric} "
            f"({problem.kind})", "only studies with the same metric can inform it",
        )  # fmt: skip
    winner = state.winner_number
    front = {trial.number for trial in state.front}
    worse = {t.number: (t.number != winner, bool(t.broken), t.number not in front)
             for t in state.trials}  # fmt: skip
    found = [
        (trial.number, config, trial.value)
        for trial in state.trials
        if trial.value is not None and (config := project(problem.space, dict(trial.config)))
        is not None
    ]
    if not found:
        raise StudyError(
            f"--warm-start {name}: none of its trials lies in the search space of this study",
            f"it tuned {', '.join(opened.estimators)}, this one {', '.join(problem.estimators)}",
        )
    found.sort(key=lambda trial: (worse[trial[0]], -trial[2], trial[0]))
    return EarlierStudy(name, tuple(found[:_MOST_TRIALS]))


def earlier_attrs(studies: Sequence[EarlierStudy]) -> dict[str, Any]:
    """What a new study keeps of them, so that it can be resumed where they are not."""
    kept = [{"study": s.study, "trials": s.trials} for s in studies]
    return {_ATTRIBUTE: kept} if kept else {}


def kept_earlier(attrs: Mapping[str, Any], space: SearchSpace) -> list[EarlierStudy]:
    """Those that a study has kept; damaged trials, and those outside the space, are left out."""
    kept = attrs.get(_ATTRIBUTE)
    studies = (s for s in kept if isinstance(s, dict)) if isinstance(kept, list) else ()
    return [
        EarlierStudy(str(s.get("study")), tuple(_trials(s.get("trials"), space))) for s in studies
    ]


def _trials(kept: Any, space: SearchSpace) -> Iterator[tuple[int, Config, float]]:
    for trial in kept if isinstance(kept, list) else ():
        if not isinstance(trial, list) or len(trial) != 3 or not isinstance(trial[1], dict):
            continue
        number, config, score = trial
        if isinstance(number, int) and isinstance(score, (int, float)) and space.contains(config):
            yield number, space.validate(config), float(score)


def queue_best(store: Store, studies: Sequence[EarlierStudy], space: SearchSpace) -> None:
    """Queue the default and the best trials of each study, once: never after a trial has ended.

    So the default is the first trial, as in every study.
    """
    if not studies:
        return
    stored = store.trials()
    if any(trial.state not in ("WAITING", "RUNNING") for trial in stored):
        return
    known = {space.key(trial.config) for trial in stored if space.contains(trial.config)}

    def queue(config: Config, proposer: str, reasoning: str) -> None:
        if space.key(config) not in known:
            known.add(space.key(config))
            store.queue(config, {"proposer": proposer, "reasoning": reasoning})

    default = default_proposal(space)
    queue(default.config, default.proposer, default.reasoning)
    for study in studies:
        new = (trial for trial in study.trials if space.key(trial[1]) not in known)
        for (number, config, score), _ in zip(new, range(BEST), strict=False):
            queue(config, PROPOSER,
                  f"It scored {score:.5g} as trial {number} of the study {study.study}.")


def columns_id(problem: Problem) -> str:
    """The same for tables with the same target and features, whatever their order and rows."""
    names = [problem.task.data.target, *sorted(column.name for column in problem.columns)]
    return hashlib.sha256("\0".join(names).encode()).hexdigest()[:16]


def offer_earlier(study: str, problem: Problem) -> list[Noted]:
    """A note where earlier studies tuned the same columns by the same metric."""
    columns = columns_id(problem)
    same = {"columns_id": columns, "metric": problem.metric,
            "estimators": list(problem.estimators)}  # fmt: skip
    found = [
        str(summary["study"]) for summary in all_summaries(columns)
        if summary.get("study") != study and summary.get("best_value") is not None
        and all(summary.get(name) == value for name, value in same.items())
    ]
    if not found:
        return []
    first = found[0]
    others = f" and {len(found) - 1} more" if len(found) > 1 else ""
    return [Noted(
        "info", f"the same columns were tuned before, in the study {first}{others}",
        f"`hyperllama run TASK --warm-start {first}` begins with its best trials",
    )]  # fmt: skip
