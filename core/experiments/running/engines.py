"""One llama.cpp process for all runs of a process, so that a bench does not load a model a thousand
times. Runs of a process follow each other, so the engine never has two users at once.
"""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Any

from hyperllama.core.storage.paths import home

MOST = 3
"""Models kept loaded at once; the one unused for longest goes first."""

_loaded: collections.OrderedDict[tuple[Any, ...], tuple[Any, Any]] = collections.OrderedDict()


class SharedEngine:
    """Stands for an engine; `close` leaves it loaded for the next run.

    Args:
        make: makes a real engine.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._key: tuple[Any, ...] | None = None
        self._real: Any = None

    def load(self, path: Any, settings: Any, *rest: Any, **named: Any) -> Any:
        """Load a model, or take it over as an earlier run left it. Returns its `ModelInfo`."""
        key = (str(path), repr(settings))
        if key in _loaded:
            _loaded.move_to_end(key)
        else:
            real = self._make()
            try:
                _loaded[key] = real, real.load(path, settings, *rest, **named)
            except Exception:
                real.close()
                raise
            while len(_loaded) > MOST:
                _loaded.popitem(last=False)[1][0].close()
        self._key = key
        self._real, info = _loaded[key]
        return info

    def generate(self, *given: Any, **named: Any) -> Any:
        """As the real engine does; one that fails is ended, so that a new one is loaded next."""
        try:
            return self._real.generate(*given, **named)
        except Exception:
            if self._key is not None and self._key in _loaded:
                _loaded.pop(self._key)[0].close()
            raise

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def close(self) -> None:
        """Nothing: the next run goes on with it."""


def shared_engine() -> SharedEngine:
    """What proposers of a bench are given as their engine."""

    def make() -> Any:
        from hyperllama.models.engine import Engine

        return Engine(log=home() / "bench" / "engine.log")

    return SharedEngine(make)


def close_engines() -> None:
    """End every engine that was kept."""
    while _loaded:
        _loaded.popitem()[1][0].close()


def engines_peak_mb() -> float:
    """Most memory that the process of an engine that is loaded had at once, MiB; 0 without one."""
    from hyperllama.models.process.usage import peak_memory_mb

    return max((peak_memory_mb(real.pid) for real, _ in _loaded.values()), default=0.0)
