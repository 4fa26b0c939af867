"""Names of hyperparameters in little room: what tells them apart stays."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from hyperllama.core.text import plain
from hyperllama.tui.text import wording

_ELLIPSIS = "…"
_HEADS = (0.5, 0.35, 0.65, 0.2, 0.8)  # shares of a cut name that its beginning gets


def fitted(names: Iterable[str], cells: int) -> dict[str, str]:
    """Each name in at most `cells` cells, by the whole name; no two read alike if that can be.

    Names that do not fit lose the estimator in front of the dot, where they differ without it;
    then they are abbreviated; then cut in the middle, because names mostly differ at both ends.
    """
    whole = {name: plain(name) for name in names}
    bare = {name: text.rpartition(".")[2] for name, text in whole.items()}
    short = {name: wording.short_name(text) for name, text in bare.items()}
    known = [whole, *(one for one in (bare, short) if _differ(one))]
    for texts in known:
        if all(len(text) <= cells for text in texts.values()):
            return texts
    texts = known[-1]
    for head in _HEADS:
        cut = {name: cut_middle(text, cells, head) for name, text in texts.items()}
        if _differ(cut):
            break
    return cut


def cut_middle(text: str, cells: int, head: float = 0.5) -> str:
    """At most `cells` cells of a text; an ellipsis stands for what is left out of its middle."""
    if len(text) <= cells:
        return text
    room = max(0, cells - 1)
    front = round(room * head)
    return text[:front] + _ELLIPSIS[:cells] + text[len(text) - (room - front) :]


def _differ(texts: Mapping[str, str]) -> bool:
    return len(set(texts.values())) == len(texts)


def by_weight(
    changes: Mapping[str, tuple[Any, Any]], shares: Mapping[str, float]
) -> list[tuple[str, Any, Any]]:
    """(name, before, after) of each change, the one that matters most first.

    Where the estimator changed, it comes first, and what was switched off with it is left out.
    The others are ordered by the share of their importance, if known, times the size of the step:
    the logarithm of the ratio for numbers, at most 1, and 1 for anything else.
    """
    estimator = next((n for n, (_, after) in changes.items() if _prefixes(after, changes)), "")

    def weight(name: str) -> float:
        step = 0.05 + _step(*changes[name])
        return math.inf if name == estimator else shares.get(name, 0.0 if shares else 1.0) * step

    kept = [n for n, (_, after) in changes.items() if not estimator or after is not None]
    return [(name, *changes[name]) for name in sorted(kept, key=weight, reverse=True)]


def _prefixes(value: Any, names: Iterable[str]) -> bool:
    """Whether a value is the estimator in front of some names."""
    return isinstance(value, str) and any(name.startswith(f"{value}.") for name in names)


def _step(before: Any, after: Any) -> float:
    """How large a change is, 0 to 1."""
    numbers = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in (before, after))
    if not numbers:
        return 1.0
    if before > 0 and after > 0:
        return min(1.0, abs(math.log(after / before)))
    return float(min(1.0, abs(after - before) / (abs(before) + abs(after) or 1.0)))
