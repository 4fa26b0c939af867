"""A configuration as a reply: fixed text, and values that are decoded under constraints.

The reply is one JSON object in the space's order, or a row of the table of trials. It is decoded in
stages, because which hyperparameters are active depends on the values of their parents; each stage
ends before the first one whose parent is decided in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Union

from hyperllama.core.prompt.layout import JSON, ReplyForm
from hyperllama.core.prompt.levels import value_at
from hyperllama.core.prompt.wording import Names, digits_of
from hyperllama.core.space import Categorical, Config, Float, Integer, Param, SearchSpace, Value
from hyperllama.models.engine import Fixed, Number, OneOf, Segment

VALUE = "value "
_MOST_OPTIONS = 64  # values with a step that are offered one by one


@dataclass(frozen=True)
class Slot:
    """A value that the model decides: one of `options`, or a number where there are none.

    Attributes:
        param: the hyperparameter.
        options: JSON literals, or cells of a row.
        values: the value that each of them means.
        levels: the number is the part of its range, of so many; 0 where it is the value.
    """

    param: Param
    options: tuple[str, ...] = ()
    values: tuple[Value, ...] = ()
    levels: int = 0

    @property
    def segment(self) -> Segment:
        """What the engine decodes; it has the hyperparameter's name, after `VALUE`."""
        name, domain = f"{VALUE}{self.param.name}", self.param.domain
        if self.options or isinstance(domain, Categorical):
            return OneOf(name, self.options, belief=True)
        if self.levels:
            return Number(name, 0, self.levels - 1, integer=True, belief=True)
        if isinstance(domain, Integer):
            return Number(name, domain.low, domain.high, integer=True, log=domain.log,
                          belief=True)  # fmt: skip
        return Number(name, domain.low, domain.high, digits=digits_of(domain),
                      log=domain.log, belief=True)  # fmt: skip

    def value(self, decoded: Any, within: float = 0.5) -> Value:
        """The value that was decoded, inside the domain; of a part of the range, the one at
        `within` of it."""
        if self.levels:
            return value_at(self.param.domain, int(decoded), self.levels, within)
        found = self.values[self.options.index(str(decoded))] if self.options else decoded
        return self.param.domain.cast(found)

    def belief(self, pairs: Sequence[tuple[Any, float]]) -> list[tuple[Any, float]]:
        """(value, probability) pairs from those of what was decoded."""
        if self.levels:
            merged: dict[Any, float] = {}
            for level, p in pairs:
                value = value_at(self.param.domain, int(level), self.levels)
                merged[value] = merged.get(value, 0.0) + float(p)
            return list(merged.items())
        known = dict(zip(self.options, self.values, strict=True))
        return [(known.get(str(v), v), float(p)) for v, p in pairs]


_BETWEEN = {"json": ", ", "columns": ",", "pairs": " "}
_LABELS: Mapping[str, Callable[[Names, str], str]] = {
    "json": lambda names, param: f"{names.key(param)}: ",
    "columns": lambda names, param: "",
    "pairs": lambda names, param: f"{names.name(param)}=",
}
Piece = Union[Fixed, Slot]


def stage(
    space: SearchSpace,
    names: Names,
    config: Config,
    at: int,
    numbers_at_once: int = 64,
    form: ReplyForm = JSON,
) -> tuple[list[Piece], Config, int]:
    """The next part of the reply.

    Args:
        config: what is decided so far.
        at: position in the space of the first hyperparameter that is not.
        numbers_at_once: most numbers in one stage.
        form: of the reply: a JSON object, or a row of the table of trials.

    Returns:
        The pieces, the values of frozen hyperparameters among them, and the position after them.
        An object is closed with the last stage.
    """
    pieces: list[Piece] = []
    fixed: Config = {}
    undecided: set[str] = set()
    before = form.begin + "{" * (form.kind == "json") if at == 0 else None
    while at < len(space.params):
        p = space.params[at]
        if p.when is not None and p.when.parent in undecided:
            break
        if sum(isinstance(x, Slot) and not x.options for x in pieces) >= numbers_at_once:
            break
        at += 1
        active = space.is_active(p.name, {**config, **fixed})
        if not active and form.kind != "columns":
            continue
        label = _LABELS[form.kind](names, p.name)
        pieces.append(Fixed((_BETWEEN[form.kind] if before is None else before) + label))
        before = None
        if active and p.frozen:
            fixed[p.name] = p.start
            shown = names.literal if form.kind == "json" else names.bare
            pieces.append(Fixed(shown(p.name, p.start)))
        elif active:
            undecided.add(p.name)
            pieces.append(_slot(p, names, form.kind != "json"))
    if at == len(space.params) and form.kind == "json":
        pieces.append(Fixed((before or "") + "}"))
    return pieces, fixed, at


def _slot(p: Param, names: Names, in_row: bool) -> Slot:
    domain = p.domain
    if isinstance(domain, Categorical):
        shown = names.cells if in_row else names.choices
        return Slot(p, tuple(shown(p.name)), domain.choices)
    if names.levels:
        return Slot(p, levels=names.levels)
    if isinstance(domain, Float) and domain.step is None:
        return Slot(p)
    step = domain.step or 1
    steps = int((domain.high - domain.low) / step + 1e-9)
    if step == 1 or steps >= _MOST_OPTIONS:
        return Slot(p)
    values = tuple(domain.cast(domain.low + i * step) for i in range(steps + 1))
    return Slot(p, tuple(f"{v:.10g}" for v in values), values)
