"""The engine: llama.cpp in a child process, asked for programmes of segments."""

from hyperllama.models.engine.client import Engine
from hyperllama.models.engine.protocol import (
    Choice,
    Completion,
    EngineSettings,
    Fixed,
    Free,
    Generated,
    Generation,
    ModelInfo,
    Number,
    Segment,
    Tokens,
)

__all__ = [
    "Choice",
    "Completion",
    "Engine",
    "EngineSettings",
    "Fixed",
    "Free",
    "Generated",
    "Generation",
    "ModelInfo",
    "Number",
    "Segment",
    "Tokens",
]
