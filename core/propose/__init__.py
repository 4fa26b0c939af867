"""What suggests the next trial: one class a proposer, found by name through entry points.

Other rooms list proposers and open them here; each module is imported when its proposer is opened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyperllama.core.propose.catalogue import (
    ProposerInfo,
    broken_proposers,
    proposer_info,
    proposers,
)

if TYPE_CHECKING:
    from hyperllama.core.trials import Proposer, ProposerSetting

__all__ = ["ProposerInfo", "broken_proposers", "make_proposer", "needs_model", "proposers"]


def needs_model(name: str) -> bool:
    """Whether the proposer asks a language model.

    Raises:
        SpaceError: there is no such proposer.
    """
    return proposer_info(name).needs_model


def make_proposer(name: str, *, setting: ProposerSetting) -> Proposer:
    """A proposer by name, opened for one study.

    Raises:
        SpaceError: there is no such proposer.
        ModelFileError: the model's file is missing or unusable.
    """
    return proposer_info(name).make(setting)
