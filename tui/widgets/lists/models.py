"""The models found on this machine: what each is, and whether it fits into memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from textual.content import Content

from hyperllama.core.text import plain
from hyperllama.models.gguf import Fit, Machine, ModelFile, default_context, fit
from hyperllama.tui.preferences.settings import ModelSettings, of_model
from hyperllama.tui.text import wording
from hyperllama.tui.widgets.lists.listing import Listing
from hyperllama.tui.widgets.lists.rows import ListColumn

_MB = 2**20


@dataclass(frozen=True)
class ModelRow:
    """A model file with its settings and what it needs on this machine.

    Attributes:
        kept: what is set for it and was measured with it.
        context: tokens that memory is estimated for.
        fit: how it would lie in memory; None for a file that cannot generate.
    """

    model: ModelFile
    kept: ModelSettings
    context: int = 0
    fit: Fit | None = None

    @property
    def path(self) -> str:
        return str(self.model.path)


def row_of(model: ModelFile, here: Machine) -> ModelRow:
    """The model with its settings, and how it would lie in this machine's memory."""
    kept = of_model(str(model.path))
    if model.problem:
        return ModelRow(model, kept)
    context = default_context(model, kept.context_length)
    return ModelRow(model, kept, context, fit(model, context, here))


class ModelTable(Listing[ModelRow]):
    """One line a model."""

    NAME = "Models"
    TITLE = "On this machine"
    HELP = """\
Every GGUF file in the usual folders (LM Studio, llama.cpp, Ollama, GPT4All, Jan, Hugging Face, \
`~/models`, the data folder) and in those that `HYPERLLAMA_MODELS` names. Only headers are read.

*memory* is an estimate, on the high side, at the context length beside it. `↵` makes a model the \
default of new studies, `l` loads it to measure its memory, `b` measures its speed. `c`, `v` and \
`t` set context length, GPU layers and threads; they are kept for each model.
"""
    LEAST = 18

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.searched = False
        self.default: Callable[[ModelFile], bool] = lambda model: False
        self.state: Callable[[ModelFile], str] = lambda model: ""

    def columns(self) -> Sequence[ListColumn]:
        fits = max((self._fits(row).cell_length for row in self.entries), default=0)
        return (
            ListColumn("mark", "", 1, gap=1),
            ListColumn("name", "model", 0),
            ListColumn("architecture", "kind", 9, drop=4),
            ListColumn("weights", "weights", 7, right=True, drop=3),
            ListColumn("quant", "quant", 7, drop=6),
            ListColumn("size", "file", 7, right=True, drop=5),
            ListColumn("trained", "context", 7, right=True, drop=7),
            ListColumn("talks", "chat", 8, drop=2),
            ListColumn("memory", "memory", 16, drop=1),
            ListColumn("fits", "fits", max(8, min(25, fits))),
            ListColumn("speed", "speed", 10, right=True, drop=8),
        )

    def draw(self, row: ModelRow, key: str, width: int) -> Content:
        model = row.model
        if key == "mark":
            chosen = self.glyphs.chosen if self.default(model) else " "
            return Content.styled(chosen, "bold $accent")
        if key == "fits":
            return self._fits(row)
        if key == "name":
            state = self.state(model)
            tail = f"  {self.glyphs.running} {state}" if state else ""
            style = "bold" if not model.problem else "$dim"
            name = wording.model_among(model.path, (r.model.path for r in self.entries))
            shown = Content.styled(name, style).truncate(max(8, width - len(tail)), ellipsis=True)
            return Content.assemble(shown, (tail, "$good"))
        return Content.styled(_figure(row, key), "$dim")

    def _fits(self, row: ModelRow) -> Content:
        g, lies = self.glyphs, row.fit
        if lies is None:
            return Content.styled(f"{g.failed} {plain(row.model.problem)}", "$dim")
        layers = f", {lies.gpu_layers}/{lies.layers} on GPU" if lies.gpu_layers else ""
        if lies.fits:
            return Content.styled(f"{g.done} fits{layers}", "$good")
        return Content.styled(f"{g.failed} too large{layers}", "$bad")

    def empty(self) -> Content:
        none = " No GGUF file found. Put one into ~/models, or set HYPERLLAMA_MODELS to its folder."
        searching = f" Searching for models{self.glyphs.ellipsis}"
        return Content.styled(none if self.searched else searching, "$dim")


def _figure(row: ModelRow, key: str) -> str:
    """The text of a plain column; empty where a file cannot be used."""
    model = row.model
    if key == "architecture":
        return plain(model.architecture) or "–"
    if key == "weights":
        return wording.weights(model.parameters)
    if key == "quant":
        return plain(model.quantisation) or "–"
    if key == "size":
        return wording.size(model.size_bytes)
    if row.fit is None:
        return ""
    if key == "trained":
        return wording.count(model.trained_context or None)
    if key == "talks":
        return talks(model)
    if key == "speed":
        written = row.kept.speed.get("write")
        return f"{written:.0f} tok/s" if written else "–"
    return f"{wording.size(row.fit.needed_mb * _MB)} at {wording.count(row.context)}"


def talks(model: ModelFile) -> str:
    """Whether one can chat with the model."""
    if model.is_embedded_dialect:
        return "proposes"
    return "chat" if model.has_chat_template else "no chat"
