"""The models screen: what there is, does it fit, how fast is it, which one is the default."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Static

from hyperllama.core.errors import HyperLlamaError, StudyError
from hyperllama.core.text import plain
from hyperllama.models.gguf import (
    EMBEDDED,
    Machine,
    find_models,
    machine,
    resolve_model,
    usual_folders,
)
from hyperllama.models.process.processors import usable_processors
from hyperllama.tui import actions
from hyperllama.tui.content import library
from hyperllama.tui.dialogs import PromptDialog
from hyperllama.tui.preferences import settings
from hyperllama.tui.processes.model_work import ModelWork
from hyperllama.tui.screens.base import BaseScreen
from hyperllama.tui.text import wording
from hyperllama.tui.widgets.about.model import about_lines, folder_lines, name_lines
from hyperllama.tui.widgets.about.model_cost import beside_lines, cost_lines
from hyperllama.tui.widgets.lists.models import ModelRow, ModelTable, row_of
from hyperllama.tui.widgets.lists.rows import Rows
from hyperllama.tui.widgets.sheet import Lines, PagedSheet, heading

_MB = 2**20
_PAGE = 60  # lines that the page about a model may take, of which a chat template takes the rest
_WIDE = 110  # cells from which the marked model gets two pages


class Models(BaseScreen[None]):
    """Every model, and what can be done with the marked one."""

    WHERE = "models"
    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings("models")]

    def __init__(self) -> None:
        super().__init__()
        self.here = Machine(0.0)
        self.work = ModelWork()
        self._embedded = ""
        self._studies: list[library.StudyEntry] = []
        self._folders: list[Path] = []

    def compose(self) -> ComposeResult:
        table = ModelTable(id="model-table")
        table.default = lambda model: str(model.path) == (
            settings.read().default_model or self._embedded
        )
        table.state = lambda model: self.work.state(str(model.path))
        yield Static(id="machine")
        yield table
        with Horizontal(id="model-pages"):
            for id, title in (("model-costs", "Memory and speed"), ("model-page", "About")):
                page = PagedSheet(id=id, key=self._turning_key)
                page.border_title = title
                yield page
        yield self.key_bar()

    def on_mount(self) -> None:
        with contextlib.suppress(HyperLlamaError):
            self._embedded = str(resolve_model("embedded").resolve())
        self.table.focus()
        self.action_refresh()

    async def on_unmount(self) -> None:
        await self.work.stop()

    @property
    def table(self) -> ModelTable:
        return self.query_one(ModelTable)

    @property
    def row(self) -> ModelRow | None:
        """The marked model, where it can be used."""
        row = self.table.entry
        return row if row is not None and not row.model.problem else None

    @work(group="find", exclusive=True)
    async def action_refresh(self) -> None:
        """Read headers and free memory again, in a thread."""
        found, self.here, self._studies, self._folders = await asyncio.to_thread(
            lambda: (find_models(), machine(), library.studies(), usual_folders(EMBEDDED))
        )
        if self.is_mounted:
            rows = [row_of(model, self.here) for model in found]
            rows.sort(key=lambda r: (bool(r.model.problem), not r.model.is_embedded_dialect))
            self.table.searched = True
            self.table.show(rows)
            self.refresh_models()

    @on(Rows.Moved)
    def refresh_models(self) -> None:
        """Draw what stands above and below the table."""
        here = self.here
        parts = [f"{wording.size(here.free_mb * _MB)} of memory free"]
        parts += [
            f"{plain(gpu.name)}: {wording.size(gpu.free_mb * _MB)} of "
            f"{wording.size(gpu.total_mb * _MB)} free"
            for gpu in here.gpus
        ]
        parts.append(", ".join(here.backends) or "CPU only")
        text = "   " + f"  {self.glyphs.dot}  ".join(parts) if here.free_mb else ""
        title = Content.assemble(("Models", "bold $primary"), (text, "$dim"))
        self.query_one("#machine", Static).update(title)
        self._show_marked()
        self.table.refresh()
        self.refresh_keys()

    def _redraw(self) -> None:
        if self.query("#machine"):  # not where the screen is being closed
            self.refresh_models()

    def on_resize(self) -> None:
        self.set_class(self.size.width >= _WIDE, "-wide")
        if self.table.searched:
            self._show_marked()

    def _show_marked(self) -> None:
        """Show the pages of the marked model: two where there is room, else what it costs."""
        table, row, g, here = self.table, self.table.entry, self.glyphs, self.here
        most = max(6, self.size.height // 3)
        height = min(max(len(table.entries), 2) + 3, most)
        table.styles.height = height if row is not None else "1fr"
        self.query_one("#model-pages").display = row is not None
        if row is None:
            return
        loaded = self.work.loaded if self.work.path == row.path else None
        rows, studies, folders = table.entries, self._studies, self._folders
        wide = self.has_class("-wide")

        def about(width: int, height: int) -> Lines:
            return about_lines(row, studies, width, max(height, _PAGE), g)

        def costs(width: int, height: int) -> Lines:
            name = name_lines(row.model, width)
            lines = [] if wide else [*name, Content("")]
            if row.fit is not None or wide:
                lines += cost_lines(row, here, loaded, width, g)
            for more in (beside_lines(rows, row.path, width, g), folder_lines(folders, width)):
                lines += [Content(""), *more] if more else []
            if not wide and not row.model.problem:
                lines += [Content(""), heading("About"), *about(width, height)[len(name) + 1 :]]
            return lines

        for id, draw in (("#model-costs", costs), ("#model-page", about)):
            self.query_one(id, PagedSheet).show(draw, row.path)

    def action_turn(self) -> None:
        for page in self.query(PagedSheet):
            page.turn()

    def _turning_key(self) -> str:
        keys = actions.keys_of(actions.BY_ID["models.turn"], self.interface.keys)
        return actions.shown(keys[0], not self.glyphs.braille)

    def label_of(self, action: actions.Action) -> str:
        row = self.row if self.is_mounted else None
        if action.name == "back":
            return "stop" if self.work.doing else action.label
        if action.name == "refresh":
            return action.label
        if action.name == "turn":
            long = self.is_mounted and any(page.long for page in self.query(PagedSheet))
            return action.label if long else ""
        if row is None or (self.work.doing and action.name in ("load", "measure")):
            return ""
        loaded = action.name == "load" and self.work.state(row.path) == "loaded"
        return "unload" if loaded else action.label

    def _keep(self, row: ModelRow | None, changes: Mapping[str, Any]) -> bool:
        """Write settings of a model (None: general ones) and draw; False, and reported: failed."""
        try:
            if row is not None:
                settings.keep_model(row.path, **changes)
            else:
                settings.write({(name,): value for name, value in changes.items()})
        except StudyError as error:
            self.interface.report_error(error)
            return False
        self.table.show([row_of(row.model, self.here) for row in self.table.entries])
        self.refresh_models()
        return True

    @on(Rows.Chosen)
    def action_default(self) -> None:
        if (row := self.row) is not None:
            path = None if row.path == self._embedded else row.path
            if self._keep(None, {"default_model": path}):
                name = wording.model_name(row.model.path)
                self.app.notify(f"New studies use {name}", markup=False)

    def action_context(self) -> None:
        if (row := self.row) is not None:
            most = row.model.trained_context or 1 << 20
            about = (
                f"Tokens of context; the model was trained for {most:,}. Empty: its own, at most "
                "8192."
            )
            self._set(row, "context_length", "Context length", about, range(128, most + 1))

    def action_layers(self) -> None:
        if (row := self.row) is not None:
            most = row.model.layers + 1
            about = f"auto (as many as fit), none, all, or a number up to {most}. Empty: auto."
            self._set(row, "gpu_layers", "Layers on the GPU", about, range(most + 1))

    def action_threads(self) -> None:
        if (row := self.row) is not None:
            cores = usable_processors()
            about = f"Threads of llama.cpp, up to {cores}. Empty: all cores but one."
            self._set(row, "threads", "Threads", about, range(1, cores + 1))

    @work(group="set", exclusive=True)
    async def _set(
        self, row: ModelRow, name: str, title: str, about: str, allowed: range
    ) -> None:
        def read(text: str) -> int | str | None:
            if name == "gpu_layers" and text in ("auto", "none", "all"):
                return text
            number = int(text.replace(",", "").replace("_", "")) if text else None
            if number is not None and number not in allowed:
                raise ValueError
            return number

        def check(text: str) -> str:
            try:
                read(text)
            except ValueError:
                return f"a whole number from {allowed[0]:,} to {allowed[-1]:,}"
            return ""

        value = str(row.kept.changed().get(name, ""))
        answer = await self.app.push_screen_wait(PromptDialog(title, about, value, check=check))
        if answer is not None:
            self._keep(row, {name: read(answer)})

    @work(group="engine", exclusive=True)
    async def action_load(self) -> None:
        row = self.row
        if row is None:
            return
        try:
            if self.work.state(row.path) == "loaded":
                await self.work.stop()
                self.refresh_models()
            else:
                await self.work.load(row.path, row.kept, self._redraw)
        except HyperLlamaError as error:
            self.interface.report_error(error)

    @work(group="engine", exclusive=True)
    async def action_measure(self) -> None:
        row = self.row
        if row is None:
            return
        try:
            speed = await self.work.measure(row.path, row.kept, self._redraw)
        except HyperLlamaError as error:
            self.interface.report_error(error)
        else:
            if speed:
                self._keep(row, {"speed": speed})

    async def action_back(self) -> None:
        """Stop what is being done, else leave."""
        if self.work.doing:
            await self.work.stop()
            self.refresh_models()
        else:
            self.dismiss(None)
