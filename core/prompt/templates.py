"""The prompt's text files: read, replaced by those of a variant or a user's own, filled in.

The complete set lies beside this module. A variant is a folder with some of these files and a
`layout.toml`: those that ship lie in `variants`, and a user's own take the place of both. The
marks are Mustache's: `{{name}}` is replaced, `{{#name}}...{{/name}}` is kept only where there is
such a value, `{{^name}}...{{/name}}` only where there is none, `{{! ... }}` is a comment. A line
with nothing but such marks leaves no empty line.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from hyperllama.core.errors import HyperLlamaError
from hyperllama.core.prompt.layout import SMALL, USUAL, PromptLayout, read_layout
from hyperllama.core.task.prompt_options import SHIPPED, variants
from hyperllama.models.paths import home

PLACEHOLDERS: Mapping[str, frozenset[str]] = {
    "system": frozenset({"reasoning", "sentences", "row", "example"}),
    "task": frozenset(
        {"task", "kind", "model", "metric", "folds", "goals", "dataset", "notes", "space"}
    ),
    "history": frozenset({"columns", "rows", "spread"}),
    "digest": frozenset(
        {"last", "facts", "selected", "listed", "told", "omitted", "since", "columns", "rows",
         "spread"}
    ),
    "ask": frozenset(
        {"incumbent", "incumbent_number", "incumbent_score", "left", "few_left", "last", "flat",
         "hints", "known", "rejected", "number", "row", "unmoved", "unexplored"}
    ),
    "turn": frozenset({"number"}),
    "program": frozenset({"imports", "library", "estimator"}),
    "programs": frozenset(
        {"kind", "classes", "rows", "metric", "notes", "columns", "more", "history", "best",
         "number", "score", "hints", "rejected"}
    ),
    "repair": frozenset({"problem"}),
}
"""What each template may name."""

LAYOUT = "layout.toml"
Result = TypeVar("Result")
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
        layout: how trials are written and where they stand.
    """

    texts: Mapping[str, str]
    version: str
    own: tuple[str, ...] = field(default=())
    layout: PromptLayout = field(default_factory=PromptLayout)

    def fill(self, name: str, values: Mapping[str, object]) -> str:
        """The template with its values, without spaces at both ends."""
        return fill(self.texts[name], values).strip()


def load_templates(chosen: str | Path = "", usual: str = "") -> Templates:
    """The templates of a variant, over the complete set.

    Args:
        chosen: the name of a variant that ships, or a folder, whose files stand over those of
            `usual`; empty for `prompts` in the data folder, which need not exist.
        usual: the variant that suits the model; empty for the complete set alone.

    Raises:
        PromptError: the folder named does not exist, a file cannot be read, or names something
            unknown.
    """
    folders = [SHIPPED / usual] if usual else []
    mine = home() / "prompts"
    if str(chosen) in variants():
        folders = [SHIPPED / chosen]
    elif chosen:
        mine = Path(chosen)
        if not mine.is_dir():
            raise PromptError(f"{mine}: there is no such folder with prompt templates",
                              f"a variant is one of {', '.join(variants())}; for one of your own "
                              f"copy files from {shipped('ask').parent} into a folder")
    if str(chosen) not in variants():
        folders = [mine, *folders]
    file = _first(folders, LAYOUT)
    layout = _read(file, read_layout) if file else USUAL
    if layout.over in variants():
        folders.append(SHIPPED / layout.over)
    texts, own = {}, []
    for name in PLACEHOLDERS:
        path = _first(folders, f"{name}.md") or shipped(name)
        if path.parent == mine:
            own.append(name)
        texts[name] = _read(path, partial(_checked, name))
    every = "\0".join([*(texts[n] for n in sorted(texts)), str(asdict(layout))])
    digest = hashlib.sha256(every.encode()).hexdigest()
    return Templates(texts, digest[:12], tuple(own), layout)


def usual_variant(parameters: int, has_template: bool, thinks: bool = False) -> str:
    """The variant for a model of so many weights, with a chat template or without.

    Args:
        thinks: whether its template has marks of reasoning, which come before the table then.
    """
    if not has_template:
        return "continued"
    if parameters >= SMALL:
        return "standard"
    return "short" if thinks else "tenths"


def _first(folders: Sequence[Path], name: str) -> Path | None:
    return next((f / name for f in folders if (f / name).is_file()), None)


def _read(path: Path, read: Callable[[str], Result]) -> Result:
    try:
        return read(path.read_text(encoding="utf8"))
    except (OSError, UnicodeDecodeError) as error:
        raise PromptError(f"{path}: {error}", "a template is a UTF-8 text file") from error
    except _Malformed as error:
        raise PromptError(f"{path}: {error}", error.hint) from error
    except ValueError as error:
        raise PromptError(f"{path}: {error}", "see the files that ship") from error


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


def _checked(name: str, raw: str) -> str:
    text = _prepared(raw)
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
    return text
