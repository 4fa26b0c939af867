"""Requests to the engine survive the pipe, answers are checked, and nothing heavy is loaded."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from hyperllama.models.engine import (
    EngineSettings,
    Fixed,
    Free,
    Generation,
    Load,
    Number,
    OneOf,
    Tokens,
)
from hyperllama.models.engine.messages import (
    CountTokens,
    EngineRequest,
    FinishReading,
    Generate,
    RenderChat,
    SaveCache,
    Tokenize,
    answer_of,
    event_of,
    request_of,
)
from hyperllama.models.errors import EngineError

SEGMENTS = (
    Fixed("a: ", special=True),
    Free("why", 12, ("\n",)),
    Number("lr", 1e-5, 1.0, belief=True),
    OneOf("kernel", ("rbf", "zü")),
    Tokens("t", (5, 6), belief=True),
)


def sent(request: EngineRequest[Any]) -> Any:
    """What the engine reads of a request."""
    message = {"id": 1, "do": type(request).__name__, **vars(request)}
    return request_of(json.loads(json.dumps(message, default=vars)))


@pytest.mark.parametrize(
    "request_",
    [
        Load("m.gguf", EngineSettings(threads=1, gpu_layers="none"), ["a note"]),
        Generate(Generation(["one ", "two"], SEGMENTS, 0.5, seed=3, samples=2)),
        CountTokens(["", "x"]),
        RenderChat([{"role": "user", "content": "hi"}], True, {"enable_thinking": False}),
        SaveCache("engine.cache", 10),
        FinishReading(),
    ],
    ids=lambda r: type(r).__name__,
)
def test_requests_survive_the_pipe(request_: EngineRequest[Any]) -> None:
    assert sent(request_) == request_


@pytest.mark.parametrize("answer", [None, "12", [1, "x"], {"ids": [1]}])
def test_an_answer_of_another_type_is_refused(answer: object) -> None:
    request = Tokenize("a", special=False)
    assert answer_of(request, {"id": 1, "done": [1, 2]}) == [1, 2]
    with pytest.raises(EngineError, match="is no"):
        answer_of(request, {"id": 1, "done": answer})


def test_an_unknown_event_is_refused() -> None:
    assert event_of({"id": 1, "event": "progress", "share": 0.5}).share == 0.5
    with pytest.raises(EngineError, match="is no"):
        event_of({"id": 1, "event": "rumour"})


def test_asking_loads_nothing_heavy() -> None:
    code = (
        "import sys, hyperllama.models.engine, hyperllama.models.gguf, hyperllama.models.process\n"
        "print(*({'numpy', 'pydantic', 'psutil', 'llama_cpp'} & {*sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
