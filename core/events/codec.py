"""Frozen dataclasses <-> JSON: everything stored or sent is checked against the types it has.

pydantic would do this, too, but importing it and building its models takes the interface longer
than its first paint.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

_T = TypeVar("_T")
_PLAIN = frozenset((str, int, bool, type(None)))
_WORDS = {
    int: "a whole number", float: "a number", str: "text", bool: "true or false",
    tuple: "a list", Mapping: "an object",
}  # fmt: skip


def encode(value: Any) -> Any:
    """`value` as JSON can hold it: dataclasses become objects, tuples lists, NaN and inf null."""
    kind = type(value)  # exact types first: a long study's log has a million values
    if kind in _PLAIN:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if kind is dict or isinstance(value, Mapping):
        return {str(k): v if type(v) in _PLAIN else encode(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [encode(v) for v in value]
    if is_dataclass(value) and not isinstance(value, type):
        found = {name: getattr(value, name) for name in _names(kind)}  # type: ignore[arg-type]
        return {n: v if type(v) in _PLAIN else encode(v) for n, v in found.items()}
    return value


def decode(kind: type[_T], payload: object) -> _T:
    """A `kind` from what `encode` made of one. Unknown keys are left out: a newer version's.

    Raises:
        ValueError: a field is missing or of another type; the message names it.
    """
    if not isinstance(payload, Mapping):
        raise ValueError(f"it has to be {_WORDS[Mapping]}")
    values = {}
    for name, (read, required) in _fields(kind).items():  # type: ignore[arg-type]
        if name in payload:
            try:
                values[name] = read(payload[name])
            except ValueError as error:
                raise ValueError(f"{name} has to be {error}") from None
        elif required:
            raise ValueError(f"{name} is missing")
    return kind(**values)


def decode_sound(kind: type[Any], payload: object) -> tuple[dict[str, Any], list[str]]:
    """The fields of a `kind` that `payload` holds as they should be, and the names of those that
    it holds in another form. For stored values, where a damaged one is to cost only itself."""
    values, damaged = {}, []
    known = _fields(kind)  # type: ignore[arg-type]
    for name, value in payload.items() if isinstance(payload, Mapping) else ():
        if name in known:
            try:
                values[name] = known[name][0](value)
            except ValueError:
                damaged.append(name)
    return values, damaged


def wire_name(kind: type[Any]) -> str:
    """A class's name as requests carry it: `StopNow` -> "stop_now"."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()


@functools.cache
def _names(kind: type[Any]) -> tuple[str, ...]:
    return tuple(f.name for f in fields(kind))


@functools.cache
def _fields(kind: type[Any]) -> dict[str, tuple[Callable[[Any], Any], bool]]:
    """How each field is read, and whether it must be there."""
    hints = get_type_hints(kind)
    return {f.name: (_reader(hints[f.name]), _required(f)) for f in fields(kind)}


def _required(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _reader(hint: Any) -> Callable[[Any], Any]:
    """A function that returns a value of the hinted type, or raises ValueError saying what it is.

    Raises:
        TypeError: the hint is of a kind that no event or request has.
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return lambda value: value
    if origin in (Union, UnionType):
        return functools.partial(_read_any, [_reader(a) for a in arguments])
    if origin is tuple and arguments[1:] == (...,):
        return functools.partial(_read_list, _reader(arguments[0]))
    if origin in (dict, Mapping.__mro__[0]):
        return functools.partial(_read, Mapping, Mapping)
    if isinstance(hint, type) and is_dataclass(hint):
        return functools.partial(decode, hint)
    if hint is float:
        return _read_number
    if hint in (int, str, bool, type(None)):
        return functools.partial(_read, hint, hint)
    raise TypeError(f"no reader for {hint}")


def _read(kind: type[Any], shown: type[Any], value: Any) -> Any:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is int):
        raise ValueError(_WORDS.get(shown, "nothing"))
    return value


def _read_number(value: Any) -> float:
    if value is None:  # what `encode` makes of NaN
        return math.nan
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(_WORDS[float])
    return value


def _read_list(read: Callable[[Any], Any], value: Any) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise ValueError(_WORDS[tuple])
    return tuple(read(v) for v in value)


def _read_any(readers: list[Callable[[Any], Any]], value: Any) -> Any:
    if value is None:
        readers = [r for r in readers if r is not _read_number]
    expected = ""
    for read in readers:
        try:
            return read(value)
        except ValueError as error:
            expected = expected or str(error)
    raise ValueError(expected)
