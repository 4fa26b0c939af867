"""What a user writes for a hyperparameter: a range (`2 to 8`), a value (`4`). No widgets."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from hyperllama.core.events.requests import Freeze, Range, ResetRange
from hyperllama.tui.text import wording

Param = Mapping[str, Any]
"""A hyperparameter as `StudyOpened.space` has it."""


def parse(text: str, param: Param) -> Freeze | Range | ResetRange | str:
    """The request that a line stands for, or what is wrong with it."""
    try:
        return _request(text, param)
    except ValueError as error:
        return str(error)


def _request(text: str, param: Param) -> Freeze | Range | ResetRange:
    name = str(param.get("name"))
    if text.lower() in ("", "task", "*"):
        return ResetRange(name)
    choices = all_choices(param)
    if choices is not None:
        kept = chosen(text, choices)
        return Freeze(name, kept[0]) if len(kept) == 1 else Range(name, choices=tuple(kept))
    ends = numbers(text)
    if param.get("type") == "integer":
        if any(n != int(n) for n in ends):
            raise ValueError("whole numbers are needed")
        ends = [int(n) for n in ends]
    else:
        ends = [float(n) for n in ends]
    low, high = ends[0], ends[-1]
    if param.get("log") and low <= 0:
        raise ValueError("its scale is logarithmic: above 0")
    return Freeze(name, low) if low == high else Range(name, low, high)


def numbers(text: str) -> list[int | float]:
    """One number, or the two ends of a range: `4`, `2 to 8`, `2..8`, `2, 8`, `2 8`.

    Raises:
        ValueError: with what is wrong, in words.
    """
    parts = re.split(r"\s*(?:\.\.|…|,|\bto\b|\s)\s*", text.strip())
    try:
        finite = all(math.isfinite(float(part)) for part in parts)
    except ValueError:
        raise ValueError("numbers are needed: `2 to 8`, or `4` to freeze it") from None
    if not finite or len(parts) > 2:
        raise ValueError("one number to freeze it, two for a range")
    ends: list[int | float] = [typed(part, 0) for part in parts]
    if ends[0] > ends[-1]:
        raise ValueError(f"{wording.setting(ends[0])} is above {wording.setting(ends[-1])}")
    return ends


def chosen(text: str, choices: Sequence[Any]) -> list[Any]:
    """The choices that are named, each once, as they are in `choices`.

    Raises:
        ValueError: with what is wrong, in words.
    """
    by_name = {wording.setting(c): c for c in choices}
    parts = [part.strip() for part in text.split(",")]
    wanted = [w for part in parts for w in ([part] if part in by_name else part.split())]
    if not wanted:
        raise ValueError("name at least one choice")
    kept = []
    for name in dict.fromkeys(wanted):
        value = by_name[name] if name in by_name else typed(name, choices[0])
        if value not in choices:
            raise ValueError(f"{name} is not one of {', '.join(by_name)}")
        kept.append(value)
    return kept


def all_choices(param: Param) -> list[Any] | None:
    """All choices that the task allows; None for a number."""
    known = param.get("task_choices") or param.get("choices")
    return None if known is None else list(known)


def exact(value: Any) -> str:
    """A value with all its digits."""
    return repr(value) if isinstance(value, float) else wording.setting(value)


def written(param: Param) -> str:
    """The present range as a user would write it."""
    choices = param.get("choices")
    if choices is not None:
        return ", ".join(wording.setting(c) for c in choices)
    low, high = param.get("low"), param.get("high")
    if low is None or high is None:
        return ""
    return exact(low) if low == high else f"{exact(low)} to {exact(high)}"


def in_words(param: Param) -> str:
    """The present range, and the task's where it differs."""
    if param.get("off"):
        return "has no effect now"
    text = f"frozen at {written(param)}" if param.get("frozen") else str(param.get("text", ""))
    return f"{text}   (task: {param['task']})" if param.get("task") else text


def typed(text: str, default: Any) -> Any:
    """The value that a text stands for: a truth value, None, a number or the text itself.

    Where the hyperparameter's default is a text, so is the value.
    """
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if text.lower() in ("none", "null"):
        return None
    for kind in () if isinstance(default, str) else (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def problem(value: Any, param: Param) -> str:
    """What is wrong with a value, if that can be seen here, or ""; the study checks it again."""
    choices = param.get("choices")
    if choices is not None:
        known = ", ".join(wording.setting(choice) for choice in choices)
        return "" if value in choices else f"one of {known}"
    low, high = param.get("low"), param.get("high")
    if low is None or high is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return "a number is needed"
    if not low <= value <= high:
        return f"between {wording.setting(low)} and {wording.setting(high)}"
    if param.get("type") == "integer" and value != int(value):
        return "a whole number is needed"
    return ""
