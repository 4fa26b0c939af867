"""What `run`, `resume` and `show --follow` print: a live view, plain lines, or JSON lines."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from hyperllama.core.events import (
    Event,
    ModelLoaded,
    Noted,
    ProposalRejected,
    QuestionAnswered,
    QuestionAsked,
    RerunFinished,
    StudyFinished,
    StudyOpened,
    StudySteered,
    TrialFinished,
    TrialNoted,
    to_json,
)
from hyperllama.core.objectives import broken
from hyperllama.core.programs.store import TRIES
from hyperllama.core.study import PRUNED, StateFold, StudyState
from hyperllama.core.study.findings.verdict import verdict_lines
from hyperllama.core.text import counted, one_line, plain
from hyperllama.models.paths import model_name
from hyperllama.tui.cli.printing import short
from hyperllama.tui.text import wording

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.text import Text

_REASONING_LINES = 8
_STYLES = {"error": "red", "warning": "yellow"}


class OutputLine(NamedTuple):
    """A line to print: its style on a terminal, and how far its further lines are indented."""

    text: str
    style: str = ""
    indent: int = 0


class JsonOutput:
    """The events, one JSON object a line."""

    def __enter__(self) -> JsonOutput:
        return self

    def __exit__(self, *exception: object) -> None:
        """Nothing was opened."""

    def hear(self, event: Event, t: float, folding: StateFold) -> None:
        """Print an event that happened at `t`, seconds since the epoch; `folding` has the study
        after it."""
        print(to_json(event, t), flush=True)


class PlainOutput(JsonOutput):
    """A line for everything that is over; for logs, pipes and terminals that only scroll."""

    def hear(self, event: Event, t: float, folding: StateFold) -> None:
        for line in lines_of(event, folding):
            self.write(line)

    def write(self, line: OutputLine) -> None:
        print(line.text, flush=True)


class LiveOutput(PlainOutput):
    """Finished trials scroll up; below them what happens now: reasoning, folds, best, progress."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._folding = StateFold()
        self._console: Console = Console(highlight=False)
        self._live = Live(
            self, console=self._console, refresh_per_second=8, transient=True,
            redirect_stderr=False, redirect_stdout=False,
        )

    def __enter__(self) -> LiveOutput:
        self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._live.stop()

    def hear(self, event: Event, t: float, folding: StateFold) -> None:
        self._folding = folding
        if isinstance(event, StudyFinished):
            self._live.stop()
        super().hear(event, t, folding)

    def write(self, line: OutputLine) -> None:
        """Print a line wrapped to the terminal."""
        width = max(40, self._console.width - 1)
        indent = line.indent if line.indent < width // 2 else 6
        wrapped = textwrap.wrap(line.text, width, subsequent_indent=" " * indent) or [""]
        for part in wrapped if line.indent else [line.text]:
            self._console.print(part, style=line.style, markup=False)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        state, width = self._folding.state, options.max_width
        reasoning = state.current.reasoning if state.current is not None else ""
        for line in _tail(reasoning, width - 4):
            yield Text(f"  {line}", style="italic dim", no_wrap=True, overflow="ellipsis")
        yield _status(state, width)


def make_output(as_json: bool) -> JsonOutput:
    """The fitting output: live only on a terminal that can move its cursor."""
    if as_json:
        return JsonOutput()
    if sys.stdout.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown", ""):
        return LiveOutput()
    return PlainOutput()


