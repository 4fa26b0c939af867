"""Questions about a study and the model's answers, given while trials train or the study rests.

The answer is made in a thread of the study process, never at the same time as a proposal: the model
has one owner. The thread only fills a queue; events are written by the loop's own thread.
"""

from __future__ import annotations

import json
import queue
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from hyperllama.core.errors import HyperLlamaError
from hyperllama.core.events import AnswerText, Event, QuestionAnswered, QuestionAsked
from hyperllama.core.space import Config
from hyperllama.core.storage.event_log import EventLog
from hyperllama.core.storage.store import Store
from hyperllama.core.study.facts import facts_for
from hyperllama.core.study.progress import Progress
from hyperllama.core.trials import Answer, AnswersQuestions, Cancelled, Question

_KEPT = 40  # exchanges that stay with the study
_EARLIER = 3  # exchanges that the model is reminded of
_TEXT_EVERY_S = 0.1


class Talking:
    """Answers questions one after the other.

    Args:
        speaker: the proposer that can speak, or None.
        who: the proposer's name, for the message that it cannot.
        about: facts beyond the trials: task, metric, budget; one line each.
        log: keeps the traceback of a mistake.
    """

    def __init__(
        self,
        store: Store,
        events: EventLog,
        progress: Progress,
        speaker: Callable[[], AnswersQuestions | None],
        who: Callable[[], str],
        about: Callable[[], Sequence[str]],
    ) -> None:
        self._store, self._events, self._progress = store, events, progress
        self._speaker, self._who, self._about = speaker, who, about
        self._past: list[dict[str, Any]] = []
        self._number = 0
        self._thread: threading.Thread | None = None
        self._said: queue.SimpleQueue[str | Answer | HyperLlamaError] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._text, self._sent_s = "", 0.0

    @property
    def busy(self) -> bool:
        """Whether an answer is being given."""
        return self._thread is not None

    def restore(self, past: Sequence[Any]) -> list[tuple[Event, float]]:
        """Take over what was said in earlier sessions."""
        self._past = [dict(p) for p in past]
        told: list[tuple[Event, float]] = []
        for number, p in enumerate(self._past):
            told.append((QuestionAsked(number, str(p["asked"])), float(p["t"])))
            answer = QuestionAnswered(number, str(p["text"]), dict(p["config"]))
            told.append((answer, float(p["t"])))
        self._number = len(self._past)
        return told

    def ask(self, question: str) -> None:
        """Begin to answer; only when not `busy`."""
        number, self._number = self._number, self._number + 1
        self._events.emit(QuestionAsked(number, question))
        speaker = self._speaker()
        if speaker is None:
            self._done(
                question,
                problem=f"{self._who()} cannot talk: it proposes, but does not speak",
                hint="choose a chat model for this study; instruct models of 1 B and more can talk",
            )
            return
        facts = [*self._about(), *facts_for(question, self._progress)]
        earlier = [(p["asked"], p["text"]) for p in self._past[-_EARLIER:] if p["text"]]
        self._stop.clear()
        self._question = question
        self._thread = threading.Thread(
            target=self._answer, args=(speaker, question, facts, earlier), daemon=True
        )
        self._thread.start()

    def poll(self) -> None:
        """Tell watchers what was said since the last call."""
        while True:
            try:
                said = self._said.get_nowait()
            except queue.Empty:
                break
            if isinstance(said, str):
                self._text += said
            else:
                self._flush()
                self._thread = None
                if isinstance(said, Answer):
                    self._done(self._question, said)
                else:
                    self._done(self._question, problem=said.message, hint=said.hint)
        if self._text and time.monotonic() - self._sent_s >= _TEXT_EVERY_S:
            self._flush()

    def hush(self) -> None:
        """End the answer; what was said stays."""
        self._stop.set()

    def close(self) -> None:
        """End the answer and wait for the thread."""
        self.hush()
        if self._thread is not None:
            self._thread.join()
            self.poll()

    def _answer(
        self, speaker: AnswersQuestions, asked: str, facts: list[str],
        earlier: list[tuple[str, str]],
    ) -> None:  # fmt: skip
        question = Question(asked, facts, earlier, self._said.put, self._stop.is_set)
        try:
            self._said.put(speaker.answer(question))
        except Cancelled:
            self._said.put(Answer(""))
        except HyperLlamaError as error:
            self._said.put(error)
        except Exception as error:
            # A study of hours must not end because of a mistake in an answer.
            self._said.put(HyperLlamaError(f"{type(error).__name__}: {error}"))

    def _flush(self) -> None:
        if self._text:
            self._events.emit(AnswerText(self._number - 1, self._text))
            self._text, self._sent_s = "", time.monotonic()

    def _done(
        self, question: str, answer: Answer | None = None, problem: str = "", hint: str = ""
    ) -> None:
        answer = answer or Answer("")
        config = suggested(answer.text, self._progress)
        if not problem:
            entry = {"asked": question, "text": answer.text, "config": config,
                     "t": round(time.time(), 3)}  # fmt: skip
            self._past = [*self._past, entry][-_KEPT:]
            self._store.set_attrs({"talk": self._past})
        self._events.emit(
            QuestionAnswered(
                self._number - 1, answer.text, config, problem, hint, answer.model,
                round(answer.seconds, 3), answer.tokens,
            )
        )  # fmt: skip


def suggested(text: str, progress: Progress) -> Config:
    """The last configuration in an answer: values inside the space, the rest the incumbent's.

    Empty where there is none, or nothing in it can be used.
    """
    space = progress.space
    for found in reversed(list(_objects(text))):
        values = {
            n: v for n, v in found.items() if n in space and space[n].domain.contains(v)
        }
        if not values:
            continue
        base = progress.best.config if progress.best is not None else {}
        kept = {n: v for n, v in base.items() if n in space and space[n].domain.contains(v)}
        return space.complete({**kept, **values})
    return {}


def _objects(text: str) -> Iterator[Mapping[str, Any]]:
    """The flat JSON objects in a text."""
    for match in re.finditer(r"\{[^{}]*\}", text):
        try:
            found = json.loads(match.group())
        except ValueError:
            continue
        if isinstance(found, dict):
            yield found
