"""The prompt of a model that writes programs: contract, columns, programs so far, the best one.

Columns are described by facts, never by rows. What does not fit is left out: columns from the end,
then the text of the best program, then the programs that say least.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from hyperllama.core.errors import HyperLlamaError
from hyperllama.core.evaluate.results import std
from hyperllama.core.programs.facts import ProgramTask
from hyperllama.core.programs.policy import ALLOWED_IMPORTS
from hyperllama.core.programs.rehearsal import with_line
from hyperllama.core.programs.store import CHOICE, TRIES
from hyperllama.core.prompt.counting import Message
from hyperllama.core.prompt.sections import MOST_HINTS
from hyperllama.core.prompt.templates import PromptError, Templates
from hyperllama.core.prompt.wording import metric_words, score_text, untrusted, untrusted_code
from hyperllama.core.trials import AskContext, Observed
from hyperllama.core.trials.history import succeeded

REPLY_TOKENS = 1024
_LEAST_REPLY = 256
_MOST_COLUMNS = 60
_BEST_SHARE = 0.5  # of the room that is left, for the text of the best program
_LATEST = 3  # programs that are always told of first
_REASON = 300  # characters
_LINE = re.compile(r"\(line (\d+) of the program\)")
_EXAMPLES = {"classification": "HistGradientBoostingClassifier",
             "regression": "HistGradientBoostingRegressor"}  # fmt: skip


class ProgramPrompt:
    """Builds the conversation in which a program is asked for.

    Args:
        told: of the task.
        notes: the user's own notes on the task.
        tokens: of a conversation, as the model will read it.
        context_length: of the model.
    """

    def __init__(
        self, told: ProgramTask, notes: str, templates: Templates,
        tokens: Callable[[Sequence[Message]], int], context_length: int,
    ) -> None:
        self._told, self._notes, self._templates = told, notes, templates
        self._tokens, self._context_length = tokens, context_length

    def build(
        self, trials: Sequence[Observed], context: AskContext, rejected: Sequence[str] = ()
    ) -> tuple[list[Message], int]:
        """The conversation, and how many tokens the reply may take.

        Args:
            trials: all trials of the study, by rising number.
            rejected: why the latest programs were turned down by the user.

        Raises:
            PromptError: contract and task alone do not fit the context.
        """
        reply = max(_LEAST_REPLY, min(REPLY_TOKENS, self._context_length // 4))
        repairs = min(reply, self._context_length // 8)  # room for a program and its problem
        room = self._context_length - reply - repairs - 64
        count, best, lines = min(len(self._told.columns), _MOST_COLUMNS), "", list[Observed]()

        def made() -> list[Message]:
            return self._messages(trials, context, rejected, count, best, lines)

        while (used := self._tokens(made())) > room and count > 1:
            count //= 2
        if used > room:
            raise PromptError(
                f"the task of a program needs {used + reply + repairs} tokens; the context has "
                f"{self._context_length}", "load the model with a longer context"
            )  # fmt: skip
        best = self._best_text(trials)
        if best and self._tokens(made()) > used + (room - used) * _BEST_SHARE:
            best = ""
        for trial in _by_worth(trials):
            lines.append(trial)
            if self._tokens(made()) > room:
                lines.pop()
                break
        return made(), reply

    def repaired(self, messages: Sequence[Message], code: str, problem: str) -> list[Message]:
        """The conversation gone on with a program that cannot be used, and why."""
        asked = self._templates.fill("repair", {"problem": untrusted(problem, _REASON)})
        return [
            *messages, {"role": "assistant", "content": f"```python\n{untrusted_code(code)}\n```"},
            {"role": "user", "content": asked},
        ]

    def _messages(
        self, trials: Sequence[Observed], context: AskContext, rejected: Sequence[str],
        columns: int, best: str, listed: Sequence[Observed],
    ) -> list[Message]:  # fmt: skip
        told, task = self._told, self._told.task
        top = _best(trials)
        known = "" if told.neutral else untrusted(self._notes, 600)
        values = {
            "kind": task["kind"], "classes": task["n_classes"] or "", "rows": task["n_rows"],
            "metric": metric_words(str(task["metric"])), "notes": known,
            "columns": "\n".join(_column(c) for c in told.columns[:columns]),
            "more": len(told.columns) - columns or "",
            "history": "\n".join(
                self._line(t) for t in sorted(listed, key=lambda t: t.number)
            ),
            "best": best, "number": top.number if top else "",
            "score": score_text(top.value) if top else "",
            "hints": "; ".join(untrusted(h, 300) for h in context.hints[-MOST_HINTS:]),
            "rejected": " ".join(untrusted(r, 300) for r in rejected[-2:]),
        }  # fmt: skip
        contract = {
            "imports": ", ".join(n for n in ALLOWED_IMPORTS if n != "__future__"),
            "library": "sklearn.ensemble", "estimator": _EXAMPLES[str(task["kind"])],
        }  # fmt: skip
        return [
            {"role": "system", "content": self._templates.fill("program", contract)},
            {"role": "user", "content": self._templates.fill("programs", values)},
        ]

    def _best_text(self, trials: Sequence[Observed]) -> str:
        top = _best(trials)
        try:
            return untrusted_code(self._told.text_of(top.config)) if top is not None else ""
        except HyperLlamaError:
            return ""

    def _line(self, trial: Observed) -> str:
        """One program in a line: its score and what else was measured, or how it failed."""
        tries = untrusted(str(trial.facts.get(TRIES) or trial.reasoning), 120)
        what = f": {tries}" if tries else ""
        if not succeeded(trial):
            return f"- trial {trial.number} failed, {self._failure(trial)}{what}"
        facts = [f"folds {' '.join(score_text(s) for s in trial.fold_scores)}"]
        if trial.train_value is not None:
            facts.append(f"on training rows {score_text(trial.train_value)}")
        if trial.seconds:
            facts.append(f"{trial.seconds:.1g} s")
        if (shares := trial.facts.get("columns")) and isinstance(shares, Mapping):
            said = (f"{untrusted(str(n), 40)} {float(v):.0%}" for n, v in shares.items())
            facts.append(f"counts most: {', '.join(said)}")
        spread = std(trial.fold_scores) or 0.0
        score = score_text(trial.value, spread)
        return f"- trial {trial.number} scored {score} ({'; '.join(facts)}){what}"

    def _failure(self, trial: Observed) -> str:
        """Why a program failed, with the line of it that the traceback ended in."""
        reason = trial.reason
        if (found := _LINE.search(reason)) and CHOICE in trial.config:
            with contextlib.suppress(HyperLlamaError):
                text = self._told.store.get(str(trial.config[CHOICE])).text
                reason = with_line(reason, int(found[1]), text)
        return untrusted(reason, _REASON) or "nobody knows why"


def _column(facts: Mapping[str, Any]) -> str:
    missing = float(facts["missing_share"])
    empty = f", {missing:.0%} empty" if missing >= 0.005 else ""
    name = untrusted(str(facts["name"]), 60)
    return f"- {name}: {facts['kind']}, {facts['distinct']} different values{empty}"


def _best(trials: Sequence[Observed]) -> Observed | None:
    scored = [t for t in trials if succeeded(t)]
    return max(scored, key=lambda t: (float(t.value or 0.0), -t.number), default=None)


def _by_worth(trials: Sequence[Observed]) -> Iterator[Observed]:
    """Trials by how much they tell the next program: the latest, then the best, then the rest."""
    latest = list(trials[-_LATEST:])
    yield from reversed(latest)
    rest = [t for t in trials if t not in latest]
    yield from sorted(rest, key=lambda t: (not succeeded(t), -(t.value or 0.0), -t.number))
