"""`hyperllama models`: the GGUF files found on this machine, from their metadata alone."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.registry import ModelFile

NAME = "models"
HELP = "list the language models (GGUF files) found on this machine"
EPILOG = """\
looks in the folders of LM Studio, llama.cpp, Ollama, GPT4All, Jan and Hugging Face, in ~/models, in
the data folder, and in those named in HYPERLLAMA_MODELS"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folders", metavar="FOLDER", nargs="*", type=Path, help="look only here")
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(arguments: argparse.Namespace) -> int:
    from models.registry import find_models

    found = find_models([f.expanduser() for f in arguments.folders] or None)
    rows = [describe(model) for model in found]
    if arguments.json:
        print(json.dumps(rows, ensure_ascii=False, indent=1))
        return 0
    if not rows:
        print("no GGUF file found; name a folder: hyperllama models FOLDER")
        return 0
    _print(rows)
    return 0


def describe(model: ModelFile) -> dict[str, Any]:
    """One model as plain values; `memory_mb` is what loading it takes, roughly."""
    from models.registry import default_context, estimate_memory_mb

    context = default_context(model)
    usable = not model.problem
    return {
        "name": model.path.stem,
        "title": model.name,
        "path": str(model.path),
        "architecture": model.architecture,
        "parameters": model.parameters,
        "quantisation": model.quantisation,
        "size_mb": round(model.size_mb, 1),
        "trained_context": model.trained_context,
        "context_length": context if usable else 0,
        "memory_mb": round(estimate_memory_mb(model, context)) if usable else 0,
        "chat": model.has_chat_template,
        "embedded": model.is_embedded_dialect,
        "problem": model.problem,
    }


def _print(rows: list[dict[str, Any]]) -> None:
    import psutil

    from tui.commands.live import one_line

    free_mb = psutil.virtual_memory().available / 2**20
    head = ("MODEL", "WHAT", "WEIGHTS", "QUANT", "FILE", "CONTEXT", "MEMORY", "")
    lines = [head]
    for r in rows:
        kind = "embedded" if r["embedded"] else "chat" if r["chat"] else "plain"
        fits = "" if r["memory_mb"] < free_mb else f"more than the {free_mb:.0f} MB free"
        lines.append(
            (
                one_line(r["name"])[:48],
                f"{one_line(r['architecture'])[:16]} {'' if r['problem'] else kind}".strip() or "-",
                _big(r["parameters"]),
                one_line(r["quantisation"])[:8] or "-",
                f"{r['size_mb']:.0f} MB",
                str(r["trained_context"] or "-"),
                f"{r['memory_mb']} MB" if r["memory_mb"] else "-",
                one_line(r["problem"]) or fits,
            )
        )
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    for line in lines:
        print("  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip())


def _big(number: int) -> str:
    for unit, size in (("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.3g}{unit}"
    return str(number) if number else "-"
