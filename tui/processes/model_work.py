"""Loads a model to see its memory, and measures its speed, in child processes. No widgets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from hyperllama.core.errors import ChildDied
from hyperllama.core.storage.paths import home
from hyperllama.models.engine import EngineSettings, Load
from hyperllama.models.process import python_argv
from hyperllama.tui.preferences.settings import ModelSettings
from hyperllama.tui.processes import bridge
from hyperllama.tui.processes.child import JsonChild
from hyperllama.tui.processes.started import environment

_SPEED = ("--prompt", "256", "--generate", "64", "--repetitions", "3", "--json")


class ModelWork:
    """At most one model is loaded or measured at a time.

    Attributes:
        doing: "loading", "measuring" or "".
        path: of the model that is or was worked on last.
        share: how much of it is loaded, 0 to 1; None: unknown.
        loaded: the engine's facts about the loaded model; None while none is loaded.
    """

    def __init__(self) -> None:
        log = home() / "logs" / "models.log"
        argv = python_argv("hyperllama.models.engine.server")
        self.engine = JsonChild(argv, "the engine", log)
        self._measurement: asyncio.subprocess.Process | None = None
        self.doing = self.path = ""
        self.share: float | None = None
        self.loaded: dict[str, Any] | None = None

    def state(self, path: str) -> str:
        """What is done with that model now, in a word or two."""
        if path != self.path:
            return ""
        share = f" {100 * self.share:.0f}%" if self.share is not None else ""
        return f"{self.doing}{share}" if self.doing else "loaded" if self.loaded else ""

    async def load(self, path: str, kept: ModelSettings, redraw: Callable[[], object]) -> None:
        """Load the model. Raises HyperLlamaError, unless it was stopped."""

        def progress(message: dict[str, Any]) -> None:
            if message.get("event") == "progress":
                self.share = float(message["share"])
                redraw()

        settings = EngineSettings(kept.context_length, kept.gpu_layers, kept.threads)
        with self._begun("loading", path, redraw):
            answer = await self.engine.ask("Load", asdict(Load(path, settings)), progress)
            self.loaded = answer["done"]

    async def measure(
        self, path: str, kept: ModelSettings, redraw: Callable[[], object]
    ) -> dict[str, float]:
        """The speed of the model as the settings keep it; empty where it was stopped.

        Raises:
            HyperLlamaError: it cannot be measured.
        """
        self.loaded = None
        await self.engine.close()
        options = {k: v for k, v in kept.changed().items() if k in ("gpu_layers", "threads")}
        flags = [f"--{k.replace('_', '-')}={v}" for k, v in options.items()]
        with self._begun("measuring", path, redraw):
            try:
                self._measurement = await asyncio.create_subprocess_exec(
                    *bridge.COMMAND, "models", "bench", path, *_SPEED, *flags,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.PIPE,
                    env=environment(),
                    start_new_session=True,
                )  # fmt: skip
            except OSError as error:
                raise ChildDied(f"The measurement did not start: {error}") from error
            output, errors = await self._measurement.communicate()
            try:
                found = json.loads(output)[0]
                read, write = (float(test["tokens_per_s"]) for test in found["tests"])
            except (ValueError, LookupError, TypeError) as error:
                message = errors.decode("utf8", "replace").strip()
                raise ChildDied(message or "the measurement printed nothing") from error
            threads, layers = found["threads"], found["gpu_layers"]
            return {"read": read, "write": write, "threads": threads, "gpu_layers": layers}
        return {}

    async def stop(self) -> None:
        """Stop loading or measuring, and unload the model."""
        self.doing, self.loaded = "", None
        if self._measurement is not None and self._measurement.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._measurement.pid, signal.SIGKILL)
        await self.engine.close()

    @contextlib.contextmanager
    def _begun(self, doing: str, path: str, redraw: Callable[[], object]) -> Any:
        """While something is done with a model; an error after `stop` is none."""
        self.doing, self.path, self.share = doing, path, None
        redraw()
        try:
            yield
        except ChildDied:
            if self.doing:
                raise
        finally:
            self.doing = ""
            redraw()
