"""Chat messages to the text a model was trained on, by the template in its file.

The template is a program from an untrusted file: it runs in jinja2's sandbox, in the engine's
process, within limits of time and size. One that fails is replaced by a ChatML-like layout.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from hyperllama.models.errors import EngineError

LONGEST_TEMPLATE = 256 * 1024
LONGEST_TEXT = 16 * 1024 * 1024
LIMIT_S = 3.0
TODAY = datetime.datetime(2025, 1, 1)
"""Some templates write the date; a study replays exactly, so theirs is always the same."""

_CONTROL = re.compile(r"<(?=\|[^|>\n]{1,40}\|>|/?s>|(?:start|end)_of_turn>)")

Message = Mapping[str, str]


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
            text = _run(template, attempt, names)
        except Exception as e:  # an untrusted program may raise anything
            complaint = f"{type(e).__name__}: {e}"
            continue
        if all(m["content"].strip() in text for m in attempt if m["role"] == "system"):
            return text
        complaint = "it leaves the system message out"
    print(f"the model's chat template is not used: {complaint}"[:500], file=sys.stderr, flush=True)
    return chatml(clean, add_generation_prompt)


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


def _run(source: str, messages: Sequence[Message], names: Mapping[str, Any]) -> str:
    import jinja2
    from jinja2.ext import Extension, loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class GenerationTag(Extension):
        """{% generation %} marks what training learns from; it is ignored here."""

        tags = {"generation"}  # noqa: RUF012

        def parse(self, parser: Any) -> Any:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    class Sandbox(ImmutableSandboxedEnvironment):
        intercepted_binops = frozenset({"*", "**", "%"})

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            if operator == "**" or (operator == "%" and isinstance(left, str)):
                raise jinja2.TemplateRuntimeError(f"{operator} is not allowed")
            texts = [x for x in (left, right) if not isinstance(x, (int, float))]
            counts = [x for x in (left, right) if isinstance(x, int)]
            if texts and counts and len(texts[0]) * max(counts) > LONGEST_TEXT:
                raise jinja2.TemplateRuntimeError("its text grows beyond all bounds")
            return super().call_binop(context, operator, left, right)

    if len(source) > LONGEST_TEMPLATE:
        raise ValueError(f"it has {len(source)} characters")
    sandbox = Sandbox(
        trim_blocks=True, lstrip_blocks=True, extensions=[GenerationTag, loopcontrols]
    )
    sandbox.filters["tojson"] = _tojson
    sandbox.globals["raise_exception"] = _refuse
    sandbox.globals["strftime_now"] = TODAY.strftime
    with _limit(LIMIT_S):
        text, size = [], 0
        for part in sandbox.from_string(source).generate(messages=list(messages), **names):
            text.append(part)
            size += len(part)
            if size > LONGEST_TEXT:
                raise ValueError("its text grows beyond all bounds")
    return "".join(text)


def _refuse(message: str) -> None:
    raise ValueError(message)


def _tojson(value: Any, ensure_ascii: bool = False, indent: int | None = None, **_: Any) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent)


@contextlib.contextmanager
def _limit(seconds: float) -> Iterator[None]:
    """Interrupt what runs longer; only the main thread of a POSIX process can."""
    if not hasattr(signal, "setitimer") or (
        threading.current_thread() is not threading.main_thread()
    ):
        yield
        return

    def late(_signum: int, _frame: object) -> None:
        raise TimeoutError(f"it runs for more than {seconds:g} s")

    before: Callable[..., Any] | int | None = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
