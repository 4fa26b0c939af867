"""A model as two pages: what it is, and what it costs here in memory and seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from textual.content import Content

from hyperllama.core.text import plain
from hyperllama.models.gguf import EMBEDDED, Machine, ModelFile, fit, memory_parts_mb
from hyperllama.tui import wording
from hyperllama.tui.glyphs import Glyphs
from hyperllama.tui.library import StudyEntry
from hyperllama.tui.widgets.model_table import ModelRow, memory_lines
from hyperllama.tui.widgets.sheet import Lines, bar, columns, facts, heading, packed, words

_MB = 2**20
_PART_STYLES = ("$part-1", "$part-2", "$part-3", "$part-4")
_PROPOSAL = (1200, 200)  # tokens read and written for one, where reasoning is on
_CARD = ("description", "organization", "author", "license", "languages", "finetune", "version")


def about_lines(
    row: ModelRow, studies: Sequence[StudyEntry], width: int, height: int, glyphs: Glyphs
) -> Lines:
    """What the file's header says, and the studies that were made with it."""
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
    """What it is called, where it lies, and what is wrong with it."""
    lines = [*words(model.name, width, "bold"), *words(str(model.path), width, "$dim")]
    if model.problem:
        lines += [Content(""), *words(f"cannot be used: {model.problem}", width, "$bad")]
    return lines


def _facts(model: ModelFile) -> list[tuple[str, str]]:
    bits = 8 * model.size_bytes / model.parameters if model.parameters else 0.0
    weights = f"{wording.weights(model.parameters)} weights, {model.quantisation}"
    weights += f" ({bits:.1f} bits each)" if bits else ""
    tokenizer = f"{model.vocabulary:,} tokens" + (f", {model.tokenizer}" if model.tokenizer else "")
    trained = f"{model.trained_context:,} tokens" if model.trained_context else "not said"
    return [
        ("found in", _place(model.path)),
        ("file", wording.size(model.size_bytes)),
        ("kind", model.architecture),
        ("size", weights),
        ("network", f"{model.layers} layers, {model.width:,} wide"),
        ("tokenizer", tokenizer),
        ("trained for", trained),
        ("talks", _talk(model)),
    ]


def _place(path: Path) -> str:
    """The folder in a person's words."""
    if path.parent == EMBEDDED:
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
        return "no: it proposes, in a compact language of its own"
    if model.has_chat_template:
        return "yes: it has a chat template, so reasons, hints and questions work"
    return "no chat template: it is asked in plain text"


def _used(studies: Sequence[StudyEntry], model: ModelFile) -> Lines:
    """The studies that were made with the model, the last touched first."""
    names = {str(model.path), model.path.name, model.path.stem}
    if model.path.parent == EMBEDDED:
        names.add("embedded")
    with_it = [s for s in studies if s.model in names or Path(s.model).name in names]
    if not with_it:
        return [Content.styled("No study with it yet", "$dim")]
    rows = [
        (
            (plain(s.title), "bold"),
            (plain(s.task), "$dim"),
            (wording.score(s.best), ""),
            (wording.signed(s.gain), "$good" if (s.gain or 0) > 0 else "$dim"),
        )
        for s in with_it[:5]
    ]
    count = len(with_it)
    return [
        heading(f"{count} studies with it" if count > 1 else "One study with it"),
        *columns(rows, left=(0, 1)),
    ]


def cost_lines(
    row: ModelRow,
    here: Machine,
    loaded: Mapping[str, Any] | None,
    width: int,
    height: int,
    glyphs: Glyphs,
) -> Lines:
    """Memory by part and by context length, settings, speed and what a proposal takes."""
    if row.fit is None:
        return words(
            "A file that cannot be used takes nothing but room on the disk.", width, "$dim"
        )
    lines = memory_lines(row, here, width, glyphs)
    lines += setting_lines(row, loaded, width)
    if not row.kept.speed:
        lines.append(Content.assemble(("speed     ", "$dim"), "not measured yet"))
    else:
        lines += _proposals(row.kept.speed, width)
    lines += [Content(""), *_parts(row, width, glyphs)]
    return [*lines, Content(""), *_by_context(row, here, width, glyphs)]


def beside_lines(rows: Sequence[ModelRow], marked: str, width: int, glyphs: Glyphs) -> Lines:
    """All models that can be used, the smallest first: memory, speed, what a proposal takes."""
    usable = sorted((r for r in rows if r.fit is not None), key=lambda r: r.fit.needed_mb)  # type: ignore[union-attr]
    if len(usable) < 2:
        return []
    most = max(r.fit.needed_mb for r in usable if r.fit is not None)
    cells = max(6, min(24, width - 50))
    name_cells = max(12, min(30, width - cells - 32))
    lines = [heading("Beside the others")]
    for row in usable:
        assert row.fit is not None
        here = row.path == marked
        speed = row.kept.speed
        seconds = proposal_s(speed)
        name = Content(plain(row.model.path.stem)).truncate(name_cells, ellipsis=True)
        lines.append(
            Content.assemble(
                (f"{glyphs.running if here else ' '} ", "$primary"),
                name.stylize("bold") if here else name,
                " " * (name_cells - name.cell_length + 2),
                f"{wording.size(row.fit.needed_mb * _MB):>7}  ",
                bar(row.fit.needed_mb / most, cells, glyphs),
                (
                    f"  {wording.duration(seconds)} a proposal" if seconds else "  not measured",
                    "$dim",
                ),
            )
        )
    return lines


