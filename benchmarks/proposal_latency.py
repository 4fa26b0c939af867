"""Seconds per proposal of a chat model: this program against the plain way to do it.

    python benchmarks/proposal_latency.py [--vocabulary FILE] [--size half|small] [--quick] [--json]
        [--templates NAME]

The plain way is llama-cpp-python's `create_chat_completion` with a JSON schema and all trials in
the prompt, with the same model, threads and context in the same run: "warm", where its prefix cache
holds all but the newest trial, and "cold", where the prompt was rewritten from its beginning.
Measured at trials 5, 15 and 30, with 4 and 10 hyperparameters, without chain of thought. Then: how
many of the tokens evaluated were new, the speed of decoding beside a bare loop of `llama_decode`,
and seconds per proposal at trial 1,000 beside trial 50 in a context of 4,096 tokens.

`ours_s` is the wait from a trial's score to the next proposal; `ahead_s` is what was read before,
while the trial ran. `cpu_ratio` compares processor time, which is steadier than the clock on a busy
machine, `all_ratio` too but with what was read ahead. `floor_s` is what is left to gain: the tokens
that were not known before the score, read as fast as a long prompt, and those of the values at the
speed of the bare loop.

The model has random weights behind a real tokenizer (`--vocabulary`, by default Qwen2's from the
folder $HYPERLLAMA_VOCABULARIES, without one a vocabulary made up in its size) and half a billion
of them. It writes shorter numbers than a real one, above all in our replies. So `same_ratio` is the
processor time for replies that hold the same configuration: the plain way is led to it, with as
many digits as a real model writes, by a logits processor; ours is what it took, and for each token
that the configuration's row has more than the reply what a token of the reply took. A model of
below a billion weights writes tenths of the ranges, and the program places values within them;
with `--templates short` it writes digits.

With --json the last line is one object: `min_ratio` (least ratio to the warm plain way), ... Run it
on an idle machine; 10 minutes, with --quick and --size small less than one.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import psutil

from benchmarks.plain_proposals import CONTEXT, METRIC, PlainChat, Took, rounded
from hyperllama.core.estimators import Facts, joint_space
from hyperllama.core.prompt.levels import LevelNames
from hyperllama.core.prompt.wording import Names
from hyperllama.core.propose.llama import LlamaProposer
from hyperllama.core.space import Categorical, Config, Integer, Param, SearchSpace
from hyperllama.core.task.prompt_options import PromptOptions
from hyperllama.core.trials import (
    Answer,
    AskContext,
    Observed,
    Proposal,
    ProposerSetting,
    Question,
)
from hyperllama.models.engine import Engine, EngineSettings, Free, Generation
from tests.models.random_model import HALF_BILLION, SMALL, real_vocabularies, write_random

SIZES = {"half": HALF_BILLION, "small": SMALL}


def spaces() -> dict[int, SearchSpace]:
    """Search spaces of 4 and 10 hyperparameters, by their number."""
    xgboost = joint_space(["xgboost"], "classification", Facts(569, 30, 2))
    more = [
        Param("grow_policy", Categorical(("depthwise", "lossguide")), "depthwise", "growth order"),
        Param("max_bin", Integer(32, 1024, log=True), 256, "bins of a histogram"),
    ]
    ten = SearchSpace([*xgboost.params, *more])
    four = SearchSpace([ten[n] for n in ("learning_rate", "max_depth", "reg_lambda", "subsample")])
    return {4: four, 10: ten}


def history(space: SearchSpace) -> Callable[[int], Observed]:
    """Trials by number: random configurations and scores, the same for both sides."""

    def trial(number: int) -> Observed:
        rng = np.random.default_rng([7, number])
        config = {k: rounded(v) for k, v in space.sample(rng).items()}
        folds = tuple(round(float(x), 4) for x in rng.uniform(0.8, 0.95, 5))
        return Observed(number, config, float(np.mean(folds)), "", "llama", folds, 0.99, 1.0)

    return trial


class Ours:
    """The proposer `llama` of this program."""

    def __init__(
        self, model: Path, space: SearchSpace, threads: int, log: Path, cache: Path | None = None,
        templates: str = "", gpu_layers: str | int = "auto",
    ) -> None:  # fmt: skip
        self._space = space
        self._engine = Engine(log=log)
        self.events: list[object] = []
        self._proposer = LlamaProposer(
            ProposerSetting(
                task="tumours", kind="classification", metric=METRIC, estimators=("xgboost",),
                folds=5, dataset="569 rows, 30 features", model=str(model),
                make_engine=lambda: self._engine,
                engine=EngineSettings(
                    context_length=CONTEXT, threads=threads, gpu_layers=gpu_layers
                ),
                prompt=PromptOptions(reasoning=False, templates=templates),
                cache=cache, report=self.events.append,
            )
        )  # fmt: skip
        self._before: list[int] = []
        self._ahead = Took(0.0, 0.0)

    def run(self, trial: Observed) -> None:
        """The trial as it runs: the engine reads ahead meanwhile."""
        self._engine.finish_reading()
        begin, cpu_s = time.perf_counter(), self._cpu_s()
        proposal = Proposal(trial.config, "llama")
        self._proposer.read_ahead(self._space, AskContext(trial.number, 999), proposal)
        tokens = self._engine.finish_reading()
        self._ahead = Took(time.perf_counter() - begin, self._cpu_s() - cpu_s, tokens)
        self.tell(trial)

    def tell(self, trial: Observed) -> None:
        self._proposer.tell(trial)

    def ask(self, number: int, tokenize: Callable[[str], Sequence[int]] | None = None) -> Took:
        begin, cpu_s = time.perf_counter(), self._cpu_s()
        proposal = self._proposer.ask(self._space, AskContext(number, 1000 - number))
        took = Took(time.perf_counter() - begin, self._cpu_s() - cpu_s)
        record = proposal.record
        if proposal.proposer != "llama" or record["rejections"]:
            raise SystemExit(f"trial {number}: {proposal.fallback or record['rejections']}")
        took.config = proposal.config
        took.reply = int(record["tokens"]["generated"])
        took.ahead, took.ahead_s = self._ahead.reply, self._ahead.seconds
        took.ahead_cpu_s = self._ahead.cpu_s
        took.evaluated = int(record["tokens"]["evaluated"]) + took.ahead
        took.decode_s = took.reply / record["tokens"]["per_s"]
        if tokenize is not None:
            prompt = list(tokenize(record["prompt"]))
            same = 0
            for a, b in zip(prompt, self._before, strict=False):
                if a != b:
                    break
                same += 1
            took.new = len(prompt) - same + took.reply
            took.decoded = took.reply
            self._before = prompt
        return took

    def answer(self, question: Question) -> Answer:
        answer = self._proposer.answer(question)
        self._engine.finish_reading()
        return answer

    def _cpu_s(self) -> float:
        """Processor seconds so far, of this process and the engine's."""
        spent = psutil.Process().cpu_times()
        own = psutil.Process(self._engine.pid).cpu_times() if self._engine.pid else spent
        return spent.user + spent.system + own.user + own.system

    def close(self) -> None:
        self._proposer.close()


