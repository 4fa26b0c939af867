"""Steering a study: pausing, stopping, budget, ranges, hints, proposer, reruns, notes."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from textual import work
from textual.content import Content

from hyperllama.core.events import requests
from hyperllama.core.propose import needs_model, proposers
from hyperllama.core.study import TrialState
from hyperllama.core.text import one_line, plain
from hyperllama.tui import actions
from hyperllama.tui.dialogs import AnswerDialog, PickDialog, PromptDialog
from hyperllama.tui.screens.study.base import StudyBase
from hyperllama.tui.screens.study.review import REVIEW_ACTIONS
from hyperllama.tui.text import bounds, wording

RERUNS = 3
_NEED_PROCESS = ("step", "stop", "stop_now", "pause", "undo")
_LASTING = ("queue", "hint", "review", "jobs", "ranges", "proposer", "rerun", "confirm", "widen")
"""Actions that also work on a study that no process owns: it keeps the request."""


class SteeringActions(StudyBase):
    """The part of the study screen that changes how the study goes on."""

    def label_of(self, action: actions.Action) -> str:
        state, name, label = self.state, action.name, super().label_of(action)
        if name in REVIEW_ACTIONS:
            return label if self.live and state.awaiting is not None else ""
        if name == "resume":
            return label if self.resumable else ""
        if name in _NEED_PROCESS and (not self.live or (name == "undo" and not state.undo)):
            return ""
        if name in _LASTING and state.opened is None and not self.alive:
            return ""
        if name == "verdict":
            ended = state.finished is not None and state.best is not None
            return "" if not ended else "panes" if self.verdict_shown else label
        if name == "pause" and state.phase == "paused":
            return "continue"
        if name == "review" and state.opened is not None and state.opened.review:
            return "review off"
        return label

    def offered(self) -> list[tuple[actions.Action, str]]:
        """While a proposal waits for approval, the footer has little else than what decides it."""
        found = super().offered()
        if self.live and self.state.awaiting is not None:
            deciding = (*REVIEW_ACTIONS, "edit")
            return [pair for pair in found if pair[0].name in deciding or pair[0].where == "app"]
        talking = "talk" in self.places()  # there escape means something else first
        hidden = {"study.edit", "study.back"} if talking else {"study.edit"}
        if not self.live:
            hidden |= {f"study.{name}" for name in _LASTING}
        if self.state.finished is None:
            hidden |= {"study.predict", "study.export"}
        elif self.verdict_shown:
            hidden.add("study.maximise")
        return [pair for pair in found if pair[0].id not in hidden]

    def reason(self, action: actions.Action) -> str:
        """Why an action does not apply now."""
        name, state = action.name, self.state
        if name in REVIEW_ACTIONS:
            return "No proposal waits for your approval; v turns review on or off."
        if name == "resume":
            return "The study is running." if self.live else "The budget is used: m adds trials."
        if name == "undo" and self.live:
            return "There is nothing to undo."
        if name == "verdict":
            return "The verdict comes when the study has ended with a scored trial."
        if name in (*_NEED_PROCESS, *_LASTING) and self.resumable:
            return "No process owns the study: r resumes it."
        if name in (*_NEED_PROCESS, *_LASTING):
            ended = "The study is finished: m adds trials and goes on."
            return ended if state.finished is not None else "The study did not start."
        return ""

    # Pausing, stopping, budget

    def action_pause(self) -> None:
        if self.state.phase == "paused":
            self.send(requests.Resume())
        else:
            self.send(requests.Pause(), "Pausing after this trial")

    def action_step(self) -> None:
        self.send(requests.Step(), "One trial, then a pause")

    def action_stop(self) -> None:
        at_work = self.state.current is not None and self.state.awaiting is None
        undo = "Stopping after this trial; u undoes it"
        self.send(requests.Stop(), undo if at_work else "Stopping; r resumes it")

    def action_stop_now(self) -> None:
        self.send(requests.StopNow(), "Stopping now; r resumes, the trial under way begins again")

    def action_undo(self) -> None:
        self.send(requests.Undo(), f"Undo: {plain(self.state.undo)}")

    @work
    async def action_resume(self) -> None:
        await self.resume_study()

    async def ask_to_leave(self) -> str:
        """What becomes of the study: "leave", "stop" or "" (stay)."""
        if not self.live:
            return "leave"
        choice = await self.app.push_screen_wait(
            AnswerDialog(
                "The study is running",
                "It has a process of its own and needs no window.",
                (
                    ("leave", "l", "Leave; the study goes on"),
                    ("stop", "s", "Stop it after this trial, and leave"),
                    ("", "escape", "Stay"),
                ),
            )
        )
        if choice == "stop" and not self.send(requests.Stop()):
            return ""
        return choice or ""

    @work
    async def action_more(self) -> None:
        text = await self.app.push_screen_wait(
            PromptDialog(
                "Budget",
                f"Add trials or minutes to the budget. Now: {self._budget()}.",
                example="10, -5, 30 min",
                check=lambda line: "" if parse_budget(line) else "for example 10, -5 or 30 min",
                send="add",
            )
        )
        request = parse_budget(text or "")
        if request is None:
            return
        what = f"{request.trials:+d} trials" if request.trials else f"{request.minutes:+g} minutes"
        self.send(request, f"Budget: {what}")
        if not self.live:
            await self.resume_study()  # the request waits in the study's folder until then

    @work
    async def action_jobs(self) -> None:
        now = str(self.state.opened.jobs if self.state.opened is not None else 1)
        text = await self.app.push_screen_wait(
            PromptDialog(
                "Trials side by side",
                "Each has a trial runner of its own; they share processors and memory. "
                "Those under way end first.",
                now,
                check=lambda line: "" if parse_jobs(line) else f"1 to {requests.MOST_JOBS}",
                send="set",
            )
        )
        jobs = parse_jobs(text or "")
        if jobs and text != now:
            several = f"{jobs} trials side by side" if jobs > 1 else "One trial after the other"
            self.send_lasting(requests.ChangeJobs(jobs), f"{several}, once those under way end")

    def _budget(self) -> str:
        opened = self.state.opened
        parts = []
        if opened is not None and opened.budget_trials is not None:
            parts.append(f"{opened.budget_trials} trials")
        if opened is not None and opened.budget_s is not None:
            parts.append(wording.duration(opened.budget_s))
        return " and ".join(parts) or "without limit"

    # The search space, the model, the proposer

    @work
    async def action_ranges(self) -> None:
        opened, best = self.state.opened, self.state.best
        if opened is None or not opened.space:
            self.interface.report("warning", "The search space is not known yet.")
            return
        space = {str(p.get("name")): p for p in opened.space}
        options = []
        for name, param in space.items():
            value = best.config.get(name) if best is not None else None
            tail = f"   best {wording.setting(value)}" if value is not None else ""
            options.append((name, name, bounds.in_words(param) + tail))
        chosen = await self.app.push_screen_wait(PickDialog("Change a range", options))
        if not chosen:
            return
        param = space[chosen[0]]

        def check(line: str) -> str:
            found = bounds.parse(line, param)
            return found if isinstance(found, str) else ""

        title, now = f"Range of {plain(chosen[0])}", bounds.written(param)
        text = await self.app.push_screen_wait(
            PromptDialog(title, _about_range(param, best), now, check=check, send="set")
        )
        if text is not None and text != now:
            request = bounds.parse(text, param)
            assert not isinstance(request, str)
            self.send_lasting(request, "From the next proposal on; u undoes it")

    @work
    async def action_hint(self) -> None:
        hints = "; ".join(one_line(h, 80) for h in self.state.hints[-3:])
        text = await self.app.push_screen_wait(
            PromptDialog(
                "Hint for the model",
                (f"Hints so far: {hints}\n" if hints else "")
                + "A chat model reads it with its next proposal, and from then on.",
                example="try a smaller learning rate with more trees",
            )
        )
        if text:
            message = "Kept; a chat model reads it with its next proposal"
            self.send_lasting(requests.Hint(text), message)

    @work
    async def action_proposer(self) -> None:
        opened = self.state.opened
        options = [
            (name, name, info.summary) for name, info in proposers().items()
            if name not in ("default", "queue")
        ]  # fmt: skip
        now = opened.proposer if opened is not None else ""
        chosen = await self.app.push_screen_wait(
            PickDialog("Proposer from the next trial on", options, [now])
        )
        model: list[str] | None = [""]
        if chosen and needs_model(chosen[0]):
            present = plain(opened.model if opened is not None else "").rpartition("/")[2]
            models = [("", "unchanged", present or "the study's model")]
            models.append(("embedded", "embedded", "the model that ships: fast, cannot talk"))
            models += await asyncio.to_thread(chat_models)
            model = await self.app.push_screen_wait(PickDialog("Model", models))
        if chosen and model:
            request = requests.SwitchProposer(chosen[0], model[0])
            self.send_lasting(request, "From the next proposal on; u undoes it")

    # Reruns and notes

    async def action_rerun(self) -> None:
        selected = self.selected_trial if self.selected is not None else None
        trial = selected if selected is not None and selected.value is not None else self.state.best
        if trial is None:
            self.interface.report("info", "No trial has a score yet.")
            return
        message = f"Trial {trial.number} is rerun on {RERUNS} other folds"
        if self.send(requests.Rerun(trial.number, RERUNS), message):
            await self.go_on()

    @work
    async def action_note(self) -> None:
        trial = self.selected_trial
        if trial is None:
            return
        text = await self.app.push_screen_wait(
            PromptDialog(
                f"Note on trial {trial.number}",
                "For yourself; it stays with the study. An empty line removes it.",
                trial.note,
                send="keep",
            )
        )
        if text is not None and text != trial.note:
            self.send(requests.Note(trial.number, text))
            self.refresh_study()


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


def parse_jobs(text: str) -> int:
    """A number of jobs that may be asked for; 0 where it is none."""
    jobs = int(text) if text.strip().isdecimal() else 0
    return jobs if jobs <= requests.MOST_JOBS else 0


def _about_range(param: bounds.Param, best: TrialState | None) -> Content:
    """What to know before a range is changed: now, the task's, the best value, how to write it."""
    name = str(param.get("name"))
    facts: list[tuple[str, Any]] = [("now", bounds.in_words({**param, "task": None}))]
    if param.get("task"):
        facts.append(("task", param["task"]))
    if best is not None and name in best.config:
        facts.append(("best", wording.setting(best.config[name])))
    several = bounds.all_choices(param) is not None
    how = "`a, b` allows some, `a` freezes it" if several else "`2 to 8` is a range, `4` freezes it"
    lines = [
        Content.styled(plain(str(param.get("description") or "")), "$dim"),
        *(Content.assemble((k.ljust(6), "$dim"), plain(str(v))) for k, v in facts),
        Content.styled(f"{how}, an empty line resets the task's range", "$dim"),
    ]
    return Content("\n").join(line for line in lines if line)


def chat_models() -> list[tuple[str, str, str]]:
    """(path, name, facts) of the models found that can talk; reads the headers."""
    from hyperllama.models.gguf.registry import find_models
    from hyperllama.models.paths import model_names

    found = []
    usable = [m for m in find_models() if not m.is_embedded_dialect and not m.problem]
    names = model_names([m.path for m in usable])
    for name, model in zip(names, usable, strict=True):
        size = f"{wording.count(model.parameters)} parameters" if model.parameters else ""
        facts = "  ".join(filter(None, (size, model.quantisation)))
        found.append((str(model.path), plain(name), facts))
    return found