def folder_lines(folders: Sequence[Path], width: int) -> Lines:
    """Where models are looked for, and how to add a place."""
    if not folders:
        return []
    lines = [heading("Models are looked for in")]
    lines += [Content.styled(_at_home(folder), "") for folder in folders]
    told = "and where other programs keep theirs; the variable HYPERLLAMA_MODELS names more folders"
    return [*lines, *words(told, width, "$dim")]


def _at_home(folder: Path) -> str:
    """A folder as people write it."""
    text, home = plain(str(folder)), str(Path.home())
    return text.replace(home, "~", 1) if text.startswith(home + "/") else text


def proposal_s(speed: Mapping[str, Any]) -> float | None:
    """Seconds of a proposal with reasoning, from the measured tokens a second; None: unknown."""
    try:
        return float(_PROPOSAL[0] / speed["read"] + _PROPOSAL[1] / speed["write"])
    except (KeyError, TypeError, ZeroDivisionError):
        return None


def _parts(row: ModelRow, width: int, glyphs: Glyphs) -> Lines:
    """One bar of all parts, each named below it."""
    parts = memory_parts_mb(row.model, row.context)
    total = sum(parts.values()) or 1.0
    fills = "█▒▓░" if glyphs.braille else "#=+."
    pieces: list[tuple[str, str]] = []
    legend: Lines = []
    used = 0
    for index, (name, mb) in enumerate(parts.items()):
        cells = round(mb / total * width) if index < 3 else max(0, width - used)
        used += cells
        fill, style = fills[index], _PART_STYLES[index]
        pieces.append((fill * cells, style))
        told = Content.assemble((fill, style), (f" {name} ", "$dim"), wording.size(mb * _MB))
        legend.append(told)
    title = heading(f"In memory, at a context of {row.context:,} tokens")
    return [title, Content.assemble(*pieces).truncate(width), *packed(legend, width)]


def _by_context(row: ModelRow, here: Machine, width: int, glyphs: Glyphs) -> Lines:
    """What each context length would take, up to the one it was trained for."""
    model = row.model
    most = model.trained_context or 32_768
    lengths = [n for n in (512, 1024, 2048, 4096, 8192, 16_384, 32_768, 131_072) if n < most]
    lengths = sorted({*lengths[-5:], most, row.context})
    lines = [heading("Other context lengths")]
    cells = max(6, min(24, width - 44))
    for length in lengths:
        lies = fit(model, length, here)
        cache = memory_parts_mb(model, length)["cache"]
        share = lies.ram_mb / here.free_mb if here.free_mb else 0.0
        good = lies.fits or not here.free_mb
        now = length == row.context
        lines.append(
            Content.assemble(
                (f"{glyphs.running if now else ' '} ", "$primary"),
                (f"{length:>9,}", "bold" if now else ""),
                (f"   cache {wording.size(cache * _MB):>7}", "$dim"),
                (f"   {wording.size(lies.needed_mb * _MB):>7}  ", "bold" if now else ""),
                bar(min(1.0, share), cells, glyphs, "$good" if good else "$bad") if share else "",
                ("" if good else f" {glyphs.failed} too much", "$bad"),
            )
        )
    return lines


def setting_lines(row: ModelRow, loaded: Mapping[str, Any] | None, width: int) -> Lines:
    """What a person set for the model, its measured speed, and what it takes where it is loaded."""
    kept = row.kept
    parts = (
        f"context {row.context:,}",
        f"GPU layers {kept.gpu_layers}",
        f"threads {kept.threads or 'all but one'}",
    )
    lines = _labelled("settings", packed(map(Content, parts), width - 10))
    speed = kept.speed
    if speed:
        told = (
            f"reads {speed['read']:.0f}, writes {speed['write']:.0f} tokens/s with "
            f"{speed['threads']} threads, {speed['gpu_layers']} layers on the GPU"
        )
        lines += _labelled("speed", words(told, width - 10))
    if loaded is not None:
        told = (
            f"in {wording.duration(loaded['load_s'])}: takes "
            f"{wording.size(loaded['memory_mb'] * _MB)}, context "
            f"{loaded['context_length']:,}, {loaded['gpu_layers']} of {loaded['layers']} "
            f"layers on the GPU, {loaded['threads']} threads"
        )
        lines += _labelled("loaded", words(told, width - 10))
    return lines


def _labelled(label: str, lines: Lines) -> Lines:
    """The lines behind a name."""
    return [
        Content.assemble(((label if not i else "").ljust(10), "$dim"), line)
        for i, line in enumerate(lines)
    ]


def _proposals(speed: Mapping[str, Any], width: int) -> Lines:
    """What the measured speed comes to."""
    seconds = proposal_s(speed)
    if seconds is None:
        return []
    told = (
        f"so a proposal of {_PROPOSAL[0]:,} tokens read and {_PROPOSAL[1]} written takes some "
        f"{wording.duration(seconds)}, twenty of them {wording.duration(20 * seconds)}"
    )
    return _labelled("", words(told, width - 10, "$dim"))
