"""How reasoning models mark their reasoning: read from the chat template, and from their text."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Marks:
    """The texts before and after a model's reasoning.

    Attributes:
        opening: starts it.
        closing: ends it and starts the answer.
        stop: what the model writes at the end of its reasoning; the beginning of `closing`.
        sign: what to look for in a template.
    """

    opening: str
    closing: str
    stop: str
    sign: str


def _marks(opening: str, closing: str, stop: str = "", sign: str = "") -> Marks:
    return Marks(opening, closing, stop or closing.strip(), sign or opening.strip())


# The first that is found counts.
_KNOWN = (
    _marks("Here are my reasoning steps:\n", "\n[BEGIN FINAL RESPONSE]\n",
           sign="[BEGIN FINAL RESPONSE]"),
    _marks("<think>\n", "\n</think>\n\n"),
    _marks("<|channel|>analysis<|message|>",
           "<|end|><|start|>assistant<|channel|>final<|message|>", "<|end|>", "<|channel|>"),
    _marks("[THINK]", "[/THINK]"),
    _marks("<|START_THINKING|>", "<|END_THINKING|>"),
    _marks("<seed:think>", "</seed:think>"),
    _marks("<|channel>thought\n", "<channel|>"),
    _marks("<mm:think>", "</mm:think>"),
    _marks("◁think▷", "◁/think▷"),
    _marks("<thinking>\n", "\n</thinking>\n\n"),
)  # fmt: skip


def marks_of(template: str) -> Marks | None:
    """The marks of a chat template; None for a model that is no reasoning model."""
    return next((marks for marks in _KNOWN if marks.sign in template), None)


def opened(prompt: str, marks: Marks) -> bool:
    """Whether the rendered prompt ends inside the reasoning already."""
    return prompt.rstrip().endswith(marks.opening.strip())


def closed(prompt: str, marks: Marks) -> bool:
    """Whether the rendered prompt ends after reasoning, perhaps an empty one."""
    return prompt.rstrip().endswith(marks.stop)


def unclosed(text: str) -> Marks | None:
    """The marks of reasoning that a text opens and does not close; None where there is none."""
    for marks in _KNOWN:
        if marks.sign in text and marks.stop not in text.rsplit(marks.sign, 1)[1]:
            return marks
    return None
