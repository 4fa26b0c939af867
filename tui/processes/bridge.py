"""The way to study processes: start them, read their events, ask them for things. No widgets.

A study never runs in the interface's process. It is started in a session of its own, so that
closing the terminal does not end it; what it does is read from the `events.jsonl` of its folder,
and what it should do is appended to `commands.jsonl`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from hyperllama.core.errors import StudyError
from hyperllama.core.events import Noted, TrialNoted
from hyperllama.core.events.requests import Note, Request
from hyperllama.core.experiments.panel import BaselinePanel, read_panel
from hyperllama.core.storage.event_log import EventTail
from hyperllama.core.storage.folder import EVENTS, LOG, PROPOSALS, free_name, holder
from hyperllama.core.storage.paths import home, study_dir
from hyperllama.core.storage.proposal_log import read_proposals
from hyperllama.core.storage.request_log import Inbox, send
from hyperllama.core.study import StateFold, StudyState
from hyperllama.core.text import plain
from hyperllama.models.process import STUDY_NICENESS, program_argv, set_niceness
from hyperllama.tui.preferences import settings
from hyperllama.tui.processes.started import Started, environment

_LOOK_S = 0.05  # between two looks whether a process is there, or gone
COMMAND: tuple[str, ...] = tuple(program_argv())


class StudyLink(Protocol):
    """What a study screen needs of a study: the real one below, a recorded one in tests."""

    name: str

    def poll(self) -> bool:
        """Read what is new; True if the state changed."""

    @property
    def state(self) -> StudyState: ...

    @property
    def alive(self) -> bool:
        """The study's process lives (or is being started)."""

    @property
    def behind(self) -> bool:
        """There is more to be read than `poll` reads at once."""

    @property
    def starting(self) -> bool:
        """A process was started, and does not yet hear what it is asked for."""

    @property
    def opening(self) -> bool:
        """A process was started, and has not told anything yet."""

    @property
    def refused(self) -> bool:
        """The process that was started from here failed before it opened the study; `last_output`
        says why."""

    def send(self, request: Request) -> None:
        """Ask the study process for something, once it is there to hear it.

        Raises:
            StudyError: it cannot be written.
        """

    def continue_from(self, other: StudyLink) -> None:
        """Show what another link knew until the new process tells more."""

    async def delivered(self) -> None:
        """Wait until all that was asked for is where the study process reads it."""

    def last_output(self) -> str:
        """What the process wrote before it died without saying so in its events; may be empty."""

    def records(self, number: int) -> list[dict[str, Any]]:
        """The whole records of a trial's proposals: prompt, raw reply, settings. Reads a file."""

    def baselines(self) -> BaselinePanel | None:
        """What simpler ways reach with the study's budget, where it was run. Reads a small file."""


class FolderLink:
    """A study on this machine, through the files in its folder."""

    def __init__(self, name: str, process: Started | None = None) -> None:
        self.name = name
        self.folder = study_dir(name)
        self.process = process
        self._tail = EventTail(self.folder / EVENTS)
        self._fold = StateFold()
        self._unsent: list[Request] = []
        self._delivery: asyncio.Task[None] | None = None

    def poll(self) -> bool:
        events, fresh = self._tail.read()
        if fresh:
            self._fold = StateFold()
        for event, t in events:
            self._fold.apply(event, t)
        if events and not self.alive:
            for note in unheard(self.folder):  # written while nobody worked on the study
                self._fold.apply(TrialNoted(note.number, note.text), time.time())
        return fresh or bool(events)

    @property
    def behind(self) -> bool:
        return self._tail.behind

    @property
    def state(self) -> StudyState:
        return self._fold.state

    @property
    def alive(self) -> bool:
        if self.process is not None and self.process.returncode is None:
            return True
        return holder(self.folder) is not None

    @property
    def starting(self) -> bool:
        process = self.process
        began = process is None or process.returncode is not None
        return not began and holder(self.folder) is None

    @property
    def opening(self) -> bool:
        process = self.process
        living = process is not None and process.returncode is None
        return living and process is not None and self.state.started_t < process.started_t

    @property
    def refused(self) -> bool:
        process = self.process
        if process is None or not process.returncode:
            return False
        return self.state.started_t < process.started_t  # what was read is of an earlier process

    def send(self, request: Request) -> None:
        if self._unsent or self.starting:
            self._unsent.append(request)
            if self._delivery is None:
                self._delivery = asyncio.get_running_loop().create_task(self._deliver())
            return
        send(self.folder, request)
        if isinstance(request, Note) and not self.alive:
            self._fold.apply(TrialNoted(request.number, request.text), time.time())

    def continue_from(self, other: StudyLink) -> None:
        if isinstance(other, FolderLink):
            self._tail, self._fold = other._tail, other._fold
            self._fold.restart()

    async def delivered(self) -> None:
        if self._delivery is not None:
            await asyncio.shield(self._delivery)

    async def _deliver(self) -> None:
        """Hand over what was asked while the process started; one that failed hears nothing."""
        while self.starting:
            await asyncio.sleep(_LOOK_S)
        unsent, self._unsent = self._unsent, []
        self._delivery = None
        try:
            for request in unsent if self.folder.is_dir() else ():
                send(self.folder, request)
        except StudyError as error:
            self._fold.apply(Noted("error", error.message, error.hint), time.time())

    def records(self, number: int) -> list[dict[str, Any]]:
        path = self.folder / PROPOSALS
        return [r for r in read_proposals(path, number) if r.get("number") == number]

    def baselines(self) -> BaselinePanel | None:
        try:
            return read_panel(self.name)
        except StudyError:
            return None

    def last_output(self) -> str:
        logs = (start_log(self.name), self.folder / LOG)
        return next(filter(None, map(_tail, logs if self.refused else reversed(logs))), "")


