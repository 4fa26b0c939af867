"""Opens everything a study needs, in the right order, runs it, and closes everything again.

Lock, folder, trial runner (which loads the table), storage, then the loop. What a study was started
with is kept in its storage, so that `resume` needs nothing but its name.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyperllama.core.errors import ChildDied, StudyError
from hyperllama.core.events import Noted, StudyFinished, StudyOpened
from hyperllama.core.storage.event_log import EventLog, Listener
from hyperllama.core.storage.folder import (
    CACHE,
    EVENTS,
    LOG,
    PROPOSALS,
    SUMMARY,
    TASK,
    Lock,
    check_name,
    find_study,
    free_name,
    hide_password,
    read_summary,
    storage_of,
    write_atomically,
    write_summary,
)
from hyperllama.core.storage.paths import default_storage, study_dir
from hyperllama.core.storage.request_log import log_bytes
from hyperllama.core.study.options import (
    DEFAULTS,
    Options,
    absolute_storage,
    choose_proposer,
    engine_settings,
    lasting_model,
    without_storage,
)

if TYPE_CHECKING:
    from hyperllama.core.evaluate.client import TrialRunner
    from hyperllama.core.storage.store import Store
    from hyperllama.core.task import Problem, Task
    from hyperllama.core.trials import Proposer

_UNLIMITED_TRIALS = 100_000  # what a task file's budget in minutes alone means
_VERSION = 1


def start(
    task_file: Path,
    options: Options = DEFAULTS,
    *,
    study: str | None = None,
    listener: Listener | None = None,
    interrupted: Callable[[], bool] = lambda: False,
) -> StudyFinished:
    """Run a new study of a task file to its end. Without a name it gets one after the task's.

    Raises:
        HyperLlamaError: the task, the table, the model or the storage cannot be used; the study's
            name is taken; the study failed for good. In all but the last case nothing is left.
    """
    from hyperllama.core.task import load_task, standalone_text

    task = load_task(task_file)
    name, fresh, asked, lock = _claim(study, task.name)
    folder = study_dir(name)
    try:
        if (folder / SUMMARY).exists() or (folder / TASK).exists():
            raise StudyError(
                f"there is a study {name!r} already",
                f"`hyperllama resume {name}` goes on with it; --study NAME starts another",
            )
        url = absolute_storage(options.storage or default_storage())
        opened = _Opened(
            name, folder, asked, replace(options, storage=url), listener, interrupted
        )
        try:
            opened.create(task, standalone_text(task_file))
        except BaseException:
            opened.close()
            if fresh:
                shutil.rmtree(folder, ignore_errors=True)
            else:
                for name in (SUMMARY, TASK):
                    (folder / name).unlink(missing_ok=True)
            raise
        return opened.run()
    finally:
        lock.release()


def resume(
    study: str,
    options: Options = DEFAULTS,
    *,
    more: int = 0,
    listener: Listener | None = None,
    interrupted: Callable[[], bool] = lambda: False,
) -> StudyFinished:
    """Go on with a study where it was left; `more` adds trials to its budget.

    Raises:
        HyperLlamaError: there is no such study, another process works on it, or as `start`.
    """
    folder = study_dir(study) if options.storage else find_study(study)
    lock, asked = Lock(folder), log_bytes(folder)
    lock.take()
    try:
        url = absolute_storage(options.storage or storage_of(folder))
        opened = _Opened(
            folder.name, folder, asked, replace(options, storage=url), listener, interrupted
        )
        try:
            opened.reopen(more)
        except BaseException:
            opened.close()
            raise
        return opened.run()
    finally:
        lock.release()


def _check_prompt(options: Mapping[str, Any]) -> None:
    """See to it that a study does not begin with prompt templates that cannot be used."""
    from hyperllama.core.prompt.templates import load_templates
    from hyperllama.core.task.prompt_options import PromptOptions

    folder = PromptOptions.of(options).templates
    if folder:
        load_templates(Path(folder))


def _claim(wanted: str | None, task: str) -> tuple[str, bool, int, Lock]:
    """A study's name, whether its folder is new, what was asked of it, and the lock, taken."""
    while True:
        name = check_name(wanted) if wanted is not None else free_name(task)
        fresh = not study_dir(name).exists()
        lock, asked = Lock(study_dir(name)), log_bytes(study_dir(name))
        try:
            lock.take(1.0 if wanted is not None else 0.0)
        except StudyError:
            if wanted is None and study_dir(name).exists():
                continue  # another process was quicker; the next free name is another one
            raise
        return name, fresh, asked, lock


