"""What a model was asked for one trial and what it replied, word for word, as text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from textual.content import Content

from hyperllama.core.text import plain
from hyperllama.tui.text import wording

_TEXTS = {
    "program": "Program", "prompt": "Prompt", "raw": "Raw reply", "reply": "Raw reply",
    "reasoning": "Reasoning",
}  # fmt: skip
_HIDDEN = {"number", "t", "config", "beliefs", "attempts", "waits", *_TEXTS}


def describe_records(records: Sequence[Mapping[str, Any]]) -> Content:
    """The records of a trial's proposals, the newest first: texts, then settings and counts."""
    if not records:
        return Content.styled(
            "No record: no proposer was asked for this trial (the default, or your own "
            "configuration), or it is still being proposed.",
            "$dim",
        )
    records = [r for r in records[:-1] if not r.get("waits")] + [records[-1]]
    out: list[Content] = []
    for index, record in enumerate(reversed(records)):
        if index:
            out += [Content(""), Content.styled("an earlier proposal", "italic $dim")]
        if record.get("turned_down"):
            out.append(Content.styled(f"rejected: {plain(str(record['turned_down']))}", "$bad"))
        shown: set[str] = set()
        for key, title in _TEXTS.items():
            text = plain(str(record.get(key) or "")).strip()
            if text and text not in shown:
                shown.add(text)
                out += [Content.styled(title, "bold $primary"), Content(text), Content("")]
        out.append(Content.styled("Settings and counts", "bold $primary"))
        out += [
            Content.assemble((plain(str(key)).ljust(14) + "  ", "$dim"), plain(_short(value)))
            for key, value in record.items()
            if key not in _HIDDEN and value not in (None, "", [], {})
        ]
    return Content("\n").join(out)


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        return "  ".join(f"{k}={_short(v)}" for k, v in value.items())
    if isinstance(value, (int, float, str)) or value is None:
        return wording.setting(value)
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 300 else text[:297] + "..."
