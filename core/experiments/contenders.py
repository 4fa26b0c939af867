"""What can be compared: proposers, models, and the rivals that only experiments have.

A contender is named by a text: "tpe", "hybrid", "llama:path/to/model.gguf", "path/to/model.gguf",
"hybrid?opening=4,turns=2" (options of the proposer).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from hyperllama.core.errors import DataError, SpaceError
from hyperllama.core.experiments.grid import Contender
from hyperllama.core.propose import make_proposer, needs_model, proposers
from hyperllama.core.trials import Proposer, ProposerSetting
from hyperllama.models.paths import model_name

ProposerFactory = Callable[[ProposerSetting], Proposer]

ABOUT = {
    "random": "random search; its mean is computed where that is possible, not sampled",
    "tpe": "Optuna's TPE, 3 startup trials",
    "gp": "HyperLlama's Gaussian process",
    "cmaes": "CMA-ES",
    "optuna-tpe": "Optuna's TPESampler as Optuna runs it, 3 startup trials",
    "optuna-gp": "Optuna's GPSampler, 3 startup trials; needs PyTorch",
    "optuna-cmaes": "Optuna's CmaEsSampler, 3 startup trials",
    "portfolio": "a fixed list of ten configurations per estimator, then random search",
    "llama": "the embedded model, or llama:FILE.gguf",
    "llama-no-history": "the same model, shown no trial; it repeats none either",
    "llama-even": "llama:FILE.gguf, but what the GP takes from is drawn evenly, not from beliefs",
    "hybrid": "the model opens, a Gaussian process goes on; or hybrid:FILE.gguf",
}
RESTARTED = ("optuna-tpe", "optuna-gp", "optuna-cmaes")
"""Samplers whose random state the history does not determine: a stopped cell begins anew."""
_VARIANTS = ("llama-no-history", "llama-even")
_ONLY_HERE = (*RESTARTED, "portfolio", *_VARIANTS)


def parse_contender(text: str, how: str = "llama") -> Contender:
    """The contender of a comparison that a text names; a model alone is asked by `how`.

    Raises:
        SpaceError: there is no such proposer. ModelFileError: no such model.
    """
    from hyperllama.models.gguf import resolve_model

    name, model, query = _split(text)
    if name not in proposers() and name not in _ONLY_HERE:
        head = text.strip().partition("?")[0]
        name, model = how, head
    label = f"?{query}" if query else ""
    if not _asks_model(name):
        if model:
            raise SpaceError(f"{name} uses no model, so {text!r} cannot name one")
        if name in ("queue", "default"):
            raise SpaceError(f"{name} cannot be compared", "every cell begins with the default")
        return Contender(name + label, name, "", _options(query))
    path = resolve_model(model or "embedded")
    called = model_name(path)
    label = (called if name == how else f"{name}:{called}") + label
    return Contender(label, name, str(path), _options(query))


def without_copies(
    contenders: Sequence[Contender], known: Sequence[Contender] = ()
) -> tuple[list[Contender], list[tuple[str, str]]]:
    """Contenders without those that another file of the same content makes already.

    Files of one name in different folders are told apart by their folder. Only files of equal size
    are read.

    Args:
        known: contenders of the comparison that these are added to.

    Returns:
        What is left, and (label of a copy, label of the one that is kept) pairs.

    Raises:
        ModelFileError: a model's file cannot be read.
    """
    kept: list[Contender] = []
    copies: list[tuple[str, str]] = []
    for contender in contenders:
        every = {c.label: c for c in (*known, *kept)}
        twin = next((c for c in every.values() if _same(c, contender)), None)
        if twin is not None:
            if twin.model != contender.model:
                copies.append((contender.model, twin.label))
            elif twin.label in {c.label for c in known}:
                kept.append(twin)
            continue
        if contender.label in every:
            folder = Path(contender.model).parent.name
            contender = replace(contender, label=f"{contender.label} in {folder}")
        kept.append(contender)
    return kept, copies


def _same(a: Contender, b: Contender) -> bool:
    """Whether two contenders propose alike: the same proposer, options and model."""
    if (a.proposer, dict(a.options)) != (b.proposer, dict(b.options)):
        return False
    if a.model == b.model:
        return True
    files = Path(a.model), Path(b.model)
    try:
        if files[0].stat().st_size != files[1].stat().st_size:
            return False
    except OSError:
        return False  # whoever opens it says what is wrong
    from hyperllama.models.gguf import file_sha256

    return file_sha256(files[0]) == file_sha256(files[1])


def parse_method(text: str) -> Contender:
    """The contender of a bench that a text names; its identity changes with the model's content.

    Raises:
        SpaceError: there is no such method.
        ModelFileError: a model's file is missing.
        DataError: the portfolio's file is missing.
    """
    name, model, query = _split(text)
    head = text.strip().partition("?")[0]
    if head.endswith(".gguf") and name not in ABOUT:
        name, model = "llama", head
    if name not in ABOUT or (model and not _asks_model(name)):
        raise SpaceError(f"unknown method {text!r}", f"allowed: {', '.join(ABOUT)}, FILE.gguf")
    label = f"{name}:{model_name(model)}" if model else name
    label += f"?{query}" if query else ""
    identity = label
    if _asks_model(name):
        from hyperllama.models.gguf import resolve_model

        model = model or "embedded"
        identity += "@" + _digest(resolve_model(model))
    elif name == "portfolio":
        from hyperllama.core.propose.portfolio import portfolio_file

        identity += "@" + _digest(portfolio_file())
    return Contender(label, name, model, _options(query), identity)


def make_proposer_of(contender: Contender, setting: ProposerSetting) -> Proposer:
    """The proposer of a contender."""
    name = contender.proposer
    if name not in _ONLY_HERE and setting.programs is None:
        return make_proposer(name, setting=setting)
    from hyperllama.core.experiments import rival_proposers as rivals

    if setting.programs is not None:
        return rivals.WithTurns(make_proposer(name, setting=setting), setting)

    if name == "llama-no-history":
        return rivals.WithoutHistory(make_proposer("llama", setting=setting))
    if name == "llama-even":
        return rivals.even_draws(setting)
    if name == "portfolio":
        return rivals.portfolio_proposer(setting)
    return rivals.OptunaProposer(setting, name)


def _asks_model(name: str) -> bool:
    return name in _VARIANTS or (name not in _ONLY_HERE and needs_model(name))


def _split(text: str) -> tuple[str, str, str]:
    """Name, model and options of a text."""
    head, _, query = text.strip().partition("?")
    name, _, model = head.partition(":")
    return name, model, query


def _options(query: str) -> dict[str, Any]:
    """"a=1,b=x" as a dict; values are JSON where they can be read as such, else text."""
    found: dict[str, Any] = {}
    for part in filter(None, query.split(",")):
        key, _, value = part.partition("=")
        try:
            found[key] = json.loads(value)
        except json.JSONDecodeError:
            found[key] = value
    return found


@lru_cache(maxsize=64)
def _digest(file: Path) -> str:
    digest = hashlib.sha256()
    try:
        with file.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                digest.update(chunk)
    except OSError as error:
        raise DataError(f"{file}: {error.strerror or error}", "check the path") from error
    return digest.hexdigest()[:8]
