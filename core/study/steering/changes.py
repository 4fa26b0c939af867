"""What a person changes in a running study, each with a line in its history and its undoing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hyperllama.core.errors import HyperLlamaError, SpaceError
from hyperllama.core.events import StudySteered, TrialNoted, requests
from hyperllama.core.programs.store import CHOICE, ProgramStore
from hyperllama.core.space import Config
from hyperllama.core.space.describe import describe_space
from hyperllama.core.space.ranges import Ranges
from hyperllama.core.study.budget import describe_budget
from hyperllama.core.study.proposals import in_words
from hyperllama.core.study.proposing import Proposing
from hyperllama.core.study.record import EventRecord
from hyperllama.core.study.state import AWAITING
from hyperllama.core.study.steering.conversation import Conversation
from hyperllama.core.study.steering.program_changes import ProgramChanges

_UNDO_KEPT = 50  # changes
_Settings = Mapping[str, Any]


class Changes:
    """Carries out requests that change a study; the newest changes can be undone.

    Args:
        use_model: takes the name or path of another model for the proposers opened from then on,
            and returns it as it is kept; may raise HyperLlamaError.
    """

    def __init__(
        self,
        record: EventRecord,
        proposing: Proposing,
        conversation: Conversation,
        use_model: Callable[[str], str],
    ) -> None:
        self.reruns: list[requests.Rerun] = []
        """Reruns that were asked for and are not begun."""
        self.confirm = False
        """A confirmation was asked for and is not begun."""
        self._record = record
        self._proposing = proposing
        self._conversation = conversation
        self._use_model = use_model
        self._undo: list[tuple[str, Callable[[], _Settings]]] = []
        self._programs = ProgramChanges(record, self.complete, self._wait_for, self.write)

    def write(
        self, text: str, undo: Callable[[], _Settings] | None = None, **settings: Any
    ) -> None:
        """Add a line to the history, with the settings that hold from then on.

        Args:
            undo: takes back what the line says, and returns the settings to go back to.
        """
        if undo is not None:
            self._undo = [*self._undo, (text, undo)][-_UNDO_KEPT:]
        trials = reversed(self._record.state.trials)
        after = next((t.number for t in trials if t.state not in ("proposing", AWAITING)), -1)
        newest = self._undo[-1][0] if self._undo else ""
        self._record.emit(StudySteered(after, text, settings, newest))

    def make(self, request: requests.Request) -> None:
        """Carry out a request; one that is impossible changes nothing, and a note says why."""
        try:
            self._make(request)
        except SpaceError as error:
            self._record.note("warning", f"the range stays as it is: {error.message}", error.hint)

    def completed(self, values: Mapping[str, Any]) -> tuple[Config, str]:
        """The whole configuration that some values stand for, and why it cannot be evaluated."""
        config, problem = self.complete(values)
        if not problem and self._proposing.tried(config):
            problem = "it was tried already"
        return config, problem

    def complete(self, values: Mapping[str, Any]) -> tuple[Config, str]:
        """The whole configuration that some values stand for, and what is wrong with them."""
        if CHOICE in values:
            return _of_program(self._record.programs, values)
        space = self._record.space
        for name, value in values.items():
            if name not in space:
                return {}, f"unknown hyperparameter {name!r}; allowed: {', '.join(space.names)}"
            domain = space[name].domain
            if not domain.contains(value):
                return {}, f"{name} = {value!r} is outside; allowed: {domain.describe()}"
        return space.complete(values), ""

    def _make(self, request: requests.Request) -> None:
        ranges = self._record.ranges
        if isinstance(request, requests.QueueTrial):
            self._queue(request.config)
        elif isinstance(request, requests.QueueProgram):
            self._programs.queue(request)
        elif isinstance(request, requests.GiveProgram):
            self._programs.give(request)
        elif isinstance(request, requests.Hint):
            self._hint(request.text.strip())
        elif isinstance(request, requests.Extend):
            self._extend(request)
        elif isinstance(request, requests.ChangeJobs):
            self._jobs(request.jobs)
        elif isinstance(request, requests.SwitchProposer):
            self._switch(request)
        elif isinstance(request, requests.Review):
            self._review(request.on)
        elif isinstance(request, requests.Freeze):
            frozen = ranges.freeze(request.name, request.value)
            self._change(request.name, f"frozen at {request.value}", frozen)
        elif isinstance(request, requests.Range):
            low, high, choices = request.low, request.high, request.choices
            changed = ranges.limit(request.name, low, high, choices)
            self._change(request.name, f"range {_described(changed, request.name)}", changed)
        elif isinstance(request, requests.ResetRange):
            reset = ranges.release(request.name)
            self._change(request.name, f"range reset: {_described(reset, request.name)}", reset)
        elif isinstance(request, requests.Undo):
            self._undo_newest()
        elif isinstance(request, requests.Rerun):
            self._rerun(request)
        elif isinstance(request, requests.Confirm):
            self._confirm()
        elif isinstance(request, requests.Note):
            self._note(request.number, request.text.strip())

    def _queue(self, values: Mapping[str, Any]) -> None:
        config, problem = self.completed(values)
        if problem:
            self._record.note("warning", f"the configuration was not queued: {problem}")
            return
        self._wait_for(config, f"queued: {in_words(config, self._record.state)}")

    def _wait_for(self, config: Config, text: str) -> None:
        """Queue a configuration; an undo takes it back."""
        store = self._record.store
        number = store.queue(config)

        def undo() -> _Settings:
            refusal = {"proposer": "queue", "rejected": True, "reason": "undone"}
            if any(trial.number == number for trial in store.waiting()):
                store.finish(number, None, refusal)
            return {}

        self.write(text, undo)

    def _hint(self, text: str) -> None:
        before = self._record.state.hints
        self.write(f"hint: {text}", lambda: {"hints": before}, hints=(*before, text))
        if self._proposing.speaker() is None:
            self._record.note(
                "warning",
                f"{self._proposing.name} reads no hints",
                "it is kept for a chat model; one can be chosen in the middle of a study",
            )

    def _extend(self, request: requests.Extend) -> None:
        opened = self._record.opened
        before = {"budget_trials": opened.budget_trials, "budget_s": opened.budget_s}
        trials, seconds = opened.budget_trials, opened.budget_s
        if trials is not None:
            trials = max(self._record.state.done_count, trials + request.trials)
        if seconds is not None:
            seconds = max(0.0, seconds + 60 * request.minutes)
        text = f"the budget is now {describe_budget(trials, seconds)}"
        self.write(text, lambda: before, budget_trials=trials, budget_s=seconds)

    def _jobs(self, jobs: int) -> None:
        before = self._record.opened.jobs
        if jobs != before:
            several = f"{jobs} trials run side by side" if jobs > 1 else "one trial after the other"
            self.write(f"{several} from here on", lambda: {"jobs": before}, jobs=jobs)

    def _switch(self, request: requests.SwitchProposer) -> None:
        opened = self._record.opened
        before, model = opened.proposer, opened.model if request.model else ""
        settings = self._switched(request.proposer or before, request.model)
        if settings is not None:
            name = settings["proposer"]
            with_model = f" with {settings['model']}" if request.model else ""
            self.write(
                f"{name} proposes from here on{with_model}",
                lambda: self._switched(before, model) or {},
                **settings,
            )

    def _switched(self, name: str, model: str) -> dict[str, Any] | None:
        """Open another proposer, another model, or both; what holds then, None if nothing does."""
        before = kept = self._record.opened.model
        try:
            if model:
                kept = self._use_model(model)
            proposer = self._proposing.open(name)
        except HyperLlamaError as error:
            self._record.note(
                "warning", f"{self._proposing.name} goes on: {error.message}", error.hint
            )
            if kept != before and before:
                self._use_model(before)
            return None
        self._conversation.close()  # it may use the model of the proposer that is closed
        self._proposing.use(proposer)
        return {"proposer": name, "model": kept}

    def _review(self, on: bool) -> None:
        if on != self._record.opened.review:
            text = "each proposal waits for approval" if on else "review mode is off"
            self.write(text, lambda: {"review": not on}, review=on)

    def _change(self, name: str, what: str, after: Ranges) -> None:
        before = self._record.ranges
        self.write(f"{name} {what}", lambda: range_settings(before), **range_settings(after))

    def _undo_newest(self) -> None:
        if not self._undo:
            self._record.note("info", "there is nothing to undo")
            return
        text, undo = self._undo.pop()
        self.write(f"undone: {text}", **undo())

    def _rerun(self, request: requests.Rerun) -> None:
        state = self._record.state
        trial = state.trial(request.number) if request.number >= 0 else state.best
        if trial is None or trial.value is None:
            which = f" {request.number}" if request.number >= 0 else ""
            self._record.note("warning", f"there is no scored trial{which} to run again")
            return
        wanted = requests.Rerun(trial.number, request.times)
        self.reruns.append(wanted)

        def undo() -> _Settings:
            if wanted in self.reruns:
                self.reruns.remove(wanted)
            return {}

        self.write(f"trial {trial.number} runs again on {request.times} other seeds", undo)

    def _confirm(self) -> None:
        self.confirm = True

        def undo() -> _Settings:
            self.confirm = False
            return {}

        self.write("the best trials are compared on fresh folds", undo)

    def _note(self, number: int, text: str) -> None:
        trial = self._record.state.trial(number)
        if trial is None:
            self._record.note("warning", f"there is no trial {number} to write a note on")
            return
        before = trial.note

        def undo() -> _Settings:
            self._record.emit(TrialNoted(number, before))
            return {}

        self._record.emit(TrialNoted(number, text))
        self.write(f"note on trial {number}: {text or '(removed)'}", undo)


def _of_program(programs: ProgramStore, values: Mapping[str, Any]) -> tuple[Config, str]:
    """The program that values name, with all of its values; and what is wrong with them."""
    try:
        _, complete = programs.trial(dict(values))
    except HyperLlamaError as error:
        return {}, error.message
    return {CHOICE: values[CHOICE], **complete}, ""


def _described(ranges: Ranges, name: str) -> str:
    """The range of a hyperparameter in words."""
    space = ranges.space if name in ranges.space else ranges.base
    return space[name].domain.describe()


def range_settings(ranges: Ranges) -> dict[str, Any]:
    return {"ranges": ranges.kept, "space": describe_space(ranges.space, ranges.base)}
