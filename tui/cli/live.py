"""What `run`, `resume` and `show --follow` print: a live view, plain lines, or JSON lines."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from hyperllama.core.events import (
    Event,
    FoldFinished,
    ModelLoaded,
    ModelLoading,
    Noted,
    ProposalMade,
    ProposalRejected,
    ProposalStarted,
    ProposalText,
    QuestionAnswered,
    RerunFinished,
    StudyFinished,
    StudyOpened,
    StudyPaused,
    StudyResumed,
    StudySteered,
    TrialFinished,
    TrialNoted,
    to_json,
)
from hyperllama.core.text import plain

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
        self._changes: Mapping[str, Any] = {}

    def __enter__(self) -> PlainOutput:
        return self

    def hear(self, event: Event, t: float) -> None:
        if isinstance(event, StudyOpened):
            self._study = event.study
            for line in (*heading(event), TABLE_HEAD):
                self._write(line)
        elif isinstance(event, ModelLoaded):
            self._write(f"model {plain(event.model)} loaded in {event.seconds:.1f} s")
        elif isinstance(event, ProposalMade):
            self._changes = event.changes
            if event.proposer != "default":
                for line in _lines(event.reasoning):
                    self._write(f"      {line}")
        elif isinstance(event, TrialFinished):
            self._write(trial_line(event, self._changes))
        elif isinstance(event, Noted):
            self._write(note_line(event))
        elif line := steering_line(event):
            self._write(line)
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
        self._changes: Mapping[str, Any] = {}
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
            for i, line in enumerate((*heading(event), TABLE_HEAD)):
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
            self._changes = event.changes
            self._doing = f"trial {event.number} trains: {settings(event.config)}"
        elif isinstance(event, FoldFinished):
            self._folds.append(event.score)
            self._of_folds = event.folds
        elif isinstance(event, TrialFinished):
            self._finished(event)
        elif isinstance(event, Noted):
            style = {"error": "red", "warning": "yellow"}.get(event.level, "cyan")
            self._console.print(note_line(event), style=style, markup=False)
        elif line := steering_line(event):
            self._print(line, 2, "cyan")
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
        if event.proposer != "default":
            for line in _lines(event.reasoning):
                self._print(f"      {line}", 8, "dim italic")
        style = "red" if event.state == "fail" else "bold green" if event.incumbent else ""
        self._print(trial_line(event, self._changes), len(TABLE_HEAD) + 3, style)
        if event.incumbent:
            self._best = event
        self._folds, self._reasoning, self._doing = [], "", ""

    def _print(self, line: str, indent: int, style: str) -> None:
        """A line wrapped to the terminal, its further lines indented."""
        import textwrap

        width = max(40, self._console.width - 1)
        indent = indent if indent < width // 2 else 6
        wrapped = textwrap.wrap(line, width, subsequent_indent=" " * indent) or [""]
        for part in wrapped:
            self._console.print(part, style=style, markup=False)

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


TABLE_HEAD = f"{'trial':>5} {'proposer':<12} {'score':>10} {'±':<8} {'train':>10} {'s':>6}"


def trial_line(event: TrialFinished, changes: Mapping[str, Any] | None = None) -> str:
    """One trial as a row under `TABLE_HEAD`, then what it changed (or all it set), then remarks."""
    head = f"{event.number:5d} {event.proposer:<12.12}"
    said = settings(event.config) if not changes else differences(changes)
    instead = f"  (instead: {one_line(event.fallback)})" if event.fallback else ""
    if event.state == "fail":
        return f"{head} failed: {one_line(event.reason)}  {said}{instead}"
    spread = "" if event.std is None else f"{event.std:.2g}"
    best = " *" if event.incumbent else "  "
    return (
        f"{head} {score(event.value):>10} {spread:<8} {score(event.train_value):>10} "
        f"{event.seconds:6.1f}{best} {said}{instead}"
    )


def differences(changes: Mapping[str, Any]) -> str:
    """What differs from the incumbent, e.g. "max_depth 6→3"."""
    parts = []
    for name, pair in changes.items():
        old, new = pair if isinstance(pair, (list, tuple)) and len(pair) == 2 else (None, pair)
        parts.append(f"{plain(str(name))} {_value(old)}→{_value(new)}")
    return ", ".join(parts)


def _value(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else plain(str(value))


def note_line(event: Noted) -> str:
    mark = {"error": "error", "warning": "!"}.get(event.level, "-")
    hint = f" ({one_line(event.hint)})" if event.hint else ""
    return f"{mark} {one_line(event.text)}{hint}"


def steering_line(event: Event) -> str:
    """What a person did to the study, or was answered, in one line; empty for other events."""
    if isinstance(event, StudySteered):
        return f"- {one_line(event.text)}"
    if isinstance(event, ProposalRejected):
        reason = f": {one_line(event.reason)}" if event.reason else ""
        return f"- a proposal for trial {event.number} was turned down{reason}"
    if isinstance(event, RerunFinished):
        result = f"failed: {one_line(event.reason)}" if event.value is None else score(event.value)
        return f"- trial {event.number} on other folds: {result}"
    if isinstance(event, TrialNoted):
        return f"- trial {event.number}: {one_line(event.text)}"
    if isinstance(event, QuestionAnswered):
        return f"- {one_line(event.problem or event.text)}"
    return ""


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
    return " ".join(f"{plain(str(k))}={_value(v)}" for k, v in config.items())


def one_line(text: str) -> str:
    return " ".join(plain(text).split())


def _lines(text: str) -> list[str]:
    """The lines of a text that hold something."""
    return [line for part in plain(text).splitlines() if (line := one_line(part))]


def _tail(text: str, width: int) -> list[str]:
    """The last lines of streaming text, wrapped."""
    import textwrap

    lines: list[str] = []
    for paragraph in plain(text[-4000:]).splitlines():
        lines += textwrap.wrap(paragraph, max(20, width)) or [""]
    return lines[-_REASONING_LINES:]
