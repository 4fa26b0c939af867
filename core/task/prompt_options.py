"""What a user may choose about prompts: plain settings, so that importing them costs nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from hyperllama.core.errors import SpaceError

HISTORIES = ("compressed", "chat")
REPLIES = ("row", "json")
SHIPPED = Path(__file__).resolve().parents[1] / "prompt" / "variants"
"""The folders of templates that ship, beside the complete set, which is called standard."""


@dataclass(frozen=True)
class PromptOptions:
    """How the model is asked.

    Attributes:
        history: "compressed" (one fresh prompt with a table of trials) or "chat" (every reply and
            every score stays in the conversation).
        reasoning: an analysis before the configuration (chain of thought); None, the default,
            leaves it to the model's size and to one short try of it.
        reasoning_tokens: most tokens of that analysis.
        thinking_tokens: most tokens that a reasoning model may think before it is brought to the
            answer.
        train_scores, fold_spread, curve_facts: which facts of a trial are shown. How far scores
            spread over the folds is said once above the table, without `fold_spread`.
        seconds: show how long a trial took. Off, because it differs from run to run: a study with
            the same seed would not be the same again.
        descriptions: what each hyperparameter does.
        dataset_facts: what is known of the table.
        reply: how a model answers that is not asked for an analysis: "row" (the next row of the
            table of trials, which takes the fewest tokens) or "json" (an object with names, as
            after an analysis and in "chat").
        read_ahead: while a trial runs, read what the next prompt will begin with, so that only the
            score and the question are left to read; at the lowest priority, on processors only.
        surrogate: from the fourth scored trial on, `llama` with a chat model proposes the one of 64
            configurations drawn from the model's beliefs of which a Gaussian process expects most.
        neutral_names: hyperparameters, estimators and the task are called x1, x2, ...; a check of
            how much of a model's skill is remembered names.
        recent: how many of the latest trials are always shown when the history does not fit.
        templates: a variant of the prompt that ships ("short", ...), or a folder whose files take
            the place of the templates of their name; empty for what suits the model, under the
            files of `prompts` in the data folder.
    """

    history: str = "compressed"
    reasoning: bool | None = None
    reasoning_tokens: int = 256
    thinking_tokens: int = 1024
    train_scores: bool = True
    fold_spread: bool = False
    seconds: bool = False
    curve_facts: bool = True
    descriptions: bool = True
    dataset_facts: bool = True
    reply: str = "row"
    read_ahead: bool = True
    surrogate: bool = True
    neutral_names: bool = False
    recent: int = 5
    templates: str = ""

    def __post_init__(self) -> None:
        if self.history not in HISTORIES:
            raise SpaceError(
                f"prompt option history is {self.history!r}", f"allowed: {', '.join(HISTORIES)}"
            )
        if self.reply not in REPLIES:
            raise SpaceError(
                f"prompt option reply is {self.reply!r}", f"allowed: {', '.join(REPLIES)}"
            )
        for name in ("reasoning_tokens", "thinking_tokens", "recent"):
            if getattr(self, name) < 0:
                raise SpaceError(
                    f"prompt option {name} is {getattr(self, name)}", "allowed: 0 or more"
                )

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> PromptOptions:
        """Options by name, the others at their default.

        Raises:
            SpaceError: there is no such option, or a value is of the wrong kind.
        """
        for name, value in options.items():
            kind = _kind(name)
            if type(value) is not kind:
                raise SpaceError(f"prompt option {name} is {value!r}", f"allowed: {_WORDS[kind]}")
        return cls(**options)


def read_options(texts: Sequence[str]) -> dict[str, Any]:
    """Options written as "name=value", by name; `PromptOptions.of` takes them.

    Raises:
        SpaceError: no such option, or a value of the wrong kind.
    """
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name, value = name.strip().replace("-", "_"), value.strip()
        kind = _kind(name)
        if not equals:
            raise SpaceError(f"prompt option {name} has no value", f"write {name}=VALUE")
        if kind is bool and value.lower() in _SWITCH:
            found[name] = _SWITCH[value.lower()]
        elif kind is int and value.isdecimal():
            found[name] = int(value)
        elif kind is str:
            found[name] = value
        else:
            raise SpaceError(f"prompt option {name} is {value!r}", f"allowed: {_WORDS[kind]}")
    PromptOptions.of(found)
    return found


def variants() -> tuple[str, ...]:
    """The names of the variants of the prompt that ship."""
    return ("standard", *sorted(f.name for f in SHIPPED.iterdir() if f.is_dir()))


def templates_in(folder: Path, named: str) -> str:
    """What `templates` says in `folder`: a variant that ships by its name, else a whole path."""
    return named if named in variants() else str(folder / Path(named).expanduser())


_SWITCH = {"true": True, "yes": True, "on": True, "1": True,
           "false": False, "no": False, "off": False, "0": False}  # fmt: skip
_WORDS = {bool: "true or false", int: "a whole number from 0", str: "a text"}


def _kind(name: str) -> type:
    usual = PromptOptions()
    kinds = {f.name: type(getattr(usual, f.name)) for f in fields(usual)} | {"reasoning": bool}
    if name not in kinds:
        raise SpaceError(f"unknown prompt option {name!r}", f"allowed: {', '.join(kinds)}")
    return kinds[name]
