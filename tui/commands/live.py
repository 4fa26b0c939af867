"""What `run`, `resume` and `show --follow` print: a live view, plain lines, or JSON lines."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from core.events import (
    Event,
    FoldFinished,
    ModelLoaded,
    ModelLoading,
    Noted,
    ProposalMade,
    ProposalStarted,
    ProposalText,
    StudyFinished,
    StudyOpened,
    StudyPaused,
    StudyResumed,
    TrialFinished,
    to_json,
)
from core.text import plain

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.text import Text

_REASONING_LINES = 8


class Output(Protocol):
    def hear(self, event: Event, t: float) -> None: ...

    def __enter__(self) -> Output: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None: ...


def make_output(as_json: bool) -> Output:
    """The fitting output: live only on a terminal that can move its cursor."""
    if as_json:
        return JsonOutput()
    if sys.stdout.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown", ""):
        return LiveOutput()
    return PlainOutput(print_line)


def print_line(text: str) -> None:
    print(text, flush=True)


class _Quiet:
    """Nothing to open, nothing to close."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        pass


class JsonOutput(_Quiet):
    """The events, one JSON object a line."""

    def __enter__(self) -> JsonOutput:
        return self

    def hear(self, event: Event, t: float) -> None:
        print(to_json(event, t), flush=True)


class PlainOutput(_Quiet):
    """A line for everything that is over; for logs, pipes and terminals that only scroll."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._study = ""
        self._budget: int | None = None
        self._done = 0

    def __enter__(self) -> PlainOutput:
        return self

    def hear(self, event: Event, t: float) -> None:
        if isinstance(event, StudyOpened):
            self._study, self._budget = event.study, event.budget_trials
            for line in heading(event):
                self._write(line)
        elif isinstance(event, ModelLoaded):
            self._write(f"model {plain(event.model)} loaded in {event.seconds:.1f} s")
        elif isinstance(event, ProposalMade) and event.reasoning and event.proposer != "default":
            self._write(f"     {one_line(event.reasoning)}")
        elif isinstance(event, TrialFinished):
            self._done += 1
            self._write(trial_line(event))
        elif isinstance(event, Noted):
            self._write(note_line(event))
        elif isinstance(event, StudyPaused):
            self._write(f"paused {plain(event.reason)}".rstrip())
        elif isinstance(event, StudyResumed):
            self._write("goes on")
        elif isinstance(event, StudyFinished):
            for line in ending(event, self._study):
                self._write(line)


class LiveOutput:
    """Finished trials scroll up; below them what happens now: reasoning, folds, best, progress."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._console: Console = Console(highlight=False)
        self._live = Live(
            self, console=self._console, refresh_per_second=8, transient=True,
            redirect_stderr=False, redirect_stdout=False,
        )
        self._opened: StudyOpened | None = None
        self._doing = "opening the table"
        self._reasoning = ""
        self._folds: list[float] = []
        self._of_folds = 0
        self._done = 0
        self._best: TrialFinished | None = None

    def __enter__(self) -> LiveOutput:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self._live.stop()

    def hear(self, event: Event, t: float) -> None:
        if isinstance(event, StudyOpened):
            self._opened = event
            self._doing = "begins"
            for i, line in enumerate(heading(event)):
                self._console.print(line, style="bold" if i == 0 else "dim", markup=False)
        elif isinstance(event, ModelLoading):
            self._doing = f"loading {plain(event.model)} {event.fraction:.0%}"
        elif isinstance(event, ModelLoaded):
            line = f"model {plain(event.model)} loaded in {event.seconds:.1f} s"
            self._console.print(line, style="dim", markup=False)
        elif isinstance(event, ProposalStarted):
            self._doing = f"trial {event.number}: {event.proposer} proposes"
            self._reasoning, self._folds, self._of_folds = "", [], 0
        elif isinstance(event, ProposalText):
            self._reasoning += event.text
        elif isinstance(event, ProposalMade):
            self._reasoning = event.reasoning or self._reasoning
            self._doing = f"trial {event.number} trains: {settings(event.config)}"
        elif isinstance(event, FoldFinished):
            self._folds.append(event.score)
            self._of_folds = event.folds
        elif isinstance(event, TrialFinished):
            self._finished(event)
        elif isinstance(event, Noted):
            style = {"error": "red", "warning": "yellow"}.get(event.level, "cyan")
            self._console.print(note_line(event), style=style, markup=False)
        elif isinstance(event, StudyPaused):
            self._doing = "paused"
        elif isinstance(event, StudyResumed):
            self._doing = "goes on"
        elif isinstance(event, StudyFinished):
            self._live.stop()
            study = self._opened.study if self._opened else ""
            for i, line in enumerate(ending(event, study)):
                self._console.print(line, style="bold" if i == 0 else "", markup=False)

    def _finished(self, event: TrialFinished) -> None:
        self._done += 1
        if event.reasoning and event.proposer != "default":
            self._console.print(f"     {one_line(event.reasoning)}", style="dim", markup=False)
        style = "red" if event.state == "fail" else "bold green" if event.incumbent else ""
        self._console.print(trial_line(event), style=style, markup=False)
        if event.incumbent:
            self._best = event
        self._folds, self._reasoning, self._doing = [], "", ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        width = options.max_width
        for line in _tail(self._reasoning, width - 4):
            yield Text(f"  {line}", style="italic dim", no_wrap=True, overflow="ellipsis")
        yield self._status(width)

    def _status(self, width: int) -> Text:
        from rich.text import Text

        text = Text(no_wrap=True, overflow="ellipsis")
        budget = self._opened.budget_trials if self._opened else None
        text.append(f"{self._done}{'' if budget is None else f'/{budget}'}  ", style="bold")
        if self._best is not None:
            text.append(f"best {score(self._best.value)} (trial {self._best.number})  ", "green")
        if self._folds:
            text.append(f"folds {' '.join(score(s) for s in self._folds)} of {self._of_folds}  ")
        text.append(self._doing, style="dim")
        text.truncate(width, overflow="ellipsis")
        return text


