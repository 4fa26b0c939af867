"""Tunes machine-learning models on your own tables with a local language model, offline.

`from hyperllama import LlamaSearchCV`. Names are imported when they are used, so that `hyperllama
--help` answers at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hyperllama.core.api.sampler import LlamaSampler
    from hyperllama.core.api.search_cv import LlamaSearchCV
    from hyperllama.core.api.studies import StudyResult, read_study, resume, run
    from hyperllama.core.predict import FittedModel, load
    from hyperllama.core.space import SearchSpace
    from hyperllama.core.task import load_task

__version__ = "0.4.0"
__all__ = [
    "FittedModel",
    "LlamaSampler",
    "LlamaSearchCV",
    "SearchSpace",
    "StudyResult",
    "load",
    "load_task",
    "read_study",
    "resume",
    "run",
]

_MODULES = {
    "FittedModel": "core.predict.model",
    "LlamaSampler": "core.api.sampler",
    "LlamaSearchCV": "core.api.search_cv",
    "SearchSpace": "core.space",
    "StudyResult": "core.api.studies",
    "load": "core.predict.model",
    "load_task": "core.task",
    "read_study": "core.api.studies",
    "resume": "core.api.studies",
    "run": "core.api.studies",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'hyperllama' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"hyperllama.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULES])
