"""The prompt's text files beside this module: read, replaced by a user's own, filled in.

A file of the same name in the folder `prompts` of the data folder replaces the one that ships. The
marks are Mustache's: `{{name}}` is replaced, `{{#name}}...{{/name}}` is kept only where there is
such a value, `{{^name}}...{{/name}}` only where there is none, `{{! ... }}` is a comment. A line
with nothing but such marks leaves no empty line.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hyperllama.core.errors import HyperLlamaError
from hyperllama.models.paths import home

PLACEHOLDERS: Mapping[str, frozenset[str]] = {
    "system": frozenset({"reasoning", "sentences", "row"}),
    "task": frozenset(
        {"task", "kind", "model", "metric", "folds", "dataset", "notes", "space"}
    ),
    "history": frozenset({"columns", "rows", "spread"}),
    "digest": frozenset(
        {"last", "facts", "selected", "listed", "told", "omitted", "since", "columns", "rows",
         "spread"}
    ),
    "ask": frozenset(
        {"incumbent", "incumbent_number", "incumbent_score", "left", "few_left", "last", "flat",
         "hints", "rejected", "number", "row"}
    ),
    "turn": frozenset({"number"}),
}
"""What each template may name."""

_COMMENT = re.compile(r"\{\{!.*?\}\}", re.S)
_TAG = re.compile(r"\{\{([#^/]?)\s*([A-Za-z_]+)\s*\}\}")
_ALONE = re.compile(r"^[ \t]*((?:\{\{[#^/]\s*\w+\s*\}\}|\{\{!.*?\}\})+)[ \t]*\n", re.M | re.S)


class PromptError(HyperLlamaError):
    """A template is malformed, or the context is too short for task, space and reply."""

    exit_code = 2


@dataclass(frozen=True)
class Templates:
    """The texts by name.

    Attributes:
        texts: name -> template, without comments.
        version: changes with every change of any text; recorded with each trial.
        own: names of those that a user replaced.
    """

    texts: Mapping[str, str]
    version: str
    own: tuple[str, ...] = field(default=())

    def fill(self, name: str, values: Mapping[str, object]) -> str:
        """The template with its values, without spaces at both ends."""
        return fill(self.texts[name], values).strip()


def load_templates(folder: Path | None = None) -> Templates:
    """The templates that ship, each replaced by the file of its name in `folder` if there is one.

    Args:
        folder: `prompts` in the data folder by default, which need not exist.

    Raises:
        PromptError: the folder named does not exist, a file cannot be read, or names something
            unknown.
    """
    if folder is not None and not folder.is_dir():
        raise PromptError(f"{folder}: there is no such folder with prompt templates",
                          f"copy files from {shipped('ask').parent} into it")
    folder = home() / "prompts" if folder is None else folder
    texts, own = {}, []
    for name in PLACEHOLDERS:
        path = folder / f"{name}.md"
        if path.is_file():
            own.append(name)
        else:
            path = shipped(name)
        try:
            texts[name] = _prepared(path.read_text(encoding="utf8"))
            _check(name, texts[name])
        except (OSError, UnicodeDecodeError) as error:
            raise PromptError(f"{path}: {error}", "a template is a UTF-8 text file") from error
        except _Malformed as error:
            raise PromptError(f"{path}: {error}", error.hint) from error
    digest = hashlib.sha256("\0".join(texts[n] for n in sorted(texts)).encode()).hexdigest()
    return Templates(texts, digest[:12], tuple(own))


def shipped(name: str) -> Path:
    """The file of a template that ships, to read or to copy."""
    return Path(__file__).with_name(f"{name}.md")


def fill(template: str, values: Mapping[str, object]) -> str:
    """A template with its values; what a value contains is never read as a template."""
    parts: list[str] = []
    shown = [True]
    at = 0
    for tag in _TAG.finditer(template):
        if all(shown):
            parts.append(template[at : tag.start()])
        at = tag.end()
        mark, name = tag.groups()
        value = values.get(name)
        there = value is not None and value is not False and value != ""
        if mark == "#":
            shown.append(there)
        elif mark == "^":
            shown.append(not there)
        elif mark == "/":
            shown.pop()
        elif all(shown) and there:
            parts.append(str(value))
    parts.append(template[at:])
    return "".join(parts)


class _Malformed(Exception):
    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def _prepared(text: str) -> str:
    """Without comments, and without the line breaks of lines that hold only marks."""
    text = _ALONE.sub(lambda m: m.group(1), text.replace("\r\n", "\n"))
    return _COMMENT.sub("", text)


def _check(name: str, text: str) -> None:
    open_sections: list[str] = []
    for mark, inner in _TAG.findall(text):
        if inner not in PLACEHOLDERS[name]:
            raise _Malformed(
                f"unknown name {{{{{inner}}}}}", f"allowed: {', '.join(sorted(PLACEHOLDERS[name]))}"
            )
        if mark in "#^" and mark:
            open_sections.append(inner)
        elif mark == "/" and (not open_sections or open_sections.pop() != inner):
            raise _Malformed(f"{{{{/{inner}}}}} closes nothing", "sections close in reverse order")
    if open_sections:
        raise _Malformed(
            f"{{{{#{open_sections[-1]}}}}} is never closed", f"add {{{{/{open_sections[-1]}}}}}"
        )
