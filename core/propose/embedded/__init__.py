"""Proposals from the embedded model: search spaces in its dialect, and what its replies mean.

Gives out `EmbeddedProposer`, and `knows` for what the model was trained on.
"""

from __future__ import annotations

from hyperllama.core.propose.embedded.encoding import knows
from hyperllama.core.propose.embedded.proposer import EmbeddedProposer

__all__ = ["EmbeddedProposer", "knows"]
