"""What was asked of the model for one trial and what it answered, word for word."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from textual.content import Content

from hyperllama.core.text import plain
from hyperllama.tui import wording
from hyperllama.tui.screens.dialogs import Read

_TEXTS = (
    ("prompt", "Prompt"),
    ("raw", "Raw reply"),
    ("reply", "Raw reply"),
    ("reasoning", "Reasoning"),
)
_HIDDEN = {"number", "t", "config", "beliefs", "attempts", "prompt", "raw", "reply", "reasoning"}


class RecordScreen(Read):
    """The records of a trial's proposals, the newest first."""

    def __init__(self, number: int, records: Sequence[Mapping[str, Any]]) -> None:
        super().__init__(f"Trial {number}: prompt and reply", describe(records))


def describe(records: Sequence[Mapping[str, Any]]) -> Content:
    """Each record with its texts, then its settings and counts."""
    if not records:
        return Content.styled(
            "Nothing was recorded: no proposer was asked for this trial (the default, or your own "
            "configuration), or it is still being proposed.",
            "$dim",
        )
    out: list[Content] = []
    for index, record in enumerate(reversed(records)):
        if index:
            earlier = "an earlier proposal for this trial"
            out += [Content(""), Content.styled(earlier, "italic $dim")]
        if record.get("turned_down"):
            out.append(Content.styled(f"turned down: {plain(str(record['turned_down']))}", "$bad"))
        said: set[str] = set()
        for key, title in _TEXTS:
            text = plain(str(record.get(key) or "")).strip()
            if text and text not in said:
                said.add(text)
                out += [Content.styled(title, "bold $primary"), Content(text), Content("")]
        out.append(Content.styled("Settings and counts", "bold $primary"))
        for key, value in record.items():
            if key not in _HIDDEN and value not in (None, "", [], {}):
                out += _fact(str(key), value)
    return Content("\n").join(out)


def _fact(key: str, value: Any) -> list[Content]:
    if isinstance(value, Mapping):
        pairs = "  ".join(f"{k}={_short(v)}" for k, v in value.items())
        return [Content.assemble((plain(key).ljust(14) + "  ", "$dim"), plain(pairs))]
    return [Content.assemble((plain(key).ljust(14) + "  ", "$dim"), plain(_short(value)))]


def _short(value: Any) -> str:
    if isinstance(value, (int, float, str)) or value is None:
        return wording.setting(value)
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 300 else text[:297] + "..."