def compared(
    model: Path, plain: PlainChat, threads: int, at: Sequence[int], repeats: int, log: Path,
    templates: str,
) -> Iterator[dict[str, Any]]:
    """A row of the table for every space and trial."""
    for size, space in spaces().items():
        trial_of = history(space)
        ours, told = Ours(model, space, threads, log, templates=templates), 0
        for number in at:
            reading_s, token_s = plain.reading_s(), plain.bare(16).cpu_s / 16
            while told < number - 1:
                ours.tell(trial_of(told))
                told += 1
            ours.ask(told, plain.tokenize)  # what a running study has in its cache
            mine: list[Took] = []
            for _ in range(repeats):
                ours.run(trial_of(told))
                told += 1
                mine.append(ours.ask(told, plain.tokenize))
            warm, failure = asked(plain, space, trial_of, number, repeats)
            before = [trial_of(i) for i in range(number)]
            names, like = Names(space), trial_of(number).config
            row_tokens = len(plain.tokenize(row_text(space, like, templates)))
            led = asked_led(plain, space, before, names.config(like))
            cold = plain.ask(space, before, True)
            row: dict[str, Any] = {
                "hyperparameters": size,
                "trial": number,
                "ours_s": median(t.seconds for t in mine),
                "ahead_s": median(t.ahead_s for t in mine),
                "ours_cpu_s": median(t.cpu_s for t in mine),
                "floor_s": median(
                    (t.evaluated - t.ahead - t.decoded) * reading_s + t.decoded * token_s
                    for t in mine
                ),
                "ours_reply": int(median(t.reply for t in mine)),
                "evaluated_of_new": median(t.evaluated / t.new for t in mine),
                "warm_s": median(t.seconds for t in warm) if warm else None,
                "warm_reply": int(median(t.reply for t in warm)) if warm else None,
                "cold_s": cold.seconds if isinstance(cold, Took) else None,
                "plain_fails": failure or (cold if isinstance(cold, str) else ""),
            }
            if warm:
                row["ratio"] = row["warm_s"] / row["ours_s"]
                warm_cpu_s = median(t.cpu_s for t in warm)
                row["warm_cpu_s"] = warm_cpu_s
                row["cpu_ratio"] = warm_cpu_s / row["ours_cpu_s"]
                row["all_ratio"] = warm_cpu_s / median(t.cpu_s + t.ahead_cpu_s for t in mine)
                row["floor_ratio"] = warm_cpu_s / row["floor_s"]
            if isinstance(led, Took):
                same = median(
                    t.cpu_s + (row_tokens - t.decoded) * t.decode_s / t.decoded for t in mine
                )
                row |= {"same_tokens": (row_tokens, led.reply), "same_ratio": led.cpu_s / same}
            if isinstance(cold, Took):
                row["cold_cpu_ratio"] = cold.cpu_s / row["ours_cpu_s"]
            if row["cold_s"]:
                row["cold_ratio"] = row["cold_s"] / row["ours_s"]
            yield row
        ours.close()


