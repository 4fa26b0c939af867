"""`hyperllama models`: the GGUF files on this machine; one of them in full; how fast one is."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyperllama.core.text import one_line
from hyperllama.models.paths import model_name
from hyperllama.tui.cli.options import non_negative, positive
from hyperllama.tui.cli.printing import magnitude, print_json, print_table, size

if TYPE_CHECKING:
    from hyperllama.models.gguf import Machine, ModelFile

NAME = "models"
HELP = "list the language models (GGUF files) on this machine, or look at or time one"
EPILOG = """\
  hyperllama models                    the embedded models, those of LM Studio, llama.cpp, Ollama,
                                       GPT4All, Jan and Hugging Face, of ~/models, of the data
                                       folder, and of the folders in HYPERLLAMA_MODELS
  hyperllama models FOLDER             only what lies there
  hyperllama models NAME|FILE          one model in full
  hyperllama models bench NAME|FILE    its speed: pp512 and tg128, as llama-bench has them"""

_ROOMY = 1024
"""Tokens; eight hyperparameters, the question and the reply take 600 to 800 of SmolLM2's."""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", metavar="WHAT", nargs="*", help="see below (default: all)")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--names", action="store_true", help="the names alone, one a line")
    parser.add_argument("--context", type=positive, metavar="N",
                        help="context length that memory is estimated for "
                        "(default: the model's own, at most 8192)")  # fmt: skip
    group = parser.add_argument_group("bench")
    group.add_argument("--prompt", type=non_negative, default=512, metavar="N",
                       help="tokens of the prompt (default: 512)")  # fmt: skip
    group.add_argument("--generate", type=non_negative, default=128, metavar="N",
                       help="tokens of the reply (default: 128)")  # fmt: skip
    group.add_argument("--repetitions", type=positive, default=5, metavar="N",
                       help="(default: 5)")  # fmt: skip
    group.add_argument("--threads", type=non_negative, default=0, metavar="N", help="of the CPU")
    group.add_argument("--gpu-layers", default="auto", metavar="L",
                       help="auto, none, all, or how many")  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    what: list[str] = arguments.what
    if what and what[0] == "bench":
        return _bench(arguments, what[1:])
    from hyperllama.models.gguf import find_models, read_metadata, resolve_model

    folders = [Path(w).expanduser() for w in what]
    if what and not all(f.is_dir() for f in folders):
        models = [
            m
            for w, f in zip(what, folders, strict=True)
            for m in (find_models([f]) if f.is_dir() else [read_metadata(resolve_model(w))])
        ]
    else:
        models = find_models(folders or None)
    if arguments.names:
        for model in models:
            print(one_line(model_name(model.path)))
        return 0
    from hyperllama.models.gguf import machine

    here = machine()
    rows = [describe(model, here, arguments.context) for model in models]
    if arguments.json:
        print_json(rows)
    elif not rows:
        print("no GGUF file found; name a folder: hyperllama models FOLDER")
    elif what and len(what) == len(rows) == 1 and not folders[0].is_dir():
        _print_one(models[0], rows[0])
    else:
        head = ("MODEL", "WHAT", "WEIGHTS", "QUANT", "FILE", "CONTEXT", "MEMORY", "FITS")
        print_table([head, *map(_cells, rows)])
        print(_free(here))
    return 0


def describe(model: ModelFile, here: Machine, context: int | None = None) -> dict[str, Any]:
    """One model as plain values; memory is what loading it takes, roughly.

    Args:
        context: tokens; None takes the model's own, capped.
    """
    from hyperllama.models.gguf import default_context, fit

    usable = not model.problem
    length = default_context(model, context or 0)
    placed = fit(model, length, here)
    return {
        "name": model_name(model.path),
        "title": model.name,
        "path": str(model.path),
        "architecture": model.architecture,
        "parameters": model.parameters,
        "quantisation": model.quantisation,
        "size_mb": round(model.size_mb, 1),
        "trained_context": model.trained_context,
        "context_length": length if usable else 0,
        "memory_mb": round(placed.needed_mb) if usable else 0,
        "ram_mb": round(placed.ram_mb) if usable else 0,
        "gpu_mb": round(placed.gpu_mb) if usable else 0,
        "free_mb": round(here.free_mb),
        "layers": placed.layers,
        "gpu_layers": placed.gpu_layers if usable else 0,
        "fits": usable and placed.fits,
        "chat": model.has_chat_template,
        "embedded": model.is_embedded_dialect,
        "problem": model.problem,
    }


def _cells(r: dict[str, Any]) -> tuple[str, ...]:
    return (
        one_line(r["name"])[:48],
        f"{one_line(r['architecture'])[:16]} {'' if r['problem'] else _kind(r)}".strip() or "-",
        magnitude(r["parameters"]),
        one_line(r["quantisation"])[:8] or "-",
        size(r["size_mb"]),
        str(r["trained_context"] or "-"),
        f"{size(r['memory_mb'])} at {r['context_length']}" if r["memory_mb"] else "-",
        one_line(r["problem"]) or _fits(r),
    )


def _kind(r: dict[str, Any]) -> str:
    return "embedded" if r["embedded"] else "chat" if r["chat"] else _NO_TEMPLATE


