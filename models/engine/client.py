"""The asking side of the engine: loads a model, asks, and starts it again when its process dies."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hyperllama.models.engine.connection import Connection, EngineDied
from hyperllama.models.engine.generation import Completion, Generated, Generation
from hyperllama.models.engine.messages import (
    Answer,
    CountTokens,
    Detokenize,
    EngineEvent,
    EngineRequest,
    FinishReading,
    Generate,
    Load,
    ReadAhead,
    RenderChat,
    RestoreCache,
    SaveCache,
    Sha256,
    Tokenize,
)
from hyperllama.models.engine.settings import EngineSettings, ModelInfo
from hyperllama.models.errors import EngineError
from hyperllama.models.gguf import check_model

SILENCE_S = 60.0
_ABORTED = "SIGABRT"
_CRASHES = ("SIGSEGV", "SIGILL", "SIGBUS", "SIGFPE")

ShouldStop = Callable[[], bool]


def _gentler(request: Load, death: EngineDied) -> Load | None:
    """How to load a model once more after the process died of it; None: not again."""
    settings, path = request.settings, request.path
    if _ABORTED in death.message and settings.gpu_layers == "auto":
        note = (
            "loaded on the processor alone, because llama.cpp ended itself at first "
            f"({_ABORTED}), as it does where the GPU has no memory for its working space"
        )
        return Load(path, replace(settings, gpu_layers="none"), (note,))
    if not any(name in death.message for name in _CRASHES):
        # what killed it (a person, the kernel) may have meant another process
        return request
    if not settings.repack:
        return None
    # kernels for repacked weights are the likeliest to be built wrongly for a processor
    note = f"loaded without repacked weights, because at first {death.message}"
    return Load(path, replace(settings, repack=False), (note,))


class Engine(Connection):
    """One llama.cpp context in a process of its own. Not thread-safe; one request at a time.

    The process is started by `load`, and again, with the same model, when it has died.

    Args:
        log: file that the process's stderr is appended to.
        silence_s: without a sign of life for so long the process hangs and is killed.

    Attributes:
        info: what is loaded; None before `load`.
    """

    def __init__(self, *, log: Path, silence_s: float = SILENCE_S) -> None:
        super().__init__(log, silence_s)
        self.info: ModelInfo | None = None
        self._loaded: Load | None = None

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- models --------------------------------------------------------------------------------

    def load(
        self,
        path: Path,
        settings: EngineSettings | None = None,
        on_progress: Callable[[float], None] | None = None,
        should_stop: ShouldStop | None = None,
    ) -> ModelInfo:
        """Load a model in place of the one that is loaded.

        Args:
            on_progress: called with 0 to 1 while weights are read.
            should_stop: polled; when true the process is killed.

        Raises:
            ModelFileError: the file is missing, no GGUF, damaged, or cannot generate.
            EngineError: it does not fit into memory, llama.cpp is not installed, or the process
                died twice.
        """
        self._loaded = self.info = None
        check_model(path)
        request = Load(str(path), settings or EngineSettings())

        def event(event: EngineEvent) -> None:
            if on_progress is not None and event.event == "progress":
                on_progress(event.share)

        return self._started(request, event, should_stop)

    def sha256(self) -> str:
        """Hash of the loaded file, hexadecimal; waits while a large file is being read."""
        return self._ask_again(Sha256())

    def close(self) -> None:
        """End the process. Idempotent; `load` starts another."""
        self.stop()
        self._loaded = self.info = None

    # -- text ----------------------------------------------------------------------------------

    def tokenize(self, text: str, special: bool = True) -> list[int]:
        """Tokens of `text`; `special` adds what begins a context and reads control tokens."""
        return self._ask_again(Tokenize(text, special))

    def detokenize(self, ids: Sequence[int]) -> str:
        """The text that tokens stand for, control tokens written out."""
        return self._ask_again(Detokenize(ids))

    def count_tokens(self, texts: Iterable[str]) -> list[int]:
        """How many tokens each text has, without what begins a context."""
        return self._ask_again(CountTokens(list(texts)))

    def render_chat(
        self,
        messages: Sequence[Mapping[str, str]],
        add_generation_prompt: bool = True,
        variables: Mapping[str, Any] | None = None,
    ) -> str:
        """The text of a conversation in the model's own layout.

        Where the template has no system role, it goes in front of the first user message.

        Args:
            messages: mappings with "role" and "content".
            variables: further names for the template, "enable_thinking" for instance.
        """
        return self._ask_again(RenderChat(messages, add_generation_prompt, variables or {}))

    # -- generating ----------------------------------------------------------------------------

    def generate(
        self,
        request: Generation,
        on_text: Callable[[str], None] | None = None,
        should_stop: ShouldStop | None = None,
        on_reading: Callable[[int, int], None] | None = None,
    ) -> Generated:
        """Run a programme of segments after a prompt.

        Args:
            on_text: called with free text of the first completion as it comes.
            should_stop: polled between tokens; what was made so far is returned then, with
                `stop_reason` "cancelled". A process that does not react within 2 s is killed.
            on_reading: called while the prompt is read, with the tokens of it that were read so
                far, and all that were not in the cache.

        Raises:
            EngineError: prompt and reply do not fit, or the process died, was restarted, and died
                again.
        """

        def event(event: EngineEvent) -> None:
            if on_text is not None and event.text:
                on_text(event.text)
            if on_reading is not None and event.event == "reading":
                on_reading(event.tokens, event.of_tokens)

        stopped = False

        def stop() -> bool:
            nonlocal stopped
            stopped = stopped or (should_stop is not None and should_stop())
            return stopped

        try:
            return self._ask_again(Generate(request), event, should_stop and stop)
        except EngineDied:
            if not stopped:
                raise
            nothing = Completion(values={}, text="", stop_reason="cancelled")
            context = self.info.context_length if self.info else 0
            return Generated((nothing,) * request.samples, context_length=context)

    def read_ahead(
        self, parts: Sequence[str], later: Sequence[str] = (), turns: int = 0, aside: str = ""
    ) -> None:
        """Begin to read the parts that the next prompt will have in front, and return at once.

        It has the lowest priority on the machine. Does nothing on a GPU, or if the process died.

        Args:
            later, turns, aside: another prompt to read in shares, see `ReadAhead`.
        """
        self._ask_living(ReadAhead(parts, later, turns, aside))

    def finish_reading(self) -> int:
        """Wait until what is read ahead is read; how many tokens that were."""
        return self._ask_living(FinishReading()) or 0

    def save_cache(self, path: Path, most_mb: float = 128.0) -> int:
        """Write the prompt that is in the cache to a file; how many tokens that are.

        Only as much of its front as takes `most_mb` MiB; 0 where it does not pay, or cannot be. A
        process that died is not started again for it.
        """
        return self._ask_living(SaveCache(str(path), int(most_mb * 2**20))) or 0

    def restore_cache(self, path: Path) -> int:
        """Read a file of `save_cache`, and remove it; how many tokens need not be evaluated.

        0 if there is none, or if it belongs to another model, other settings or another llama.cpp.
        """
        return self._ask_again(RestoreCache(str(path)))

    # -- the process ---------------------------------------------------------------------------

    def _started(
        self,
        request: Load,
        on_event: Callable[[EngineEvent], None] | None,
        should_stop: ShouldStop | None,
    ) -> ModelInfo:
        """Load, and once more in a gentler way if the process died of it."""
        try:
            self.info = self.ask(request, on_event, should_stop)
        except EngineDied as death:
            stopped = should_stop is not None and should_stop()
            again = _gentler(request, death)
            if stopped or again is None:
                raise
            request = again
            self.info = self.ask(request, on_event, should_stop)
        self._loaded = request
        return self.info

    def _ask_again(
        self,
        request: EngineRequest[Answer],
        on_event: Callable[[EngineEvent], None] | None = None,
        should_stop: ShouldStop | None = None,
    ) -> Answer:
        """Ask; if the process dies of it, load again and ask once more."""
        if self._loaded is None:
            raise EngineError("no model is loaded", "load one first")
        try:
            return self._ask_loaded(request, on_event, should_stop)
        except EngineDied:
            if should_stop is not None and should_stop():
                raise
            return self._ask_loaded(request, on_event, should_stop)

    def _ask_loaded(
        self,
        request: EngineRequest[Answer],
        on_event: Callable[[EngineEvent], None] | None,
        should_stop: ShouldStop | None,
    ) -> Answer:
        if self.pid is None and self._loaded is not None:
            self._started(self._loaded, None, should_stop)
        return self.ask(request, on_event, should_stop)

    def _ask_living(self, request: EngineRequest[Answer]) -> Answer | None:
        """Ask what nothing depends on: no process is started for it."""
        if self._loaded is not None and self.pid is not None:
            with contextlib.suppress(EngineDied):
                return self.ask(request)
        return None
