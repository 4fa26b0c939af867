"""Configurations scored again on other folds: reruns that were asked for, and the confirmation."""

from __future__ import annotations

from collections.abc import Callable

from hyperllama.core.evaluate.results import Result
from hyperllama.core.space import Config
from hyperllama.core.study.findings.confirmation import confirm
from hyperllama.core.study.findings.reruns import rerun
from hyperllama.core.study.parts import Runner
from hyperllama.core.study.record import EventRecord
from hyperllama.core.study.steering.changes import Changes
from hyperllama.core.study.steering.requests import RequestHandler


class OtherFolds:
    """Scores configurations again; what is found stands beside the trials.

    Args:
        rest: returns once the study is not paused any more.
    """

    def __init__(
        self, record: EventRecord, runner: Runner, steering: RequestHandler, changes: Changes,
        rest: Callable[[], None],
    ) -> None:  # fmt: skip
        self._record, self._runner = record, runner
        self._steering, self._changes, self._rest = steering, changes, rest

    @property
    def asked(self) -> bool:
        """Whether a person wants something scored again."""
        return bool(self._changes.reruns) or self._changes.confirm

    @property
    def unconfirmed(self) -> bool:
        """Whether a study that is over has to be confirmed yet."""
        state = self._record.state
        return (
            self._record.opened.confirm and state.best is not None and state.confirmation is None
        )

    def carry_out(self) -> None:
        """Do the first thing that a person asked for."""
        if self._changes.reruns:
            rerun(self._record, self._changes.reruns.pop(0), self._evaluate)
        else:
            self._changes.confirm = False
            self.confirm(lambda: True, asked=True)

    def confirm(self, wanted: Callable[[], bool], asked: bool = False) -> None:
        """Confirm the gain, as long as it is `wanted`; a pause holds it, a stop ends it."""

        def may_go_on() -> bool:
            self._rest()
            return not self._steering.ended and wanted()

        confirm(self._record, self._evaluate, may_go_on, self._runner.other_folds, asked)

    def _evaluate(self, config: Config, seed: int) -> Result:
        return self._runner.evaluate(
            config, seed=seed, fold_seed=seed, should_stop=self._steering.should_stop_now
        )
