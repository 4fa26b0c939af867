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
    """

    opening: str
    closing: str
    stop: str


# What to look for in a template, and the marks. The first one found counts.
_KNOWN = (
    (
        "[BEGIN FINAL RESPONSE]",
        Marks(
            "Here are my reasoning steps:\n",
            "\n[BEGIN FINAL RESPONSE]\n",
            "[BEGIN FINAL RESPONSE]",
        ),
    ),
    ("<think>", Marks("<think>\n", "\n</think>\n\n", "</think>")),
    (
        "<|channel|>",
        Marks(
            "<|channel|>analysis<|message|>",
            "<|end|><|start|>assistant<|channel|>final<|message|>",
            "<|end|>",
        ),
    ),
    ("[THINK]", Marks("[THINK]", "[/THINK]", "[/THINK]")),
    ("<|START_THINKING|>", Marks("<|START_THINKING|>", "<|END_THINKING|>", "<|END_THINKING|>")),
    ("<seed:think>", Marks("<seed:think>", "</seed:think>", "</seed:think>")),
    ("<|channel>thought", Marks("<|channel>thought\n", "<channel|>", "<channel|>")),
    ("<mm:think>", Marks("<mm:think>", "</mm:think>", "</mm:think>")),
    ("◁think▷", Marks("◁think▷", "◁/think▷", "◁/think▷")),
    ("<thinking>", Marks("<thinking>\n", "\n</thinking>\n\n", "</thinking>")),
)


def marks_of(template: str) -> Marks | None:
    """The marks of a chat template; None for a model that is no reasoning model."""
    return next((marks for sign, marks in _KNOWN if sign in template), None)


def opened(prompt: str, marks: Marks) -> bool:
    """Whether the rendered prompt ends inside the reasoning already."""
    return prompt.rstrip().endswith(marks.opening.strip())


def closed(prompt: str, marks: Marks) -> bool:
    """Whether the rendered prompt ends after reasoning, perhaps an empty one."""
    return prompt.rstrip().endswith(marks.stop)


def unclosed(text: str) -> Marks | None:
    """The marks of reasoning that a text opens and does not close; None where there is none."""
    for sign, marks in _KNOWN:
        if sign in text and marks.stop not in text.rsplit(sign, 1)[1]:
            return marks
    return None
