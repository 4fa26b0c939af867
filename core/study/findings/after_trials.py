"""What is told after each trial: which hyperparameters matter, which ranges to widen, and
whether any trial beats chance."""

from __future__ import annotations

from collections.abc import Callable

from hyperllama.core.evaluate.results import Result
from hyperllama.core.events import ImportanceFound
from hyperllama.core.space import Config, SearchSpace
from hyperllama.core.study.findings.chance import chance_note
from hyperllama.core.study.findings.default_rounds import default_rounds_note
from hyperllama.core.study.findings.importance import METHOD, importance
from hyperllama.core.study.findings.wider_ranges import RangeSuggestions
from hyperllama.core.study.parts import Runner
from hyperllama.core.study.proposals import observed_trials
from hyperllama.core.study.record import EventRecord
from hyperllama.core.trials import Observed


class Findings:
    """Tells people what the trials so far say."""

    def __init__(self, record: EventRecord) -> None:
        self._record = record
        self._suggestions = RangeSuggestions()
        self._told_chance = False

    def begin(self) -> None:
        """Tell what the stored trials say; what was suggested before is not again."""
        self._tell_importance()
        self._suggestions.new(*self._trials())
        self._told_chance = chance_note(self._record.state) is not None

    def tell(self) -> None:
        """Tell what a trial that just ended changed."""
        self._tell_importance()
        for note in self._suggestions.new(*self._trials()):
            self._record.emit(note)
        chance = None if self._told_chance else chance_note(self._record.state)
        if chance is not None:
            self._told_chance = True
            self._record.emit(chance)

    def tell_default_rounds(self, runner: Runner, should_stop: Callable[[], bool]) -> None:
        """Tell what the default of a booster would score with the rounds that its curve advises."""
        record = self._record

        def evaluate(config: Config) -> Result:
            return runner.evaluate(config, seed=record.opened.seed, should_stop=should_stop)

        note = default_rounds_note(record.state, record.space, evaluate)
        if note is not None:
            record.emit(note)

    def _trials(self) -> tuple[str, SearchSpace, list[Observed]]:
        record = self._record
        return record.opened.study, record.space, observed_trials(record.state)

    def _tell_importance(self) -> None:
        """After each of the first trials, then now and then: what it takes grows with them."""
        state = self._record.state
        scored = sum(trial.value is not None for trial in state.trials)
        if scored < 40 or scored % 10 == 0:
            shares = importance(self._record.ranges.base, observed_trials(state))
            if shares:
                self._record.emit(ImportanceFound(shares, scored, METHOD))
