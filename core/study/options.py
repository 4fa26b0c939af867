"""What a study is run with beyond its task file, and what is chosen where nothing was said."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyperllama.core.errors import EngineError, HyperLlamaError
from hyperllama.core.events import Noted

if TYPE_CHECKING:
    from hyperllama.models.engine import EngineSettings


@dataclass(frozen=True)
class Options:
    """What a study is run with beyond its task file. None: the task's, the study's, or the default.

    Attributes:
        proposer: by name; the default asks the model where there is a usable one.
        model: name or path of a GGUF file; "embedded" is the one that ships.
        trials, minutes: the budget, over all sessions of the study.
        storage: an Optuna storage URL.
        threads: for training and for llama.cpp, which take turns; 0 leaves it to both.
        gpu_layers: "auto", "none", "all", or a number.
        context_length: tokens; 0 takes the model's own, capped.
        prompt: how a chat model is asked, see `core.task.prompt_options`; over what the task says.
    """

    proposer: str | None = None
    model: str | None = None
    trials: int | None = None
    minutes: float | None = None
    seed: int | None = None
    storage: str | None = None
    threads: int | None = None
    gpu_layers: str | None = None
    context_length: int | None = None
    temperature: float | None = None
    prompt: Mapping[str, Any] | None = None

    def over(self, kept: Mapping[str, Any]) -> Options:
        """These options, and what `kept` says where they say nothing."""
        own = {f.name: getattr(self, f.name) for f in fields(self)}
        found = {k: kept.get(k) if v is None else v for k, v in own.items()}
        found["prompt"] = {**(kept.get("prompt") or {}), **(self.prompt or {})}
        return Options(**found)


DEFAULTS = Options()


def choose_proposer(wanted: str | None, model: str | None) -> tuple[str, Noted | None]:
    """Who proposes: the one named, else the model where one is usable, else TPE with a note why.

    Raises:
        HyperLlamaError: the proposer or the model that was named does not exist.
    """
    from hyperllama.core.propose import needs_model

    if wanted is not None and not needs_model(wanted):
        return wanted, None
    try:
        is_embedded = _usable(model or "embedded")
    except HyperLlamaError as error:
        if wanted is not None or model is not None:
            raise
        return "tpe", Noted("warning", f"no model, so tpe proposes: {error.message}", error.hint)
    if wanted is not None:
        return wanted, None
    return ("hybrid" if is_embedded else "llama"), None


def lasting_model(model: str) -> str:
    """A model's name, or its path as it holds in every folder."""
    path = Path(model).expanduser()
    return str(path.resolve()) if path.is_file() else model


def _usable(model: str) -> bool:
    """Whether the model is one of our own; an error says why it cannot be used at all."""
    from hyperllama.models.gguf import check_model, resolve_model

    if importlib.util.find_spec("llama_cpp") is None:
        raise EngineError(
            "llama-cpp-python is not installed",
            "install it as the README says, or choose --proposer tpe, gp or random",
        )
    return check_model(resolve_model(model)).is_embedded_dialect


def without_storage(options: Options) -> dict[str, Any]:
    """What is kept; the storage's address may hold a password."""
    return {k: v for k, v in asdict(options).items() if k != "storage"}


def engine_settings(options: Options) -> EngineSettings:
    """The options as llama.cpp's process wants them."""
    from hyperllama.models.engine import EngineSettings

    return EngineSettings(
        context_length=options.context_length or 0,
        gpu_layers=gpu_layers(options.gpu_layers or "auto"),
        threads=options.threads or 0,
        seed=int(options.seed or 0),
    )


def gpu_layers(text: str) -> str | int:
    """"auto", "none" or "all" as they are, else a number of layers.

    Raises:
        ValueError: it is none of these.
    """
    return text if text in ("auto", "none", "all") else int(text)


def absolute_storage(url: str) -> str:
    """The URL, a relative path to a SQLite file made absolute: it has to hold in every folder."""
    path = url.removeprefix("sqlite:///")
    if path == url or path.startswith(("/", ":memory:")) or not path:
        return url
    return f"sqlite:///{Path(path).absolute()}"
