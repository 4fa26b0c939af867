"""Seconds per proposal with a model's layers on a GPU, beside the processor in the same run.

    python benchmarks/gpu_offload.py FILE.gguf [--at cpu1 cpu half all] [--json FILE]
    python benchmarks/gpu_offload.py --size 8b --tokenizer FILE.gguf

Without a file the model has random weights (Q8_0) in the dimensions of a known one behind the
tokenizer of `--tokenizer`: its speed and memory are real, what it proposes is worth nothing.

The proposer `llama` is asked at trial 12 for the first time ("cold": the whole prompt is read, the
load not counted) and then after each of three trials ("warm": the wait from a score to the next
proposal; on a processor the rest was read ahead, which a GPU does not do), with

    cpu1    no layer on the GPU, one thread
    cpu     no layer on the GPU, a thread for every core but one, at most 16
    half    half of the layers on the GPU
    all     every layer on the GPU

"GPU MB" is by how much nvidia-smi's figure rose, "told" what HyperLlama's estimate gives for as
many layers. "same" counts the tokens of a greedy reply that are those of the first placement's, and
the proposals that are. Ends with 1 where fewer layers are on the GPU than were asked for.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.plain_proposals import CONTEXT
from benchmarks.proposal_latency import Ours, history, spaces
from hyperllama.core.events import ModelLoaded
from hyperllama.models.engine import Engine, EngineSettings, Free, Generation
from hyperllama.models.gguf import estimate_memory_mb, gpus, machine, memory_parts_mb, read_metadata
from tests.models.random_model import HALF_BILLION, Size, write_random

SIZES = {
    "135m": Size(576, 30, 9, 3, 1536),  # SmolLM2-135M
    "0.5b": HALF_BILLION,
    "1.7b": Size(2048, 24, 32, 32, 8192),  # SmolLM2-1.7B
    "8b": Size(4096, 32, 32, 8, 14336),  # Llama 3.1 8B
}
TRIALS = 12
REPLY = 48
OPENING = "Gradient boosting is a method of machine learning that"


def used_mb() -> float:
    """Memory of all GPUs that is in use, MiB."""
    return sum(g.total_mb - g.free_mb for g in gpus())


def measured(
    model: Path, name: str, layers: str | int, threads: int, repeats: int, log: Path
) -> dict[str, Any]:
    """One placement: seconds, memory, the proposals and a greedy reply."""
    before = used_mb()
    space = spaces()[10]
    trial_of = history(space)
    ours = Ours(model, space, threads, log, gpu_layers=layers)
    for number in range(TRIALS):
        ours.tell(trial_of(number))
    asked = [ours.ask(TRIALS)]
    loaded = next(e for e in ours.events if isinstance(e, ModelLoaded))
    ahead = []
    for number in range(TRIALS, TRIALS + repeats):
        ours.run(trial_of(number))
        asked.append(ours.ask(number + 1))
        ahead.append(asked[-1].ahead_s)
    taken = used_mb() - before
    ours.close()
    with Engine(log=log) as engine:
        info = engine.load(
            model, EngineSettings(context_length=CONTEXT, threads=threads, gpu_layers=layers)
        )
        reply = engine.generate(Generation(OPENING, [Free("text", REPLY)])).text
        tokens = engine.tokenize(reply)
    file = read_metadata(model)
    program = memory_parts_mb(file, CONTEXT)["program"]
    on_gpu = (estimate_memory_mb(file, CONTEXT) - program) * info.gpu_layers / (info.layers + 1)
    if on_gpu:
        on_gpu += machine().gpu_program_mb * len(gpus())
    return {
        "at": name,
        "gpu_layers": info.gpu_layers,
        "layers": info.layers + 1,
        "threads": info.threads,
        "load_s": loaded.seconds,
        "engine_load_s": info.load_s,
        "gpu_mb": taken,
        "told_mb": on_gpu,
        "ram_mb": info.memory_mb,
        "cold_s": asked[0].seconds - loaded.seconds,
        "warm_s": statistics.median(t.seconds for t in asked[1:]),
        "ahead_s": statistics.median(ahead),
        "tokens": [t.evaluated for t in asked],
        "reply_tokens": [t.reply for t in asked],
        "proposals": [t.config for t in asked],
        "reply": reply,
        "reply_ids": tokens,
        "notes": [*info.notes, *(e.text for e in ours.events if type(e).__name__ == "Noted")],
    }


def compared(rows: list[dict[str, Any]]) -> None:
    """Add to each row how it stands beside the first one, and the processor's with all threads."""
    first = rows[0]
    cpu = next((r for r in rows if r["at"] == "cpu"), first)
    for row in rows:
        same = 0
        for mine, other in zip(row["reply_ids"], first["reply_ids"], strict=False):
            if mine != other:
                break
            same += 1
        row["same_tokens"] = same
        row["same_proposals"] = sum(
            a == b for a, b in zip(row["proposals"], first["proposals"], strict=True)
        )
        for what in ("cold", "warm"):
            row[f"{what}_ratio"] = cpu[f"{what}_s"] / row[f"{what}_s"]
            row[f"{what}_ratio_first"] = first[f"{what}_s"] / row[f"{what}_s"]


def print_row(row: dict[str, Any]) -> None:
    print(
        f"{row['at']:5} {row['gpu_layers']:3} of {row['layers']:3} {row['threads']:7}"
        f" {row['load_s']:7.2f} {row['gpu_mb']:7.0f} {row['told_mb']:7.0f} {row['cold_s']:8.3f}"
        f" {row['warm_s']:8.3f} {row['cold_ratio']:7.1f} {row['warm_ratio']:7.1f}"
        f" {row['same_tokens']:4} of {len(row['reply_ids'])},"
        f" {row['same_proposals']} of {len(row['proposals'])}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, nargs="?")
    parser.add_argument("--size", choices=SIZES, default="135m")
    parser.add_argument("--tokenizer", type=Path, help="GGUF file whose tokenizer is taken")
    parser.add_argument("--at", nargs="+", choices=("cpu1", "cpu", "half", "all"),
                        default=["cpu1", "cpu", "half", "all"])  # fmt: skip
    parser.add_argument("--repeats", type=int, default=3, help="warm proposals")
    parser.add_argument("--json", type=Path, help="write what was measured there as well")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = options.model or write_random(
            Path(folder) / f"random-{options.size}.gguf", options.tokenizer, SIZES[options.size]
        )
        layers = read_metadata(model).layers + 1
        placements: dict[str, tuple[str | int, int]] = {
            "cpu1": ("none", 1), "cpu": ("none", 0), "half": (layers // 2, 0), "all": ("all", 0)
        }  # fmt: skip
        rows = [
            measured(model, name, *placements[name], options.repeats, Path(folder) / "engine.log")
            for name in options.at
        ]
    compared(rows)
    print(f"{model.stem}, context {CONTEXT}; {', '.join(g.name for g in gpus()) or 'no GPU'}")
    print("at    GPU layers threads  load s  GPU MB    told   cold s   warm s"
          " cold x  warm x  same tokens, proposals")  # fmt: skip
    for row in rows:
        print_row(row)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1, default=str), "utf8")
    wanted = {"half": layers // 2, "all": layers}
    return int(any(r["gpu_layers"] < wanted.get(r["at"], 0) for r in rows))


if __name__ == "__main__":
    sys.exit(main())
