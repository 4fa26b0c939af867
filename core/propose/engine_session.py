"""A proposer's model: loaded when it is first needed, loaded again when its process died."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol, TypeVar

from core.errors import ChildDied, EngineError
from core.events import ModelLoaded, ModelLoading, Noted
from core.paths import home
from core.propose.setting import ProposerSetting
from models.engine.protocol import EngineSettings, Generated, Generation, ModelInfo

T = TypeVar("T")


class EngineLike(Protocol):
    """What is used of `models.engine.client.Engine`; a stand-in in tests has the same."""

    def load(
        self,
        path: Path,
        settings: EngineSettings,
        on_progress: Callable[[float], None] | None = None,
    ) -> ModelInfo: ...

    def tokenize(self, text: str, special: bool = True) -> list[int]: ...

    def render_chat(
        self, messages: Sequence[Mapping[str, str]], add_generation_prompt: bool = True
    ) -> str: ...

    def generate(
        self,
        request: Generation,
        on_text: Callable[[str], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Generated: ...

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

    @property
    def info(self) -> ModelInfo:
        """The model as it was loaded; loads it if need be.

        Raises:
            EngineError, ModelFileError: it cannot be loaded.
        """
        self._opened()
        assert self._info is not None
        return self._info

    def tokenize(self, text: str, special: bool = True) -> list[int]:
        return self._call(lambda engine: engine.tokenize(text, special))

    def render_chat(self, messages: Sequence[Mapping[str, str]]) -> str:
        return self._call(lambda engine: engine.render_chat(messages))

    def generate(
        self,
        request: Generation,
        on_text: Callable[[str], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Generated:
        """Run a programme; once more with a new process where the old one died meanwhile.

        Raises:
            EngineError: it cannot be done, or the process died twice.
        """
        return self._call(lambda engine: engine.generate(request, on_text, should_stop))

    def close(self) -> None:
        engine, self._engine, self._info = self._engine, None, None
        if engine is not None:
            engine.close()

    def _call(self, what: Callable[[EngineLike], T]) -> T:
        try:
            return what(self._opened())
        except ChildDied as death:
            self._setting.report(
                Noted("warning", f"the engine died and is started again: {death.message}",
                      death.hint)
            )
            self.close()
        try:
            return what(self._opened())
        except ChildDied as death:
            self.close()
            raise EngineError(f"the engine died twice: {death.message}", death.hint) from death

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
        report(ModelLoaded(name, time.monotonic() - started, _facts(self._info)))
        return engine

    def _made(self) -> EngineLike:
        if self._setting.make_engine is not None:
            made: EngineLike = self._setting.make_engine()
            return made
        from models.engine.client import Engine

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