class _Opened:
    """A study that is being opened, and then run; whatever was opened is closed by `close`."""

    def __init__(
        self,
        name: str,
        folder: Path,
        asked: int,
        options: Options,
        listener: Listener | None,
        interrupted: Callable[[], bool],
    ) -> None:
        """`asked`: bytes of what was asked while nobody worked on the study."""
        self._name = name
        self._folder = folder
        self._asked = asked
        self._options = options
        self._interrupted = interrupted
        self._events = EventLog(folder / EVENTS)
        if listener is not None:
            self._events.listen(listener)
        self._runner: TrialRunner | None = None
        self._store: Store | None = None
        self._problem: Problem | None = None
        self._notes: list[Noted] = []
        self._created_t = time.time()

    def create(self, task: Task, text: str) -> None:
        """Load the table, then make the study in the storage. `text`: of the task file."""
        self._options = options = self._settled(task)
        assert options.storage is not None
        # A study that is killed before the storage knows of it is begun again from this file.
        self._write_summary(
            {
                "study": self._name,
                "task": task.name,
                "data": str(task.data.path),
                "state": "running",
                "begun": {"options": without_storage(options), "task": text},
            }
        )
        write_atomically(self._folder / TASK, text)
        # The child reads the table; meanwhile Optuna is imported here, which takes as long.
        threading.Thread(target=_import_rest, daemon=True).start()
        problem = self._open_runner()

        from hyperllama.core.storage.database import open_storage
        from hyperllama.core.storage.store import Store

        storage = open_storage(options.storage)
        self._store = Store.create(storage, self._name, problem.metric, self._attrs())

    def _attrs(self) -> dict[str, Any]:
        """What is kept in the storage; the settings last, so that they stand for all of it."""
        options = self._options
        return {
            "version": _VERSION,
            "task": (self._folder / TASK).read_text("utf8"),
            "created_t": self._created_t,
            "budget_trials": options.trials,
            "budget_s": None if options.minutes is None else 60 * options.minutes,
            "proposer": options.proposer,
            "settings": without_storage(options),
        }

    def reopen(self, more: int) -> None:
        """Find the study in the storage, with what it was started with; load the table."""
        from hyperllama.core.storage.database import open_storage
        from hyperllama.core.storage.store import Store
        from hyperllama.core.task import load_task

        assert self._options.storage is not None
        begun = (read_summary(self._folder) or {}).get("begun")
        storage = open_storage(self._options.storage, create=begun is not None)
        if begun is not None:
            write_atomically(self._folder / TASK, begun["task"])
            if not Store.exists(storage, self._name):
                self._options = self._options.over(begun["options"])
                return self.create(load_task(self._folder / TASK), begun["task"])
        self._store = Store.open(storage, self._name)
        attrs = self._store.attrs()
        if "settings" not in attrs:
            if begun is None or self._store.trials():
                raise StudyError(
                    f"the study {self._name!r} was not made by HyperLlama",
                    "its trials can be read with Optuna, not resumed here",
                )
            self._options = self._options.over(begun["options"])
            self._store.set_attrs(self._attrs())
            attrs = self._store.attrs()
        if not (self._folder / TASK).exists():
            write_atomically(self._folder / TASK, str(attrs["task"]))
        load_task(self._folder / TASK)
        self._created_t = float(attrs.get("created_t") or self._created_t)
        seconds = attrs.get("budget_s")
        kept = {
            **attrs["settings"],
            "trials": attrs.get("budget_trials"),
            "minutes": None if seconds is None else seconds / 60,
            "proposer": attrs.get("proposer"),
        }
        if self._options.seed not in (None, kept.get("seed")):
            raise StudyError(
                f"the study {self._name!r} was started with seed {kept.get('seed')}",
                "the seed of a study cannot change; start another study",
            )
        options = self._options.over(kept)
        _check_prompt(options.prompt or {})
        if more:
            options = replace(options, trials=(options.trials or 0) + more)
        if options.proposer is not None and options.proposer != kept["proposer"]:
            choose_proposer(options.proposer, options.model)
        self._options = options
        self._store.set_attrs(self._attrs())
        self._open_runner()

    def run(self) -> StudyFinished:
        from hyperllama.core.storage.proposal_log import ProposalLog
        from hyperllama.core.storage.request_log import Inbox
        from hyperllama.core.study.loop import Study
        from hyperllama.core.study.parts import StudyParts

        assert self._store is not None and self._runner is not None and self._problem is not None
        facts = self._facts()
        try:
            parts = StudyParts(
                self._store,
                self._runner,
                self._make_proposer,
                self._problem.space,
                facts,
                self._events,
                Inbox(self._folder, self._asked),
                ProposalLog(self._folder / PROPOSALS),
                save=self._save,
                notes=tuple(self._notes),
                use_model=self._use_model,
                log=self._log,
                interrupted=self._interrupted,
            )
            end = Study(parts).run()
            if end.why in ("budget", "minutes", "exhausted"):  # there is little left to resume
                for name in (CACHE, f"{CACHE}.json"):
                    (self._folder / name).unlink(missing_ok=True)
            return end
        finally:
            self.close()

    def close(self) -> None:
        if self._runner is not None:
            self._runner.close()
        if self._store is not None:
            self._store.close()
        self._events.close()

    def _open_runner(self) -> Problem:
        from hyperllama.core.evaluate.client import TrialRunner

        self._runner = TrialRunner(
            self._folder / TASK,
            log=self._folder / "trials.log",
            threads=self._options.threads or 0,
        )
        try:
            self._problem = self._runner.open(self._interrupted)
        except ChildDied:
            # Once more: whoever killed it (a person, the kernel) may have meant another one.
            self._problem = self._runner.open(self._interrupted)
        return self._problem

    def _settled(self, task: Task) -> Options:
        """The options with nothing left open."""
        options = self._options
        trials: int | None = options.trials
        minutes = options.minutes
        if trials is None and minutes is None:
            trials, minutes = task.budget.trials, task.budget.minutes
            if minutes is not None and trials >= _UNLIMITED_TRIALS:
                trials = None
        proposer, note = choose_proposer(options.proposer, options.model)
        if note is not None:
            self._notes.append(note)
        prompt = {**task.prompt, **(options.prompt or {})}
        _check_prompt(prompt)
        return replace(
            options,
            trials=trials,
            minutes=minutes,
            proposer=proposer,
            model=lasting_model(options.model or "embedded"),
            seed=task.seed if options.seed is None else options.seed,
            prompt=prompt,
        )

    def _facts(self) -> StudyOpened:
        from hyperllama.core.propose import needs_model
        from hyperllama.core.space.describe import describe_space

        assert self._runner is not None and self._problem is not None
        options, problem = self._options, self._problem
        proposer = str(options.proposer)
        return StudyOpened(
            study=self._name,
            task=problem.task.name,
            kind=problem.kind,
            metric=problem.metric,
            estimators=problem.estimators,
            proposer=proposer,
            model=str(options.model) if needs_model(proposer) else "",
            seed=int(options.seed or 0),
            budget_trials=options.trials,
            budget_s=None if options.minutes is None else 60 * options.minutes,
            rows=self._runner.rows,
            features=len(problem.columns),
            folds=self._runner.folds,
            space=describe_space(problem.space),
            warnings=problem.warnings,
            pid=os.getpid(),
        )

    def _make_proposer(self, name: str) -> Proposer:
        from hyperllama.core.propose import make_proposer, needs_model
        from hyperllama.core.task.prompt_options import PromptOptions
        from hyperllama.core.trials import ProposerSetting

        assert self._runner is not None and self._problem is not None
        options, problem, task = self._options, self._problem, self._problem.task
        return make_proposer(
            name,
            setting=ProposerSetting(
                seed=int(options.seed or 0),
                task=task.name,
                kind=problem.kind,
                metric=problem.metric,
                estimators=problem.estimators,
                facts=problem.facts,
                dataset="\n".join(self._runner.summary),
                notes=task.notes,
                folds=self._runner.folds,
                model=str(options.model),
                engine=engine_settings(options) if needs_model(name) else None,
                temperature=options.temperature,
                prompt=PromptOptions.of(options.prompt or {}),
                log=self._folder / "engine.log",
                cache=self._folder / CACHE,
                report=self._events.emit,
            ),
        )

    def _use_model(self, model: str) -> str:
        """Take another model for proposers that are opened from now on; it stays on a resume."""
        from hyperllama.models.gguf import check_model, resolve_model

        assert self._store is not None
        check_model(resolve_model(model))
        self._options = replace(self._options, model=lasting_model(model))
        self._store.set_attrs({"settings": without_storage(self._options)})
        return str(self._options.model)

    def _log(self, text: str) -> None:
        with (self._folder / LOG).open("a", encoding="utf8") as file:
            file.write(text)

    def _save(self, summary: Mapping[str, Any]) -> None:
        from hyperllama.core.propose import needs_model

        assert self._runner is not None and self._problem is not None
        options, problem = self._options, self._problem
        asks = needs_model(str(summary["proposer"]))
        self._write_summary(
            {
                "study": self._name,
                "task": problem.task.name,
                "data": str(problem.task.data.path),
                "kind": problem.kind,
                "metric": problem.metric,
                "estimators": list(problem.estimators),
                "seed": options.seed,
                "rows": self._runner.rows,
                "features": len(problem.columns),
                **summary,
                "model": str(options.model) if asks else "",
            }
        )

    def _write_summary(self, summary: Mapping[str, Any]) -> None:
        write_summary(
            self._folder,
            {
                "storage": hide_password(str(self._options.storage)),
                "created_t": round(self._created_t, 3),
                "updated_t": round(time.time(), 3),
                "pid": os.getpid(),
                **summary,
            },
        )


def _import_rest() -> None:
    for module in ("hyperllama.core.storage.store", "hyperllama.core.study.loop"):
        importlib.import_module(module)
