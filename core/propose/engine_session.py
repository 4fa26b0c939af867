"""A proposer's model: loaded when it is first needed, what happens to it reported."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from hyperllama.core.events import ModelLoaded, ModelLoading, Noted
from hyperllama.core.storage.paths import home
from hyperllama.core.trials import ProposerSetting
from hyperllama.models.engine import EngineSettings, Generated, Generation, ModelInfo


class EngineLike(Protocol):
    """What is used of `models.engine.client.Engine`; a stand-in in tests has the same."""

    starts: int

    def load(
        self,
        path: Path,
        settings: EngineSettings,
        on_progress: Callable[[float], None] | None = None,
    ) -> ModelInfo: ...

    def sha256(self) -> str: ...

    def count_tokens(self, texts: Iterable[str]) -> list[int]: ...

    def render_chat(
        self,
        messages: Sequence[Mapping[str, str]],
        *,
        variables: Mapping[str, Any] | None = None,
    ) -> str: ...

    def generate(
        self,
        request: Generation,
        on_text: Callable[[str], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Generated: ...

    def read_ahead(self, parts: Sequence[str]) -> None: ...

    def save_cache(self, path: Path) -> int: ...

    def restore_cache(self, path: Path) -> int: ...

    def close(self) -> None: ...


class EngineSession:
    """The engine of one proposer, with its model, for as long as the proposer lives.

    Args:
        setting: model, engine settings, where to log, whom to report to.
        path: the model's file.
    """

    def __init__(self, setting: ProposerSetting, path: Path) -> None:
        self.path = path
        self.settings: EngineSettings = setting.engine or EngineSettings()
        self._setting = setting
        self._engine: EngineLike | None = None
        self._info: ModelInfo | None = None
        self._generated = False
        self._cache = setting.cache

    @property
    def info(self) -> ModelInfo:
        """The model as it was loaded; loads it if need be.

        Raises:
            EngineError, ModelFileError: it cannot be loaded.
        """
        self._opened()
        assert self._info is not None
        return self._info

    @property
    def sha256(self) -> str:
        """Hash of the model's file; waits while a large one is being read."""
        return self.info.sha256 or self._opened().sha256()

    def count(self, text: str) -> int:
        """Tokens of a piece of text, without what begins a context."""
        return self._opened().count_tokens([text])[0]

    def render_chat(
        self,
        messages: Sequence[Mapping[str, str]],
        variables: Mapping[str, Any] | None = None,
    ) -> str:
        """The text of a conversation; `variables` are further names for the model's template."""
        return self._opened().render_chat(messages, variables=variables)

    def generate(
        self,
        request: Generation,
        on_text: Callable[[str], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Generated:
        """Run a programme. The engine starts again by itself where it died; that is reported.

        Raises:
            EngineError: it cannot be done, or the process died twice.
        """
        engine = self._opened()
        before = engine.starts
        self._generated = True
        made = engine.generate(request, on_text, should_stop)
        if engine.starts > before:
            self._setting.report(
                Noted("warning", "the engine died and was started again",
                      "engine.log in the study's folder has its last words")
            )
        return made

    def read_ahead(self, parts: Sequence[str]) -> None:
        """Let the engine read what the next prompt will begin with, while something else runs."""
        if self._engine is not None and parts:
            self._engine.read_ahead(parts)

    def close(self) -> None:
        engine, self._engine, self._info = self._engine, None, None
        if engine is None:
            return
        try:
            if self._cache is not None and self._generated:
                engine.save_cache(self._cache)
        finally:
            engine.close()

    def _opened(self) -> EngineLike:
        if self._engine is not None:
            return self._engine
        report, name = self._setting.report, self.path.stem
        report(ModelLoading(name, 0.0))
        started = time.monotonic()
        engine = self._made()
        try:
            self._info = engine.load(
                self.path, self.settings, lambda fraction: report(ModelLoading(name, fraction))
            )
        except BaseException:
            engine.close()
            raise
        self._engine = engine
        if self._cache is not None and self._cache.exists():
            engine.restore_cache(self._cache)
        report(ModelLoaded(name, time.monotonic() - started, _facts(self._info)))
        return engine

    def _made(self) -> EngineLike:
        if self._setting.make_engine is not None:
            made: EngineLike = self._setting.make_engine()
            return made
        from hyperllama.models.engine import Engine

        log = self._setting.log or home() / "engine.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        return Engine(log=log)


def _facts(info: ModelInfo) -> dict[str, Any]:
    """A model as the event tells of it."""
    facts = asdict(info)
    facts["file_mb"] = facts.pop("size_mb")
    facts["notes"] = list(info.notes)
    facts["metadata"] = dict(info.metadata)
    return facts
