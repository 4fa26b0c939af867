"""Proposals and answers from a chat model: any instruct or reasoning GGUF file.

Only the model's analysis is free text; what else it writes is decoded under constraints and checked
here. Gives out `ChatProposer`.
"""

from __future__ import annotations

from hyperllama.core.propose.chat.proposer import ChatProposer

__all__ = ["ChatProposer"]
