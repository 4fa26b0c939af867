"""The process that runs chat templates: jinja2's sandbox inside the kernel's limits.

One C call inside a template cannot be interrupted, so the processor time of each rendering is
limited by the kernel, which then ends the process; so is its memory.
"""

from __future__ import annotations

import datetime
import json
import resource
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hyperllama.models.process.serve import ChildRequest, serve

LONGEST_TEMPLATE = 256 * 1024
LONGEST_TEXT = 16 * 1024 * 1024
MEMORY_BYTES = 300 * 1024 * 1024
LIMIT_S = 1
"""Seconds of processor time; the kernel counts whole ones. Real templates take milliseconds."""
TODAY = datetime.datetime(2025, 1, 1)
"""Some templates write the date; a study replays exactly, so theirs is always the same."""


def handle(request: ChildRequest) -> Iterator[Mapping[str, object]]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    spent_s = int(used.ru_utime + used.ru_stime) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (spent_s + LIMIT_S, resource.RLIM_INFINITY))
    yield {"done": run(request["template"], request["messages"], request["names"])}


def run(source: str, messages: Sequence[Any], names: Mapping[str, Any]) -> str:
    """The text of a conversation, in jinja2's sandbox."""
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


def main() -> None:
    """Limit this process, then render until standard input closes."""
    import jinja2.sandbox  # noqa: F401  (before the limit, which its own code counts against)

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    serve(handle)


if __name__ == "__main__":
    main()