_NO_TEMPLATE = "no chat template"
BASE = "a base model: it continues a plain text that ends in the trials, without reasoning"


def _fits(r: dict[str, Any]) -> str:
    if r["fits"] and not r["embedded"] and r["context_length"] < _ROOMY:
        return f"too small for most tasks: a context of {r['context_length']} tokens"
    on_gpu = f"{r['gpu_layers']} of {r['layers']} layers on GPU" if r["gpu_layers"] else ""
    if r["fits"]:
        return f"yes, {on_gpu}" if on_gpu else "yes"
    return f"no: needs {size(r['ram_mb'] - r['free_mb'])} more" + (f", {on_gpu}" if on_gpu else "")


def _free(here: Machine) -> str:
    """What memory there is, and whether GPUs can be used, in one or more sentences."""
    parts = [f"free: {size(here.free_mb)} of main memory"]
    parts += [f"{size(g.free_mb)} of {size(g.total_mb)} on {one_line(g.name)}" for g in here.gpus]
    text = ", ".join(parts)
    if here.gpus and not here.backends:
        text += "; llama.cpp was built for the CPU alone (`hyperllama doctor` says what to do)"
    return text


def _print_one(model: ModelFile, row: dict[str, Any]) -> None:
    """Everything about one model, with the memory it takes at several context lengths."""
    from hyperllama.models.gguf import estimate_memory_mb

    for key, value in (
        ("name", row["title"]),
        ("file", f"{row['path']}, {size(row['size_mb'])}"),
        ("architecture", row["architecture"]),
        ("weights", f"{magnitude(row['parameters'])}, {row['quantisation']}"),
        ("layers", model.layers or "-"),
        ("vocabulary", model.vocabulary or "-"),
        ("trained context", f"{model.trained_context or '-'} tokens"),
        ("kind", _kind(row)),
        *([("asked", BASE)] if _kind(row) == _NO_TEMPLATE else []),
        ("fits", row["problem"] or _fits(row)),
    ):
        print(f"{key:16}{one_line(str(value))}")
    if not row["problem"]:
        most = max(model.trained_context, row["context_length"])
        lengths = sorted({n for n in (2048, 8192, 32768) if n < most} | {row["context_length"]})
        for length in lengths:
            needed = size(estimate_memory_mb(model, length))
            print(f"{'memory':16}{needed} with a context of {length} tokens")
    for key, text in model.metadata.items():
        if key not in ("name", "architecture", "file_type") and len(text) < 200:
            print(f"{one_line(key).removeprefix('hyperllama.'):16}{one_line(text)}")


def _bench(arguments: argparse.Namespace, names: list[str]) -> int:
    from hyperllama.core.errors import ModelFileError
    from hyperllama.core.storage.paths import home
    from hyperllama.core.study.starting.options import gpu_layers
    from hyperllama.models.engine import EngineSettings
    from hyperllama.models.engine.speed import measure
    from hyperllama.models.gguf import resolve_model

    if not names:
        raise ModelFileError("bench of which model?", "`hyperllama models bench NAME|FILE`")
    paths = [resolve_model(name) for name in names]
    try:
        layers = gpu_layers(arguments.gpu_layers)
    except ValueError as error:
        raise ModelFileError(
            f"--gpu-layers is {arguments.gpu_layers!r}", "allowed: auto, none, all, or a number"
        ) from error
    shown = sys.stderr.isatty() and not arguments.json

    def step(test: str, rate: float) -> None:
        if shown:
            print(f"\r\x1b[K{test} {rate:.1f} tokens/s", end="", file=sys.stderr, flush=True)

    found = []
    for path in paths:
        speed = measure(
            path, EngineSettings(gpu_layers=layers, threads=arguments.threads),
            prompt=arguments.prompt, generate=arguments.generate,
            repetitions=arguments.repetitions, log=home() / "engine.log", on_step=step,
        )  # fmt: skip
        if shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
        info = speed.info
        row = {
            "model": model_name(path), "path": str(path), "parameters": info.parameters,
            "quantisation": info.quantisation, "threads": info.threads,
            "gpu_layers": info.gpu_layers, "load_s": round(info.load_s, 3),
            "peak_memory_mb": round(speed.peak_mb, 1),
            "tests": [
                {"test": r.name, "tokens_per_s": round(r.mean, 2), "sd": round(r.sd, 2),
                 "values": [round(v, 2) for v in r.values]}
                for r in speed.rates
            ],
        }  # fmt: skip
        found.append(row)
    if arguments.json:
        print_json(found)
    else:
        _print_speeds(found)
    return 0


def _print_speeds(found: list[dict[str, Any]]) -> None:
    rows = [("MODEL", "WEIGHTS", "QUANT", "THREADS", "GPU", "TEST", "TOKENS/S", "PEAK")]
    rows += [
        (
            row["model"][:32], magnitude(row["parameters"]), row["quantisation"],
            str(row["threads"]), str(row["gpu_layers"]), test["test"],
            f"{test['tokens_per_s']:.2f} ± {test['sd']:.2f}", size(row["peak_memory_mb"]),
        )
        for row in found
        for test in row["tests"]
    ]  # fmt: skip
    print_table(rows, right=(1, 3, 4, 6, 7))
