"""Whether every proposal of a chat model lies in its space, whatever the tokenizer and the space.

    python benchmarks/valid_proposals.py [--vocabularies FOLDER] [--proposals 1000] [--only NAME]

For every `ggml-vocab-*.gguf` in the folder ($HYPERLLAMA_VOCABULARIES by default), and for one
vocabulary made up, a small model of random weights proposes in random search spaces (1 to 20
hyperparameters, see tests/core/random_spaces.py) at temperatures from 0 to 2. Exits with 1 if a
proposal lay outside its space, needed a second reply for that, or was not the model's.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from hyperllama.core.propose.chat import ChatProposer
from hyperllama.core.task.prompt_options import PromptOptions
from hyperllama.core.trials import AskContext, Exhausted, Observed, ProposerSetting
from hyperllama.models.engine import Engine, EngineSettings
from tests.core.random_spaces import random_space
from tests.models.random_model import real_vocabularies, write_random


class Shared:
    """One loaded engine for many proposers."""

    def __init__(self, model: Path, log: Path) -> None:
        self.engine = Engine(log=log)
        settings = EngineSettings(context_length=8192, threads=1, gpu_layers="none")
        self._info = self.engine.load(model, settings)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)

    def load(self, *_: Any) -> Any:
        return self._info

    def close(self) -> None:
        """Left open for the next proposer."""


def tried(model: Path, proposals: int, log: Path) -> Counter[str]:
    """How the proposals of a model came out: "valid", "repeated", or what was wrong."""
    engine = Shared(model, log)
    outcomes: Counter[str] = Counter()
    for seed in range(proposals):
        rng = np.random.default_rng([11, seed])
        space = random_space(rng)
        proposer = ChatProposer(
            ProposerSetting(
                seed=seed,
                metric="r2",
                model=str(model),
                make_engine=lambda: engine,
                temperature=float(rng.choice((0.0, 0.7, 2.0))),
                prompt=PromptOptions(reasoning=seed % 4 == 0, reasoning_tokens=8),
            )
        )
        for number in range(int(rng.integers(4))):
            proposer.tell(Observed(number, space.sample(rng), float(rng.random())))
        try:
            proposal = proposer.ask(space, AskContext(9))
        except Exhausted:  # a space of few configurations, all of them tried
            outcomes["valid"] += 1
            continue
        rejections = proposal.record.get("rejections", [])
        wrong = [r for r in rejections if not r.startswith("it repeats")]
        if not space.contains(proposal.config) or wrong:
            outcomes[f"outside: {wrong or proposal.config}"] += 1
        elif proposal.proposer != "llama" and not rejections:
            outcomes[f"not the model's: {proposal.fallback}"] += 1
        else:
            outcomes["repeated" if rejections else "valid"] += 1
    engine.engine.close()
    return outcomes


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--vocabularies", type=Path)
    parser.add_argument("--proposals", type=int, default=1000)
    parser.add_argument("--only", default="", help="vocabularies whose name has this in it")
    options = parser.parse_args()
    found = [None, *real_vocabularies(options.vocabularies)]
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        for source in found:
            name = source.stem.removeprefix("ggml-vocab-") if source else "made up"
            if options.only not in name:
                continue
            begin = time.perf_counter()
            model = write_random(Path(folder) / "random.gguf", source)
            outcomes = tried(model, options.proposals, Path(folder) / "engine.log")
            fine = outcomes.pop("valid", 0) + outcomes["repeated"]
            repeated = outcomes.pop("repeated", 0)
            bad += sum(outcomes.values())
            took = time.perf_counter() - begin
            print(f"{name:16} {fine} in the space ({repeated} asked again because they repeated a "
                  f"trial), {sum(outcomes.values())} not, {took:.0f} s", flush=True)  # fmt: skip
            for why, count in outcomes.most_common(5):
                print(f"    {count} {why[:600]}")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
