"""The engine: llama.cpp in a process of its own, asked for programmes of segments.

`Engine` starts it; nothing imported from here loads llama.cpp, numpy or pydantic.
"""

from hyperllama.models.engine.client import Engine
from hyperllama.models.engine.generation import (
    MAX_SAMPLES,
    Completion,
    Fixed,
    Free,
    Generated,
    Generation,
    Number,
    OneOf,
    Segment,
    Tokens,
)
from hyperllama.models.engine.messages import Load
from hyperllama.models.engine.settings import EngineSettings, ModelInfo

__all__ = [
    "MAX_SAMPLES",
    "Completion",
    "Engine",
    "EngineSettings",
    "Fixed",
    "Free",
    "Generated",
    "Generation",
    "Load",
    "ModelInfo",
    "Number",
    "OneOf",
    "Segment",
    "Tokens",
]
