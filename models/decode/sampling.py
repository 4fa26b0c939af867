"""Constrained decoding: which tokens may come next, so that every completion is valid.

Pure functions over token texts; no llama.cpp. Here: the vocabulary's texts and their indices, the
trie of some options, and draws; numbers are in `numbers`. Texts are bytes: tokens
need not end at the borders of characters.
"""

from __future__ import annotations

import functools
import itertools
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hyperllama.models.errors import EngineError

Ids = NDArray[np.int32]

_NUMERIC = re.compile(rb"-?[0-9]*\.?[0-9]*(?:e?[-+]?[0-9]*)")
"""What may stand in a number, or be a part of one."""
_SERIALS = itertools.count()
_BLOCK = 512
_DRAWS = 200
_CLOSERS = b" \n\r\t,;:)]}\"'<|"


@dataclass
class Node:
    """A place in a trie of token texts, by character: the token that ends here, or -1; next
    characters."""

    token: int = -1
    next: dict[str, Node] = field(default_factory=dict)


class Pieces:
    """The texts of a vocabulary's tokens, with the indices that constraints look into.

    Args:
        pieces: bytes of every token, empty for control tokens; shape (n_vocab,).
        encode: the tokenizer. Of what numbers are made of only the tokens that it writes itself
            are used; without one, the first token of every text.

    Attributes:
        numeric: the tokens that numbers are made of.
    """

    def __init__(
        self, pieces: Sequence[bytes], encode: Callable[[str], list[int]] | None = None
    ) -> None:
        self.pieces = pieces
        self.serial = next(_SERIALS)
        numbers: dict[str, int] = {}
        starts: dict[int, list[int]] = {}
        for token, piece in enumerate(pieces):
            if not piece:
                continue
            starts.setdefault(piece[0], []).append(token)
            if len(piece) <= 8 and _NUMERIC.fullmatch(piece):
                numbers.setdefault(piece.decode("ascii"), token)
        self.numeric = _trie(numbers if encode is None else _encoded(numbers, encode))
        self._starts = {b: np.array(ids, np.int32) for b, ids in starts.items()}

    @functools.cached_property
    def by_bytes(self) -> dict[bytes, int]:
        """The first token of every text."""
        table: dict[bytes, int] = {}
        for token, piece in enumerate(self.pieces):
            if piece:
                table.setdefault(piece, token)
        return table

    def starting_with(self, first: bytes) -> Ids:
        """Tokens whose text begins with one of the bytes in `first`."""
        found = [self._starts[b] for b in dict.fromkeys(first) if b in self._starts]
        return np.concatenate(found) if found else np.zeros(0, np.int32)

    def closing(self) -> Ids:
        """Tokens that may stand after a value when it is not known what follows."""
        return self.starting_with(_CLOSERS)

    def spell(self, text: bytes) -> list[int] | None:
        """Few tokens that make up exactly `text`, or None if the vocabulary cannot spell it."""
        best: list[tuple[int, int] | None] = [None] * len(text) + [(0, -1)]
        longest = max(map(len, self.by_bytes), default=0)
        for i in range(len(text) - 1, -1, -1):
            for j in range(i + 1, min(len(text), i + longest) + 1):
                token, rest = self.by_bytes.get(text[i:j]), best[j]
                if token is not None and rest is not None:
                    here = best[i]
                    if here is None or rest[0] + 1 <= here[0]:
                        best[i] = (rest[0] + 1, token)
        ids, i = [], 0
        while i < len(text):
            step = best[i]
            if step is None:
                return None
            ids.append(step[1])
            i += len(self.pieces[step[1]])
        return ids


def _encoded(texts: Mapping[str, int], encode: Callable[[str], list[int]]) -> dict[str, int]:
    """The texts that a tokenizer writes as one token, and that token; all single characters."""
    found: dict[str, int] = {}
    for text, token in texts.items():
        ids = encode(text)
        if len(ids) == 1:
            found[text] = ids[0]
        elif len(text) == 1:
            found[text] = token
    return found


def _trie(texts: Mapping[str, int]) -> Node:
    root = Node()
    for text, token in texts.items():
        node = root
        for c in text:
            node = node.next.setdefault(c, Node())
        node.token = token
    return root


# -- choices -----------------------------------------------------------------------------------


@dataclass
class Branch:
    """A place in the token trie of some options.

    Attributes:
        option: the option that is complete here, or -1.
        children: the next tokens, in the order of the options.
        options_below: every option at or below this place.
    """

    option: int = -1
    children: dict[int, Branch] = field(default_factory=dict)
    options_below: list[int] = field(default_factory=list)

    @functools.cached_property
    def log_shares(self) -> NDArray[np.float64]:
        """Log of how many options each child leads to, and last of the one that ends here."""
        counts = [len(child.options_below) for child in self.children.values()]
        return np.log([*counts, *([1] if self.option >= 0 else [])])


