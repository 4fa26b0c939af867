"""Text that was not written by us, made safe for messages and terminals; lists of names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def plain(text: str) -> str:
    """`text` without escape sequences, control and bidirectional characters and halves of pairs
    (surrogates, which no file or terminal takes); \\n and \\t stay."""
    if text.isprintable():  # none of these are
        return text
    return _CONTROL.sub("", _ESCAPES.sub("", text))


def one_line(text: object, most: int = 200) -> str:
    """Foreign text on one line, without control characters, cut at `most` characters."""
    line = " ".join(plain(str(text)).split())
    return line if len(line) <= most else line[: most - 1] + "…"


def shown(value: object, most: int = 60) -> str:
    """A foreign value, quoted, on one line, without control characters, cut at `most`."""
    if isinstance(value, str):
        return f"'{one_line(value, most)}'"
    return str(value).lower() if isinstance(value, bool) else one_line(repr(value), most)


def table_stem(name: str) -> str:
    """The name of a table's file without the endings that say how it is written."""
    return re.sub(r"\.(csv|tsv|txt|parquet|feather|arrow|gz|zst)(?=\.|$)", "", name, flags=re.I)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like `name`, or None where none is near."""
    import difflib

    by_lower = {n.lower(): n for n in reversed(list(known))}
    close = difflib.get_close_matches(name.lower(), list(by_lower), n=1, cutoff=0.6)
    return by_lower[close[0]] if close else None


def allowed(known: Sequence[str], name: str = "", most: int = 30) -> str:
    """What is allowed, led by the nearest name where `name` looks misspelt."""
    listed = [plain(k)[:60].replace("\n", " ") for k in known[:most]]
    rest = f" and {len(known) - most} more" if len(known) > most else ""
    text = f"allowed: {', '.join(listed)}{rest}"
    guess = nearest(name, known) if name else None
    return f"did you mean {shown(guess)}? {text}" if guess else text


@lru_cache(maxsize=256)
def _spelt(name: str) -> re.Pattern[str]:
    """A name as people and models write it: words apart or joined, without the family before it."""
    words = [re.escape(w) for w in re.split(r"[\W_]+", name.rpartition(".")[2]) if w]
    spelling = r"[\s_-]?".join(words) if words else re.escape(name)
    return re.compile(rf"(?<!\w){spelling}(?!\w)", 0 if len(name) <= 2 else re.IGNORECASE)


def mentions(text: str, names: Iterable[str]) -> list[tuple[int, int, str]]:
    """Which words of a text name which of `names`: (start, end, name), in order, none twice.

    "learning rate" names learning_rate, "max_depth" names xgboost.max_depth; of two names for the
    same words the longer one counts.
    """
    found: list[tuple[int, int, str]] = []
    for name in sorted(names, key=len, reverse=True):
        for match in _spelt(name).finditer(text):
            start, end = match.span()
            if all(end <= s or start >= e for s, e, _ in found):
                found.append((start, end, name))
    return sorted(found)


def counted(number: int, noun: str) -> str:
    """A number and what there is so many of: 1 thread, 2 threads."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def percent(share: float) -> str:
    """A share in percent, with a digit where it is small."""
    text = f"{100 * share:.0f} %" if share >= 0.1 or share == 0 else f"{100 * share:.1f} %"
    return "<0.1 %" if text == "0.0 %" else text
