"""The third question: was the model worth it? Baselines at a study's budget.

A process of its own, at the lowest priority: it works only while no study is running on this
machine, and gives way within two seconds when one begins. Its trials lie in the study's folder
under `baselines/`, a comparison of its own; the study's storage stays as it is, and its test rows
are not scored. What the study trained itself is not trained again, and nothing is trained twice.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hyperllama.core.errors import StudyError
from hyperllama.core.evaluate.results import FoldResult, Result
from hyperllama.core.experiments.cache import KeptTrials, default_file
from hyperllama.core.experiments.grid import BASELINES, FILE, Contender, make_grid
from hyperllama.core.experiments.panel import (
    FOLDER,
    BaselineCurve,
    BaselinePanel,
    lock_folder,
    read_panel,
    write_panel,
)
from hyperllama.core.experiments.problems.random_search import RandomSearch
from hyperllama.core.experiments.reading import Comparison, read_comparison
from hyperllama.core.experiments.running.comparison import run_comparison
from hyperllama.core.experiments.running.runner import OpenedParts
from hyperllama.core.experiments.running.study_task import KeptRunner
from hyperllama.core.storage.folder import TASK, Lock, all_summaries, holder
from hyperllama.core.storage.paths import study_dir
from hyperllama.core.study import StudyState
from hyperllama.core.study.history import read_state
from hyperllama.models.process import program_argv

SEEDS = 3
POLL_S = 1.0
_QUANTILES = (0.1, 0.9)


def spawn(study: str, storage: str | None = None) -> int:
    """Start `hyperllama baselines STUDY` in the background; its process id.

    It ends by itself, also where another one works on the same study already.
    """
    environment = dict(os.environ)
    if storage:
        environment["HYPERLLAMA_STORAGE"] = storage
    child = subprocess.Popen(
        program_argv("baselines", study, "--quiet"), stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env=environment, start_new_session=True,
    )  # fmt: skip
    return child.pid


def switch(study: str, on: bool) -> None:
    """Switch a study's panel on or off; one that is running is for its process to end.

    Raises:
        StudyError: there is no such study.
    """
    found = read_panel(study)
    state = "none" if on and not found.lines else "stopped" if on else "off"
    write_panel(study_dir(found.study), replace(found, state=state))


def run_baselines(
    study: str,
    *,
    storage: str | None = None,
    seeds: int = SEEDS,
    proposers: Sequence[str] = BASELINES,
    should_stop: Callable[[], bool] = lambda: False,
    on_progress: Callable[[BaselinePanel], None] = lambda found: None,
    busy: Callable[[], bool] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> BaselinePanel:
    """Fill the panel of a study; goes on where it was stopped. The panel as it is then.

    Args:
        seeds: of each baseline.
        busy: whether to wait; by default, while any study is running on this machine.
        sleep: waits so many seconds.

    Raises:
        StudyError: there is no such study, it has no score yet, it is switched off, or another
            process works on it.
    """
    state = read_state(study, storage)
    folder = study_dir(study)
    if read_panel(study).state == "off":
        raise StudyError(f"the baselines of {study!r} are switched off", "`--on` switches them on")
    if state.best is None or not (folder / TASK).exists():
        raise StudyError(f"the study {study!r} has no score yet", "run it first")
    pid = holder(lock_folder(folder))
    if pid is not None:
        raise StudyError(
            f"process {pid} works on the baselines of {study!r} already", "`--show` says how far"
        )
    lock = Lock(lock_folder(folder))
    lock.take()
    work = _Work(state, folder, should_stop, on_progress, busy or _busy, sleep)
    kept = KeptTrials(default_file())
    try:
        work.begin(proposers, seeds)
        while not work.over:
            work.wait()
            if should_stop():
                break
            with KeptRunner(
                folder / TASK, kept, log=folder / FOLDER / "trials.log", seed=work.seed,
                test_rows=False, confirm=False,
            ) as runner:  # fmt: skip
                work.with_runner(runner)
    finally:
        kept.close()
        work.report("finished" if work.over else "stopped")
        lock.release()
    return work.found


def _busy() -> bool:
    """Whether a study is running on this machine; a paused one leaves time to spare."""
    return any(s.get("live") and s.get("state") == "running" for s in all_summaries())


class _Work:
    """What is to be done for one study, piece by piece."""

    def __init__(
        self, state: StudyState, folder: Path, should_stop: Callable[[], bool],
        on_progress: Callable[[BaselinePanel], None], busy: Callable[[], bool],
        sleep: Callable[[float], None],
    ) -> None:  # fmt: skip
        assert state.opened is not None, "a stored study has been opened"
        self._default_value, self._folder = state.default_value, folder
        self._should_stop, self._on_progress = should_stop, on_progress
        self._is_busy, self._sleep = busy, sleep
        self._looked_s, self._was_busy = -POLL_S, False
        self._name = str(folder / FOLDER)
        self._cells = 0
        self.over = False
        self.seed = state.opened.seed
        self._trials = [t for t in state.trials if t.done]
        values = [-np.inf if t.value is None else t.value for t in self._trials]
        curve = [float(v) for v in np.maximum.accumulate(values)]
        self.found = BaselinePanel(
            state.opened.study,
            metric=state.opened.metric,
            budget=len(self._trials),
            curve=tuple(v for v in curve if np.isfinite(v)),
            proposer=state.opened.proposer,
            margin=state.noise.margin if state.noise is not None else None,
            state="waiting",
        )

    def begin(self, proposers: Sequence[str], seeds: int) -> None:
        """Make the queue of the baselines."""
        grid = Path(self._name) / FILE
        grid.unlink(missing_ok=True)  # the budget may have grown; what was trained is kept
        make_grid(
            self._name, [Contender(p, p) for p in proposers], [self._folder / TASK],
            range(seeds), max(len(self._trials), 1), {"seed": self.seed},
        )  # fmt: skip
        self._cells = len(proposers) * seeds
        self.report("waiting")

    def wait(self) -> None:
        """Until there is time to spare."""
        while self._busy() and not self._should_stop():
            self.report("waiting")
            self._sleep(POLL_S)
        if not self._should_stop():
            self.report()

    def with_runner(self, runner: KeptRunner) -> None:
        """Work until nothing is left, or a study needs the machine."""
        self._take_over(runner)
        if self._free():
            run_comparison(
                self._name, should_stop=lambda: not self._free(),
                on_progress=lambda progress: self.report(),
                opened=OpenedParts({runner.problem.task.name: runner}),
            )  # fmt: skip
        self.report()
        self.over = self._free() and read_comparison(self._name).finished

    def _busy(self) -> bool:
        """Whether a study needs the machine; looked at once a second."""
        now = time.monotonic()
        if now - self._looked_s >= POLL_S:
            self._looked_s, self._was_busy = now, self._is_busy()
        return self._was_busy

    def _free(self) -> bool:
        return not (self._should_stop() or self._busy())

    def _take_over(self, runner: KeptRunner) -> None:
        """What the study trained itself, so that no baseline trains it again."""
        for t in self._trials:
            if t.value is not None and not runner.known(dict(t.config)):
                n = len(t.fold_scores)
                folds = tuple(
                    FoldResult(i, n, s, t.train_value) for i, s in enumerate(t.fold_scores)
                )
                facts = dict(t.facts)
                result = Result("complete", t.value, folds, seconds=t.seconds, facts=facts)
                runner.remember(dict(t.config), result)

    def report(self, state: str = "running", **changed: Any) -> None:
        """Write the panel with what is known now."""
        comparison = read_comparison(self._name)
        found = replace(self.found, **changed)
        done = sum(c.state in ("done", "failed") for c in comparison.cells)
        self.found = replace(
            found, state=state, lines=tuple(_curves(comparison, self._default_value)),
            total=self._cells, done=done,
        )  # fmt: skip
        write_panel(self._folder, self.found)
        self._on_progress(self.found)


def _curves(comparison: Comparison, default: float | None) -> Iterator[BaselineCurve]:
    """The default, and each baseline as far as it was run; `default` is the default's score."""
    count = comparison.grid.budget
    if default is not None:
        flat = (float(default),) * count
        yield BaselineCurve("default", flat, flat, flat, "the library's default configuration")
    for label in (c.label for c in comparison.grid.contenders):
        cells = [c for c in comparison.cells if c.cell.contender == label and c.trials]
        curves = [c.curve for c in cells if c.state == "done"]
        if label == "random":
            found = random_curve([t["value"] for c in cells for t in c.asked], default, count)
            if found is not None:
                yield found
        elif curves:
            table = np.array([c + [c[-1]] * (count - len(c)) for c in curves])
            mean, low, high = table.mean(0), table.min(0), table.max(0)
            bands = tuple(mean.tolist()), tuple(low.tolist()), tuple(high.tolist())
            yield BaselineCurve(label, *bands, f"{len(curves)} seeds")


def random_curve(
    values: Sequence[float | None], default: float | None, count: int
) -> BaselineCurve | None:
    """Random search that begins with the default: its exact expectation over the pool of draws.

    The band is the 10th and 90th percentile of the best of k draws: with F the pool's distribution,
    F(x)^k is that of the best.
    """
    known = np.sort([v for v in values if v is not None])
    if not len(known):
        return None
    floor = float(known[0])
    drawn = np.sort([floor if v is None else v for v in values])
    first = floor if default is None else default
    mean = -RandomSearch.of(-drawn, default=(-first, -first)).curve(count, "default")
    low, high = [first], [first]
    for k in range(1, count):
        for band, q in zip((low, high), _QUANTILES, strict=True):
            at = min(int(np.ceil(q ** (1 / k) * len(drawn))), len(drawn)) - 1
            band.append(max(first, float(drawn[at])))
    source = f"exact expectation over {len(drawn)} random configurations"
    return BaselineCurve("random", tuple(mean.tolist()), tuple(low), tuple(high), source)
