"""The line that says what a bound program tries, written by the model after its choices."""

from __future__ import annotations

import re

from hyperllama.core.propose.chat.decoding import TOP_P, Reply
from hyperllama.core.propose.engine_session import EngineSession
from hyperllama.core.space import Config
from hyperllama.core.text import one_line, plain
from hyperllama.core.trials import AskContext, Cancelled
from hyperllama.models.engine import Fixed, Free, Generation

_LEAD = "\nIn a few words, this pipeline tries "
_TOKENS = 28
_ROOM = 64  # tokens of lead and line
_CHARACTERS = 100
_FEWEST_LETTERS = 8
_WORD = re.compile(r"[a-z]{4,}")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def docstring_line(session: EngineSession, reply: Reply, context: AskContext) -> str:
    """What the model says that its configuration tries; empty where it says nothing usable.

    Raises:
        Cancelled: `context.should_stop` became true.
    """
    used = max((made.context_used for made in reply.made), default=0)
    if not used or used + _ROOM > session.info.context_length:
        return ""
    made = session.generate(
        Generation(
            [*reply.prompt.parts, reply.text],
            [Fixed(_LEAD), Free("line", _TOKENS, ("\n", '"', "{", "."))],
            temperature=reply.temperature,
            top_p=TOP_P,
            seed=reply.seed + len(reply.made),
        ),
        should_stop=context.should_stop,
    )
    if made.stop_reason == "cancelled":
        raise Cancelled
    line = tidied(str(made.values.get("line", "")))
    return line if speaks_of(reply.config, line) else ""


def speaks_of(config: Config, line: str) -> bool:
    """Whether a line names something of the configuration, and no number that is not in it."""
    text = " ".join(f"{name} {value}" for name, value in config.items() if value is not None)
    words = set(_WORD.findall(text.casefold().replace("pipeline.", "")))
    numbers = {f"{v:g}" for v in config.values() if isinstance(v, (int, float))}
    said = set(_WORD.findall(line.casefold()))
    return bool(words & said) and set(_NUMBER.findall(line)) <= numbers


def tidied(text: str) -> str:
    """A model's words as one line of a docstring; empty where hardly a word is left."""
    line = one_line(plain(text).replace("\\", " ").replace('"', "'"), _CHARACTERS).strip(" `*#:-")
    if sum(c.isalpha() for c in line) < _FEWEST_LETTERS:
        return ""
    return f"{line[0].upper()}{line[1:].rstrip('.')}."
