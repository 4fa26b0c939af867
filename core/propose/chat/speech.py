"""A chat model answers a question about the study, from facts that it is given."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from hyperllama.core.errors import EngineError
from hyperllama.core.propose.engine_session import EngineSession
from hyperllama.core.text import plain
from hyperllama.core.trials import Answer, Cancelled
from hyperllama.models.engine import Free, Generation, Segment

ANSWER_TOKENS = 400
TEMPERATURE = 0.3
_MARGIN = 32  # tokens
_EARLIER_CHARACTERS = 600
SYSTEM = (
    "You help a person to understand a study that tunes the hyperparameters of a machine-learning "
    "model. Answer the question in a few short sentences, in plain words, and only from the facts "
    "below: name trials by their numbers, and say so where the facts do not tell. If, and only if, "
    "a configuration to try is asked for, end with it as one JSON object of hyperparameters and "
    "values inside the search space."
)


def answer(
    session: EngineSession,
    lead: Callable[[str], Sequence[Segment]],
    question: str,
    facts: Sequence[str],
    earlier: Sequence[tuple[str, str]],
    on_text: Callable[[str], None],
    should_stop: Callable[[], bool],
) -> Answer:
    """The model's answer; `lead` says what the reply to a prompt begins with.

    Raises:
        Cancelled: it was stopped before a word.
        EngineError: the context has no room for the question.
    """
    started = time.perf_counter()
    info = session.info
    reply = min(ANSWER_TOKENS, info.context_length // 3)
    past = [
        {"role": role, "content": text[:_EARLIER_CHARACTERS]}
        for asked, said in earlier
        for role, text in (("user", asked), ("assistant", said))
    ]
    asked = {"role": "user", "content": question}
    kept: list[str] = []
    prompt = _rendered(session, kept, past, asked)
    room = info.context_length - reply - _MARGIN - session.count(prompt)
    if room < 0 and past:
        past = []
        prompt = _rendered(session, kept, past, asked)
        room = info.context_length - reply - _MARGIN - session.count(prompt)
    if room < 0:
        raise EngineError(
            "the question does not fit the model's context", "ask in fewer words, or load the "
            "model with a longer context"
        )  # fmt: skip
    for fact in facts:
        room -= session.count(f"\n- {fact}")
        if room < 0:
            break
        kept.append(fact)
    prompt = _rendered(session, kept, past, asked)
    if should_stop():
        raise Cancelled
    segments = [*lead(prompt), Free("answer", reply)]
    made = session.generate(
        Generation(prompt, segments, temperature=TEMPERATURE, top_p=0.95),
        lambda text: on_text(plain(text)),
        should_stop,
    )
    text = plain(str(made.values.get("answer", ""))).strip()
    if made.stop_reason == "cancelled" and not text:
        raise Cancelled
    tokens = {
        "prompt": float(made.prompt_tokens),
        "cached": float(made.cached_tokens),
        "generated": float(made.generated_tokens),
        "context_used": float(made.context_used),
        "context_length": float(made.context_length),
        "per_s": float(made.tokens_per_s),
    }
    return Answer(text, info.name, time.perf_counter() - started, tokens)


def _rendered(
    session: EngineSession,
    facts: Sequence[str],
    past: Sequence[dict[str, str]],
    asked: dict[str, str],
) -> str:
    told = "".join(f"\n- {fact}" for fact in facts)
    system = {"role": "system", "content": f"{SYSTEM}\n\n# Facts{told}"}
    return session.render_chat([system, *past, asked])
