"""Chat messages to the text a model was trained on, by the template in its file.

The template is a program from an untrusted file: it runs in a process of its own
(`template_process`), within limits of time and memory. One that fails, or that loses a part of the
conversation, is replaced by a ChatML-like layout, and not tried again.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hyperllama.models.errors import ChildDied, EngineError
from hyperllama.models.process.child import Child, ChildError
from hyperllama.models.process.command import python_argv

LAYOUT_MARKS = ("<|im_start|>", "<|im_end|>")
"""What begins and ends a turn in the layout for files without a template: free text ends there,
since a model that does not know these marks may write them out."""
_PROCESS = "hyperllama.models.engine.template_process"
_CONTROL = re.compile(r"<(?=\|[^|>\n]{1,40}\|>|/?s>|(?:start|end)_of_turn>)")

Message = Mapping[str, str]


class OutOfLimits(ValueError):
    """A template's process was ended by the kernel: it is not tried in another form."""


class TemplateRenderer:
    """Runs chat templates in a process of its own, which is started when the first one is."""

    def __init__(self) -> None:
        self._child: Child | None = None
        self._refused: dict[str, str] = {}

    def start(self) -> None:
        """Start the process, so that it is ready when the first template is to be rendered."""
        if self._child is None or not self._child.alive:
            log = Path(os.devnull)
            self._child = Child(python_argv(_PROCESS), name="the template's process", log=log)

    def run(self, template: str, messages: Sequence[Message], names: Mapping[str, Any]) -> str:
        """The text that a template makes of a conversation.

        Raises:
            ValueError: it failed, ran out of its limits, or did so before.
        """
        if template in self._refused:
            raise ValueError(self._refused[template])
        try:
            self.start()
            assert self._child is not None
            fields = {"template": template, "messages": list(messages), "names": dict(names)}
            return str(self._child.call("render", fields)["done"])
        except ChildError as error:
            raise ValueError(error.message) from error
        except ChildDied as error:
            raise OutOfLimits("it takes too much time or memory") from error

    def refuse(self, template: str, why: str) -> None:
        """Do not run a template again."""
        self._refused[template] = why

    def close(self) -> None:
        """End the process. Idempotent."""
        if self._child is not None:
            self._child.kill()
            self._child = None


RENDERER = TemplateRenderer()


def render(
    template: str,
    messages: Sequence[Message],
    *,
    bos: str = "",
    eos: str = "",
    add_generation_prompt: bool = True,
    variables: Mapping[str, Any] | None = None,
) -> str:
    """The text of a conversation.

    Args:
        template: Jinja source; empty for a ChatML-like layout.
        messages: mappings with "role" (system, user, assistant) and "content". What looks like a
            control token in a content is broken up.
        variables: further names for the template ("enable_thinking", ...).

    Raises:
        EngineError: a message has no role or content.
    """
    clean = []
    for m in messages:
        if not isinstance(m.get("role"), str) or not isinstance(m.get("content"), str):
            raise EngineError(f"a chat message needs a role and a content, not {dict(m)!r}")
        clean.append({"role": m["role"], "content": _CONTROL.sub("< ", m["content"])})
    if not template:
        return chatml(clean, add_generation_prompt)
    names = {
        **(variables or {}),
        "bos_token": bos,
        "eos_token": eos,
        "add_generation_prompt": add_generation_prompt,
    }
    complaint = ""
    for attempt in (clean, merged(clean)):
        try:
            text = RENDERER.run(template, attempt, names)
        except ValueError as error:
            complaint = str(error)
            if isinstance(error, OutOfLimits):
                break
            continue
        if _keeps(text, attempt):
            return text
        complaint = "it leaves a part of the conversation out"
    RENDERER.refuse(template, complaint)
    print(f"the model's chat template is not used: {complaint}"[:500], file=sys.stderr, flush=True)
    return chatml(clean, add_generation_prompt)


def _keeps(text: str, messages: Sequence[Message]) -> bool:
    """Whether what the system and the user said stands in the text, in its order. Templates may
    shorten what the model said."""
    at = 0
    for said in (m["content"].strip() for m in messages if m["role"] != "assistant"):
        at = text.find(said, at)
        if at < 0:
            return False
        at += len(said)
    return True


def chatml(messages: Sequence[Message], add_generation_prompt: bool) -> str:
    """The layout for files without a template."""
    text = "".join(f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in messages)
    return text + ("<|im_start|>assistant\n" if add_generation_prompt else "")


def merged(messages: Sequence[Message]) -> list[dict[str, str]]:
    """The conversation with its system messages put in front of the first user message."""
    system = "\n\n".join(m["content"] for m in messages if m["role"] == "system")
    rest = [dict(m) for m in messages if m["role"] != "system"]
    for m in rest:
        if m["role"] == "user" and system:
            m["content"] = f"{system}\n\n{m['content']}"
            return rest
    return [{"role": "user", "content": system}, *rest] if system else rest
