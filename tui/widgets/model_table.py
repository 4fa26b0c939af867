"""The models found on this machine: what each is, and whether it fits into memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from textual.content import Content

from hyperllama.core.text import plain
from hyperllama.models.gguf import Fit, Machine, ModelFile, default_context, fit
from hyperllama.tui import wording
from hyperllama.tui.glyphs import UNICODE, Glyphs
from hyperllama.tui.settings import ModelSettings, of_model
from hyperllama.tui.widgets.rows import Column, Rows

_MB = 2**20


@dataclass(frozen=True)
class ModelRow:
    """A model file with what a person set for it and what it needs here.

    Attributes:
        kept: what is set for it and was measured with it.
        context: tokens that memory is estimated for.
        fit: where it would lie; None for a file that cannot generate.
    """

    model: ModelFile
    kept: ModelSettings
    context: int = 0
    fit: Fit | None = None

    @property
    def path(self) -> str:
        return str(self.model.path)


def row_of(model: ModelFile, here: Machine) -> ModelRow:
    """The model with what is kept of it, and how it would lie in this machine's memory."""
    kept = of_model(str(model.path))
    if model.problem:
        return ModelRow(model, kept)
    context = default_context(model, kept.context_length)
    return ModelRow(model, kept, context, fit(model, context, here))


class ModelTable(Rows):
    """One line a model."""

    NAME = "Models"
    HELP = """\
Every GGUF file in the usual folders (LM Studio, llama.cpp, Ollama, GPT4All, Jan, Hugging Face, \
`~/models`, the data folder) and in those that `HYPERLLAMA_MODELS` names. Only headers are read.

*memory* is an estimate, on the high side, at the context length beside it. `↵` makes a model the \
default of new studies, `l` loads it to see what it really takes, `b` measures its speed. `c`, `v` \
and `t` set context length, GPU layers and threads; they are kept for each model.
"""
    LEAST = 18

    def __init__(self, *, glyphs: Glyphs = UNICODE, id: str | None = None) -> None:
        super().__init__(id=id)
        self.glyphs = glyphs
        self.found: list[ModelRow] | None = None
        self.default: Callable[[ModelFile], bool] = lambda model: False
        self.state: Callable[[ModelFile], str] = lambda model: ""

    def show(self, found: list[ModelRow]) -> None:
        self.found = found
        self.rows_changed()

    @property
    def row(self) -> ModelRow | None:
        found = self.found or []
        return found[self.cursor] if 0 <= self.cursor < len(found) else None

    def row_count(self) -> int:
        return len(self.found or ())

    def columns(self) -> Sequence[Column]:
        fits = max((self._fits(row).cell_length for row in self.found or ()), default=0)
        return (
            Column("mark", "", 1, gap=1),
            Column("name", "model", 0),
            Column("architecture", "what", 9, drop=4),
            Column("weights", "weights", 7, right=True, drop=3),
            Column("quant", "quant", 7, drop=6),
            Column("size", "file", 7, right=True, drop=5),
            Column("trained", "context", 7, right=True, drop=7),
            Column("talks", "talks", 8, drop=2),
            Column("memory", "memory", 16, drop=1),
            Column("fits", "fits", max(8, min(25, fits))),
            Column("speed", "speed", 10, right=True, drop=8),
        )

    def cell(self, index: int, key: str, width: int) -> Content:
        row = (self.found or [])[index]
        model, g = row.model, self.glyphs
        if key == "mark":
            return Content.styled(g.best if self.default(model) else " ", "bold $best")
        if key == "name":
            state = self.state(model)
            tail = f"  {g.running} {state}" if state else ""
            style = "bold" if not model.problem else "$dim"
            return Content.assemble((plain(model.path.stem), style), (tail, "$good"))
        if key == "fits":
            return self._fits(row)
        if key == "architecture":
            return Content.styled(plain(model.architecture) or "–", "$dim")
        if key == "weights":
            return Content.styled(wording.weights(model.parameters), "$dim")
        if key == "quant":
            return Content.styled(plain(model.quantisation) or "–", "$dim")
        if key == "size":
            return Content.styled(wording.size(model.size_bytes), "$dim")
        if model.problem:
            return Content("")
        if key == "trained":
            return Content.styled(wording.count(model.trained_context or None), "$dim")
        if key == "talks":
            return Content.styled(talks(model), "$dim")
        if key == "speed":
            written = row.kept.speed.get("write")
            return Content.styled(f"{written:.0f} tok/s" if written else "–", "$dim")
        if row.fit is None:
            return Content("")
        text = f"{wording.size(row.fit.needed_mb * _MB)} at {wording.count(row.context)}"
        return Content.styled(text, "$dim")

    def _fits(self, row: ModelRow) -> Content:
        g, fit = self.glyphs, row.fit
        if row.model.problem or fit is None:
            return Content.styled(f"{g.failed} {plain(row.model.problem)}", "$dim")
        layers = f", {fit.gpu_layers}/{fit.layers} on GPU" if fit.gpu_layers else ""
        if fit.fits:
            return Content.styled(f"{g.done} fits{layers}", "$good")
        return Content.styled(f"{g.failed} too large{layers}", "$bad")

    def empty(self) -> Content:
        if self.found is None:
            return Content.styled(f" Looking for models{self.glyphs.ellipsis}", "$dim")
        return Content.styled(
            " No GGUF file found. Put one into ~/models, or name its folder in HYPERLLAMA_MODELS.",
            "$dim",
        )


def talks(model: ModelFile) -> str:
    """Whether a person can talk with the model."""
    if model.is_embedded_dialect:
        return "proposes"
    return "chat" if model.has_chat_template else "no chat"


def memory_lines(row: ModelRow, here: Machine, width: int, glyphs: Glyphs) -> list[Content]:
    """What the model needs of main memory and of each GPU, beside what is free."""
    fit = row.fit
    if fit is None:
        return []
    lines = [_bar("memory", fit.ram_mb, here.free_mb, width, glyphs)]
    free = sum(g.free_mb for g in here.gpus)
    if here.can_offload and free:
        lines.append(_bar("GPU", fit.gpu_mb, free, width, glyphs))
    elif here.gpus:
        told = "this llama.cpp was built for the CPU alone; README says how to build it for GPUs"
        name = plain(here.gpus[0].name)
        lines.append(Content.assemble(("GPU       ", "$dim"), (f"{name}: {told}", "$dim")))
    return lines


def _bar(label: str, need_mb: float, free_mb: float, width: int, glyphs: Glyphs) -> Content:
    cells = max(10, min(40, width - 54))
    share = need_mb / free_mb if free_mb > 0 else 9.0
    filled = max(1 if need_mb > 0 else 0, min(cells, round(cells * share)))
    style = "$good" if share <= 0.8 else "$best" if share <= 1 else "$bad"
    words = f"  {wording.size(need_mb * _MB)} of {wording.size(free_mb * _MB)} free"
    more = f", {wording.size((need_mb - free_mb) * _MB)} too much" if share > 1 else ""
    return Content.assemble(
        (label.ljust(10), "$dim"),
        (glyphs.bar * filled, style),
        (glyphs.track * (cells - filled), "$faint"),
        words,
        (more, "$bad"),
    )
