"""A proposer's model: loaded at the first use, and what happens to it reported."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hyperllama.core.errors import EngineError
from hyperllama.core.events import ModelLoaded, ModelLoading, Noted, PromptReading
from hyperllama.core.trials import Cancelled, ProposerSetting
from hyperllama.models.engine import Engine, EngineSettings, Generated, Generation, ModelInfo
from hyperllama.models.gguf import check_model
from hyperllama.models.paths import home

_READING_EVERY_S = 0.25  # what is read in less is not reported
_LONG = 1e10  # tokens times weights that take longer than that to read, which is told at once


class EngineSession:
    """The engine of one proposer, with its model, for as long as the proposer lives.

    Args:
        setting: the engine's settings, its log, its cache, and whom to report to.
        path: the model's file.
    """

    def __init__(self, setting: ProposerSetting, path: Path) -> None:
        self.path = path
        self.settings: EngineSettings = setting.engine or EngineSettings()
        self._setting = setting
        self._engine: Engine | None = None
        self._info: ModelInfo | None = None
        self._generated = False
        self._killed = False  # a question was ended by ending the process: its cache is in a file

    @property
    def info(self) -> ModelInfo:
        """The model as it was loaded; loads it if need be.

        Raises:
            EngineError, ModelFileError: it cannot be loaded.
        """
        return self.opened()

    def opened(self, should_stop: Callable[[], bool] = lambda: False) -> ModelInfo:
        """Like `info`; loading ends when `should_stop` becomes true.

        Raises:
            Cancelled: it did.
        """
        try:
            self._opened(should_stop)
        except EngineError as error:
            if should_stop():
                raise Cancelled from error
            raise
        assert self._info is not None
        return self._info

    @property
    def sha256(self) -> str:
        """Hash of the model's file; waits while a large one is being read."""
        return self.info.sha256 or self._opened().sha256()

    def count(self, text: str) -> int:
        """Tokens of a piece of text, without the one that begins a context."""
        return self._opened().count_tokens([text])[0]

    def render_chat(
        self,
        messages: Sequence[Mapping[str, str]],
        variables: Mapping[str, Any] | None = None,
    ) -> str:
        """The text of a conversation; `variables` are further names for the model's template."""
        return self._opened().render_chat(messages, variables=variables)

    @property
    def aside(self) -> str:
        """The file that keeps the proposals' prompt while a question has the context; see
        `Generation.aside`. Empty without a study's folder."""
        cache = self._setting.cache
        return "" if cache is None else str(cache.with_name(f"{cache.name}.aside"))

    def generate(
        self,
        request: Generation,
        on_text: Callable[[str], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Generated:
        """Run a program of segments. An engine that died is started again, and that is reported.

        Raises:
            EngineError: it cannot be run, or the engine died twice.
        """
        engine, info = self._opened(), self.info
        if self._killed and not request.aside:
            engine.restore_cache(Path(self.aside))
            self._killed = False
        before = engine.starts
        self._generated = True
        began, reported = time.monotonic(), time.monotonic()

        def on_reading(done: int, total: int) -> None:
            nonlocal reported
            now = time.monotonic()
            long = not done and total * info.parameters > _LONG
            if long or now - reported >= _READING_EVERY_S:
                reported = now
                self._setting.report(PromptReading(done, total, round(now - began, 3)))

        made = engine.generate(request, on_text, should_stop, on_reading)
        self._killed = self._killed or bool(request.aside and engine.pid is None)
        if engine.starts > before:
            self._setting.report(
                Noted("warning", "the engine died and was started again",
                      "engine.log in the study's folder has its last messages")
            )  # fmt: skip
            self._notice(engine.info or info)
        return made

    def _notice(self, info: ModelInfo) -> None:
        """Report what became of a model that was loaded again, where it lies elsewhere now."""
        before, self._info = self.info, info
        if info.gpu_layers != before.gpu_layers:
            for note in unmet(self.settings, info, self.path):
                self._setting.report(note)

    def read_ahead(
        self, parts: Sequence[str], later: Sequence[str] = (), turns: int = 0
    ) -> None:
        """Let the engine evaluate what the next prompt begins with, while something else runs.

        Args:
            later: what the prompts in so many `turns` will begin with; it is read in shares where
                there is a study's folder for it.
        """
        if self._engine is not None and parts:
            aside = f"{self.aside}.later" if self.aside else ""
            self._engine.read_ahead(parts, later, turns, aside)

    def close(self) -> None:
        """End the engine, and write its cache where the setting names a file. Idempotent."""
        engine, self._engine, self._info = self._engine, None, None
        if engine is None:
            return
        try:
            if self._setting.cache is not None and self._generated:
                engine.save_cache(self._setting.cache)
        finally:
            engine.close()
            if aside := self.aside:
                for file in Path(aside).parent.glob(f"{Path(aside).name}*"):
                    file.unlink(missing_ok=True)

    def _opened(self, should_stop: Callable[[], bool] | None = None) -> Engine:
        if self._engine is not None:
            return self._engine
        report, name, cache = self._setting.report, self.path.stem, self._setting.cache
        report(ModelLoading(name, 0.0))
        started = time.monotonic()
        engine = self._made()
        try:
            info = engine.load(
                self.path, self.settings, lambda fraction: report(ModelLoading(name, fraction)),
                should_stop,
            )
        except BaseException:
            engine.close()
            raise
        self._engine, self._info = engine, info
        if cache is not None and cache.exists():
            engine.restore_cache(cache)
        facts = {**asdict(info), "file_mb": info.size_mb, "notes": list(info.notes)}
        del facts["size_mb"]
        report(ModelLoaded(name, time.monotonic() - started, facts))
        for note in unmet(self.settings, info, self.path):
            report(note)
        return engine

    def _made(self) -> Engine:
        if self._setting.make_engine is not None:
            made: Engine = self._setting.make_engine()
            return made
        log = self._setting.log or home() / "engine.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        return Engine(log=log)


def token_counts(made: Generated) -> dict[str, float]:
    """The tokens of one run of the engine, and how many were generated a second."""
    return {
        "prompt": made.prompt_tokens,
        "cached": made.cached_tokens,
        "evaluated": made.evaluated_tokens,
        "generated": made.generated_tokens,
        "context_used": made.context_used,
        "context_length": made.context_length,
        "per_s": made.tokens_per_s,
    }


def unmet(settings: EngineSettings, info: ModelInfo, path: Path) -> Iterator[Noted]:
    """What was asked of the engine and could not be had, or goes beyond the model."""
    wanted = settings.gpu_layers
    if wanted not in ("auto", "none", 0) and info.gpu_layers == 0:
        yield Noted("warning", f"--gpu-layers {wanted}: this llama.cpp uses no GPU here, the model "
                    "runs on the processor", "`hyperllama doctor` says what there is")
    elif (
        wanted == "auto" and info.gpu_offload and info.gpu_layers <= info.layers
        and not info.embedded_dialect
    ):  # fmt: skip
        room = "no layer found room on the GPU; the model runs"
        if info.gpu_layers:
            some = f"{info.gpu_layers} of {info.layers + 1}"
            room = f"{some} layers found room on the GPU; the others run"
        yield Noted("warning", f"{room} on the processor",
                    "end other programs that use the GPU, or a smaller --context")
    for note in info.notes:
        yield Noted("warning", note, "engine.log in the study's folder has its last messages")
    trained = check_model(path).trained_context
    if trained and settings.context_length > trained:
        yield Noted("warning", f"--context {settings.context_length}: the model was trained on "
                    f"{trained} tokens, what lies beyond may be read badly",
                    f"--context {trained}, or less")