def lines_of(event: Event, folding: StateFold) -> Iterator[OutputLine]:
    """What is printed for an event; `folding` has the study after it."""
    if isinstance(event, StudyOpened):
        for i, line in enumerate((*heading(event), TABLE_HEAD)):
            yield OutputLine(line, "dim" if i else "bold")
    elif isinstance(event, ModelLoaded):
        on_gpu = wording.on_gpu(event.facts)
        where = f", {on_gpu}" if on_gpu else ""
        text = f"model {plain(event.model)} loaded in {event.seconds:.1f} s{where}"
        yield OutputLine(text, "dim")
    elif isinstance(event, TrialFinished):
        trial = folding.state.trial(event.number)
        if event.proposer != "default":
            for line in _lines(event.reasoning):
                yield OutputLine(f"      {line}", "dim italic", 8)
        style = "red" if event.state == "fail" else "bold green" if event.incumbent else ""
        text = trial_line(event, trial.changes if trial is not None else {})
        yield OutputLine(text, style, len(TABLE_HEAD) + 3)
        if tries := event.facts.get(TRIES):
            yield OutputLine(f"      program: {one_line(tries)}", "dim", 8)
    elif isinstance(event, Noted):
        yield OutputLine(note_line(event), _STYLES.get(event.level, "cyan"))
    elif line := steering_line(event):
        yield OutputLine(line, "cyan", 2)
    elif isinstance(event, StudyFinished):
        state = folding.state
        study = state.opened.study if state.opened is not None else ""
        for i, line in enumerate(ending(event, study, state)):
            yield OutputLine(line, "" if i else "bold")


def _status(state: StudyState, width: int) -> Text:
    """Progress, incumbent, folds, and what the study is doing, in one line."""
    from rich.text import Text

    text = Text(no_wrap=True, overflow="ellipsis")
    budget = state.opened.budget_trials if state.opened is not None else None
    text.append(f"{state.done_count}{'' if budget is None else f'/{budget}'}  ", style="bold")
    if state.best is not None:
        text.append(f"best {short(state.best.value)} (trial {state.best.number})  ", "green")
    current, doing = state.current, state.phase
    if current is not None:
        if current.fold_scores:
            scores = " ".join(short(s) for s in current.fold_scores)
            text.append(f"folds {scores} of {current.folds}  ")
        training = f"trial {current.number} trains: {settings(current.config)}"
        if state.under_way > 1:
            training = f"trials {', '.join(str(t.number) for t in state.unfinished)} train"
        words = {
            "proposing": f"trial {current.number}: {current.proposer} proposes",
            "training": training,
        }
        doing = words.get(state.phase, doing)
    if state.phase == "proposing" and state.reading is not None:
        doing = wording.reading(state.reading.done, state.reading.total, state.reading.seconds)
    if state.confirming is not None:
        at = state.confirming
        doing = f"confirming: trial {at.number} on fresh folds, set {at.repeat} of {at.repeats}"
    if state.waiting is not None:
        doing = f"waits for {state.waiting.what}, {state.waiting.left_s:.0f} s at most"
    elif state.phase == "loading":
        doing = f"loading the model {state.loading:.0%}"
    opening = state.opened is None and state.waiting is None
    text.append("opening the table" if opening else doing, style="dim")
    text.truncate(width, overflow="ellipsis")
    return text


def heading(event: StudyOpened) -> list[str]:
    """What is tuned, in a line, and the warnings about the table."""
    who = event.proposer + (f" ({plain(model_name(event.model))})" if event.model else "")
    jobs = f", {event.jobs} trials side by side" if event.jobs > 1 else ""
    lines = [
        f"{plain(event.study)}: {event.kind}, {event.metric}, {event.rows} rows, "
        f"{counted(event.features, 'feature')}, {', '.join(event.estimators)}, "
        f"{counted(event.folds, 'fold')}",
        f"  {who} proposes, seed {event.seed}, {counted(len(event.space), 'hyperparameter')}{jobs}",
    ]
    return lines + [f"  ! {one_line(w)}" for w in event.warnings]


TABLE_HEAD = f"{'trial':>5} {'proposer':<12} {'score':>10} {'±':<8} {'train':>10} {'s':>6}"


