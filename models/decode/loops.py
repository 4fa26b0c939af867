"""Where a text starts to repeat itself, which small models do until their tokens are used up."""

from __future__ import annotations

import re

LEAST = 60
"""Bytes that copies in a row take at least: below that, "0.1, 0.1, 0.1" may be meant."""
COPIES = 3
_LONGEST = 240  # bytes of a unit that is looked for
_SENTENCE = re.compile(rb"[^.!?\n]{24,}[.!?\n]")


def looped_at(text: bytes) -> int:
    """Where the first repetition of a text that ends in a loop begins; -1 where it has none.

    A loop is a unit that stands at least `COPIES` times in a row at the end and takes `LEAST`
    bytes, or a sentence that ends the text and stood in it twice before.
    """
    for size in range(1, min(_LONGEST, len(text) // COPIES) + 1):
        count = max(COPIES, -(-LEAST // size))
        if count * size <= len(text) and text.endswith(text[-size:] * count):
            begin = len(text) - count * size
            while begin >= size and text[begin - size : begin] == text[-size:]:
                begin -= size
            return begin + size
    sentences = list(_SENTENCE.finditer(text))
    if sentences and sentences[-1].end() == len(text):
        last = sentences[-1].group().strip()
        same = [s.start() for s in sentences if s.group().strip() == last]
        if len(same) >= COPIES:
            return same[1]
    return -1
