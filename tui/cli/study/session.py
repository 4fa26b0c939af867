"""A study in this process with its output and signals; or in one of its own, in the background."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from hyperllama.core.errors import HyperLlamaError, StudyError
from hyperllama.core.events import StudyOpened, from_json
from hyperllama.core.storage.folder import EVENTS, LOG
from hyperllama.core.storage.paths import study_dir
from hyperllama.models.process import program_argv

if TYPE_CHECKING:
    from hyperllama.core.events import Event, StudyFinished
    from hyperllama.core.study import StateFold
    from hyperllama.core.study.study_events import StudyListener

_DETACHED = "HYPERLLAMA_IN_BACKGROUND"
_START_LIMIT_S = 1800.0
ALL_FAILED = 8


class Signals:
    """Ctrl-C, `kill` and a closed terminal ask for a polite end; a second one ends at once."""

    def __init__(self) -> None:
        self.received: int | None = None
        self._before: dict[int, object] = {}

    def __enter__(self) -> Signals:
        wanted = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
        if os.environ.get(_DETACHED):
            wanted.remove(signal.SIGHUP)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        for number in wanted:
            self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None:
            raise KeyboardInterrupt
        self.received = number


def run_here(
    arguments: argparse.Namespace,
    study: Callable[[StudyListener, Callable[[], bool]], StudyFinished],
) -> int:
    """Run a study in this process and show it; returns the exit code."""
    from hyperllama.tui.cli.study.live import make_output

    with Signals() as signals, make_output(arguments.json) as output:

        name = ""

        def hear(event: Event, t: float, folding: StateFold) -> None:
            """Show an event; when that cannot be written, end the study politely: nobody reads any
            more (`| head`), or the disk is full."""
            nonlocal name
            if isinstance(event, StudyOpened):
                name = event.study
            if signals.received == signal.SIGPIPE:
                return
            try:
                output.hear(event, t, folding)
            except OSError as error:
                if not isinstance(error, BrokenPipeError):
                    print(f"standard output cannot be written: {error.strerror}; the study stops, "
                          "`resume` goes on", file=sys.stderr)  # fmt: skip
                signals.received = signal.SIGPIPE
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

        try:
            end = study(hear, lambda: signals.received is not None)
        except HyperLlamaError:
            if signals.received is None:
                raise
            said = "while its storage did not answer" if name else "before the study began"
            print(f"interrupted {said}", file=sys.stderr)
            return 128 + signals.received
    if signals.received is not None:
        return 128 + signals.received
    if arguments.baselines and end.best_value is not None:
        from hyperllama.core.experiments.baselines import spawn

        spawn(name, arguments.storage)
    hopeless = end.why in ("budget", "exhausted") and end.best_value is None
    return ALL_FAILED if hopeless or end.why == "error" else 0


def detach(arguments: argparse.Namespace, study: str, command: Sequence[str]) -> int:
    """Start the same command in a session of its own; return once the study has begun.

    Raises:
        StudyError: it did not begin; what it said is passed on.
    """
    folder = study_dir(study)
    environment = {**os.environ, _DETACHED: "1"}
    if arguments.storage:
        environment["HYPERLLAMA_STORAGE"] = arguments.storage
    line = program_argv(*command, *_passed_on(arguments))
    # The folder is not made here: whether it is new is for the study process to find out.
    log = folder.parent / f".{folder.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        child = subprocess.Popen(
            line,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            start_new_session=True,
        )
    deadline = time.monotonic() + _START_LIMIT_S
    while not _begun(folder, child.pid):
        code = child.poll()
        if code is not None:
            said = log.read_text("utf8", "replace").strip()
            log.unlink(missing_ok=True)
            print(said, file=sys.stderr)
            return code if code > 0 else 1
        if time.monotonic() > deadline:
            raise StudyError(f"the study {study!r} has not begun yet", f"its output: {log}")
        time.sleep(0.05)
    log.replace(folder / LOG)
    if arguments.json:
        first = (folder / EVENTS).open(encoding="utf8").readline()
        print(first, end="")
    else:
        print(f"{study} runs in the background, process {child.pid}")
        print(f"  watch it: hyperllama show {study} --follow     or in the interface: hyperllama")
        print(f"  stop it:  kill {child.pid}     go on later: hyperllama resume {study}")
    return 0


def _begun(folder: Path, pid: int) -> bool:
    try:
        with (folder / EVENTS).open(encoding="utf8") as file:
            first = from_json(file.readline())
    except OSError:
        return False
    return first is not None and isinstance(first[0], StudyOpened) and first[0].pid == pid


def _passed_on(arguments: argparse.Namespace) -> list[str]:
    """The options as they were given; the storage goes through the environment, not `ps`."""
    pairs: tuple[tuple[str, object], ...] = (
        ("--proposer", arguments.proposer),
        ("--model", arguments.model),
        ("--gpu-layers", arguments.gpu_layers),
        ("--context", arguments.context),
        ("--temperature", arguments.temperature),
        ("--budget", arguments.budget),
        ("--minutes", arguments.minutes),
        ("--threads", arguments.threads),
        ("--jobs", arguments.jobs),
        ("--cluster", arguments.cluster),
        ("--racing", arguments.racing),
        ("--program-evaluations", arguments.program_evaluations),
        ("--order", arguments.order),
        ("--seed", arguments.seed),
        ("--programs", getattr(arguments, "programs", None)),
    )
    pairs = (*pairs, *(("--prompt", text) for text in arguments.prompt or ()))
    given = [part for flag, value in pairs if value is not None for part in (flag, str(value))]
    given += ["--no-confirm"] if arguments.confirm is False else []
    if getattr(arguments, "unsandboxed", False):
        given.append("--unsandboxed")
    if getattr(arguments, "warm_start", None):
        given += ["--warm-start", *arguments.warm_start]
    return [*given, "--baselines"] if arguments.baselines else given