def row_text(space: SearchSpace, config: Config, templates: str) -> str:
    """A configuration as the reply writes it: in digits with the prompt `short`, else in tenths."""
    names = Names(space) if templates == "short" else LevelNames(space, False, 10)
    return ",".join(names.bare(n, config[n]) for n in space.names)


def asked(
    plain: PlainChat,
    space: SearchSpace,
    trial_of: Callable[[int], Observed],
    number: int,
    repeats: int,
) -> tuple[list[Took], str]:
    """The warm plain way at a trial and the following ones; and why it failed if it did."""
    found: list[Took] = []
    first = plain.ask(space, [trial_of(i) for i in range(number - 1)], True)
    if isinstance(first, str):
        return [], first
    for n in range(number, number + repeats):
        took = plain.ask(space, [trial_of(i) for i in range(n)], False)
        if isinstance(took, str):
            return found, took
        found.append(took)
    return found, ""


def asked_led(
    plain: PlainChat, space: SearchSpace, trials: Sequence[Observed], reply: str
) -> Took | str:
    """The warm plain way, led to a reply."""
    first = plain.ask(space, trials[:-1], True)
    return first if isinstance(first, str) else plain.ask(space, trials, False, reply)


def long_studies(model: Path, threads: int, at: Sequence[int], log: Path) -> dict[int, float]:
    """Mean seconds per proposal over as many trials as lie between two summaries, by trial."""
    space = spaces()[4]
    trial_of = history(space)
    found = {}
    for number in at:
        ours = Ours(model, space, threads, log)
        for i in range(number):
            ours.tell(trial_of(i))
        ours.ask(number)
        seconds = []
        for i in range(number, number + 24):
            ours.run(trial_of(i))
            seconds.append(ours.ask(i + 1).seconds)
        found[number] = statistics.fmean(seconds)
        ours.close()
    return found