def trial_line(event: TrialFinished, changes: Mapping[str, Any] | None = None) -> str:
    """One trial as a row under `TABLE_HEAD`, then what it changed (or all it set), then remarks."""
    head = f"{event.number:5d} {event.proposer:<12.12}"
    said = settings(event.config) if not changes else differences(changes)
    instead = f"  (instead: {one_line(event.fallback)})" if event.fallback else ""
    if event.state == "fail":
        reason = f": {one_line(event.reason)}" if event.reason else ""
        return f"{head} failed{reason}  {said}{instead}"
    if event.state == PRUNED:
        return f"{head} {one_line(event.reason)}  {said}{instead}"
    spread = "" if event.std is None else f"{event.std:.2g}"
    best = " *" if event.incumbent else "  "
    if breaks := broken(event.facts):
        instead = f"  breaks {', '.join(breaks)}{instead}"
    return (
        f"{head} {short(event.value):>10} {spread:<8} {short(event.train_value):>10} "
        f"{event.seconds:6.1f}{best} {said}{instead}"
    )


def differences(changes: Mapping[str, Any]) -> str:
    """What differs from the incumbent, e.g. "max_depth 6→3", in the digits that are shown."""
    parts = []
    for name, pair in changes.items():
        old, new = pair if isinstance(pair, (list, tuple)) and len(pair) == 2 else (None, pair)
        if _value(old) != _value(new):
            parts.append(f"{plain(str(name))} {_value(old)}→{_value(new)}")
    return ", ".join(parts) or "the incumbent's values, to four digits"


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
        return f"- a proposal for trial {event.number} was rejected{reason}"
    if isinstance(event, RerunFinished):
        result = f"failed: {one_line(event.reason)}" if event.value is None else short(event.value)
        return f"- trial {event.number} on other folds: {result}"
    if isinstance(event, TrialNoted):
        return f"- trial {event.number}: {one_line(event.text)}"
    if isinstance(event, QuestionAsked):
        return one_line(f"- {event.text} {' '.join(event.computed)}", 1000)
    if isinstance(event, QuestionAnswered) and (said := event.problem or event.text):
        return f"- {one_line(said)}"
    return ""


def ending(event: StudyFinished, study: str, state: StudyState) -> list[str]:
    """How a study ended and what to do next; `state` is the study after that."""
    why = {
        "budget": "trial budget used",
        "minutes": "time limit reached",
        "stopped": "stopped",
        "exhausted": "every configuration was tried",
        "error": "the study ended early",
    }.get(event.why, event.why)
    lines = [f"{study}: {why}{f': {one_line(event.message)}' if event.message else ''}"]
    if event.best_value is not None:
        gain = ""
        if event.default_value is not None and event.best_number is not None:
            gain = ", the default" if state.best is state.default else (
                f", the default {short(event.default_value)}")
        lines.append(f"  best {short(event.best_value)} in trial {event.best_number}{gain}")
    lines += [f"  {one_line(text)}" for text in verdict_lines(state)]
    if event.why in ("stopped", "error"):
        lines.append(f"  go on with: hyperllama resume {study}")
    elif event.best_value is not None:
        lines.append(f"  next: `hyperllama export {study} -o DIR`, "
                     f"`hyperllama resume {study} --more 20`")
    elif state.trials:
        lines.append("  every trial failed: change what their messages name in the task file, and "
                     "run it again")
    return lines


def settings(config: object) -> str:
    """A configuration in one line."""
    if not hasattr(config, "items"):
        return ""
    return " ".join(f"{plain(str(k))}={_value(v)}" for k, v in config.items())


def _lines(text: str) -> list[str]:
    """The lines of a text that hold something."""
    return [line for part in plain(text).splitlines() if (line := " ".join(part.split()))]


def _tail(text: str, width: int) -> list[str]:
    """The last lines of streaming text, wrapped."""
    lines: list[str] = []
    for paragraph in plain(text[-4000:]).splitlines():
        lines += textwrap.wrap(paragraph, max(20, width)) or [""]
    return lines[-_REASONING_LINES:]
