"""Opens everything a study needs, in the right order, runs it, and closes everything again.

Lock, folder, trial runner (which loads the table), storage, then the loop. What a study was started
with is kept in its storage, so that `resume` needs nothing but its name.
"""

from __future__ import annotations

import importlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyperllama.core.errors import ChildDied, StudyError, TaskError
from hyperllama.core.events import Noted, StudyFinished
from hyperllama.core.storage.claim import Claim, claim_again, claim_folder, claim_worker
from hyperllama.core.storage.folder import (
    CACHE,
    EVENTS,
    LOG,
    PROPOSALS,
    SUMMARY,
    TASK,
    find_study,
    read_summary,
    shown_storage,
    storage_of,
    write_atomically,
    write_summary,
)
from hyperllama.core.storage.paths import DATABASE, own_database, shared_database, study_dir
from hyperllama.core.storage.request_log import Inbox
from hyperllama.core.study.inputs import (
    changed_inputs,
    check_rows,
    library_versions,
    restore_task,
    table_at,
)
from hyperllama.core.study.starting.its_model import with_its_model
from hyperllama.core.study.starting.options import (
    DEFAULTS,
    Options,
    absolute_storage,
    lasting_file,
    over_stored,
    racing_of,
    settled,
    stored_cluster,
    too_many_threads,
    with_programs_of,
    without_storage,
)
from hyperllama.core.study.study_events import StudyEvents, StudyListener

if TYPE_CHECKING:
    from hyperllama.core.storage.store import Store
    from hyperllama.core.study.parts import Runner
    from hyperllama.core.study.starting.problem import OpenProblem
    from hyperllama.core.task import Task
    from hyperllama.core.trials import Proposer

_LOOP = "hyperllama.core.study.running.loop"
_BACKED_UP_EVERY = 20  # trials


def start(
    task: Path | Task,
    options: Options = DEFAULTS,
    *,
    study: str | None = None,
    listener: StudyListener | None = None,
    interrupted: Callable[[], bool] = lambda: False,
) -> StudyFinished:
    """Run a new study of a task, or of a task file, to its end.

    Without a name it gets one after the task's.

    Raises:
        HyperLlamaError: the task, the table, the model or the storage cannot be used; the study's
            name is taken; the study failed for good. In all but the last case nothing is left.
    """
    from hyperllama.core.task import load_task, standalone_text, task_text

    source = str(task.expanduser().absolute()) if isinstance(task, Path) else ""
    text = standalone_text(task) if isinstance(task, Path) else task_text(task)
    task = load_task(task) if isinstance(task, Path) else task
    text, task = with_programs_of(options, text, task)
    claim = claim_folder(study, task.name)
    try:
        folder, name = claim.folder, claim.folder.name
        if (folder / SUMMARY).exists() or (folder / TASK).exists():
            raise StudyError(
                f"there is a study {name!r} already",
                f"`hyperllama resume {name}` goes on with it; --study NAME starts another",
            )
        url = absolute_storage(options.storage or own_database(folder))
        opening = _Opening(claim, replace(options, storage=url), listener, interrupted)
        try:
            opening.create(task, text, source)
        except BaseException as error:
            if isinstance(error, TaskError) and task.file is not None:
                error.about(TASK, task.file.name)
            opening.close()
            if claim.fresh:
                shutil.rmtree(folder, ignore_errors=True)
            else:
                for file in (SUMMARY, TASK):
                    (folder / file).unlink(missing_ok=True)
            raise
        return opening.run()
    finally:
        claim.lock.release()


def resume(
    study: str,
    options: Options = DEFAULTS,
    *,
    more: int = 0,
    data: Path | None = None,
    join: bool = False,
    listener: StudyListener | None = None,
    interrupted: Callable[[], bool] = lambda: False,
) -> StudyFinished:
    """Go on with a study where it was left.

    Args:
        more: trials to add to its budget.
        data: where its table lies now; the content has to be the same.
        join: run trials beside the process that owns the study, and keep none of its books.

    Raises:
        HyperLlamaError: there is no such study, another process owns it, its table has other
            content than at its start, or as `start`.
    """
    folder = study_dir(study) if options.storage else find_study(study)
    url = absolute_storage(options.storage or storage_of(folder))
    claim = claim_worker(folder, url) if join else claim_again(folder)
    try:
        if options.storage is None and url == shared_database():
            from hyperllama.core.storage.database import take_out

            take_out(url, claim.folder.name, folder)
            url = storage_of(folder)
        joins = folder.name if join else None
        opening = _Opening(claim, replace(options, storage=url), listener, interrupted, joins)
        try:
            opening.reopen(more, data)
        except BaseException:
            opening.close()
            raise
        return opening.run()
    finally:
        claim.lock.release()