def decoding(
    model: Path, plain: PlainChat, threads: int, count: int, log: Path
) -> dict[str, float]:
    """Free text, ours beside a bare loop: tokens per second, the best of five in turn, and the
    share of the bare loop's speed in processor time."""
    mine: list[Took] = []
    bare: list[Took] = []
    with Engine(log=log) as engine:
        engine.load(model, EngineSettings(context_length=CONTEXT, threads=threads))
        child = psutil.Process(engine.pid)
        for seed in range(5):
            cpu = child.cpu_times()
            made = engine.generate(
                Generation([100], [Free("text", count)], temperature=0.7, seed=seed)
            )
            after, tokens = child.cpu_times(), made.generated_tokens
            spent = after.user + after.system - cpu.user - cpu.system
            if tokens < count // 2:
                continue  # it ended its reply
            mine.append(Took(tokens / made.tokens_per_s, spent, tokens))
            bare.append(plain.bare(tokens))
    speed, bare_speed = (max(t.reply / t.seconds for t in found) for found in (mine, bare))
    cpu_s, bare_cpu_s = (sum(t.cpu_s for t in found) for found in (mine, bare))
    return {
        "decode_per_s": speed, "bare_per_s": bare_speed, "decode_share": speed / bare_speed,
        "decode_cpu_share": bare_cpu_s / cpu_s,
    }  # fmt: skip


def median(values: Any) -> float:
    return float(statistics.median(values))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--vocabulary", type=Path, help="GGUF file with the tokenizer")
    parser.add_argument("--model", type=Path, help="measure this GGUF file instead")
    parser.add_argument("--size", choices=SIZES, default="half")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="one proposal each, no long study")
    parser.add_argument("--templates", default="", help="the prompt, where it is not the usual one")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    vocabulary = options.vocabulary or next(
        (p for p in real_vocabularies() if "qwen2" in p.name), None
    )
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "engine.log"
        model = options.model or write_random(
            Path(folder) / "random.gguf", vocabulary, SIZES[options.size]
        )
        result = measure(model, options.threads, options.quick, log, options.templates)
    result["model"] = str(options.model or f"{options.size}, {vocabulary or 'made-up vocabulary'}")
    if options.json:
        print(json.dumps(result))


def measure(
    model: Path, threads: int, quick: bool, log: Path, templates: str = ""
) -> dict[str, Any]:
    plain = PlainChat(model, threads)
    head = ("hyperparameters", "trial", "ours_s", "ahead_s", "warm_s", "cold_s", "ratio",
            "cold_ratio", "cpu_ratio", "cold_cpu_ratio", "all_ratio", "same_ratio", "floor_s",
            "floor_ratio", "ours_cpu_s", "warm_cpu_s", "ours_reply", "warm_reply", "same_tokens",
            "evaluated_of_new", "plain_fails")
    print("  ".join(head))
    rows = []
    for row in compared(model, plain, threads, (5, 15, 30), 1 if quick else 3, log, templates):
        rows.append(row)
        print("  ".join(f"{shown(row.get(h)):>{len(h)}}" for h in head), flush=True)
    result: dict[str, Any] = {
        "min_ratio": min(r["ratio"] for r in rows if "ratio" in r),
        "min_cpu_ratio": min(r["cpu_ratio"] for r in rows if "ratio" in r),
        "min_cold_ratio": min((r["cold_ratio"] for r in rows if "cold_ratio" in r), default=None),
        "min_all_ratio": min(r["all_ratio"] for r in rows if "ratio" in r),
        "min_same_ratio": min((r["same_ratio"] for r in rows if "same_ratio" in r), default=None),
        "max_evaluated_of_new": max(r["evaluated_of_new"] for r in rows),
    }
    result |= decoding(model, plain, threads, 32 if quick else 128, log)
    if not quick:
        long = long_studies(model, threads, (50, 1000), log)
        result |= {"trial_50_s": long[50], "trial_1000_s": long[1000],
                   "growth": long[1000] / long[50]}  # fmt: skip
    for name, value in result.items():
        print(f"{name:22} {shown(value)}")
    return {**{k: v and round(v, 3) for k, v in result.items()}, "rows": rows}


def shown(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
