"""`run`, `resume` and `read_study`: studies from a script, as `hyperllama run` runs them.

    >>> import hyperllama
    >>> result = hyperllama.run("task.toml", proposer="hybrid", trials=20)  # doctest: +SKIP
    >>> result.best_score, result.default_score  # doctest: +SKIP
    (0.9312, 0.9187)
    >>> hyperllama.resume(result.name, more=10).stop_reason  # doctest: +SKIP
    'budget'
    >>> hyperllama.read_study(result.name).best.config  # doctest: +SKIP
    {'max_depth': 4, 'learning_rate': 0.05}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyperllama.core.api.hints import python_hints
from hyperllama.core.errors import StudyError
from hyperllama.core.study import StudyState, TrialState
from hyperllama.core.text import shown

if TYPE_CHECKING:
    from hyperllama.core.study.starting.options import Options
    from hyperllama.core.task import Task


@dataclass(frozen=True)
class StudyResult:
    """How a study ended.

    Attributes:
        state: everything that is known of the study.
        name: of the study, for `resume`, `read_study` and the command line.
        folder: of the study's logs.
        stop_reason: "budget", "minutes", "exhausted", "stopped" or "error".
    """

    state: StudyState
    name: str
    folder: Path
    stop_reason: str

    @property
    def trials(self) -> tuple[TrialState, ...]:
        """The finished trials, by number; failed ones included."""
        return tuple(trial for trial in self.state.trials if trial.done)

    @property
    def best_params(self) -> Mapping[str, Any] | None:
        """The configuration of the incumbent; None where every trial failed."""
        return self.state.best.config if self.state.best is not None else None

    @property
    def best_score(self) -> float | None:
        """The incumbent's mean score over the folds; greater is better."""
        return self.state.best.value if self.state.best is not None else None

    @property
    def params(self) -> Mapping[str, Any] | None:
        """The configuration to use: the confirmed winner's; the incumbent's without confirmation.

        None where every trial failed.
        """
        return self.state.winner.config if self.state.winner is not None else None

    @property
    def confirmed_gain(self) -> float | None:
        """How much better `params` scores than the default on fresh folds; 0 where it is the
        default, None where that was not confirmed. `state.confirmation` has the interval."""
        return self.state.confirmed_gain

    @property
    def default_score(self) -> float | None:
        """The score of the library's default configuration."""
        return self.state.default_value

    @property
    def test_score(self) -> float | None:
        """The score of `params` on the test rows; None without any, or before the end."""
        return self.state.test_value


@python_hints()
def run(task: str | Path | Task, *, study: str | None = None, **options: Any) -> StudyResult:
    """Run a new study to its end.

    Args:
        task: a task file, the name of a sample task, or a task from `load_task`.
        study: its name; without one it gets one after the task's.
        options: as `hyperllama run` has them: proposer, model, trials, minutes, seed, storage,
            threads, gpu_layers, context_length, temperature, confirm, prompt.

    Raises:
        TypeError: the task is neither.
        HyperLlamaError: an option is unknown or out of range, the task, the table, the model or
            the storage cannot be used, the name is taken, or the study failed for good.
    """
    from hyperllama.core.study.starting.opening import start
    from hyperllama.core.study.starting.options import checked_options
    from hyperllama.core.task import Task, find_task

    if not isinstance(task, (str, Path, Task)):
        raise TypeError(f"task is a path or a task from load_task, not {type(task).__name__}")
    if study is not None:
        _checked_name(study)
    chosen = checked_options(options)
    given = task if isinstance(task, Task) else find_task(task)
    names: list[str] = []

    def listen(event: Any, *_: Any) -> None:
        if not names:  # the first event is `StudyOpened`
            names.append(event.study)

    start(given, chosen, study=study, listener=listen)
    return _result(names[0], chosen)


@python_hints()
def resume(
    study: str, *, more: int = 0, data: str | Path | None = None, join: bool = False,
    **options: Any,
) -> StudyResult:  # fmt: skip
    """Go on with a study where it was left.

    Args:
        more: trials to add to its budget.
        data: where its table lies now, if it was moved or renamed.
        join: run trials beside the process that owns the study, see docs/parallel.md.
        options: as `run` takes them; they stand over those that the study was started with.

    Raises:
        HyperLlamaError: there is no such study, another process owns it, or as `run`.
    """
    from hyperllama.core.study.starting.opening import resume as go_on
    from hyperllama.core.study.starting.options import checked_options

    _checked_name(study)
    if isinstance(more, bool) or not isinstance(more, int) or more < 0:
        raise StudyError(f"more: {more!r} cannot be used", "a number of trials, 0 or greater")
    chosen = checked_options(options)
    go_on(study, chosen, more=more, data=None if data is None else Path(data), join=join)
    return _result(study, chosen)


@python_hints()
def read_study(name: str, storage: str | None = None) -> StudyState:
    """The state of a study, which may be running in another process.

    Args:
        storage: an Optuna storage URL; default: where the study's folder says it is.

    Raises:
        StudyError: there is no such study, or its storage cannot be read.
    """
    from hyperllama.core.study.history import read_state

    _checked_name(name)
    return read_state(name, storage)


def _checked_name(study: object) -> None:
    """Raises StudyError where a study's name is no text."""
    if not isinstance(study, str):
        raise StudyError(f"a study's name is text, not {shown(study)}", 'for example study="first"')


def _result(study: str, options: Options) -> StudyResult:
    from hyperllama.core.storage.paths import study_dir

    state = read_study(study, options.storage)
    reason = state.finished.why if state.finished is not None else ""
    return StudyResult(state, study, study_dir(study), reason)
