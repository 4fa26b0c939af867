"""Text to tokens and back, through llama.cpp's tokenizer."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from hyperllama.models.decode.sampling import Ids, Pieces
from hyperllama.models.errors import EngineError

_SENTINEL = "\n"
_TEXTS_KEPT = 1024
"""Texts whose tokens are remembered: most parts of a prompt were in the one before."""
_KEPT_CHARACTERS = 8000
_HIDDEN_ATTRIBUTES = 1 | 2 | 8  # unknown, unused, control


class Vocabulary:
    """The tokenizer of a loaded model.

    Args:
        library: the module `llama_cpp.llama_cpp`.
        model: the loaded llama_model.
    """

    def __init__(self, library: Any, model: Any) -> None:
        self._lib = library
        self._vocab = library.llama_model_get_vocab(model)
        self._tokenized = functools.lru_cache(_TEXTS_KEPT)(self._tokenize)
        self.ends_before = functools.lru_cache(64)(self._ends_before)
        self.size = int(library.llama_vocab_n_tokens(self._vocab))
        self._buffer = ctypes.create_string_buffer(256)
        self.bos = int(library.llama_vocab_bos(self._vocab))
        self.eos = int(library.llama_vocab_eos(self._vocab))
        self.adds_bos = bool(library.llama_vocab_get_add_bos(self._vocab))

    def tokenize(self, text: str, *, begin: bool, special: bool) -> list[int]:
        """Tokens of a text.

        Args:
            begin: the text starts a context: add what the model expects there, once.
            special: read control tokens written out in the text.
        """
        read = self._tokenized if len(text) <= _KEPT_CHARACTERS else self._tokenize
        return list(read(text, begin, special))

    def _tokenize(self, text: str, begin: bool, special: bool) -> list[int]:
        raw = text.encode("utf-8", "replace")
        if begin and self.bos >= 0 and raw.startswith(self.piece(self.bos) or b"\0"):
            begin = not special  # a chat template has written it already
        room = len(raw) + 8
        while True:
            ids = (ctypes.c_int32 * room)()
            n = self._lib.llama_tokenize(self._vocab, raw, len(raw), ids, room, begin, special)
            if n >= 0:
                return list(ids[:n])
            if -n <= room:
                raise EngineError("the text cannot be tokenised", "it may be too long")
            room = -n

    def continuation(self, text: str, *, special: bool = False) -> list[int]:
        """Tokens of a text that stands in the middle of another: no space put before it."""
        if not text:
            return []
        ids = self.tokenize(text, begin=False, special=special)
        if self.joined(ids) == text.encode("utf-8", "replace"):
            return ids
        # sentencepiece puts a space in front of a text; here it goes in front of the sentinel
        longer = self.tokenize(_SENTINEL + text, begin=False, special=special)
        wanted = text.encode("utf-8", "replace")
        for cut in range(1, min(len(longer), 4)):
            if self.joined(longer[cut:]) == wanted:
                return longer[cut:]
        return (None if special else self.pieces.spell(wanted)) or ids

    def piece(self, token: int) -> bytes:
        """The bytes a token stands for, control tokens written out."""
        n = self._lib.llama_token_to_piece(self._vocab, token, self._buffer, 256, 0, True)
        if n < 0:
            self._buffer = ctypes.create_string_buffer(-n)
            n = self._lib.llama_token_to_piece(self._vocab, token, self._buffer, -n, 0, True)
        return bytes(self._buffer.raw[: max(n, 0)])

    def joined(self, ids: Sequence[int]) -> bytes:
        return b"".join(map(self.piece, ids))

    def detokenize(self, ids: Sequence[int]) -> str:
        return self.joined(ids).decode("utf-8", "replace")

    @functools.cached_property
    def end_of_reply(self) -> list[int]:
        """Tokens that end a reply (end of text, of turn, ...)."""
        is_end = self._lib.llama_vocab_is_eog
        return [t for t in range(self.size) if is_end(self._vocab, t)]

    def _ends_before(self, first: str) -> Ids:
        """Tokens after which a value is complete: they begin with a character, or end the reply;
        with none, those that may stand after a value."""
        pieces, begin = self.pieces, first.encode("utf-8", "replace")[:1]
        ids = pieces.starting_with(begin) if begin else pieces.closing()
        return np.union1d(ids, np.array(self.end_of_reply, np.int32)).astype(np.int32)

    @functools.cached_property
    def pieces(self) -> Pieces:
        """The texts that may be written by a constrained value: no control tokens."""
        attributes = self._lib.llama_vocab_get_attr
        return Pieces(
            [
                b"" if attributes(self._vocab, t) & _HIDDEN_ATTRIBUTES else self.piece(t)
                for t in range(self.size)
            ],
            self._written,
        )

    def _written(self, text: str) -> list[int]:
        """The tokens of a text in the middle of another, as the tokenizer itself writes it."""
        for before in ("", _SENTINEL):
            ids = self.tokenize(before + text, begin=False, special=False)
            lead = self.tokenize(before, begin=False, special=False) if before else []
            if ids[: len(lead)] == lead and self.joined(ids[len(lead) :]) == text.encode():
                return ids[len(lead) :]
        return []