class _Opening:
    """A study that is being opened, and then run; whatever was opened is closed by `close`.

    Args:
        joins: the study that this process joins, in the folder of a worker; None: it owns the one
            of its folder.
    """

    def __init__(
        self,
        claim: Claim,
        options: Options,
        listener: StudyListener | None,
        interrupted: Callable[[], bool],
        joins: str | None = None,
    ) -> None:
        self._folder, self._name = claim.folder, joins or claim.folder.name
        self._owner = joins is None
        self._unowned_bytes = claim.unowned_bytes
        self._options, self._interrupted = options, interrupted
        self._events = StudyEvents(self._folder / EVENTS)
        if listener is not None:
            self._events.follow(listener)
        self._store: Store | None = None
        self._problem: OpenProblem | None = None
        self._notes: list[Noted] = []
        self._created_t = time.time()
        self._backups = 0

    def create(self, task: Task, text: str, source: str) -> None:
        """Load the table, then make the study in the storage.

        Args:
            text, source: of the task file, and where it lies; empty for a task given as a value.
        """
        self._options, self._notes = settled(self._options, task)
        begun = {"options": without_storage(self._options), "task": text, "task_file": source}
        # A study that is killed before the storage knows of it is begun again from this file.
        self._save({"task": task.name, "data": str(task.data.path), "state": "running",
                    "begun": begun})  # fmt: skip
        write_atomically(self._folder / TASK, text)
        # The child reads the table; meanwhile Optuna is imported here, which takes as long.
        threading.Thread(target=importlib.import_module, args=(_LOOP,), daemon=True).start()
        problem = self._open_problem()

        from hyperllama.core.storage.database import open_storage
        from hyperllama.core.study.starting.earlier import (
            earlier_attrs,
            offer_earlier,
            read_earlier,
        )
        from hyperllama.core.study.starting.entering import enter, store_kind

        storage = open_storage(str(self._options.storage))
        studies = read_earlier(self._options.warm_start or (), problem.problem)
        if not studies:
            self._notes += offer_earlier(self._name, problem.problem)
        first = {"task_file": source, "versions": library_versions(), **earlier_attrs(studies),
                 **self._attrs()}  # fmt: skip
        kind = store_kind(self._folder, str(self._options.storage))
        self._store = kind.create(storage, self._name, problem.problem.metric, first)
        enter(self._store, self._folder, self._owner, self._events.emit, self._interrupted)

    def reopen(self, more: int, data: Path | None) -> None:
        """Find the study in the storage, with what it was started with; load the table."""
        from hyperllama.core.storage.database import open_storage, open_study_storage, study_exists
        from hyperllama.core.study.starting.entering import enter, patience_at_opening, store_kind
        from hyperllama.core.task import load_task

        begun = (read_summary(self._folder) or {}).get("begun")
        url, own = str(self._options.storage), own_database(self._folder)
        if begun is not None and not (self._folder / DATABASE).exists():  # killed before it was
            storage = open_storage(url)
        else:
            waits = patience_at_opening(self._events.emit, self._interrupted)
            storage = open_study_storage(self._folder, url, checked=True, patience=waits)
        if begun is not None:
            write_atomically(self._folder / TASK, begun["task"])
            if not study_exists(storage, self._name):
                self._options = self._options.over(begun["options"])
                source = str(begun.get("task_file", ""))
                return self.create(load_task(self._folder / TASK), begun["task"], source)
        kind = store_kind(self._folder, url)
        self._store = store = kind.open(storage, self._name, alone=url == own)
        enter(store, self._folder, self._owner, self._events.emit, self._interrupted)
        attrs = store.attrs()
        if not self._owner and attrs.get("finished") is not None:
            raise StudyError(
                f"the study {self._name!r} has ended, or was stopped",
                f"`hyperllama resume {self._name}` goes on with it; then others can join",
            )
        if "settings" not in attrs:
            if begun is None or store.trials():
                raise StudyError(
                    f"the study {self._name!r} was not made by HyperLlama",
                    "its trials can be read with Optuna, not resumed here",
                )
            self._options = self._options.over(begun["options"])
            store.set_attrs(self._attrs())
            attrs = store.attrs()
        self._created_t = float(attrs.get("created_t") or self._created_t)
        self._options, told = stored_cluster(self._options, attrs, url == own)
        self._options = over_stored(self._options, attrs, self._name, more)
        self._notes += [*restore_task(self._folder, attrs), *told]
        with table_at(self._folder / TASK, data) as path:
            opened = self._open_problem()
            sha256, rows = opened.problem.fingerprint, opened.runner.rows
            check_rows(self._name, attrs, path, sha256, rows)
        waiting = Inbox(self._folder, self._unowned_bytes).read_unowned()
        self._options, model = with_its_model(self._name, self._options, waiting)
        if self._owner:
            store.set_attrs(self._attrs())
        self._notes += changed_inputs(self._folder, attrs, model)

    def run(self) -> StudyFinished:
        """Run the opened study to its end, and close everything."""
        from hyperllama.core.storage.sqlite_file import back_up
        from hyperllama.core.study.parts import StudyParts
        from hyperllama.core.study.running.loop import Study
        from hyperllama.core.study.starting.entering import proposal_log

        assert self._store is not None and self._problem is not None
        self._problem.begin_with_earlier(self._store, queue=self._owner)
        opened = self._problem.opened(self._name, self._options)
        parts = StudyParts(
            self._store,
            self._problem.runners,
            self._make_proposer,
            self._problem.problem.space,
            opened if self._owner else replace(opened, confirm=False),
            self._events,
            Inbox(self._folder, self._unowned_bytes),
            proposal_log(self._store, self._folder / PROPOSALS),
            save=self._save,
            notes=(*self._notes, *too_many_threads(self._options)),
            use_model=self._use_model,
            use_jobs=self._use_jobs,
            program=self._problem.program,
            log=self._log,
            racing=racing_of(self._options, self._problem.runner.folds,
                             bool(self._problem.problem.objectives)),
            as_finished=self._options.order == "as-finished",
            keeps_books=self._owner,
            interrupted=self._interrupted,
        )
        try:
            end = Study(parts).run()
            if end.why in ("budget", "minutes", "exhausted"):  # there is little left to resume
                for name in (CACHE, f"{CACHE}.json"):
                    (self._folder / name).unlink(missing_ok=True)
            back_up(self._folder)
            return end
        finally:
            self.close()

    def close(self) -> None:
        """Close what was opened."""
        for opened in (self._problem, self._store, self._events):
            if opened is not None:
                opened.close()

    def _open_problem(self) -> OpenProblem:
        from hyperllama.core.study.starting.problem import OpenProblem

        self._problem = problem = OpenProblem(self._folder, self._options)
        self._options = replace(self._options, jobs=len(problem.runners))
        try:
            problem.load(self._interrupted)
        except ChildDied:
            # Once more: what killed it (a person, the kernel) may have meant another process.
            problem.load(self._interrupted)
        self._notes += problem.notes()
        return problem

    def _make_proposer(self, name: str) -> Proposer:
        assert self._problem is not None
        return self._problem.make_proposer(name, self._options, self._events.emit)

    def _use_model(self, model: str) -> str:
        """Take another model for proposers that are opened from now on; it stays on a resume."""
        from hyperllama.models.gguf import check_model, resolve_model

        assert self._store is not None
        check_model(resolve_model(model))
        self._options = replace(self._options, model=lasting_file(model))
        if self._owner:
            self._store.set_attrs({"settings": without_storage(self._options)})
        return str(self._options.model)

    def _use_jobs(self, jobs: int) -> Sequence[Runner]:
        """Train so many trials side by side from then on; that stays on a resume."""
        assert self._store is not None and self._problem is not None
        self._problem.resize(jobs)
        self._options = replace(self._options, jobs=jobs)
        self._store.set_attrs({"settings": without_storage(self._options)})
        return self._problem.runners

    def _attrs(self) -> dict[str, Any]:
        """What is kept in the storage; the settings last, so that they stand for all of it."""
        options, problem = self._options, self._problem
        return {
            "version": 1,
            "task": (self._folder / TASK).read_text("utf8"),
            "created_t": self._created_t,
            "budget_trials": options.trials,
            "budget_s": options.budget_s,
            "proposer": options.proposer,
            "data_sha256": problem.problem.fingerprint if problem is not None else "",
            "settings": without_storage(options),
        }

    def _log(self, text: str) -> None:
        with (self._folder / LOG).open("a", encoding="utf8") as file:
            file.write(text)

    def _save(self, summary: Mapping[str, Any]) -> None:
        """Write the summary, with what is known of the problem and of this process."""
        from hyperllama.core.propose import needs_model

        facts = self._problem.facts(self._options) if self._problem is not None else {}
        head = {
            "study": self._name,
            "storage": shown_storage(self._folder, str(self._options.storage)),
            "created_t": round(self._created_t, 3), "updated_t": round(time.time(), 3),
            "pid": os.getpid(),
            "settings": without_storage(self._options),
        }
        if "proposer" in summary:
            asks = needs_model(str(summary["proposer"]))
            facts["model"] = str(self._options.model) if asks else ""
        write_summary(self._folder, {**head, **summary, **facts})
        if (ended := int(summary.get("trials", 0)) // _BACKED_UP_EVERY) > self._backups:
            from hyperllama.core.storage.sqlite_file import back_up

            back_up(self._folder)
            self._backups = ended
