"""Questions about a study and their answers, given while trials train or the study rests.

What the program computes on a question is told at once. The model's words on it are made in a
thread of the study process, never at the same time as a proposal: the model has one owner. The
thread only fills a queue; events are emitted by the loop's own thread.
"""

from __future__ import annotations

import json
import queue
import re
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

from hyperllama.core.errors import HyperLlamaError
from hyperllama.core.events import AnswerText, QuestionAnswered, QuestionAsked
from hyperllama.core.space import Config, SearchSpace
from hyperllama.core.study.findings.computed_answer import computed_answer
from hyperllama.core.study.proposing import Proposing
from hyperllama.core.study.record import EventRecord
from hyperllama.core.study.steering.question_facts import facts_about, facts_for
from hyperllama.core.trials import Answer, AnswersQuestions, Cancelled, Question

_EARLIER = 3  # exchanges that the model is reminded of
_TEXT_EVERY_S = 0.1
STOPPED = "it was stopped"


class Conversation:
    """Answers questions one after the other."""

    def __init__(self, record: EventRecord, proposing: Proposing) -> None:
        self._record, self._proposing = record, proposing
        self._questions: list[QuestionAsked] = []  # that the model has not been asked yet
        self._asked: QuestionAsked | None = None
        self._thread: threading.Thread | None = None
        self._received: queue.SimpleQueue[str | Answer | HyperLlamaError] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._text, self._sent_s = "", 0.0

    @property
    def busy(self) -> bool:
        """Whether an answer is being given."""
        return self._thread is not None

    @property
    def pending(self) -> bool:
        """Whether an answer is being given, or a question waits for one."""
        return self.busy or bool(self._questions)

    def ask(self, question: str) -> None:
        """Tell what the program computes on it; the model is asked after the questions before."""
        state = self._record.state
        past = state.conversation
        number = past[-1].number + 1 if past else 0
        asked = QuestionAsked(number, question, computed_answer(question, state))
        self._record.emit(asked)
        self._questions.append(asked)

    def advance(self) -> None:
        """Pass on what was answered since the last call, and begin with the next question.

        None is begun while a proposer is at work: the model is asked one thing at a time.
        """
        self._pass_on()
        if self._questions and not self.busy and not self._proposing.asking:
            self._begin(self._questions.pop(0))

    def stop(self) -> None:
        """End the answer, what was written of it stays, and those to the questions after it."""
        for asked in self._questions:
            self._finish(asked, Answer("", cut=STOPPED))
        self._questions.clear()
        self._stop.set()

    def close(self) -> None:
        """End the answer and wait for its thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._pass_on()

    def _begin(self, asked: QuestionAsked) -> None:
        speaker = self._proposing.speaker()
        if speaker is None:
            what = f"{self._proposing.name} has no chat model"
            choose = "choose a chat model for this study, an instruct model of 1 B or more"
            if asked.computed:
                words = f"the program computed this; {what} to put it into words: {choose}"
                self._finish(asked, hint=words)
            else:
                self._finish(asked, problem=f"nothing is known yet, and {what}", hint=choose)
            return
        past = self._record.state.conversation
        earlier = [(e.asked, e.text) for e in past if e.text and not e.problem][-_EARLIER:]
        question = Question(
            asked.text, facts_for(self._record), earlier, self._received.put, self._stop.is_set,
            asked.computed, facts_about(asked.text, self._record),
        )  # fmt: skip
        self._asked = asked
        self._stop.clear()
        self._thread = threading.Thread(target=self._answer, args=(speaker, question), daemon=True)
        self._thread.start()

    def _answer(self, speaker: AnswersQuestions, question: Question) -> None:
        """The thread's work; whatever happens, something that is no text ends it."""
        try:
            self._received.put(speaker.answer(question))
        except Cancelled:
            self._received.put(Answer("", cut=STOPPED))
        except HyperLlamaError as error:
            self._received.put(error)
        except Exception as error:
            # A study of hours must not end because of an internal error in an answer.
            self._received.put(HyperLlamaError(f"{type(error).__name__}: {error}"))

    def _pass_on(self) -> None:
        while True:
            try:
                received = self._received.get_nowait()
            except queue.Empty:
                break
            if isinstance(received, str):
                self._text += received
                continue
            self._flush()
            self._thread = None
            assert self._asked is not None
            if isinstance(received, Answer):
                self._finish(self._asked, received)
            else:
                self._finish(self._asked, problem=received.message, hint=received.hint)
        if self._text and time.monotonic() - self._sent_s >= _TEXT_EVERY_S:
            self._flush()

    def _flush(self) -> None:
        if self._text and self._asked is not None:
            self._record.emit(AnswerText(self._asked.number, self._text))
            self._text, self._sent_s = "", time.monotonic()

    def _finish(
        self, asked: QuestionAsked, answer: Answer | None = None, problem: str = "", hint: str = ""
    ) -> None:
        answer = answer or Answer("")
        best = self._record.state.best
        config = suggested(answer.text, self._record.space, best.config if best else {})
        self._record.emit(
            QuestionAnswered(
                asked.number, answer.text, config, problem, hint, answer.model,
                round(answer.seconds, 3), answer.tokens, asked.text, asked.computed, answer.cut,
            )
        )  # fmt: skip


def suggested(text: str, space: SearchSpace, best: Mapping[str, Any]) -> Config:
    """The last configuration in an answer: values inside the space, the rest as in `best`.

    Empty where there is none, or nothing in it can be used.
    """
    for found in reversed(list(_objects(text))):
        values, kept = (
            {n: v for n, v in config.items() if n in space and space[n].domain.contains(v)}
            for config in (found, best)
        )
        if values:
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
