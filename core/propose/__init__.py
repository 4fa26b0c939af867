"""Who suggests the next trial: the registry of proposers, each imported when it is asked for."""

from __future__ import annotations

import importlib

from core.errors import SpaceError
from core.propose.protocol import (
    AskContext,
    Cancelled,
    Exhausted,
    Observed,
    Proposal,
    Proposer,
)
from core.propose.setting import ProposerSetting

__all__ = [
    "AskContext",
    "Cancelled",
    "Exhausted",
    "Observed",
    "Proposal",
    "Proposer",
    "ProposerSetting",
    "make_proposer",
    "needs_model",
    "proposers",
]

# name -> (module, class, what it is in one line)
_PROPOSERS = {
    "default": ("default", "DefaultProposer", "the estimator's default configuration, once"),
    "llama": ("", "", "a local language model: the embedded one, or any chat GGUF"),
    "hybrid": ("hybrid", "HybridProposer", "the model opens, a Gaussian process goes on"),
    "gp": ("gaussian_process", "GPProposer", "Gaussian process with expected improvement"),
    "tpe": ("classical", "TPEProposer", "tree-structured Parzen estimator (Optuna)"),
    "cmaes": ("classical", "CMAESProposer", "covariance matrix adaptation"),
    "random": ("classical", "RandomProposer", "random search"),
    "queue": ("queue", "QueueProposer", "your own configurations, in order"),
}
_MODEL = ("llama", "hybrid")


def proposers() -> tuple[str, ...]:
    """The names of all proposers."""
    return tuple(_PROPOSERS)


def summary(name: str) -> str:
    """What a proposer is, in one line."""
    return _PROPOSERS[_known(name)][2]


def needs_model(name: str) -> bool:
    """Whether the proposer asks a language model."""
    return _known(name) in _MODEL


def make_proposer(name: str, *, setting: ProposerSetting) -> Proposer:
    """A proposer by name, opened for one study. "llama" looks at the model's file to choose how.

    Raises:
        SpaceError: there is no such proposer.
        ModelFileError: the model's file is missing or unusable ("llama", "hybrid").
    """
    module, kind, _ = _PROPOSERS[_known(name)]
    if name == "llama":
        module, kind = _llama(setting)
    found = getattr(importlib.import_module(f"core.propose.{module}"), kind)
    made: Proposer = found(setting)
    return made


def _known(name: str) -> str:
    if name not in _PROPOSERS:
        raise SpaceError(f"unknown proposer {name!r}", f"allowed: {', '.join(_PROPOSERS)}")
    return name


def _llama(setting: ProposerSetting) -> tuple[str, str]:
    """Module and class for a model file: its own dialect, or chat."""
    from models.registry import read_metadata, resolve_model

    if read_metadata(resolve_model(setting.model)).is_embedded_dialect:
        return "embedded", "EmbeddedProposer"
    return "chat", "ChatProposer"
