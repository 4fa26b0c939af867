"""Steering a study from its screen: every request that a person can send, with its prompt."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any

from textual import work
from textual.content import Content

from hyperllama.core.errors import StudyError
from hyperllama.core.events import requests
from hyperllama.core.propose import needs_model, proposers
from hyperllama.core.study import StudyState, TrialState
from hyperllama.core.text import plain
from hyperllama.tui import actions, bounds, bridge, wording
from hyperllama.tui.dialogs import ConfigurationDialog, PickDialog, PromptDialog
from hyperllama.tui.screens.base import BaseScreen

RERUNS = 3
_HELD = ("accept", "reject", "another")
_LIVE = ("step", "stop", "stop_now", "queue", "hint", "review", "ranges", "proposer", "rerun")


class Steerable(BaseScreen[None]):
    """The part of the study screen that asks the study for things."""

    link: bridge.StudyLink

    @property
    def looked(self) -> int | None:
        """Number of the trial looked at; None: the newest, whatever it is."""
        raise NotImplementedError

    @property
    def snapshot(self) -> StudyState:
        return self.link.snapshot

    @property
    def live(self) -> bool:
        """A process works on the study and hears requests."""
        raise NotImplementedError

    @property
    def resumable(self) -> bool:
        """Nobody works on it, and there is something left to do."""
        raise NotImplementedError

    def looked_at(self, snapshot: StudyState) -> TrialState | None:
        """The trial under the history's cursor."""
        raise NotImplementedError

    async def resume_study(self) -> None:
        """Start a process for the study again."""
        raise NotImplementedError

    def label_of(self, action: actions.Action) -> str:
        snapshot, name = self.snapshot, action.name
        if name in _HELD:
            return action.label if self.live and snapshot.awaiting is not None else ""
        if name == "edit":
            if self.live and snapshot.awaiting is not None:
                return "change it"
            return action.label
        if name == "pause":
            paused = snapshot.phase == "paused"
            return ("go on" if paused else "pause") if self.live else ""
        if name == "review" and snapshot.opened is not None and snapshot.opened.review:
            return "no review" if self.live else ""
        if name == "undo":
            return action.label if self.live and snapshot.undo else ""
        if name in _LIVE:
            return action.label if self.live else ""
        if name == "resume":
            return "resume" if self.resumable else ""
        return action.label

    def offered(self) -> list[tuple[actions.Action, str]]:
        """While a proposal waits, the footer names what can be done with it, and little else."""
        found = super().offered()
        verdict = (*_HELD, "edit")
        if self.live and self.snapshot.awaiting is not None:
            return [pair for pair in found if pair[0].name in verdict or pair[0].where == "app"]
        talking = "talk" in self.places()  # there escape means something else first
        hidden = {"study.edit", "study.back"} if talking else {"study.edit"}
        return [pair for pair in found if pair[0].id not in hidden]

    # Going, resting, ending

    def action_pause(self) -> None:
        if self.snapshot.phase == "paused":
            self.send(requests.Resume())
        else:
            self.send(requests.Pause(), "Pausing after this trial")

    def action_step(self) -> None:
        self.send(requests.Step(), "One trial, then a pause")

    def action_stop(self) -> None:
        self.send(requests.Stop(), "Stopping after this trial; u takes it back")

    def action_stop_now(self) -> None:
        self.send(requests.StopNow(), "Stopping now")

    def action_undo(self) -> None:
        self.send(requests.Undo(), f"Taking back: {plain(self.snapshot.undo)}")

    @work
    async def action_resume(self) -> None:
        await self.resume_study()

    @work
    async def action_more(self) -> None:
        text = await self.app.push_screen_wait(
            PromptDialog(
                "Budget",
                f"Add trials or minutes to the budget. Now: {self._budget()}.",
                example="10, -5, 30 min",
                check=lambda line: "" if parse_budget(line) else "for example 10, -5 or 30 min",
            )
        )
        request = parse_budget(text or "")
        if request is None:
            return
        what = f"{request.trials:+d} trials" if request.trials else f"{request.minutes:+g} minutes"
        self.send(request, f"Budget: {what}")
        if not self.live:
            await self.resume_study()  # the request waits in the study's folder until then

    def _budget(self) -> str:
        opened = self.snapshot.opened
        parts = []
        if opened is not None and opened.budget_trials is not None:
            parts.append(f"{opened.budget_trials} trials")
        if opened is not None and opened.budget_s is not None:
            parts.append(wording.duration(opened.budget_s))
        return " and ".join(parts) or "without limit"

    # Review

    def action_review(self) -> None:
        opened = self.snapshot.opened
        on = opened is None or not opened.review
        self.send(
            requests.Review(on), "Each proposal waits for you" if on else "Proposals wait no longer"
        )

    def action_accept(self) -> None:
        held = self.snapshot.awaiting
        if held is not None:
            self.send(requests.Approve(held.number), f"Trial {held.number} is tried as proposed")

    @work
    async def action_reject(self) -> None:
        held = self.snapshot.awaiting
        if held is None:
            return
        reason = await self.app.push_screen_wait(
            PromptDialog(
                f"Turn down the proposal for trial {held.number}",
                "Why? A chat model is told, and it stays a hint for later proposals.",
                example="such deep trees take too long",
            )
        )
        if reason:
            self.send(requests.Reject(held.number, reason), "Turned down; another one is asked for")

    def action_another(self) -> None:
        held = self.snapshot.awaiting
        if held is not None:
            self.send(requests.Reject(held.number), "Another one is asked for")

    # Configurations of one's own

    def action_edit(self) -> None:
        held, trial = self.snapshot.awaiting, self.looked_at(self.snapshot)
        if held is not None and self.live:
            self._configure(held.config, f"the proposal for trial {held.number}", held.number)
        elif trial is not None and trial.config:
            self._configure(trial.config, f"trial {trial.number}")

    def action_queue(self) -> None:
        best, opened = self.snapshot.best, self.snapshot.opened
        if best is not None:
            self._configure(best.config, f"the best so far, trial {best.number}")
        elif opened is not None:
            start = {str(p.get("name")): p.get("default") for p in opened.space}
            self._configure(start, "the default")

    def _configure(
        self, config: Mapping[str, Any], start: str, held: int | None = None
    ) -> None:
        self.run_worker(self._ask_configuration(config, start, held), name="configure")

    async def _ask_configuration(
        self, config: Mapping[str, Any], start: str, held: int | None
    ) -> None:
        opened = self.snapshot.opened
        if opened is None or not opened.space:
            self.interface.report("warning", "The search space is not known yet.")
            return
        space = [p for p in opened.space if not p.get("off")]
        kept = {k: v for k, v in config.items() if not _outside(v, k, space)}
        changed = await self.app.push_screen_wait(ConfigurationDialog(space, kept, start))
        if changed is None:
            return
        if held is not None:
            self.send(requests.Approve(held, changed), f"Trial {held} is tried as you changed it")
        else:
            self.send(requests.QueueTrial(changed), "Queued: it is tried next")

    # The search space

    @work
    async def action_ranges(self) -> None:
        opened = self.snapshot.opened
        if opened is None or not opened.space:
            self.interface.report("warning", "The search space is not known yet.")
            return
        best = self.snapshot.best
        options = []
        for p in opened.space:
            name = str(p.get("name"))
            value = best.config.get(name) if best is not None else None
            tail = f"   best {wording.setting(value)}" if value is not None else ""
            options.append((name, name, bounds.in_words(p) + tail))
        chosen = await self.app.push_screen_wait(PickDialog("Freeze, narrow or widen", options))
        if not chosen:
            return
        param = next(p for p in opened.space if p.get("name") == chosen[0])
        text = await self.app.push_screen_wait(
            PromptDialog(
                f"Range of {plain(chosen[0])}",
                _about_range(param, best),
                bounds.written(param),
                check=lambda line: _wrong(bounds.parse(line, param)),
                send="set",
            )
        )
        if text is None or text == bounds.written(param):
            return
        request = bounds.parse(text, param)
        if not isinstance(request, str):
            self.send(request, "From the next proposal on; u takes it back")

    # The model and the proposer

    @work
    async def action_hint(self) -> None:
        text = await self.app.push_screen_wait(
            PromptDialog(
                "Tell the model",
                _hints(self.snapshot.hints)
                + "A chat model reads this with its next proposal, and from then on.",
                example="try a smaller learning rate with more trees",
            )
        )
        if text:
            self.send(requests.Hint(text), "The model will read it")

    @work
    async def action_proposer(self) -> None:
        opened = self.snapshot.opened
        options = [
            (name, name, info.summary) for name, info in proposers().items()
            if name not in ("default", "queue")
        ]  # fmt: skip
        now = opened.proposer if opened is not None else ""
        chosen = await self.app.push_screen_wait(
            PickDialog("Who proposes from here on", options, [now])
        )
        if not chosen:
            return
        model = ""
        if needs_model(chosen[0]):
            picked = await self._pick_model(opened.model if opened is not None else "")
            if picked is None:
                return
            model = picked
        request = requests.SwitchProposer(chosen[0], model)
        self.send(request, "From the next proposal on; u takes it back")

    async def _pick_model(self, now: str) -> str | None:
        """A model for the study, by name or path; "" keeps the present one, None gives up."""
        options = [("", "as it is", plain(now).rpartition("/")[2] or "the study's model")]
        options += await asyncio.to_thread(_models)
        chosen = await self.app.push_screen_wait(PickDialog("With which model", options))
        return chosen[0] if chosen else None

    # Beside the search

    def action_rerun(self) -> None:
        looked = self.looked_at(self.snapshot) if self.looked is not None else None
        trial = looked if looked is not None and looked.value is not None else self.snapshot.best
        if trial is None:
            self.interface.report("info", "There is no scored trial to run again yet.")
            return
        self.send(
            requests.Rerun(trial.number, RERUNS),
            f"Trial {trial.number} runs again on {RERUNS} other seeds",
        )

    @work
    async def action_note(self) -> None:
        trial = self.looked_at(self.snapshot)
        if trial is None:
            return
        text = await self.app.push_screen_wait(
            PromptDialog(
                f"Note on trial {trial.number}",
                "For yourself; it stays with the study. An empty line takes it away.",
                trial.note,
                send="keep",
            )
        )
        if text is not None and text != trial.note:
            self.send(requests.Note(trial.number, text))
            self.refresh_study()

    def refresh_study(self, look: bool = False) -> None:
        """Draw what is new; `look`: also whether the process lives."""
        raise NotImplementedError

    def send(self, request: requests.Request, said: str = "") -> bool:
        """Ask the study for something, and say so; False, and reported, where that failed."""
        if not self.link.alive and not isinstance(request, requests.LASTING):
            self.refresh_study(look=True)  # its process went a moment ago
            return False
        try:
            self.link.send(request)
        except StudyError as error:
            self.interface.report_error(error)
            return False
        if said:
            self.notify(said, timeout=3, markup=False)
        return True


