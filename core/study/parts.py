"""What a study is made of: everything that has to be open before its loop begins."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from hyperllama.core.evaluate.racing import Rival
from hyperllama.core.evaluate.results import FoldResult, Result
from hyperllama.core.events import Noted, StudyOpened
from hyperllama.core.space import Config, SearchSpace
from hyperllama.core.storage.proposal_log import ProposalLog
from hyperllama.core.storage.request_log import Inbox
from hyperllama.core.storage.store import Store
from hyperllama.core.study.study_events import StudyEvents
from hyperllama.core.trials import Proposer


class Runner(Protocol):
    """Trains and scores configurations: `core.evaluate.runner.client.TrialRunner`, or a fake."""

    @property
    def other_folds(self) -> bool:
        """Whether another fold seed gives other folds."""

    def evaluate(
        self,
        config: Config,
        *,
        seed: int,
        fold_seed: int | None = None,
        on_fold: Callable[[FoldResult], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
        rival: Rival | None = None,
    ) -> Result: ...

    def test_score(
        self, config: Config, *, seed: int, should_stop: Callable[[], bool] | None = None
    ) -> float | None: ...


@dataclass(frozen=True)
class StudyParts:
    """Everything a study works with, opened.

    Attributes:
        store: the study in its storage.
        runners: train and score, one for each trial that runs side by side; not closed by the
            study.
        make_proposer: opens a proposer by name; may raise HyperLlamaError.
        space: what may be varied.
        opened: the facts that others are told first; holds proposer, seed and budget.
        events, inbox, proposals: the files for others to read, from them, and the permanent log.
        save: keeps the summary.
        notes: shown at the start.
        use_model: takes the name or path of another model for the proposers opened from then on,
            and returns it as it is kept; may raise HyperLlamaError.
        use_jobs: makes so many runners, and returns them; the first stays the same. Only while no
            trial runs; may raise HyperLlamaError.
        program: the program of a configuration of pipelines, which begins with its writer's line
            on what it tries; empty in other studies.
        log: keeps the traceback of an internal error that was survived.
        as_finished: with several runners, whether a proposal knows every trial that has ended; else
            all but those begun last, so that the same seed gives the same study.
        keeps_books: this process owns the study; else it runs trials for the one that does.
        racing: trials that hardly can beat the incumbent are stopped after some of their folds; so
            large a share of these may have beaten it; 0 stops none.
        interrupted: polled ten times a second; True ends the study within two seconds, and what
            is being evaluated is put back.
        clock, sleep: seconds; tests bring their own.
    """

    store: Store
    runners: Sequence[Runner]
    make_proposer: Callable[[str], Proposer]
    space: SearchSpace
    opened: StudyOpened
    events: StudyEvents
    inbox: Inbox
    proposals: ProposalLog
    save: Callable[[Mapping[str, Any]], None] = lambda summary: None
    notes: tuple[Noted, ...] = ()
    use_model: Callable[[str], str] = lambda name: name
    use_jobs: Callable[[int], Sequence[Runner]] = lambda jobs: ()
    program: Callable[[Config, str], str] = lambda config, line: ""
    log: Callable[[str], None] = lambda text: None
    as_finished: bool = False
    keeps_books: bool = True
    racing: float = 0.0
    interrupted: Callable[[], bool] = lambda: False
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    @property
    def runner(self) -> Runner:
        """The one for what is scored alone."""
        return self.runners[0]