def unheard(folder: Path) -> list[Note]:
    """Notes on trials that wait for the next study process."""
    return [request for request in Inbox(folder).read() if isinstance(request, Note)]


def _tail(path: Path) -> str:
    """The last lines of a log, made harmless; empty where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 4096))
            text = file.read().decode("utf8", "replace")
    except OSError:
        return ""
    return "\n".join(plain(text).strip().splitlines()[-12:])


def start_log(name: str) -> Path:
    """Where a study process started from here writes what it prints."""
    return home() / "logs" / f"{study_dir(name).name}.log"


async def launch(arguments: Sequence[str], name: str) -> FolderLink:
    """Start `hyperllama <arguments>` for the study `name`, in a session of its own.

    Raises:
        StudyError: the process could not be started at all.
    """
    log = start_log(name)
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            process = Started([*COMMAND, *arguments], output)
        set_niceness(process.pid, STUDY_NICENESS)
    except OSError as error:
        raise StudyError(
            f"The study process did not start: {error}", hint=f"Check that {log} can be written."
        ) from error
    return FolderLink(name, process)


@dataclass(frozen=True)
class Choices:
    """What a person may choose when starting a study; empty fields leave it to the task file."""

    model: str = ""
    proposer: str = ""
    budget: str = ""
    seed: str = ""

    def arguments(self) -> list[str]:
        """As options of `hyperllama run`, with what is kept of the model."""
        pairs = (
            ("--model", self.model),
            ("--proposer", self.proposer),
            ("--budget", self.budget),
            ("--seed", self.seed),
        )
        chosen = [part for flag, value in pairs if value for part in (flag, value)]
        return chosen + (settings.of_model(self.model).arguments() if self.model else [])


def settled(choices: Choices) -> Choices:
    """The choices with the default model of the settings, where that is still there."""
    default = settings.read().default_model
    if choices.model or not default or not Path(default).is_file():
        return choices
    return replace(choices, model=default)


async def start(task: Path, choices: Choices = Choices()) -> FolderLink:
    """Start a new study of a task file, under a name that is not taken yet."""
    name = free_name(task.stem)
    arguments = ["run", str(task), "--study", name, "--detached", *settled(choices).arguments()]
    return await launch(arguments, name)


async def report(name: str) -> Path:
    """Write the study's HTML report, in a process of its own; the path of the page.

    Raises:
        StudyError: it could not be written.
    """
    written = await _export(name, study_dir(name) / "report", "--no-model")
    page = next((path for path in written if path.suffix == ".html"), None)
    if page is None:
        raise StudyError("No report: nothing was written")
    return page


async def export(name: str, trial: int | None = None) -> tuple[Path, list[Path]]:
    """Write the winner, or that trial (configuration, script, fitted pipeline, report); folder and
    files.

    They lie where the interface was opened, or with the study where nothing can be written there.

    Raises:
        StudyError: there is nothing to write yet, or it could not be written.
    """
    here = Path.cwd()
    which = "best" if trial is None else f"trial-{trial}"
    folder = here / f"{name}-{which}" if os.access(here, os.W_OK) else study_dir(name) / which
    options = [] if trial is None else ["--trial", str(trial)]
    return folder, await _export(name, folder, *options)


async def _begun(
    command: str, *arguments: str, stdout: int = asyncio.subprocess.PIPE
) -> asyncio.subprocess.Process:
    """A command of HyperLlama in a process of its own, as nice as a study.

    Raises:
        StudyError: it could not be started.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *COMMAND, command, *arguments, stdin=asyncio.subprocess.DEVNULL, stdout=stdout,
            stderr=asyncio.subprocess.PIPE, env=environment(), start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise StudyError(f"`hyperllama {command}` could not be started: {error}") from error
    set_niceness(process.pid, STUDY_NICENESS)
    return process


async def _export(name: str, folder: Path, *options: str) -> list[Path]:
    """`hyperllama export` in a process of its own; what it wrote."""
    process = await _begun("export", name, "-o", str(folder), *options)
    try:
        said, errors = await process.communicate()
    finally:
        if process.returncode is None:  # the interface is left meanwhile
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    if process.returncode:
        words = plain(errors.decode("utf8", "replace")).strip()
        said_why = words.rpartition("hyperllama: ")[2] or "no reason was given"
        raise StudyError(f"Nothing was written: {said_why}")
    return [Path(line) for line in said.decode("utf8", "replace").splitlines()]


async def predict(
    name: str, rows: Path, output: Path, say: Callable[[str], object], options: Sequence[str] = ()
) -> list[str]:
    """`hyperllama predict` in a process of its own; how the rows differ from the training rows.

    Args:
        say: told in a line what is being done.
        options: of the command, beside the files.

    Raises:
        StudyError: nothing was predicted.
    """
    process = await _begun(
        "predict", name, str(rows), "-o", str(output), "--progress", "0.2", *options,
        stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stderr is not None
    said: list[str] = []
    try:
        async for raw in process.stderr:
            line = plain(raw.decode("utf8", "replace")).rstrip()
            said.append(line)
            if not line.startswith("! "):
                say(line)
        await process.wait()
    finally:
        if process.returncode is None:  # it is no longer wanted
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
    if process.returncode:
        why = "\n".join(said).rpartition("hyperllama: ")[2].strip() or "no reason was given"
        message, _, hint = why.partition("\n")
        raise StudyError(f"Nothing was predicted: {message}", hint.strip())
    return [line[2:] for line in said if line.startswith("! ")]


async def resume(name: str) -> FolderLink:
    """Go on with a study whose process is gone."""
    return await launch(["resume", name, "--detached"], name)