def heading(event: StudyOpened) -> list[str]:
    """What is tuned, in a line, and the warnings about the table."""
    who = f"{event.proposer} ({plain(event.model)})" if event.model else event.proposer
    lines = [
        f"{plain(event.study)}: {event.kind}, {event.metric}, {event.rows} rows, "
        f"{event.features} features, {', '.join(event.estimators)}, {event.folds} folds",
        f"  {who} proposes, seed {event.seed}, {len(event.space)} hyperparameters",
    ]
    return lines + [f"  ! {one_line(w)}" for w in event.warnings]


def trial_line(event: TrialFinished) -> str:
    """One trial: number, who, score ± spread, training score, seconds, configuration."""
    head = f"{event.number:4d} {event.proposer:<8.8}"
    if event.state == "fail":
        return f"{head} failed: {one_line(event.reason)}  [{settings(event.config)}]"
    spread = f" ± {event.std:.2g}" if event.std is not None else ""
    trained = f"  train {score(event.train_value)}" if event.train_value is not None else ""
    best = "  best" if event.incumbent else ""
    instead = f"  (instead: {one_line(event.fallback)})" if event.fallback else ""
    return (
        f"{head} {score(event.value)}{spread}{trained}  {event.seconds:.1f} s{best}  "
        f"{settings(event.config)}{instead}"
    )


def note_line(event: Noted) -> str:
    mark = {"error": "error", "warning": "!"}.get(event.level, "-")
    hint = f" ({one_line(event.hint)})" if event.hint else ""
    return f"{mark} {one_line(event.text)}{hint}"


def ending(event: StudyFinished, study: str) -> list[str]:
    """How a study ended and what to do next."""
    why = {
        "budget": "the budget is used",
        "minutes": "the time is over",
        "stopped": "stopped",
        "exhausted": "every configuration was tried",
        "error": "the study ended early",
    }.get(event.why, event.why)
    lines = [f"{study}: {why}{f': {one_line(event.message)}' if event.message else ''}"]
    if event.best_value is not None:
        gain = ""
        if event.default_value is not None and event.best_number is not None:
            gain = f", the default {score(event.default_value)}"
        lines.append(f"  best {score(event.best_value)} in trial {event.best_number}{gain}")
    if event.test_value is not None:
        lines.append(f"  on the rows kept for the end: {score(event.test_value)}")
    if event.why in ("stopped", "error"):
        lines.append(f"  go on with: hyperllama resume {study}")
    elif event.best_value is not None:
        lines.append(f"  next: hyperllama export {study} -o DIR   or   resume {study} --more 20")
    return lines


def score(value: float | None) -> str:
    return "-" if value is None else f"{value:.5g}"


def settings(config: object) -> str:
    """A configuration in one line."""
    if not hasattr(config, "items"):
        return ""
    parts = (
        f"{plain(str(k))}={v:.4g}" if isinstance(v, float) else f"{plain(str(k))}={plain(str(v))}"
        for k, v in config.items()
    )
    return " ".join(parts)


def one_line(text: str) -> str:
    return " ".join(plain(text).split())


def _tail(text: str, width: int) -> list[str]:
    """The last lines of streaming text, wrapped."""
    import textwrap

    lines: list[str] = []
    for paragraph in plain(text[-4000:]).splitlines():
        lines += textwrap.wrap(paragraph, max(20, width)) or [""]
    return lines[-_REASONING_LINES:]
