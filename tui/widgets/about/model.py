"""What a model file is: its header, where it lies, and the studies that were made with it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from textual.content import Content

from hyperllama.core.text import plain
from hyperllama.models.gguf import EMBEDDED, ModelFile
from hyperllama.tui.content.library import StudyEntry
from hyperllama.tui.text import wording
from hyperllama.tui.text.glyphs import Glyphs
from hyperllama.tui.widgets.lists.models import ModelRow
from hyperllama.tui.widgets.sheet import Lines, columns, facts, heading, words

_CARD = ("description", "organization", "author", "license", "languages", "finetune", "version")


def about_lines(
    row: ModelRow, studies: Sequence[StudyEntry], width: int, height: int, glyphs: Glyphs
) -> Lines:
    """What the file's header says, and the studies with this model."""
    model = row.model
    lines = name_lines(model, width)
    if model.problem:
        return lines
    lines += [Content(""), *facts(_facts(model), width)]
    card = [(k, model.metadata[k][:300]) for k in _CARD if model.metadata.get(k)]
    if card:
        lines += [Content(""), heading("Card"), *facts(card, width)]
    lines += [Content(""), *_used(studies, model)]
    room = height - len(lines) - 2
    if model.chat_template.strip() and room >= 4:
        template = [line for line in plain(model.chat_template).splitlines() if line.strip()]
        lines += [Content(""), heading("Chat template")]
        lines += [Content.styled(line, "$dim") for line in template[: room - 1]]
        lines += [Content.styled(glyphs.ellipsis, "$dim")] if len(template) >= room else []
    return lines


def name_lines(model: ModelFile, width: int) -> Lines:
    """What it is called everywhere, its path, and what is wrong with it."""
    called = wording.model_name(str(model.path))
    lines = [*words(called, width, "bold"), *words(str(model.path), width, "$dim")]
    if model.problem:
        lines += [Content(""), *words(f"cannot be used: {model.problem}", width, "$bad")]
    return lines


def _facts(model: ModelFile) -> list[tuple[str, str]]:
    bits = 8 * model.size_bytes / model.parameters if model.parameters else 0.0
    weights = f"{wording.weights(model.parameters)} weights, {model.quantisation}"
    weights += f" ({bits:.1f} bits each)" if bits else ""
    tokenizer = f"{model.vocabulary:,} tokens" + (f", {model.tokenizer}" if model.tokenizer else "")
    trained = f"{model.trained_context:,} tokens" if model.trained_context else "unknown"
    return [
        ("name inside", model.name),
        ("found in", _place(model.path)),
        ("file", wording.size(model.size_bytes)),
        ("kind", model.architecture),
        ("size", weights),
        ("network", f"{model.layers} layers, {model.width:,} wide"),
        ("tokenizer", tokenizer),
        ("trained for", trained),
        ("chat", _talk(model)),
    ]


def _place(path: Path) -> str:
    """The folder, by the program that it belongs to."""
    if path.parent == EMBEDDED.resolve():
        return "comes with HyperLlama"
    text = str(path).casefold()
    for mark, program in (
        ("ollama", "Ollama"), ("lm-studio", "LM Studio"), ("lmstudio", "LM Studio"),
        ("gpt4all", "GPT4All"), ("huggingface", "Hugging Face"), ("llama.cpp", "llama.cpp"),
        ("/jan/", "Jan"),
    ):  # fmt: skip
        if mark in text:
            return f"the folder of {program}"
    return _at_home(path.parent)


def _talk(model: ModelFile) -> str:
    if model.is_embedded_dialect:
        return "no: it only proposes, in a compact format of its own"
    if model.has_chat_template:
        return "yes: it has a chat template, so reasoning, hints and questions work"
    return "no: a base model; it continues a plain text that ends in the trials, without reasoning"


def _used(studies: Sequence[StudyEntry], model: ModelFile) -> Lines:
    """The studies with this model, the most recent first."""
    names = {str(model.path), model.path.name, model.path.stem}
    if model.path.parent == EMBEDDED.resolve():
        names.add("embedded")
    with_it = [s for s in studies if s.model in names or Path(s.model).name in names]
    if not with_it:
        return [Content.styled("No study with it yet", "$dim")]
    rows = [
        (
            (plain(s.title), "bold"),
            (plain(s.task), "$dim"),
            (wording.score(s.best), ""),
            (wording.signed(s.gain), wording.gain_style(s.beyond_noise)),
        )
        for s in with_it[:5]
    ]
    count = len(with_it)
    return [
        heading(f"{count} studies with it" if count > 1 else "One study with it"),
        *columns(rows, left=(0, 1)),
    ]


def folder_lines(folders: Sequence[Path], width: int) -> Lines:
    """The folders that are searched for models, and how to add one."""
    if not folders:
        return []
    rest = "and where other programs keep theirs; the variable HYPERLLAMA_MODELS names more folders"
    return [
        heading("Folders that are searched"),
        *(Content(_at_home(folder)) for folder in folders),
        *words(rest, width, "$dim"),
    ]


def _at_home(folder: Path) -> str:
    """A folder with ~ for the home folder."""
    text, home = plain(str(folder)), str(Path.home())
    return text.replace(home, "~", 1) if text.startswith(home + "/") else text
