"""The plain way to let a chat model propose, which `proposal_latency.py` compares with.

llama-cpp-python's `create_chat_completion` with a JSON schema, all trials in the prompt.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hyperllama.core.prompt.wording import Names
from hyperllama.core.space import Categorical, Integer, Param, SearchSpace
from hyperllama.core.trials import Observed

CONTEXT = 4096
REPLY_TOKENS = 1024
METRIC = "roc_auc"


@dataclass
class Took:
    """One proposal: wall and processor seconds, tokens of its reply, evaluated, new of these.

    `decoded` of the reply's tokens were decoded, in `decode_s`; the same for what was read ahead.
    `config` is what was proposed.
    """

    seconds: float
    cpu_s: float
    reply: int = 0
    evaluated: int = 0
    new: int = 0
    decoded: int = 0
    decode_s: float = 0.0
    ahead_s: float = 0.0
    ahead_cpu_s: float = 0.0
    ahead: int = 0
    config: Any = None


def rounded(value: Any) -> Any:
    return float(f"{value:.4g}") if isinstance(value, float) else value


class PlainChat:
    """llama-cpp-python's chat completion with a JSON schema, all trials in the prompt."""

    def __init__(self, model: Path, threads: int) -> None:
        import llama_cpp

        self.llama = llama_cpp.Llama(
            str(model), n_ctx=CONTEXT, n_threads=threads, n_threads_batch=threads, seed=1,
            verbose=False,
        )  # fmt: skip

    def ask(
        self, space: SearchSpace, trials: Sequence[Observed], cold: bool, led_to: str = ""
    ) -> Took | str:
        """What it took, or why there is no proposal.

        Args:
            led_to: the reply that is wanted; its tokens are made likely.
        """
        if cold:
            self.llama.reset()
        leader = None
        if led_to:
            wanted = [*self.tokenize(led_to), self.llama.token_eos()]
            leader = self._leader(wanted)
        begin, cpu_s = time.perf_counter(), time.process_time()
        try:
            made = self.llama.create_chat_completion(
                messages(space, trials),
                response_format={"type": "json_object", "schema": schema(space)},
                temperature=0.7,
                max_tokens=REPLY_TOKENS,
                logits_processor=leader,
            )
        except ValueError as error:
            return str(error)
        took = Took(time.perf_counter() - begin, time.process_time() - cpu_s)
        took.reply = made["usage"]["completion_tokens"]
        choice = made["choices"][0]
        if choice["finish_reason"] != "stop":
            return f"its reply is cut after {took.reply} tokens"
        json.loads(choice["message"]["content"])
        return took

    @staticmethod
    def _leader(wanted: Sequence[int]) -> Any:
        from llama_cpp import LogitsProcessorList

        left = iter(wanted)

        def lead(_tokens: Any, logits: Any) -> Any:
            logits[next(left)] = 1e4
            return logits

        return LogitsProcessorList([lead])

    def reading_s(self, count: int = 256) -> float:
        """Processor seconds for each token of a long prompt."""
        self.llama.reset()
        cpu_s = time.process_time()
        self.llama.eval(list(range(1000, 1000 + count)))
        spent = time.process_time() - cpu_s
        self.llama.reset()
        return spent / count

    def tokenize(self, text: str) -> list[int]:
        return list(self.llama.tokenize(text.encode(), add_bos=False, special=True))

    def bare(self, count: int) -> Took:
        """llama_decode alone, token after token."""
        import llama_cpp

        context = self.llama._ctx.ctx
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(context), True)
        token = (llama_cpp.llama_token * 1)(100)
        begin, cpu_s = time.perf_counter(), time.process_time()
        for _ in range(count):
            if llama_cpp.llama_decode(context, llama_cpp.llama_batch_get_one(token, 1)):
                raise SystemExit("llama_decode failed")
            llama_cpp.llama_get_logits_ith(context, -1)
        took = Took(time.perf_counter() - begin, time.process_time() - cpu_s, count)
        self.llama.reset()
        return took


def messages(space: SearchSpace, trials: Sequence[Observed]) -> list[Any]:
    """The plain prompt: task, space, every trial as JSON, the question."""
    names = Names(space)
    lines = [
        f"Trial {t.number}: {names.config(t.config)} score {t.value:.5g}" for t in trials
    ]
    ranges = "\n".join(
        f"- {p.name}: {p.domain.describe()}, default {rounded(p.start)}; {p.description}"
        for p in space.params
    )
    return [
        {
            "role": "system",
            "content": "You are an expert in tuning machine-learning models. You get a task, a "
            "search space and the trials so far, and you propose the configuration of the next "
            "trial. A higher score is better. Never repeat a configuration. Reply with the "
            "configuration as one JSON object and nothing else.",
        },
        {
            "role": "user",
            "content": f"Task: tumours, classification with xgboost. Score: {METRIC}, the mean "
            f"over 5 folds. Data: 569 rows, 30 features.\n\nSearch space:\n{ranges}\n\n"
            "Trials so far:\n" + "\n".join(lines) + f"\n\nPropose trial {len(trials)}.",
        },
    ]


def schema(space: SearchSpace) -> dict[str, Any]:
    """The space as a JSON schema."""

    def one(p: Param) -> dict[str, Any]:
        if isinstance(p.domain, Categorical):
            return {"enum": list(p.domain.choices)}
        kind = "integer" if isinstance(p.domain, Integer) else "number"
        return {"type": kind, "minimum": p.domain.low, "maximum": p.domain.high}

    return {
        "type": "object",
        "properties": {p.name: one(p) for p in space.params},
        "required": list(space.names),
    }
