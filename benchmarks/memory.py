"""Does the estimate of a model's memory hold? Loads it at some context lengths and measures.

    python benchmarks/memory.py FILE.gguf [FILE.gguf ...] --context 1024 4096 8192

For each: what `hyperllama models` says beforehand, the peak that the engine's process reached with
a full prompt and four replies side by side, and how far apart they are. An estimate below the peak,
or more than a tenth above it, ends with 1.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from pathlib import Path

from hyperllama.models.engine import Engine, EngineSettings, Fixed, Free, Generation, Number, OneOf
from hyperllama.models.gguf import estimate_memory_mb, memory_parts_mb, read_metadata


def peak_mb(pid: int) -> float:
    """The most main memory that a process ever had, MiB."""
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found.group(1)) / 1024


def measured(path: Path, context: int, kv_type: str, log: Path) -> float:
    """The engine's peak with a prompt that nearly fills the context."""
    with Engine(log=log) as engine:
        settings = EngineSettings(context_length=context, threads=1, gpu_layers="none",
                                  kv_type=kv_type)  # fmt: skip
        info = engine.load(path, settings)
        line = "the learning rate is 0.05, the depth is 6 and the loss was 0.4312\n"
        tokens = engine.count_tokens([line])[0]
        first = 400 // tokens  # instructions and space; then a part for every trial
        lines = (info.context_length - 250) // tokens - first
        prompt = [line * first, *[line] * max(lines, 0)]
        reply = [Free("t", 30), Fixed(" "), Number("x", 1e-4, 1, log=True, belief=True), Fixed(","),
                 OneOf("c", ("rbf", "linear", "poly"), belief=True)]  # fmt: skip
        engine.generate(Generation(prompt, reply, 0.7, samples=4))
        assert engine.pid is not None
        return peak_mb(engine.pid)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--context", type=int, nargs="+", default=[512, 2048, 8192])
    parser.add_argument("--kv-type", default="f16")
    options = parser.parse_args()
    bad = 0
    print(f"{'model':36} {'context':>8} {'estimate':>9} {'peak':>7} {'apart':>7}")
    with tempfile.TemporaryDirectory() as folder:
        for path in options.models:
            file = read_metadata(path)
            for context in options.context:
                told = estimate_memory_mb(file, context, options.kv_type)
                peak = measured(path, context, options.kv_type, Path(folder) / "engine.log")
                apart = told / peak - 1
                bad += not 0 <= apart <= 0.1
                parts = memory_parts_mb(file, context, options.kv_type)
                print(f"{path.stem[:36]:36} {context:8} {told:6.0f} MB {peak:4.0f} MB {apart:+7.1%}"
                      f"   {', '.join(f'{k} {v:.0f}' for k, v in parts.items())}", flush=True)
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
