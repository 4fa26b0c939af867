"""The parent's side of the engine: loads models into a child process, asks, survives its death."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hyperllama.models.engine.protocol import (
    Completion,
    EngineSettings,
    Generated,
    Generation,
    ModelInfo,
    generated_from_wire,
    request_to_wire,
)
from hyperllama.models.errors import ChildDied, EngineError, HyperLlamaError, ModelFileError
from hyperllama.models.gguf.registry import check_model
from hyperllama.models.process.child import Child, ChildSaid, Message, python_argv

SILENCE_S = 60.0
_CRASHES = ("SIGSEGV", "SIGILL", "SIGBUS", "SIGFPE")
_ENVIRONMENT = {"GGML_NO_BACKTRACE": "1", "OPENBLAS_NUM_THREADS": "1"}


class Engine:
    """One llama.cpp context in a child process. Not thread-safe; one request at a time.

    The child is started by `load`, and again, with the same model, when it has died.

    Args:
        log: file that the child's stderr is appended to.
        silence_s: without a sign of life for so long the child hangs and is killed.

    Attributes:
        info: what is loaded; None before `load`.
        starts: how often a child was started.
    """

    def __init__(self, *, log: Path, silence_s: float = SILENCE_S) -> None:
        self.log = log
        self.silence_s = silence_s
        self.info: ModelInfo | None = None
        self.starts = 0
        self._child: Child | None = None
        self._loaded: tuple[Path, EngineSettings] | None = None

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """Process id of the living child."""
        return self._child.pid if self._child is not None and self._child.alive else None

    @property
    def memory_mb(self) -> float:
        """Resident memory of the child, MiB; 0 without one."""
        return self._child.rss_mb if self._child is not None else 0.0

    # -- models --------------------------------------------------------------------------------

    def load(
        self,
        path: Path,
        settings: EngineSettings | None = None,
        on_progress: Callable[[float], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> ModelInfo:
        """Load a model in place of the one that is loaded.

        Args:
            on_progress: called with 0 to 1 while weights are read.
            should_stop: polled; when true the child is killed.

        Raises:
            ModelFileError: the file is missing, no GGUF, damaged, or cannot generate.
            EngineError: it does not fit into memory, llama.cpp is not installed, or the child died.
        """
        settings = settings or EngineSettings()
        self._loaded = self.info = None
        check_model(path)
        notes: list[str] = []
        try:
            self.info = self._load(path, settings, notes, on_progress, should_stop)
        except ChildDied as death:
            crashed = any(name in death.message for name in _CRASHES)
            if not (crashed and settings.repack) or (should_stop is not None and should_stop()):
                raise _engine_error(death) from death
            # kernels for repacked weights are the likeliest to be built wrongly for a processor
            settings = EngineSettings(**{**asdict(settings), "repack": False})
            notes = [f"loaded without repacked weights, because at first {death.message}"]
            try:
                self.info = self._load(path, settings, notes, on_progress, should_stop)
            except ChildDied as again:
                raise _engine_error(again) from again
        self._loaded = (path, settings)
        return self.info

    def _load(
        self,
        path: Path,
        settings: EngineSettings,
        notes: Sequence[str],
        on_progress: Callable[[float], None] | None,
        should_stop: Callable[[], bool] | None,
    ) -> ModelInfo:
        if self._child is None or not self._child.alive:
            self._drop()
            self._child = Child(
                python_argv("hyperllama.models.engine.server"), name="the engine", log=self.log,
                env=_ENVIRONMENT,
            )  # fmt: skip
            self.starts += 1

        def event(message: Message) -> None:
            if on_progress is not None and message.get("event") == "progress":
                on_progress(float(message["share"]))

        fields = {"path": str(path), "settings": asdict(settings), "notes": list(notes)}
        answer = self._ask("load", fields, event, should_stop)
        info = dict(answer["info"])
        return ModelInfo(**{**info, "notes": tuple(info["notes"])})

    def sha256(self) -> str:
        """Hash of the loaded file, hexadecimal; waits while a large file is being read."""
        return str(self._request("sha256", {})["sha256"])

    def close(self) -> None:
        """End the child. Idempotent; `load` starts another."""
        if self._child is not None:
            self._child.stop()
            self._child = None
        self._loaded = self.info = None

    # -- text ----------------------------------------------------------------------------------

    def tokenize(self, text: str, special: bool = True) -> list[int]:
        """Tokens of `text`; `special` adds what begins a context and reads control tokens."""
        return list(self._request("tokenize", {"text": text, "special": special})["ids"])

    def detokenize(self, ids: Sequence[int]) -> str:
        """The text that tokens stand for, control tokens written out."""
        return str(self._request("detokenize", {"ids": list(ids)})["text"])

    def count_tokens(self, texts: Iterable[str]) -> list[int]:
        """How many tokens each text has, without what begins a context."""
        return list(self._request("count", {"texts": list(texts)})["counts"])

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
        fields = {
            "messages": [dict(m) for m in messages],
            "add_generation_prompt": add_generation_prompt,
            "variables": dict(variables or {}),
        }
        return str(self._request("render", fields)["text"])

    # -- generating ----------------------------------------------------------------------------

    def generate(
        self,
        request: Generation,
        on_text: Callable[[str], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Generated:
        """Run a programme of segments after a prompt.

        Args:
            on_text: called with free text of the first completion as it comes.
            should_stop: polled between tokens; what was made so far is returned then, with
                `stop_reason` "cancelled". A child that does not react within 2 s is killed.

        Raises:
            EngineError: prompt and reply do not fit, or the child died, was restarted, and died
                again.
        """

        def event(message: Message) -> None:
            if on_text is not None and message.get("text"):
                on_text(str(message["text"]))

        answer = self._request(
            "generate", {"request": request_to_wire(request)}, event, should_stop
        )
        if not answer:
            return _nothing(request, self.info)
        return generated_from_wire(answer["result"])

    def score(
        self,
        prompt: str | Sequence[int] | Sequence[str],
        continuations: Sequence[str | Sequence[int]],
        should_stop: Callable[[], bool] | None = None,
    ) -> list[list[float]]:
        """Natural logs of the probabilities of each continuation's tokens after `prompt`."""
        fields = {
            "prompt": prompt if isinstance(prompt, str) else list(prompt),
            "continuations": [c if isinstance(c, str) else list(c) for c in continuations],
        }
        answer = self._request("score", fields, None, should_stop)
        return list(answer.get("logprobs", []))

    def read_ahead(self, parts: Sequence[str]) -> None:
        """Begin to read the parts that the next prompt will have in front; nobody waits for it.

        It gives way to everything else on the machine. Does nothing on a GPU, or if the child died.
        """
        self._aside("read_ahead", {"parts": list(parts)})

    def settle(self) -> int:
        """Wait until what was to be read ahead is read; how many tokens that were."""
        return int(self._aside("settle", {}).get("tokens", 0))

    def _aside(self, do: str, fields: Mapping[str, object]) -> Message:
        """Ask what nothing depends on: no child is started for it."""
        if self._loaded is None or self._child is None or not self._child.alive:
            return {}
        with contextlib.suppress(ChildDied):
            return self._ask(do, fields, None, None)
        return {}

    def save_cache(self, path: Path, most_mb: float = 128.0) -> int:
        """Write the prompt that is in the cache to a file; how many tokens that are.

        Only as much of its front as takes `most_mb` MiB; 0 where it does not pay, or cannot be. A
        child that died is not started again for it.
        """
        if self._loaded is None or self._child is None or not self._child.alive:
            return 0
        fields = {"path": str(path), "most_bytes": int(most_mb * 2**20)}
        try:
            return int(self._ask("save_cache", fields, None, None)["tokens"])
        except ChildDied:
            return 0

    def restore_cache(self, path: Path) -> int:
        """Read a file of `save_cache`, and remove it; how many tokens need not be evaluated.

        0 if there is none, or if it belongs to another model, other settings or another llama.cpp.
        """
        return int(self._request("restore_cache", {"path": str(path)})["tokens"])

    # -- the child -----------------------------------------------------------------------------

    def _request(
        self,
        do: str,
        fields: Mapping[str, object],
        on_event: Callable[[Message], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Message:
        """Ask; if the child dies of it, load again and ask once more. Empty when stopped."""
        if self._loaded is None:
            raise EngineError("no model is loaded", "load one first")
        stopped = False

        def stop() -> bool:
            nonlocal stopped
            stopped = stopped or (should_stop is not None and should_stop())
            return stopped

        for attempt in (1, 2):
            try:
                if self._child is None or not self._child.alive:
                    notes = self.info.notes if self.info else ()
                    self.info = self._load(*self._loaded, notes, None, should_stop and stop)
                return self._ask(do, fields, on_event, should_stop and stop)
            except ChildDied as death:
                if stopped:
                    return {}
                if attempt == 2:
                    raise _engine_error(death) from death
        raise AssertionError

    def _ask(
        self,
        do: str,
        fields: Mapping[str, object],
        on_event: Callable[[Message], None] | None,
        should_stop: Callable[[], bool] | None,
    ) -> Message:
        assert self._child is not None
        try:
            return self._child.call(
                do,
                fields,
                on_event=on_event,
                should_stop=should_stop,
                silence_s=self.silence_s,
            )
        except ChildSaid as said:
            kind = ModelFileError if said.kind == "ModelFileError" else EngineError
            raise kind(said.message, said.hint) from None
        except ChildDied:
            self._drop()
            raise
        except HyperLlamaError:
            raise
        except BaseException:
            self._drop()  # an answer may be under way: the next request would read it
            raise

    def _drop(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child = None


def _engine_error(death: ChildDied) -> EngineError:
    return EngineError(death.message, death.hint)


def _nothing(request: Generation, info: ModelInfo | None) -> Generated:
    """What a request returns whose child had to be killed to stop it."""
    completion = Completion(values={}, text="", stop_reason="cancelled")
    return Generated(
        completions=(completion,) * request.samples,
        prompt_tokens=0,
        cached_tokens=0,
        evaluated_tokens=0,
        generated_tokens=0,
        seconds=0.0,
        prompt_s=0.0,
        decode_s=0.0,
        tokens_per_s=0.0,
        context_used=0,
        context_length=info.context_length if info else 0,
    )
