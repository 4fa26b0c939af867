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

_HERE = "hyperllama.core.propose"


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


DEFAULT = ProposerInfo(
    "the estimator's default configuration, once", f"{_HERE}.default:DefaultProposer", order=0
)
LLAMA = ProposerInfo(
    "a local language model: the embedded one, or any chat GGUF", f"{_HERE}.llama:open_model",
    needs_model=True, order=1,
)  # fmt: skip
HYBRID = ProposerInfo(
    "the model opens, a Gaussian process goes on", f"{_HERE}.hybrid:HybridProposer",
    needs_model=True, order=2,
)  # fmt: skip
SCREENING = ProposerInfo(
    "several candidates from the model, the best by a Gaussian process",
    f"{_HERE}.screening:ScreeningProposer", needs_model=True, order=3,
)  # fmt: skip
GP = ProposerInfo(
    "Gaussian process with expected improvement", f"{_HERE}.gp.proposer:GPProposer", order=4
)
TPE = ProposerInfo(
    "tree-structured Parzen estimator (Optuna)", f"{_HERE}.classical:TPEProposer", order=5
)
CMAES = ProposerInfo(
    "covariance matrix adaptation", f"{_HERE}.classical:CMAESProposer", order=6
)
RANDOM = ProposerInfo("random search", f"{_HERE}.classical:RandomProposer", order=7)
QUEUE = ProposerInfo("your own configurations, in order", f"{_HERE}.queue:QueueProposer", order=8)


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