def option_trie(
    options: Sequence[str], encode: Callable[[str], list[int]], pieces: Pieces
) -> tuple[Branch, list[list[int]]]:
    """The trie of the options' tokens, and these tokens.

    Raises:
        EngineError: the vocabulary cannot spell an option.
    """
    root = Branch()
    spelled: list[list[int]] = []
    for number, text in enumerate(options):
        wanted = text.encode("utf-8", "surrogatepass")
        ids: list[int] | None = encode(text)
        if b"".join(pieces.pieces[i] for i in ids or ()) != wanted or ids in spelled:
            ids = pieces.spell(wanted)
        if not ids or ids in spelled:
            raise EngineError(
                f"the model's vocabulary cannot spell {text!r}", "use plain names for categories"
            )
        spelled.append(ids)
        node = root
        node.options_below.append(number)
        for token in ids:
            node = node.children.setdefault(token, Branch())
            node.options_below.append(number)
        node.option = number
    return root, spelled


# -- probabilities -----------------------------------------------------------------------------


def log_sum_exp(logits: NDArray[np.float32]) -> float:
    """log(sum(exp(logits))) without overflow; -inf for none."""
    if not len(logits):
        return -math.inf
    top = float(logits.max())
    if not math.isfinite(top):
        return top if top < 0 else math.inf
    return top + math.log(float(np.exp(logits - np.float32(top), dtype=np.float32).sum()))


def probabilities(logits: Iterable[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Softmax, shape (n,); what is not finite counts as impossible, and if all is, as equal."""
    x = np.asarray(logits, np.float64)
    finite = np.isfinite(x)
    if not finite.any():
        return np.full(len(x), 1.0 / len(x))
    p = np.zeros(len(x))
    p[finite] = np.exp(x[finite] - x[finite].max())
    return np.asarray(p / p.sum(), np.float64)


def choose(
    logits: NDArray[np.float64],
    temperature: float,
    draw: Callable[[], float],
    log_shares: NDArray[np.float64] | float = 0.0,
) -> tuple[int, float]:
    """Index of the option taken, and the natural log of its probability at temperature 1.

    Args:
        temperature: 0 takes the likeliest, the first among equals.
        draw: gives a uniform number in [0, 1); called once unless the temperature is 0.
        log_shares: log of the share of what each option leads to: the probabilities are theirs
            where the logits are equal, at any temperature.
    """
    p = probabilities(logits + log_shares)
    if temperature == 0 or len(p) == 1:
        i = int(p.argmax())
    else:
        heated = drawn_from(logits, temperature, log_shares)
        cumulated = np.cumsum(heated)
        i = int(np.searchsorted(cumulated, draw() * cumulated[-1], side="right"))
        i = min(i, len(p) - 1)
        while heated[i] == 0:  # rounding put the draw on an impossible option's edge
            i -= 1
    return i, math.log(max(float(p[i]), 1e-300))


def drawn_from(
    logits: NDArray[np.float64],
    temperature: float,
    log_shares: NDArray[np.float64] | float = 0.0,
) -> NDArray[np.float64]:
    """The probabilities that `choose` draws from; at temperature 0 those at 1."""
    return probabilities(logits / (temperature or 1.0) + log_shares)


def choose_free(
    row: NDArray[np.float32],
    temperature: float,
    top_p: float,
    draw: Callable[[], float],
) -> tuple[int, float]:
    """Like `choose`, over a whole vocabulary row of shape (n_vocab,), without sorting it.

    A token is in the top p if the likelier ones together have less than p; one that is not is drawn
    again, which happens with a probability of 1 - p.
    """
    if np.isnan(row.sum()):
        row = np.nan_to_num(row, nan=-np.inf, posinf=np.inf, neginf=-np.inf)
    best = int(row.argmax())
    top = float(row[best])
    if not math.isfinite(top):
        return best, 0.0
    total = log_sum_exp(row)
    if temperature == 0:
        return best, top - total
    i = _drawn(_heated(row, top, temperature), top_p, draw)
    return i, float(row[i]) - total


def _heated(
    logits: NDArray[np.float32], top: float, temperature: float
) -> NDArray[np.float32]:
    """Weights at a temperature, the likeliest 1."""
    shifted = (logits - np.float32(top)) * np.float32(1 / max(temperature, 1e-6))
    return np.asarray(np.exp(shifted, out=shifted), np.float32)


def _drawn(weights: NDArray[np.float32], top_p: float, draw: Callable[[], float]) -> int:
    """An index, drawn by weight from the top p; draws are summed up block by block."""
    starts = np.arange(0, len(weights), _BLOCK)
    sums = np.cumsum(np.add.reduceat(weights, starts), dtype=np.float64)
    mass = float(sums[-1])
    for _ in range(_DRAWS):
        wanted = draw() * mass
        block = min(int(np.searchsorted(sums, wanted, side="right")), len(sums) - 1)
        start = block * _BLOCK
        inside = np.cumsum(weights[start : start + _BLOCK], dtype=np.float64)
        rest = wanted - (float(sums[block - 1]) if block else 0.0)
        at = min(int(np.searchsorted(inside, rest, side="right")), len(inside) - 1)
        i = start + at
        weight = weights[i]
        if weight > 0 and (
            weight >= 1
            or top_p >= 1
            or float(weights[weights > weight].sum(dtype=np.float64)) < top_p * mass
        ):
            return i
    return int(weights.argmax())
