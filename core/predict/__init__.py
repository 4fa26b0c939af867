"""Predicting new rows with a model that was exported: no study, no task, no search in here.

It gives `load` and `FittedModel`. Everything below but `boxed` is also what `predict.py` in an
export folder consists of (`report.bundle`), so these files import nothing of HyperLlama but
`core.errors`, `core.text` and two files of `core.data`. Heavy libraries are imported where used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hyperllama.core.predict.boxed import load
    from hyperllama.core.predict.model import FittedModel

__all__ = ["FittedModel", "load"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from hyperllama.core.predict import boxed

    return getattr(boxed, name)
