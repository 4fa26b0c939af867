"""Whether a chat model keeps moving and keeps its pace over a long study in a short context.

    python benchmarks/long_study.py TASK.toml MODEL.gguf [--trials 64] [--context 2048] [--hybrid]

The model proposes, from the default on, for a task whose trials are really trained (each
configuration once, in the data folder). Printed are the largest share of the model's turns in which
a number had one value (within 1 % of its range), the best score beside the default's, and what a
proposal costs: seconds on the clock, and the processor seconds of the engine, which other programs
on the machine do not change; the median of the first and of the last 20 proposals, the very
first, which loads the model and reads the whole prompt, and the peak of all others.
Exits with 1 where a value was in more than a third of the turns, nothing is better than the
default, the last proposals take over 1.2 times as many processor seconds as the first, or one but
the very first takes more than three times the median.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hyperllama.core.experiments.cache import KeptTrials, default_file
from hyperllama.core.experiments.running.study_task import KeptRunner
from hyperllama.core.propose import make_proposer
from hyperllama.core.space import Categorical, Param
from hyperllama.core.trials import AskContext, Observed, Proposal
from hyperllama.core.trials.movement import SAME
from hyperllama.models.engine import Engine, EngineSettings

MOST_SHARE, MOST_SLOWER, MOST_PEAK = 1 / 3, 1.2, 3.0


def cpu_seconds(pid: int) -> float:
    """Processor seconds of a process so far; Linux only."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf8").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def share(p: Param, own: Sequence[Proposal]) -> tuple[float, object]:
    """The largest share of the turns in which it had one value, and that value."""
    values = [q.config[p.name] for q in own if p.name in q.config]
    at = [p.domain.to_unit(v) for v in values]
    counts = [sum(abs(a - b) < SAME for b in at) for a in at]
    best = max(range(len(at)), key=counts.__getitem__)
    return counts[best] / len(own), values[best]


def pace(name: str, seconds: Sequence[float]) -> tuple[float, float]:
    """Medians and peak, printed; (last 20 over first 20, peak over median)."""
    first, last, every = median(seconds[:20]), median(seconds[-20:]), median(seconds)
    peak = max(seconds[1:])
    print(f"{name}: median of the first 20 {first:.2f} s, of the last 20 {last:.2f} s "
          f"({last / first:.2f} times); the very first {seconds[0]:.2f} s, peak of the others "
          f"{peak:.2f} s ({peak / every:.2f} times the median)")  # fmt: skip
    return last / first, peak / every


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("task", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--trials", type=int, default=64)
    parser.add_argument("--context", type=int, default=2048)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--hybrid", action="store_true", help="as `hybrid`, not as `llama`")
    return parser.parse_args()


def main() -> int:
    asked = _asked()
    engines: list[Engine] = []

    def make_engine() -> Any:
        engines.append(Engine(log=log / f"{len(engines)}.log"))
        return engines[-1]

    def spent() -> float:
        return sum(cpu_seconds(e.pid) for e in engines if e.pid)

    kept = KeptTrials(default_file())
    log = Path(tempfile.mkdtemp())
    proposals: list[Proposal] = []
    clock_s: list[float] = []
    engine_s: list[float] = []
    with KeptRunner(asked.task, kept, log=log / "trials.log", threads=1) as runner:
        setting = runner.setting(asked.seed, asked.trials)
        settings = EngineSettings(context_length=asked.context, threads=1)
        proposer = make_proposer("hybrid" if asked.hybrid else "llama", setting=replace(
            setting, model=str(asked.model), make_engine=make_engine, engine=settings,
            cache=log / "engine.cache",
        ))  # fmt: skip
        default = runner.space.default()
        scores = [runner.evaluate(default)[0].value or float("-inf")]
        proposer.tell(Observed(0, default, scores[0], proposer="default"))
        for number in range(1, asked.trials):
            began, before = time.perf_counter(), spent()
            made = proposer.ask(runner.space, AskContext(number, asked.trials - number))
            clock_s.append(time.perf_counter() - began)
            engine_s.append(spent() - before)
            result = runner.evaluate(made.config)[0]
            value = result.value if result.state == "complete" else None
            proposals.append(made)
            scores.append(value if value is not None else float("-inf"))
            proposer.tell(Observed(
                number, made.config, value, result.reason, made.proposer, result.fold_scores,
                result.train_value, result.seconds, dict(result.facts), made.reasoning,
                made.fallback,
            ))  # fmt: skip
            print(f"{number} {made.proposer} {scores[-1]:.5g} {clock_s[-1]:.2f} s "
                  f"(engine {engine_s[-1]:.2f} s) {made.fallback}", flush=True)  # fmt: skip
        proposer.close()
        numbers = [p for p in runner.space.free if not isinstance(p.domain, Categorical)]
    own = [p for p in proposals if p.proposer == "llama"]
    print(f"{len(own)} of {len(proposals)} turns are the model's own")
    shares = {p.name: share(p, own) for p in numbers} if own else {}
    for name, (most, value) in shares.items():
        print(f"{name}: {value:.4g} in {most:.0%} of them")
    print(f"default {scores[0]:.5g}, best {max(scores[1:]):.5g}")
    pace("on the clock", clock_s)
    slower, peak = pace("engine's processor time", engine_s)
    good = (
        max((most for most, _ in shares.values()), default=1.0) <= MOST_SHARE
        and max(scores[1:]) > scores[0] and slower <= MOST_SLOWER and peak <= MOST_PEAK
    )  # fmt: skip
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