def parse_budget(text: str) -> requests.Extend | None:
    """`10`, `-5`, `30 min`; None where it is neither, or nothing."""
    match = re.fullmatch(r"([+-]?\d+(?:\.\d+)?)\s*(trials?|m|min|minutes?|h|hours?)?", text.strip())
    if match is None:
        return None
    amount, unit = float(match[1]), (match[2] or "trial")
    if not amount:
        return None
    if unit.startswith("t"):
        return requests.Extend(trials=int(amount)) if amount == int(amount) else None
    return requests.Extend(minutes=amount * (60 if unit.startswith("h") else 1))


def _outside(value: Any, name: str, space: list[Mapping[str, Any]]) -> bool:
    """Whether the present range has no room for a value; then its field starts empty."""
    param = next((p for p in space if p.get("name") == name), None)
    if param is None:
        return True
    if param.get("choices") is not None:
        return value not in param["choices"]
    low, high = param.get("low"), param.get("high")
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and low is not None and high is not None and not low <= value <= high


def _about_range(param: Mapping[str, Any], best: TrialState | None) -> Content:
    name = str(param.get("name"))
    lines = [Content.styled(plain(str(param.get("description") or "")), "$dim")]
    facts = [("now", bounds.in_words({**param, "task": None}))]
    if param.get("task"):
        facts.append(("task", str(param["task"])))
    if best is not None and name in best.config:
        facts.append(("best", wording.setting(best.config[name])))
    lines += [Content.assemble((k.ljust(6), "$dim"), plain(v)) for k, v in facts]
    several = bounds.all_choices(param) is not None
    how = "`a, b` allows some, `a` holds it" if several else "`2 to 8` is a range, `4` holds it"
    lines.append(Content.styled(f"{how}, an empty line gives the task's range again", "$dim"))
    return Content("\n").join(line for line in lines if line)


def _wrong(parsed: object) -> str:
    return parsed if isinstance(parsed, str) else ""


def _hints(hints: tuple[str, ...]) -> str:
    if not hints:
        return ""
    return "Told so far: " + "; ".join(plain(h) for h in hints[-3:]) + "\n"


def _models() -> list[tuple[str, str, str]]:
    """(path, name, facts) of the models found, the embedded one first; reads the headers."""
    embedded = ("embedded", "embedded", "the model that ships: quick, does not talk")
    return [embedded, *chat_models()]


def chat_models() -> list[tuple[str, str, str]]:
    """(path, name, facts) of the models found that can talk; reads the headers."""
    from hyperllama.models.gguf import find_models

    found = []
    for model in find_models():
        if model.is_embedded_dialect or model.problem:
            continue
        size = f"{wording.count(model.parameters)} parameters" if model.parameters else ""
        facts = "  ".join(filter(None, (size, model.quantisation)))
        found.append((str(model.path), plain(model.name or model.path.stem), facts))
    return found
