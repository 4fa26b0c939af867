"""How many tokens texts have, remembered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from hyperllama.core.prompt.wording import CUT

Message = Mapping[str, str]
_MOST_TEXTS = 50_000
_MOST_CHATS = 12


class TokenCounter:
    """Counts tokens by the model's own tokenizer.

    Args:
        count: tokens of a piece of text.
        chat: messages -> text, by the model's chat template, ready for the reply.
    """

    def __init__(
        self, count: Callable[[str], int], chat: Callable[[Sequence[Message]], str]
    ) -> None:
        self._count_now, self._chat = count, chat
        self._texts: dict[str, int] = {}
        self._chats: dict[tuple[tuple[str, str], ...], int] = {}

    def text(self, text: str) -> int:
        """Tokens of a text."""
        text = text.replace(CUT, "")
        if text not in self._texts:
            if len(self._texts) >= _MOST_TEXTS:
                self._texts.clear()
            self._texts[text] = self._count_now(text)
        return self._texts[text]

    def chat(self, messages: Sequence[Message]) -> int:
        """Tokens of a conversation in the model's layout."""
        key = tuple((m["role"], m["content"]) for m in messages)
        if key not in self._chats:
            if len(self._chats) >= _MOST_CHATS:
                self._chats.clear()
            self._chats[key] = self._count_now(self._chat(messages).replace(CUT, ""))
        return self._chats[key]
