"""What a person asks about programs in a running study: evaluate one, give it more, drop it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from hyperllama.core.errors import HyperLlamaError
from hyperllama.core.events import requests
from hyperllama.core.programs.boxes import sandbox_hint, sandbox_problem
from hyperllama.core.programs.store import CHOICE
from hyperllama.core.space import Config
from hyperllama.core.study.record import EventRecord


class Writes(Protocol):
    """Adds a line to the history, with the settings that hold from then on; see `Changes`."""

    def __call__(
        self, text: str, undo: Callable[[], Mapping[str, Any]] | None = None, **settings: Any
    ) -> None: ...


class ProgramChanges:
    """Carries out requests about programs, or notes why it does not.

    Args:
        complete: the whole configuration that some values stand for, and what is wrong with them.
        queue: puts a configuration before the next proposal, with a line for the history.
        write: adds a line to the history.
    """

    def __init__(
        self, record: EventRecord, complete: Callable[[Mapping[str, Any]], tuple[Config, str]],
        queue: Callable[[Config, str], None], write: Writes,
    ) -> None:  # fmt: skip
        self._record, self._complete = record, complete
        self._queue, self._write = queue, write

    def queue(self, request: requests.QueueProgram) -> None:
        """Evaluate a program next."""
        problem = "" if self._record.opened.unsandboxed else sandbox_problem()
        if problem:
            text = f"the program was not queued: programs need a sandbox, and {problem}"
            self._record.note("warning", text, sandbox_hint(problem))
            return
        try:
            key = self._record.programs.add(request.text)
            program = self._record.programs.get(key)
        except HyperLlamaError as error:
            self._record.note("warning", f"the program was not queued: {error.message}", error.hint)
            return
        config, problem = self._complete({CHOICE: key, **request.values})
        before = [t.number for t in self._record.state.trials if dict(t.config) == config]
        waiting = [t.number for t in self._record.store.waiting() if t.config == config]
        if before or waiting:
            number = (before or waiting)[0]
            problem = f"trial {number} is the same program with the same values"
        if problem:
            self._record.note("warning", f"the program was not queued: {problem}")
            return
        self._queue(config, f"queued a program: {program.summary or key}")

    def give(self, request: requests.GiveProgram) -> None:
        """Give the program of a trial more evaluations, or no more; an undo takes it back."""
        trial = self._record.state.trial(request.number)
        key = "" if trial is None else str(trial.config.get(CHOICE, ""))
        if not key:
            self._record.note("warning", f"trial {request.number} is no program that was written")
            return
        had = sum(t.config.get(CHOICE) == key for t in self._record.state.trials)
        before = dict(self._record.opened.program_turns)
        total = had + request.more if request.more else 0
        given = f"gets {request.more} more evaluations" if request.more else "gets no more"
        self._write(
            f"the program of trial {request.number} {given}", lambda: {"program_turns": before},
            program_turns={**before, key: total},
        )  # fmt: skip
