"""What a person writes for a hyperparameter's range: `2 to 8`, or `4` to hold it. No widgets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from hyperllama.core.events.requests import Freeze, Range, ResetRange
from hyperllama.tui import wording

Param = Mapping[str, Any]  # as `StudyOpened.space` has it


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
        return "numbers are needed: `2 to 8`, or `4` to hold it"
    if any(n != n or abs(n) == float("inf") for n in numbers) or len(numbers) > 2:
        return "one number to hold it, two for a range"
    if param.get("type") == "integer":
        if any(n != int(n) for n in numbers):
            return "whole numbers are needed"
        numbers = [int(n) for n in numbers]
    if len(numbers) == 1 or numbers[0] == numbers[1]:
        if param.get("log") and numbers[0] <= 0:
            return "its scale is logarithmic: above 0"
        return Freeze(name, numbers[0])
    low, high = numbers
    if low > high:
        return f"{wording.setting(low)} is above {wording.setting(high)}"
    if param.get("log") and low <= 0:
        return "its scale is logarithmic: the lower end has to be above 0"
    return Range(name, low, high)


def all_choices(param: Param) -> list[Any] | None:
    """All choices that the task allows; None for a number."""
    known = param.get("task_choices") or param.get("choices")
    return None if known is None else list(known)


def _choices(text: str, name: str, choices: list[Any]) -> Freeze | Range | str:
    by_name = {wording.setting(c): c for c in choices}
    wanted = [part.strip() for part in re.split(r"[,\s]+", text) if part.strip()]
    unknown = [w for w in wanted if w not in by_name]
    if unknown:
        return f"{unknown[0]} is none of {', '.join(by_name)}"
    if len(wanted) == 1:
        return Freeze(name, by_name[wanted[0]])
    return Range(name, choices=tuple(by_name[w] for w in dict.fromkeys(wanted)))


def written(param: Param) -> str:
    """The present range as a person would write it."""
    choices = param.get("choices")
    if choices is not None:
        return ", ".join(wording.setting(c) for c in choices)
    low, high = param.get("low"), param.get("high")
    if low is None or high is None:
        return ""
    exact = [repr(v) if isinstance(v, float) else str(v) for v in (low, high)]
    return exact[0] if low == high else f"{exact[0]} to {exact[1]}"


def in_words(param: Param) -> str:
    """The present range, and the task's where it differs."""
    if param.get("off"):
        return "has no effect now"
    text = f"held at {written(param)}" if param.get("frozen") else str(param.get("text", ""))
    return f"{text}   (task: {param['task']})" if param.get("task") else text
