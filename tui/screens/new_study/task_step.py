"""The second step of the form: target, metric, estimators, validation, budget, limits, model."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from textual import on, work
from textual.widgets import Input

from hyperllama.core.text import plain
from hyperllama.tui.screens.new_study.base import FormScreen, short
from hyperllama.tui.text import wording
from hyperllama.tui.widgets.form.choice import Choice
from hyperllama.tui.widgets.form.lines import BY_ID, FormField, FormLine

_METHODS = (
    ("kfold", "kfold", "rows at random"),
    ("stratified", "stratified", "classes in equal shares in every fold"),
    ("group", "group", "whole groups stay together"),
    ("time", "time", "from the past to the future"),
    ("split", "split", "one part is scored; fast"),
)
_KINDS = (
    ("classification", "classification", "the target is a class"),
    ("regression", "regression", "the target is a number"),
)
_MODEL = ("", "default", "the model chosen on the models screen, else the embedded one")
_PROPOSER = ("", "default", "hybrid where there is a model")


class TaskStep(FormScreen):
    """The fields of the form."""

    def _choice(self, *path: str) -> Choice:
        return self.query_one("#f-" + "-".join(path), Choice)

    @work(group="models", exclusive=True)
    async def offer_models(self) -> None:
        """Offer the models there are; their headers alone are read, in a thread."""
        from hyperllama.core.propose import proposers
        from hyperllama.models.gguf import find_models
        from hyperllama.models.paths import model_names

        listed = {n: p.summary for n, p in proposers().items() if n not in ("default", "queue")}
        self._choice("run", "proposer").offer([_PROPOSER, *((n, n, s) for n, s in listed.items())])
        found = await asyncio.to_thread(find_models)
        if self.is_attached:
            usable = [m for m in found if not m.problem]
            names = model_names([m.path for m in usable])
            models = [
                (str(m.path), name, f"{m.architecture}, {wording.size(m.size_bytes)}")
                for name, m in zip(names, usable, strict=True)
            ]
            self._choice("run", "model").offer([_MODEL, *models])

    def draw_task_step(self) -> None:
        """Offer what can be chosen, and show what the file says."""
        task = self.draft.task or {}
        columns = [(str(c["name"]), plain(str(c["name"])), c["kind"]) for c in self.draft.columns]
        families, labels = task.get("families", ()), task.get("labels", {})
        regression = task.get("kind") == "regression"
        self._choice("data", "target").offer(columns)
        self._choice("kind").offer(_KINDS)
        advised, why = task.get("advice") or ("", "")
        self._choice("metric").offer(
            [(m, m, f"{about}; {why}" if m == advised else about)
             for m, about in task.get("metrics", ())]
        )  # fmt: skip
        self._choice("estimators").offer([(f, f, labels.get(f, "")) for f in families])
        methods = [m for m in _METHODS if not (regression and m[0] == "stratified")]
        self._choice("validation", "method").offer(methods)
        for key in (("validation", "group"), ("validation", "time"), ("data", "weights")):
            self._choice(*key).offer([("", "none", ""), *columns])
        for line in self.query(FormLine):
            own = self._own_faults.get(line.field.key)
            if not own:
                line.show(self._value(line.field))
            line.note(own or self.draft.fault_of(line.field.key), self.glyphs.failed)
            if line.field.key == "metric":
                line.advise(*_advised(task))

    def _value(self, field: FormField) -> Any:
        if field.key == "run.file":
            return short(self.draft.file)
        if field.path[0] == "run":
            return getattr(self._choices, field.path[1])
        if field.key == "estimators":
            return self.draft.estimators()
        found = {"kind": "kind", "metric": "metric", "validation.method": "method"}.get(field.key)
        said = self.draft.said(field.path)
        return (self.draft.task or {}).get(found) if said is None and found else said

    @on(Choice.Changed)
    def _chosen(self, event: Choice.Changed) -> None:
        field = BY_ID[str(event.choice.id)]
        value = event.choice.value
        one = value[0] if value else ""
        if field.path[0] == "run":
            self._choices = replace(self._choices, **{field.path[1]: one})
        elif field.key == "data.target":
            self.rewrite(one)
        elif field.key == "kind":
            self.rewrite(kind=one)
        elif field.key == "estimators":
            self.rewrite(estimators=value)
        else:
            self._choose(field, one)

    def _choose(self, field: FormField, one: str) -> None:
        """Set a choice; `group` and `time` go with their method."""
        other = {"validation.group": "time", "validation.time": "group"}.get(field.key)
        if other:
            if self.draft.said(("validation", other)) and one:
                self.set_key(("validation", other), None)
            self.set_key(("validation", "method"), field.path[1] if one else None)
        elif field.key == "validation.method":
            for name in ("group", "time"):
                if one != name and self.draft.said(("validation", name)):
                    self.set_key(("validation", name), None)
        self.set_key(field.path, one or None)

    @on(Input.Changed)
    def _written(self, event: Input.Changed) -> None:
        field = BY_ID.get(str(event.input.id))
        if field is None or not event.input.has_focus:
            return
        self._own_faults.pop(field.key, None)
        if field.key == "run.file":
            if event.value.strip():
                self.draft.file = Path.cwd() / Path(event.value.strip()).expanduser()
            return
        try:
            self.set_key(field.path, field.read(event.value))
        except ValueError as error:
            self._own_faults[field.key] = str(error)
            self.refresh_form()

    @on(Input.Submitted)
    def _next_field(self, event: Input.Submitted) -> None:
        if event.input.id in BY_ID:
            self.focus_next()


def _advised(task: Mapping[str, Any]) -> tuple[str, bool]:
    """(what is said beside the metric, whether it advises another one)."""
    advised, why = task.get("advice") or ("", "")
    metric = str(task.get("metric", ""))
    if advised and advised != metric:
        return f"consider {advised}: {why}", True
    return dict(task.get("metrics", ())).get(metric, ""), False
