"""A configuration as a reply: fixed text, and values that are decoded under constraints.

The reply is one JSON object in the space's order, or a row of the table of trials. It is decoded in
stages, because which hyperparameters are active depends on the values of their parents; each stage
ends before the first one whose parent is decided in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Union

from hyperllama.core.prompt.wording import Names
from hyperllama.core.space import Categorical, Config, Float, Param, SearchSpace, Value

_MOST_OPTIONS = 64  # values with a step that are offered one by one


@dataclass(frozen=True)
class Text:
    """Fixed text of the reply."""

    text: str


@dataclass(frozen=True)
class Slot:
    """A value that the model decides: one of `options`, or a number where there are none.

    Attributes:
        param: the hyperparameter.
        options: JSON literals, or cells of a row.
        values: the value that each of them means.
    """

    param: Param
    options: tuple[str, ...] = ()
    values: tuple[Value, ...] = ()


Piece = Union[Text, Slot]


def stage(
    space: SearchSpace,
    names: Names,
    config: Config,
    at: int,
    numbers_at_once: int = 64,
    row: str = "",
) -> tuple[list[Piece], Config, int]:
    """The next part of the reply.

    Args:
        config: what is decided so far.
        at: position in the space of the first hyperparameter that is not.
        numbers_at_once: most numbers in one stage.
        row: how the row begins, for a space without conditions; empty for a JSON object.

    Returns:
        The pieces, the values of frozen hyperparameters among them, and the position after them.
        The object is closed with the last stage.
    """
    pieces: list[Piece] = []
    fixed: Config = {}
    undecided: set[str] = set()
    first = not config
    while at < len(space.params):
        p = space.params[at]
        if p.when is not None and p.when.parent in undecided:
            break
        if sum(isinstance(x, Slot) and not x.options for x in pieces) >= numbers_at_once:
            break
        at += 1
        if not space.is_active(p.name, {**config, **fixed}):
            continue
        if row:
            pieces.append(Text(row if first else ","))
        else:
            pieces.append(Text(f"{'{' if first else ', '}{names.key(p.name)}: "))
        first = False
        if p.frozen:
            fixed[p.name] = p.start
            shown = names.bare if row else names.literal
            pieces.append(Text(shown(p.name, p.start)))
        else:
            undecided.add(p.name)
            pieces.append(_slot(p, names, bool(row)))
    if at == len(space.params) and not row:
        pieces.append(Text("{}" if first else "}"))
    return _merged(pieces), fixed, at


def values_of(pieces: Sequence[Piece], values: Mapping[str, Any]) -> Config:
    """The decided values by hyperparameter, from what was decoded for each slot."""
    config: Config = {}
    for piece in pieces:
        if isinstance(piece, Slot):
            value = values[piece.param.name]
            if piece.options:
                value = piece.values[piece.options.index(str(value))]
            config[piece.param.name] = piece.param.domain.cast(value)
    return config


def beliefs_of(
    pieces: Sequence[Piece], beliefs: Mapping[str, Sequence[tuple[Any, float]]]
) -> dict[str, list[tuple[Any, float]]]:
    """Beliefs by hyperparameter, with values in place of literals."""
    found: dict[str, list[tuple[Any, float]]] = {}
    for piece in pieces:
        if isinstance(piece, Slot) and piece.param.name in beliefs:
            known = dict(zip(piece.options, piece.values, strict=True))
            found[piece.param.name] = [
                (known.get(str(v), v) if known else v, float(p))
                for v, p in beliefs[piece.param.name]
            ]
    return found


def _slot(p: Param, names: Names, in_row: bool) -> Slot:
    domain = p.domain
    if isinstance(domain, Categorical):
        shown = names.cells if in_row else names.choices
        return Slot(p, tuple(shown(p.name)), domain.choices)
    if isinstance(domain, Float) and domain.step is None:
        return Slot(p)
    step = domain.step or 1
    steps = int((domain.high - domain.low) / step + 1e-9)
    if step == 1 or steps >= _MOST_OPTIONS:
        return Slot(p)
    values = tuple(domain.cast(domain.low + i * step) for i in range(steps + 1))
    return Slot(p, tuple(f"{v:.10g}" for v in values), values)


def _merged(pieces: Sequence[Piece]) -> list[Piece]:
    """Neighbouring texts as one."""
    merged: list[Piece] = []
    for piece in pieces:
        if merged and isinstance(piece, Text) and isinstance(merged[-1], Text):
            merged[-1] = Text(merged[-1].text + piece.text)
        else:
            merged.append(piece)
    return merged
