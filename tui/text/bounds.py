"""What a user writes for a hyperparameter: a range (`2 to 8`), a value (`4`). No widgets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from hyperllama.core.events.requests import Freeze, Range, ResetRange
from hyperllama.tui.text import wording

Param = Mapping[str, Any]
"""A hyperparameter as `StudyOpened.space` has it."""


def parse(text: str, param: Param) -> Freeze | Range | ResetRange | str:
    """The request that a line stands for, or what is wrong with it."""
    name = str(param.get("name"))
    if text.lower() in ("", "task", "*"):
        return ResetRange(name)
    choices = all_choices(param)
    if choices is not None:
        return _choices(text, name, choices)
    bounds = [part for part in re.split(r"\s*(?:\.\.|,|\bto\b|\s)\s*", text.strip()) if part]
    try:
        numbers = [float(b) for b in bounds]
    except ValueError:
        return "numbers are needed: `2 to 8`, or `4` to freeze it"
    if any(n != n or abs(n) == float("inf") for n in numbers) or len(numbers) > 2:
        return "one number to freeze it, two for a range"
    if param.get("type") == "integer":
        if any(n != int(n) for n in numbers):
            return "whole numbers are needed"
        numbers = [int(n) for n in numbers]
    low, high = numbers[0], numbers[-1]
    if low > high:
        return f"{wording.setting(low)} is above {wording.setting(high)}"
    if param.get("log") and low <= 0:
        return "its scale is logarithmic: above 0"
    return Freeze(name, low) if low == high else Range(name, low, high)


def all_choices(param: Param) -> list[Any] | None:
    """All choices that the task allows; None for a number."""
    known = param.get("task_choices") or param.get("choices")
    return None if known is None else list(known)


def _choices(text: str, name: str, choices: list[Any]) -> Freeze | Range | str:
    by_name = {wording.setting(c): c for c in choices}
    wanted = [part.strip() for part in re.split(r"[,\s]+", text) if part.strip()]
    unknown = [w for w in wanted if w not in by_name]
    if unknown:
        return f"{unknown[0]} is not one of {', '.join(by_name)}"
    if len(wanted) == 1:
        return Freeze(name, by_name[wanted[0]])
    return Range(name, choices=tuple(by_name[w] for w in dict.fromkeys(wanted)))


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
