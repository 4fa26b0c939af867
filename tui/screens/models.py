"""The models screen: what there is, does it fit, how fast is it, which one is the default."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Static

from hyperllama.core.errors import HyperLlamaError, StudyError
from hyperllama.core.storage.paths import home
from hyperllama.core.study.options import gpu_layers
from hyperllama.core.text import plain
from hyperllama.models.engine import EngineSettings, Load
from hyperllama.models.gguf import (
    EMBEDDED,
    Machine,
    ModelFile,
    find_models,
    machine,
    resolve_model,
    usual_folders,
)
from hyperllama.models.process import python_argv
from hyperllama.tui import actions, bridge, library, settings, wording
from hyperllama.tui.child import JsonChild
from hyperllama.tui.dialogs import PromptDialog
from hyperllama.tui.screens.base import BaseScreen
from hyperllama.tui.widgets.about_model import (
    about_lines,
    beside_lines,
    cost_lines,
    folder_lines,
    name_lines,
)
from hyperllama.tui.widgets.model_table import ModelRow, ModelTable, row_of
from hyperllama.tui.widgets.rows import Rows
from hyperllama.tui.widgets.sheet import Lines, Sheet

_MB = 2**20
_WIDE = 110  # cells from which the marked model gets two pages
_SPEED = ("--prompt", "256", "--generate", "64", "--repetitions", "3", "--json")


class Models(BaseScreen[None]):
    """Every model, and what can be done with the marked one."""

    WHERE = "models"
    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings("models")]

    def __init__(self) -> None:
        super().__init__()
        self.here = Machine(0.0)
        self.loaded: dict[str, Any] | None = None
        self._engine = JsonChild(
            python_argv("hyperllama.models.engine.server"), "the engine",
            home() / "logs" / "models.log",
        )
        self._process: asyncio.subprocess.Process | None = None
        self._doing = ""
        self._of = ""  # path of the model that something is done with
        self._share: float | None = None
        self._embedded = ""
        self._studies: list[library.StudyEntry] = []
        self._folders: list[Path] = []

    def compose(self) -> ComposeResult:
        table = ModelTable(glyphs=self.glyphs, id="model-table")
        table.border_title = "On this machine"
        table.default = self._is_default
        table.state = self._state
        yield Static(id="machine")
        yield table
        with Horizontal(id="model-pages"):
            costs, page = Sheet(id="model-costs"), Sheet(id="model-page")
            costs.border_title, page.border_title = "Memory and speed", "About"
            yield costs
            yield page
        yield self.key_bar()

    def on_mount(self) -> None:
        with contextlib.suppress(HyperLlamaError):
            self._embedded = str(resolve_model("embedded"))
        self.query_one(ModelTable).focus()
        self.action_refresh()

    async def on_unmount(self) -> None:
        self._stop_measuring()
        await self._engine.close()

    # What is there

    @work(group="find", exclusive=True)
    async def action_refresh(self) -> None:
        """Look again: headers and free memory, in a thread."""
        found, self.here, self._studies, self._folders = await asyncio.to_thread(
            lambda: (find_models(), machine(), library.studies(), usual_folders(EMBEDDED))
        )
        if self.is_mounted:
            rows = [row_of(model, self.here) for model in found]
            rows.sort(key=lambda r: (bool(r.model.problem), not r.model.is_embedded_dialect))
            self.query_one(ModelTable).show(rows)
            self.refresh_models()

    def _again(self) -> None:
        """The rows once more, after a setting changed."""
        table = self.query_one(ModelTable)
        table.show([row_of(row.model, self.here) for row in table.found or []])
        self.refresh_models()

    def _is_default(self, model: ModelFile) -> bool:
        chosen = settings.read().default_model
        return str(model.path) == (chosen or self._embedded)

    def _state(self, model: ModelFile) -> str:
        if self._doing and self._of == str(model.path):
            share = f" {100 * self._share:.0f}%" if self._share is not None else ""
            return self._doing + share
        if self.loaded is not None and self._of == str(model.path):
            return "loaded"
        return ""

    @property
    def row(self) -> ModelRow | None:
        return self.query_one(ModelTable).row

    @on(Rows.Moved)
    def refresh_models(self) -> None:
        """Draw what stands above and below the table."""
        here, g = self.here, self.glyphs
        parts = [f"{wording.size(here.free_mb * _MB)} of memory free"]
        parts += [
            f"{plain(gpu.name)}: {wording.size(gpu.free_mb * _MB)} of "
            f"{wording.size(gpu.total_mb * _MB)} free"
            for gpu in here.gpus
        ]
        parts.append(", ".join(here.backends) or "CPU only")
        told = f"   {f'  {g.dot}  '.join(parts)}" if here.free_mb else ""
        self.query_one("#machine", Static).update(
            Content.assemble(("Models", "bold $primary"), (told, "$dim"))
        )
        self._show_marked()
        self.query_one(ModelTable).refresh()
        self.refresh_keys()

    def on_resize(self) -> None:
        self.set_class(self.size.width >= _WIDE, "-wide")
        if self.query_one(ModelTable).found is not None:
            self._show_marked()

    def _show_marked(self) -> None:
        """About the marked model: two pages where there is room, else one with what it costs."""
        row, g, here = self.row, self.glyphs, self.here
        table, found = self.query_one(ModelTable), self.query_one(ModelTable).found or []
        most = max(6, self.size.height // 3)
        table.styles.height = min(max(len(found), 2) + 3, most) if row is not None else "1fr"
        self.query_one("#model-pages").display = row is not None
        if row is None:
            return
        loaded = self.loaded if self._of == row.path else None
        studies, folders = self._studies, self._folders
        wide = self.has_class("-wide")

        def costs(width: int, height: int) -> Lines:
            lines = [] if wide else [*name_lines(row.model, width), Content("")]
            if row.fit is not None or wide:
                lines += cost_lines(row, here, loaded, width, height, g)
            beside = beside_lines(found, row.path, width, g)
            for more in (beside, folder_lines(folders, width)):
                lines += [Content(""), *more] if more and len(lines) + len(more) < height else []
            return lines

        self.query_one("#model-costs", Sheet).show(costs)
        self.query_one("#model-page", Sheet).show(
            lambda width, height: about_lines(row, studies, width, height, g)
        )

    # What people do

    def label_of(self, action: actions.Action) -> str:
        row = self.row if self.is_mounted else None
        usable = row is not None and not row.model.problem
        if action.name == "back":
            return "stop" if self._doing else action.label
        if action.name == "refresh":
            return action.label
        if not usable or (self._doing and action.name in ("load", "measure")):
            return ""
        if action.name == "load" and self.loaded is not None and row and self._of == row.path:
            return "unload"
        return action.label

    @on(Rows.Chosen)
    def action_default(self) -> None:
        row = self.row
        if row is None or row.model.problem:
            return
        path = "" if row.path == self._embedded else row.path
        if self._kept(lambda: settings.write({("default_model",): path or None})):
            self.app.notify(f"New studies use {plain(row.model.path.stem)}", markup=False)
            self.refresh_models()

    def _kept(self, keep: Any) -> bool:
        try:
            keep()
        except StudyError as error:
            self.interface.report_error(error)
            return False
        return True

    def action_context(self) -> None:
        row = self.row
        if row is not None:
            most = row.model.trained_context or 1 << 20
            told = (
                f"Tokens the context holds; the model was trained for {most:,}. Empty: its own, at "
                f"most 8192."
            )
            self._set("context_length", "Context length", told, 128, most)

    def action_layers(self) -> None:
        row = self.row
        if row is not None:
            most = row.model.layers + 1
            told = f"auto (as many as fit), none, all, or a number up to {most}. Empty: auto."
            self._set("gpu_layers", "Layers on the GPU", told, 0, most)

    def action_threads(self) -> None:
        cores = os.cpu_count() or 1
        told = f"Threads of llama.cpp, up to {cores}. Empty: one core is left to the rest."
        self._set("threads", "Threads", told, 1, cores)

    @work(group="set", exclusive=True)
    async def _set(self, name: str, title: str, told: str, low: int, high: int) -> None:
        row = self.row
        if row is None:
            return
        value, wrong = str(row.kept.changed().get(name, "")), ""
        while True:
            question = PromptDialog(title, told + wrong, value)
            answer = await self.app.push_screen_wait(question)
            if answer is None:
                return
            value = answer
            setting: str | int | None = None
            try:
                if answer in ("auto", "none", "all") and name == "gpu_layers":
                    setting = answer
                elif answer:
                    number = int(answer.replace(",", "").replace("_", ""))
                    if not low <= number <= high:
                        raise ValueError
                    setting = number
            except ValueError:
                wrong = f"\n{self.glyphs.failed} a whole number from {low:,} to {high:,}"
                continue
            path = row.path
            if self._kept(lambda: settings.keep_model(path, **{name: setting})):  # noqa: B023
                self._again()
            return

    def _settings(self, row: ModelRow) -> EngineSettings:
        kept = row.kept
        return EngineSettings(
            context_length=kept.context_length,
            gpu_layers=gpu_layers(str(kept.gpu_layers)),
            threads=kept.threads,
        )

    def action_load(self) -> None:
        row = self.row
        if row is None or row.model.problem:
            return
        if self.loaded is not None and self._of == row.path:
            self._unload()
        else:
            self._load(row)

    @work(group="engine", exclusive=True)
    async def _unload(self) -> None:
        self.loaded = None
        await self._engine.close()
        self.refresh_models()

    @work(group="engine", exclusive=True)
    async def _load(self, row: ModelRow) -> None:
        self._begin("loading", row)

        def progress(message: dict[str, Any]) -> None:
            if message.get("event") == "progress":
                self._share = float(message["share"])
                self.query_one(ModelTable).refresh()

        fields = asdict(Load(row.path, self._settings(row)))
        try:
            answer = await self._engine.ask("Load", fields, progress)
            self.loaded = answer["done"]
            settings.keep_model(row.path, memory_mb=self.loaded["memory_mb"])
        except HyperLlamaError as error:
            if self._doing:  # else it was stopped by the person
                self.interface.report_error(error)
        finally:
            self._end()

    @work(group="engine", exclusive=True)
    async def action_measure(self) -> None:
        row = self.row
        if row is None or row.model.problem:
            return
        self.loaded = None
        await self._engine.close()
        self._begin("measuring", row)
        changed = row.kept.changed().items()
        kept = [f"--{k.replace('_', '-')}={v}" for k, v in changed if k in _OPTIONS]
        argv = [*bridge.COMMAND, "models", "bench", row.path, *_SPEED, *kept]
        try:
            self._process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=bridge.environment(),
                start_new_session=True,
            )
            said, errors = await self._process.communicate()
            if self._doing:
                self._measured(row, said, errors.decode("utf8", "replace"))
        except OSError as error:
            self.interface.report("error", f"The measurement did not start: {error}")
        finally:
            self._process = None
            self._end()

    def _measured(self, row: ModelRow, said: bytes, errors: str) -> None:
        try:
            found = json.loads(said)[0]
            read, write = (float(test["tokens_per_s"]) for test in found["tests"])
        except (ValueError, LookupError, TypeError):
            self.interface.report("error", errors.strip() or "the measurement said nothing")
            return
        speed = {
            "read": read,
            "write": write,
            "threads": found["threads"],
            "gpu_layers": found["gpu_layers"],
        }
        if self._kept(lambda: settings.keep_model(row.path, speed=speed)):
            self._again()

    def _begin(self, doing: str, row: ModelRow) -> None:
        self._doing, self._of, self._share = doing, row.path, None
        self.refresh_models()

    def _end(self) -> None:
        self._doing = ""
        if self.is_mounted:
            self.refresh_models()

    def _stop_measuring(self) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def action_back(self) -> None:
        """Stop what is being done, else leave."""
        if self._doing:
            self._doing = ""
            self._stop_measuring()
            await self._engine.close()
            self.refresh_models()
        else:
            self.dismiss(None)


_OPTIONS = ("gpu_layers", "threads")
