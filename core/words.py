"""Words for messages: foreign text on one line, lists of names, the nearest known name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from hyperllama.core.text import plain


def shown(value: object, most: int = 60) -> str:
    """A foreign value, quoted, on one line, without control characters, cut at `most`."""
    if isinstance(value, str):
        line = " ".join(plain(value).split())
        line = line if len(line) <= most else line[: most - 1] + "…"
        return f"'{line}'"
    if isinstance(value, bool):
        return str(value).lower()
    line = " ".join(plain(repr(value)).split())
    return line if len(line) <= most else line[: most - 1] + "…"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like `name`, or None where none is near."""
    names = list(known)
    by_lower = {n.lower(): n for n in reversed(names)}
    close = difflib.get_close_matches(name.lower(), list(by_lower), n=1, cutoff=0.6)
    return by_lower[close[0]] if close else None


def allowed(known: Sequence[str], name: str = "", most: int = 30) -> str:
    """What is allowed, led by the nearest name where `name` looks misspelt."""
    listed = [plain(k)[:60].replace("\n", " ") for k in known[:most]]
    rest = f" and {len(known) - most} more" if len(known) > most else ""
    text = f"allowed: {', '.join(listed)}{rest}"
    guess = nearest(name, known) if name else None
    return f"did you mean {shown(guess)}? {text}" if guess else text
