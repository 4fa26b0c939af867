"""What a model costs on this machine: memory by part and by context length, and seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from textual.content import Content

from hyperllama.core.text import counted, plain
from hyperllama.models.gguf import Machine, fit, memory_parts_mb
from hyperllama.tui.text import wording
from hyperllama.tui.text.glyphs import Glyphs
from hyperllama.tui.widgets.lists.models import ModelRow
from hyperllama.tui.widgets.sheet import Lines, bar, heading, packed, words

_MB = 2**20
_PROPOSAL = (1200, 200)  # tokens read and written for one, where reasoning is on


def cost_lines(
    row: ModelRow, here: Machine, loaded: Mapping[str, Any] | None, width: int, glyphs: Glyphs
) -> Lines:
    """Memory, settings, speed and the seconds of a proposal; `loaded`: facts of the engine."""
    if row.fit is None:
        return words("A file that cannot be used needs only disk space.", width, "$dim")
    lines = _memory(row, here, width, glyphs) + _settings(row, loaded, width)
    if not row.kept.speed:
        lines += _labelled("speed", [Content("not measured yet")])
    elif seconds := proposal_s(row.kept.speed):
        text = (
            f"so a proposal of {_PROPOSAL[0]:,} tokens read and {_PROPOSAL[1]} written takes about "
            f"{wording.duration(seconds)}, twenty of them {wording.duration(20 * seconds)}"
        )
        lines += _labelled("", words(text, width - 10, "$dim"))
    lines += [Content(""), *_parts(row, width, glyphs)]
    return [*lines, Content(""), *_by_context(row, here, width, glyphs)]


def beside_lines(rows: Sequence[ModelRow], marked: str, width: int, glyphs: Glyphs) -> Lines:
    """All models that can be used, the smallest first: memory, speed, seconds of a proposal."""
    usable = sorted((r.fit.needed_mb, r.path, r) for r in rows if r.fit is not None)
    if len(usable) < 2:
        return []
    cells = max(6, min(24, width - 50))
    name_cells = max(12, min(30, width - cells - 32))
    lines = [heading("All models")]
    for needed_mb, path, row in usable:
        here, seconds = path == marked, proposal_s(row.kept.speed)
        name = Content(wording.model_name(row.model.path)).truncate(name_cells, ellipsis=True)
        lines.append(
            Content.assemble(
                (f"{glyphs.running if here else ' '} ", "$primary"),
                name.stylize("bold") if here else name,
                " " * (name_cells - name.cell_length + 2),
                f"{wording.size(needed_mb * _MB):>7}  ",
                bar(needed_mb / usable[-1][0], cells, glyphs),
                (f"  {wording.duration(seconds)} a proposal" if seconds else "  not measured",
                 "$dim"),
            )
        )  # fmt: skip
    return lines


def proposal_s(speed: Mapping[str, float]) -> float | None:
    """Seconds of a proposal with reasoning, from the measured tokens per second; None: unknown."""
    if not speed.get("read") or not speed.get("write"):
        return None
    return _PROPOSAL[0] / speed["read"] + _PROPOSAL[1] / speed["write"]


def _memory(row: ModelRow, here: Machine, width: int, glyphs: Glyphs) -> Lines:
    """What the model needs of main memory and of the GPUs, beside what is free."""
    assert row.fit is not None
    lines = [_need("memory", row.fit.ram_mb, here.free_mb, width, glyphs)]
    free = sum(g.free_mb for g in here.gpus)
    if here.can_offload and free:
        lines.append(_need("GPU", row.fit.gpu_mb, free, width, glyphs))
    elif here.gpus:
        text = "this llama.cpp was built for the CPU alone; README says how to build it for GPUs"
        name = plain(here.gpus[0].name)
        lines += _labelled("GPU", [Content.styled(f"{name}: {text}", "$dim")])
    return lines


def _need(label: str, need_mb: float, free_mb: float, width: int, glyphs: Glyphs) -> Content:
    cells = max(10, min(40, width - 54))
    share = need_mb / free_mb if free_mb > 0 else 9.0
    style = "$good" if share <= 0.8 else "$best" if share <= 1 else "$bad"
    more = f", {wording.size((need_mb - free_mb) * _MB)} too much" if share > 1 else ""
    return Content.assemble(
        (label.ljust(10), "$dim"),
        bar(share if need_mb > 0 else 0.0, cells, glyphs, style),
        f"  {wording.size(need_mb * _MB)} of {wording.size(free_mb * _MB)} free",
        (more, "$bad"),
    )


def _settings(row: ModelRow, loaded: Mapping[str, Any] | None, width: int) -> Lines:
    """The model's settings, its measured speed, and its memory where it is loaded."""
    kept = row.kept
    parts = (
        f"context {row.context:,}",
        f"GPU layers {kept.gpu_layers}",
        f"threads {kept.threads or 'all but one'}",
    )
    lines = _labelled("settings", packed(map(Content, parts), width - 10))
    if speed := kept.speed:
        threads = counted(int(speed["threads"]), "thread")
        text = (
            f"reads {speed['read']:.0f}, writes {speed['write']:.0f} tokens/s with "
            f"{threads}, {speed['gpu_layers']} layers on the GPU"
        )
        lines += _labelled("speed", words(text, width - 10))
    if loaded is not None:
        text = (
            f"in {wording.duration(loaded['load_s'])}: takes "
            f"{wording.size(loaded['memory_mb'] * _MB)}, context {loaded['context_length']:,}, "
            f"{wording.on_gpu(loaded) or 'no layer on the GPU'}, "
            f"{counted(loaded['threads'], 'thread')}"
        )
        lines += _labelled("loaded", words(text, width - 10))
    return lines


def _labelled(label: str, lines: Lines) -> Lines:
    """The lines behind a name."""
    return [
        Content.assemble(((label if not i else "").ljust(10), "$dim"), line)
        for i, line in enumerate(lines)
    ]


def _parts(row: ModelRow, width: int, glyphs: Glyphs) -> Lines:
    """One bar of all parts of the memory, each named below it."""
    parts = memory_parts_mb(row.model, row.context)
    total = sum(parts.values()) or 1.0
    fills = "█▒▓░" if glyphs.braille else "#=+."
    pieces: list[tuple[str, str]] = []
    legend: Lines = []
    for index, (name, mb) in enumerate(parts.items()):
        used = sum(len(piece) for piece, _ in pieces)
        cells = round(mb / total * width) if index < 3 else max(0, width - used)
        fill, style = fills[index], f"$part-{index + 1}"
        pieces.append((fill * cells, style))
        size = wording.size(mb * _MB)
        legend.append(Content.assemble((fill, style), (f" {name} ", "$dim"), size))
    title = heading(f"In memory, at a context of {row.context:,} tokens")
    return [title, Content.assemble(*pieces).truncate(width), *packed(legend, width)]


def _by_context(row: ModelRow, here: Machine, width: int, glyphs: Glyphs) -> Lines:
    """What each context length would take, up to the one that the model was trained for."""
    model = row.model
    most = model.trained_context or 32_768
    lengths = [n for n in (512, 1024, 2048, 4096, 8192, 16_384, 32_768, 131_072) if n < most]
    lines = [heading("Other context lengths")]
    cells = max(6, min(24, width - 44))
    for length in sorted({*lengths[-5:], most, row.context}):
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
