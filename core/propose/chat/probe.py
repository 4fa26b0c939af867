"""Tries a chat model out: its reply to a short request, remembered by the hash of its file.

What is kept is the reply; whoever asks judges it. So another judgement costs no second try.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from hyperllama.core.events import Noted
from hyperllama.core.prompt.thinking import Marks
from hyperllama.core.propose.chat.decoding import lead_segments
from hyperllama.core.propose.engine_session import EngineSession
from hyperllama.core.text import plain
from hyperllama.core.trials import Cancelled
from hyperllama.models.engine import Free, Generation
from hyperllama.models.paths import home


@dataclass(frozen=True)
class ProbeQuestion:
    """A request that shows whether a model can do something.

    Attributes:
        name: what the reply is kept under.
        text: what the model is told; another text is another try.
        tokens: of the reply at most.
    """

    name: str
    text: str
    tokens: int


@dataclass(frozen=True)
class ProbeReply:
    """What the model wrote at temperature 0.

    Attributes:
        asked: the question's text; tokens: what it was granted.
        text: the reply, without a repetition that ended it.
        ended: whether the model ended it by itself.
        looped: whether it was stopped because it repeated itself.
    """

    asked: str
    tokens: int
    text: str
    ended: bool
    looped: bool


REASONS = ProbeQuestion(
    "reasons",
    "Three trials of a model were scored, a higher score is better. max_depth=2 scored 0.81, "
    "max_depth=4 scored 0.88, max_depth=8 scored 0.84. Say in one or two short sentences which "
    "max_depth is the best so far, and which value you would try next.",
    96,
)


def why_no_analysis(reply: ProbeReply) -> str:
    """Why a model's analysis is not worth its time, from its reply to `REASONS`; empty if it is."""
    if reply.looped:
        return "it repeats itself"
    if not reply.ended:
        return "it does not come to an end"
    said = reply.text.casefold()
    best = re.search(r"\b(?:4|four)\b", said)
    if not best or len(re.findall(r"[.!?](?:\s|$)", said)) > 4:
        return "it does not follow a simple instruction"
    return ""


def probed(
    session: EngineSession,
    question: ProbeQuestion,
    marks: Marks | None = None,
    report: Callable[[Noted], None] = lambda event: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> ProbeReply:
    """The model's reply to a question, asked once for each file.

    Args:
        marks: of a reasoning model, which answers here without reasoning.
        report: told where the model is really asked.

    Raises:
        Cancelled: `should_stop` became true.
        EngineError: the model cannot be loaded, or the question does not fit its context.
    """
    file = home() / "probes" / f"{session.sha256}.json"
    known = _read(file)
    found = known.get(question.name)
    if found is not None and (found.asked, found.tokens) == (question.text, question.tokens):
        return found
    report(Noted("info", f"{session.path.name} is tried out once with a short question"))
    prompt = session.render_chat([{"role": "user", "content": question.text}])
    made = session.generate(
        Generation(prompt, [*lead_segments(marks, 0, prompt), Free("reply", question.tokens)]),
        should_stop=should_stop,
    )
    if made.stop_reason == "cancelled":
        raise Cancelled
    text = plain(str(made.values["reply"])).strip()
    looped = made.stop_reason == "loop"
    ended = not looped and made.stop_reason == "done" and session.count(text) < question.tokens - 1
    reply = ProbeReply(question.text, question.tokens, text, ended, looped)
    kept = {n: asdict(r) for n, r in {**known, question.name: reply}.items()}
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f"{file.name}.{os.getpid()}")
    partial.write_text(json.dumps(kept, indent=1) + "\n", "utf8")
    partial.replace(file)
    return reply


def _read(file: Path) -> dict[str, ProbeReply]:
    """The replies in a file by question; none where it is missing or damaged."""
    try:
        return {n: ProbeReply(**r) for n, r in json.loads(file.read_text("utf8")).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
