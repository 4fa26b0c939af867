"""What a proposal of an embedded model costs beyond llama_decode itself, through the child process.

    python benchmarks/engine_overhead.py [--model embedded] [--repeats 50] [--json]

300 prompt tokens, nothing of them cached, 25 single-token segments with their beliefs. With --json
the last line is an object with `overhead_ms` (median of wall time minus time in llama_decode),
`wall_ms` and `native_ms`. Run it on an idle machine.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hyperllama.models.engine import Engine, EngineSettings, Generation, Tokens
from hyperllama.models.gguf import resolve_model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--repeats", type=int, default=50)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rng = random.Random(0)
    wall_ms, native_ms = [], []
    with (
        tempfile.TemporaryDirectory() as folder,
        Engine(log=Path(folder) / "engine.log") as engine,
    ):
        info = engine.load(resolve_model(options.model), EngineSettings(threads=1))
        segments = [Tokens(f"t{i}", tuple(range(100, 200)), belief=True) for i in range(25)]
        for seed in range(options.repeats):
            prompt = [rng.randrange(2, min(info.vocabulary, 500)) for _ in range(300)]
            begin = time.perf_counter()
            made = engine.generate(Generation(prompt, segments, 1.0, seed=seed))
            wall_ms.append(1e3 * (time.perf_counter() - begin))
            native_ms.append(1e3 * (made.prompt_s + made.decode_s))
    overhead_ms = [w - n for w, n in zip(wall_ms, native_ms, strict=True)]
    result = {
        "model": info.name,
        "wall_ms": round(statistics.median(wall_ms), 2),
        "native_ms": round(statistics.median(native_ms), 2),
        "overhead_ms": round(statistics.median(overhead_ms), 2),
        "least_overhead_ms": round(min(overhead_ms), 2),
    }
    print("\n".join(f"{name:18} {value}" for name, value in result.items()))
    if options.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
