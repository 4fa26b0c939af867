"""What is known of the trials, in short lines for a model to read before its turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from hyperllama.core.prompt.wording import Names, score_text
from hyperllama.core.space import Categorical, SearchSpace
from hyperllama.core.trials.knowledge import Knowledge

_MOST = 4  # hyperparameters in one line


def known_text(
    known: Knowledge, space: SearchSpace, names: Names, count: Callable[[str], int], tokens: int
) -> str:
    """As many of the lines as fit into so many tokens, the most important ones first."""
    kept: list[str] = []
    for line in _lines(known, space, names):
        tokens -= count(f"- {line}\n")
        if tokens < 0:
            break
        kept.append(f"- {line}")
    return "\n".join(kept)


def _lines(known: Knowledge, space: SearchSpace, names: Names) -> Iterator[str]:
    def each(places: Any) -> str:
        chosen = [(n, v) for n, v in places.items() if n in space][:_MOST]
        return "; ".join(f"{names.name(n)} {_place(space, names, n, v)}" for n, v in chosen)

    if known.regions:
        yield f"promising: {each(known.regions)}"
    if known.important:
        shown = (names.name(n) for n in known.important if n in space)
        yield f"the score depends most on {', '.join(shown)}"
    if len(known.best) > 1:
        shown = (f"trial {n} ({score_text(value)})" for n, value in known.best)
        yield f"best: {', '.join(shown)}"
    if known.own:
        yield f"your last proposals: {', '.join(_brought(n, gain) for n, gain in known.own)}"
    if known.left and not names.neutral:
        yield f"no longer proposed, at the level of chance: {', '.join(known.left)}"
    if known.at_chance and known.chance is not None:
        yield f"no score is better than chance ({score_text(known.chance)}): change much"
    elif known.chance is not None:
        yield f"chance scores {score_text(known.chance)}"


def _brought(number: int, gain: float | None) -> str:
    if gain is None:
        return f"trial {number} brought nothing"
    if gain > 0:
        return f"trial {number} a new best by {score_text(gain)}"
    return f"trial {number} {score_text(-gain)} below the best"


def _place(space: SearchSpace, names: Names, name: str, values: tuple[Any, ...]) -> str:
    shown = [names.bare(name, v) for v in values]
    if isinstance(space[name].domain, Categorical) or len(shown) == 1:
        return " or ".join(shown)
    return f"{shown[0]} to {shown[1]}"
