"""The proposers that there are, HyperLlama's own and those of plug-ins; imports nothing heavy.

A package adds a proposer with an entry point in the group `hyperllama.proposers`: its name is the
proposer's name, its object a `ProposerInfo`.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hyperllama.core.plug_ins import PlugIns

if TYPE_CHECKING:
    from hyperllama.core.trials import Proposer, ProposerSetting



@dataclass(frozen=True)
class ProposerInfo:
    """What is known of a proposer before it is opened.

    Attributes:
        summary: what it is, in one line.
        factory: "module:object"; the object makes a `Proposer` from a `ProposerSetting`.
        needs_model: whether it asks a language model.
        order: place in lists, lower first.
    """

    summary: str
    factory: str
    needs_model: bool = False
    order: int = 100

    def make(self, setting: ProposerSetting) -> Proposer:
        """The proposer, opened for one study."""
        factory: Callable[[ProposerSetting], Proposer] = pkgutil.resolve_name(self.factory)
        return factory(setting)


def _own(order: int, summary: str, factory: str, needs_model: bool = False) -> ProposerInfo:
    return ProposerInfo(summary, f"hyperllama.core.propose.{factory}", needs_model, order)


DEFAULT = _own(0, "the estimator's default configuration, once", "default:DefaultProposer")
LLAMA = _own(
    1, "a local language model: the embedded one, or any chat GGUF", "llama:open_model", True
)
HYBRID = _own(2, "the model opens, a Gaussian process goes on", "hybrid:HybridProposer", True)
SCREENING = _own(
    3, "several candidates from the model, the best by a Gaussian process",
    "screening:ScreeningProposer", True,
)  # fmt: skip
GP = _own(4, "Gaussian process with expected improvement", "gp.proposer:GPProposer")
TPE = _own(5, "tree-structured Parzen estimator (Optuna)", "classical:TPEProposer")
CMAES = _own(6, "covariance matrix adaptation", "classical:CMAESProposer")
RANDOM = _own(7, "random search", "classical:RandomProposer")
QUEUE = _own(8, "your own configurations, in order", "queue:QueueProposer")

_PROPOSERS = PlugIns("hyperllama.proposers", ProposerInfo, "proposer")


def proposers() -> Mapping[str, ProposerInfo]:
    """All usable proposers by name."""
    return _PROPOSERS.usable


def broken_proposers() -> Mapping[str, str]:
    """The entry points that could not be loaded: name -> why, in one line."""
    return _PROPOSERS.broken


def proposer_info(name: str) -> ProposerInfo:
    """What is known of the proposer of this name.

    Raises:
        SpaceError: there is none, or its plug-in is broken.
    """
    if name not in _PROPOSERS.usable:
        raise _PROPOSERS.unknown(name)
    return _PROPOSERS.usable[name]
