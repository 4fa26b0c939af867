"""How many tokens texts have, by the model's own tokenizer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

from hyperllama.core.prompt.plan import LEVELS
from hyperllama.core.prompt.wording import CUT

Message = Mapping[str, str]


class TokenCounter:
    """Counts tokens, and remembers the counts of the latest texts and conversations.

    Args:
        count: tokens of a piece of text.
        chat: messages -> text, by the model's chat template, ready for the reply.
    """

    def __init__(
        self, count: Callable[[str], int], chat: Callable[[Sequence[Message]], str]
    ) -> None:
        @lru_cache(maxsize=50_000)
        def text(text: str) -> int:
            """Tokens of a text."""
            return count(text.replace(CUT, ""))

        @lru_cache(maxsize=2 * len(LEVELS))
        def conversation(turns: tuple[tuple[str, str], ...]) -> int:
            messages = [{"role": role, "content": content} for role, content in turns]
            return count(chat(messages).replace(CUT, ""))

        self.text, self._conversation = text, conversation

    def chat(self, messages: Sequence[Message]) -> int:
        """Tokens of a conversation in the model's layout."""
        return self._conversation(tuple((m["role"], m["content"]) for m in messages))
