"""Trials that are trained side by side, each in a trial runner of its own."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from hyperllama.core.evaluate.racing import Rival
from hyperllama.core.evaluate.results import FoldResult, Result
from hyperllama.core.study.parts import Runner
from hyperllama.core.study.steering.requests import POLL_S
from hyperllama.core.trials import Proposal


@dataclass(frozen=True)
class TrialTask:
    """A trial to train: its number, what was proposed for it, and the incumbent to beat."""

    number: int
    proposal: Proposal
    rival: Rival | None = None


@dataclass(frozen=True)
class TrialEnd:
    """How the training of a trial ended."""

    trial: TrialTask
    result: Result


Report = tuple[int, FoldResult] | TrialEnd | BaseException


class TrialPool:
    """Trains as many trials at a time as there are runners.

    With one runner a trial is trained by the thread that collects it; with several, each by a
    thread of its own, and their reports wait until they are collected.

    Args:
        seed: of the estimators.
        on_fold: called with a trial's number as its folds finish, by the collecting thread.
        ahead: whether one more trial than there are runners may be started, where these are
            several: it waits for the first that is idle, which then does not wait for a proposal.
        may_go_on: whether such a trial may be trained just now.
    """

    def __init__(
        self, runners: Sequence[Runner], seed: int, on_fold: Callable[[int, FoldResult], None],
        ahead: bool = False, may_go_on: Callable[[], bool] = lambda: True,
    ) -> None:  # fmt: skip
        self._ahead, self._may_go_on = ahead, may_go_on
        self.resize(runners)
        self._seed, self._on_fold = seed, on_fold
        self._running: dict[int, TrialTask] = {}
        self._waiting: list[TrialTask] = []
        self._reports: queue.Queue[Report] = queue.Queue()
        self._stop = threading.Event()

    def resize(self, runners: Sequence[Runner]) -> None:
        """Use these runners from now on; only while no trial runs."""
        self._idle = list(runners)
        self.size = len(runners)

    @property
    def running(self) -> tuple[int, ...]:
        """Numbers of the trials under way, one that waits for a runner included."""
        return tuple(self._running)

    @property
    def full(self) -> bool:
        """No runner is idle, and none will be before another trial waits for it."""
        return len(self._running) >= self.size + (self._ahead and self.size > 1)

    def start(self, task: TrialTask) -> None:
        """Begin to train, or wait for a runner; only while the pool is not `full`."""
        self._running[task.number] = task
        if self.size > 1:
            self._stop.clear()
            self._waiting.append(task)
            self.go_on()

    def go_on(self) -> None:
        """Train what waits as far as runners are idle."""
        while self._waiting and self._idle and (self._stop.is_set() or self._may_go_on()):
            task = self._waiting.pop(0)
            if self._stop.is_set():
                self._reports.put(_cancelled(task))
                continue
            runner = self._idle.pop(0)
            threading.Thread(target=self._train, args=(task, runner), daemon=True).start()

    def withdraw(self) -> Iterator[TrialEnd]:
        """End what waits for a runner: it is cancelled."""
        while self._waiting:
            task = self._waiting.pop(0)
            del self._running[task.number]
            yield _cancelled(task)

    def collect(self, should_stop: Callable[[], bool]) -> TrialEnd:
        """Wait until one of the running trials has ended.

        Args:
            should_stop: polled ten times a second; once it is true, all of them are cancelled.

        Raises:
            HyperLlamaError: a runner had to be restarted, and cannot.
        """
        if self.size == 1:
            ((number, task),) = self._running.items()
            result = self._idle[0].evaluate(
                task.proposal.config, seed=self._seed,
                on_fold=lambda fold: self._on_fold(number, fold), should_stop=should_stop,
                rival=task.rival,
            )  # fmt: skip
            del self._running[number]
            return TrialEnd(task, result)
        while True:
            for end in self.ended(wait_s=POLL_S):
                return end
            if should_stop():
                self._stop.set()

    def ended(self, wait_s: float = 0.0) -> Iterator[TrialEnd]:
        """The trials that have ended by now; waits for the first report at most `wait_s`."""
        while True:
            try:
                report = self._reports.get(timeout=wait_s) if wait_s else self._reports.get_nowait()
            except queue.Empty:
                return
            wait_s = 0.0
            if isinstance(report, BaseException):
                raise report
            if isinstance(report, TrialEnd):
                del self._running[report.trial.number]
                self.go_on()
                yield report
            else:
                self._on_fold(*report)

    def _train(self, task: TrialTask, runner: Runner) -> None:
        try:
            result = runner.evaluate(
                task.proposal.config, seed=self._seed,
                on_fold=lambda fold: self._reports.put((task.number, fold)),
                should_stop=self._stop.is_set, rival=task.rival,
            )  # fmt: skip
            self._idle.append(runner)
            self._reports.put(TrialEnd(task, result))
        except BaseException as error:
            self._reports.put(error)


def _cancelled(task: TrialTask) -> TrialEnd:
    return TrialEnd(task, Result("cancelled", reason="cancelled"))
