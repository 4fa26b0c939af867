"""A chat model's words on a question about the study: what the program computed, and more facts."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from hyperllama.core.errors import EngineError
from hyperllama.core.propose.engine_session import EngineSession, token_counts
from hyperllama.core.text import plain
from hyperllama.core.trials import Answer, Cancelled, Question
from hyperllama.models.engine import Free, Generation, Segment

ANSWER_TOKENS = 400
TEMPERATURE = 0.3
_MARGIN = 32  # tokens
_EARLIER_CHARACTERS = 600
SYSTEM = (
    "You help a person to understand a study that tunes the hyperparameters of a machine-learning "
    "model. Answer the question in a few short sentences, in plain words, and only from the facts "
    "below: name trials by their numbers, and say so where the facts do not tell. What was "
    "computed for a question is right: say it in your own words, and why. If, and only if, a "
    "configuration to try is asked for, end with it as one JSON object of hyperparameters and "
    "values inside the search space."
)
_CUTS = {
    "length": "its tokens were used up",
    "context": "the model's context is full",
    "loop": "it repeated itself",
    "cancelled": "it was stopped",
}


def answered(
    session: EngineSession, lead: Callable[[str], Sequence[Segment]], question: Question
) -> Answer:
    """The model's answer; `lead` gives what the reply to a prompt begins with.

    Raises:
        Cancelled: it was stopped before a word.
        EngineError: the context has no room for the question.
    """
    started = time.perf_counter()
    info = session.opened(question.should_stop)
    reply = min(ANSWER_TOKENS, info.context_length // 3)
    prompt = _prompt(session, question, info.context_length - reply - _MARGIN)
    if question.should_stop():
        raise Cancelled
    heard: list[str] = []

    def on_text(text: str) -> None:
        heard.append(plain(text))
        question.on_text(heard[-1])

    made = session.generate(
        Generation(prompt, [*lead(prompt), Free("answer", reply)], temperature=TEMPERATURE,
                   top_p=0.95, aside=session.aside),
        on_text,
        question.should_stop,
    )  # fmt: skip
    text = plain(str(made.values.get("answer", "".join(heard)))).strip()
    if made.stop_reason == "cancelled" and not text:
        raise Cancelled
    cut = _CUTS.get(made.stop_reason, "")
    return Answer(text, info.name, time.perf_counter() - started, token_counts(made), cut)


def _prompt(session: EngineSession, question: Question, tokens: int) -> str:
    """The prompt with as many facts as fit into so many tokens; without earlier questions, and what
    was computed, if need be."""
    found = [*question.computed, *question.about]
    for earlier, asked in (
        (question.earlier, _asked(question.text, found)),
        ((), _asked(question.text, found)),
        ((), _asked(question.text, question.computed)),
        ((), question.text),
    ):
        left = tokens - session.count(_rendered(session, (), earlier, asked))
        if left >= 0:
            break
    else:
        raise EngineError(
            "the question does not fit the model's context",
            "ask in fewer words, or load the model with a longer context",
        )
    facts = []
    for fact in question.facts:
        left -= session.count(f"\n- {fact}")
        if left < 0:
            break
        facts.append(fact)
    return _rendered(session, facts, earlier, asked)


def _asked(question: str, found: Sequence[str]) -> str:
    """A question with what was found on it. It stands last, so that what is the same from question
    to question is read once."""
    if not found:
        return question
    return "Computed for the question:" + "".join(f"\n- {f}" for f in found) + f"\n\n{question}"


def _rendered(
    session: EngineSession,
    facts: Sequence[str],
    earlier: Sequence[tuple[str, str]],
    question: str,
) -> str:
    listed = "".join(f"\n- {fact}" for fact in facts)
    messages = [{"role": "system", "content": f"{SYSTEM}\n\n# Facts{listed}"}]
    for asked, answer in earlier:
        messages.append({"role": "user", "content": asked[:_EARLIER_CHARACTERS]})
        messages.append({"role": "assistant", "content": answer[:_EARLIER_CHARACTERS]})
    return session.render_chat([*messages, {"role": "user", "content": question}])
