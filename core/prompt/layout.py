"""How a prompt is laid out beside its wording: the file `layout.toml` in a folder of templates."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SMALL = 1_000_000_000
"""Weights below which a chat model gets the prompt `tenths` and does not reason by default.
Measured with 135 million weights (docs/prompts.md); up to 1 billion it is a choice."""
_ALLOWED: Mapping[str, tuple[Any, ...]] = {
    "rows": ("columns", "pairs", "tenths"),
    "order": ("number", "rising"),
    "score": ("last", "first"),
    "question": ("last", "before the trials", "in the reply"),
    "chat": ("template", "always", "never"),
    "facts": (True, False),
}


@dataclass(frozen=True)
class PromptLayout:
    """How trials are written, where they stand, and how the reply continues them.

    Attributes:
        rows: "columns" (values in the order of the columns, empty where a hyperparameter does not
            count), "pairs" (name=value), or "tenths": columns, too, but each number stands as the
            tenth of its range that it lies in, 0 to 9, and each category as its place. The reply
            has the same form; after an analysis, and as JSON, it has values.
        order: "number" (a trial's row stays where it is, so that it is read once) or "rising" (by
            score, the best last).
        score: "last" or "first" in a row. First, the reply begins with a score a little above the
            best, and the model writes the configuration for it (LLAMBO, arXiv 2402.03921).
        question: "last", "before the trials", so that the table ends the prompt, or "in the
            reply": the model's own reply begins with the table, so that nothing but a score is to
            be read anew, and what is asked, if anything is, is a line below the table.
        chat: "template" (the model's chat template; without one the prompt is a text that the
            reply continues), "always" (without one, in a ChatML-like layout) or "never".
        best: how many of the best trials are shown, and no others; 0 shows all. A small model
            writes rows like those it reads.
        over: a variant that ships, whose files count where the folder has none of that name.
        facts: whether a row has what is known beside the score: the training score, notes.
    """

    rows: str = "columns"
    order: str = "number"
    score: str = "last"
    question: str = "last"
    chat: str = "template"
    facts: bool = True
    best: int = 0
    over: str = ""

    def __post_init__(self) -> None:
        for name, allowed in _ALLOWED.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} is {getattr(self, name)!r}; allowed: "
                                 f"{', '.join(map(str, allowed))}")
        if type(self.best) is not int or self.best < 0:
            raise ValueError(f"best is {self.best!r}; allowed: a whole number from 0")

    @property
    def levels(self) -> int:
        """Into how many parts ranges are divided; 0 where values stand as they are."""
        return 10 if self.rows == "tenths" else 0

    def continues(self, has_template: bool) -> bool:
        """Whether the prompt is a plain text that the reply continues."""
        return self.chat == "never" or (self.chat == "template" and not has_template)


def read_layout(text: str) -> PromptLayout:
    """The layout that a file's text describes.

    Raises:
        ValueError: it is no TOML, or names something unknown.
    """
    found = tomllib.loads(text)
    known = [f.name for f in fields(PromptLayout)]
    for name in found:
        if name not in known:
            raise ValueError(f"unknown name {name!r}; allowed: {', '.join(known)}")
    return PromptLayout(**found)


@dataclass(frozen=True)
class ReplyForm:
    """How a reply is written.

    Attributes:
        kind: "json", "columns" or "pairs".
        begin: what stands before the first value, or before the JSON object.
    """

    kind: str = "json"
    begin: str = ""


JSON = ReplyForm()
USUAL = PromptLayout()
