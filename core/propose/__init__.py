"""Who suggests the next trial: the registry of proposers, each imported when it is asked for."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from hyperllama.core.errors import SpaceError
from hyperllama.core.propose.catalogue import ASK_A_MODEL, SUMMARIES

if TYPE_CHECKING:
    from hyperllama.core.trials import Proposer, ProposerSetting

__all__ = ["make_proposer", "needs_model", "proposers", "summary"]

# name -> (module, class)
_PROPOSERS = {
    "default": ("default", "DefaultProposer"),
    "llama": ("", ""),
    "hybrid": ("hybrid", "HybridProposer"),
    "llama+screen": ("chat.screen", "ScreenProposer"),
    "gp": ("gp.proposer", "GPProposer"),
    "tpe": ("classical", "TPEProposer"),
    "cmaes": ("classical", "CMAESProposer"),
    "random": ("classical", "RandomProposer"),
    "queue": ("queue", "QueueProposer"),
}


def proposers() -> tuple[str, ...]:
    """The names of all proposers."""
    return tuple(_PROPOSERS)


def summary(name: str) -> str:
    """What a proposer is, in one line."""
    return SUMMARIES[_known(name)]


def needs_model(name: str) -> bool:
    """Whether the proposer asks a language model."""
    return _known(name) in ASK_A_MODEL


def make_proposer(name: str, *, setting: ProposerSetting) -> Proposer:
    """A proposer by name, opened for one study. "llama" looks at the model's file to choose how.

    Raises:
        SpaceError: there is no such proposer.
        ModelFileError: the model's file is missing or unusable ("llama", "hybrid").
    """
    module, kind = _PROPOSERS[_known(name)]
    if name == "llama":
        module, kind = _llama(setting)
    found = getattr(importlib.import_module(f"hyperllama.core.propose.{module}"), kind)
    made: Proposer = found(setting)
    return made


def _known(name: str) -> str:
    if name not in _PROPOSERS:
        raise SpaceError(f"unknown proposer {name!r}", f"allowed: {', '.join(_PROPOSERS)}")
    return name


def _llama(setting: ProposerSetting) -> tuple[str, str]:
    """Module and class for a model file: its own dialect, or chat."""
    from hyperllama.models.gguf import read_metadata, resolve_model

    if read_metadata(resolve_model(setting.model)).is_embedded_dialect:
        return "embedded.proposer", "EmbeddedProposer"
    return "chat.proposer", "ChatProposer"
