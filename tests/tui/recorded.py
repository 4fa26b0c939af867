"""A recorded study for tests: events that exercise every widget, and a link that replays them."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from hyperllama.core.events import (
    AnswerText,
    Event,
    FoldFinished,
    ImportanceFound,
    ModelLoaded,
    ModelLoading,
    Noted,
    ProposalMade,
    ProposalStarted,
    ProposalText,
    QuestionAnswered,
    QuestionAsked,
    RerunFinished,
    StudyFinished,
    StudyOpened,
    StudySteered,
    TrialFinished,
    TrialNoted,
)
from hyperllama.core.events.requests import Request
from hyperllama.core.experiments.panel import BaselinePanel
from hyperllama.core.study import StateFold, StudyState, fold
from hyperllama.core.study.findings.computed_answer import computed_answer

START_T = 1_760_000_000.0
SPACE = (
    {"name": "n_estimators", "text": "whole number 50 to 1000, log scale",
     "description": "How many trees are added, one after another.", "default": 100,
     "type": "integer", "low": 50, "high": 1000},
    {"name": "learning_rate", "text": "number 0.005 to 0.5, log scale",
     "description": "How much each tree corrects the ones before it.", "default": 0.3,
     "type": "float", "low": 0.005, "high": 0.5},
    {"name": "max_depth", "text": "whole number 2 to 12",
     "description": "How many questions a tree may ask in a row.", "default": 6},
    {"name": "subsample", "text": "number 0.5 to 1",
     "description": "Share of the rows that each tree sees.", "default": 1.0},
    {"name": "colsample_bytree", "text": "number 0.3 to 1",
     "description": "Share of the columns that each tree sees.", "default": 1.0},
    {"name": "reg_lambda", "text": "number 0.001 to 100, log scale",
     "description": "Pulls the leaves' values towards zero.", "default": 1.0},
    {"name": "booster", "text": "one of gbtree, dart",
     "description": "Kind of boosting.", "default": "gbtree", "choices": ["gbtree", "dart"]},
)  # fmt: skip
DEFAULT = {str(p["name"]): p["default"] for p in SPACE}
WORDS = (
    "The best trial so far uses a **small learning rate** with many trees, and its train score is "
    "close to its validation score, so there is room for more capacity.\n\n"
    "- Trial {a} lost most on fold 2: deeper trees overfit the small class.\n"
    "- `reg_lambda` above 10 never helped.\n\n"
    "I lower `learning_rate` a little, give it more trees to make up for it, and keep `max_depth` "
    "where it was."
)


def events(
    trials: int, budget: int = 20, *, proposer: str = "llama"
) -> Iterator[tuple[Event, float]]:
    """A study of `trials` finished trials; the same every time."""
    rng = random.Random(7)
    t = START_T
    yield StudyOpened(
        study="bank-churn", task="bank-churn.toml", kind="classification", metric="roc_auc",
        estimators=("xgboost",), proposer=proposer,
        model="models/Qwen2.5-1.5B-Instruct-Q4_K_M.gguf",
        seed=0, budget_trials=budget, budget_s=None, rows=8000, features=19, folds=5, space=SPACE,
        pid=0,
    ), t  # fmt: skip
    for fraction in (0.2, 0.7, 1.0):
        t += 0.4
        yield ModelLoading("Qwen2.5-1.5B-Instruct-Q4_K_M.gguf", fraction), t
    yield ModelLoaded(
        "models/Qwen2.5-1.5B-Instruct-Q4_K_M.gguf", 1.2,
        {"parameters": "1.5B", "quantisation": "Q4_K_M", "threads": 2, "context_length": 4096},
    ), t  # fmt: skip
    best, best_config, best_number = -math.inf, dict(DEFAULT), 0
    for number in range(trials):
        for event, then in list(_trial(rng, number, t, best, best_config)):
            t = then
            if isinstance(event, TrialFinished) and event.incumbent:
                assert event.value is not None
                best, best_config, best_number = event.value, dict(event.config), number
            yield event, t
    del best_number


def _trial(
    rng: random.Random, number: int, t: float, best: float, best_config: dict[str, Any]
) -> Iterator[tuple[Event, float]]:
    by = "default" if number == 0 else "tpe" if number % 6 == 5 else "llama"
    fallback = "the reply repeated trial 3 twice" if number == 11 else ""
    yield ProposalStarted(number, by), t
    config = dict(best_config)
    if number:
        config["learning_rate"] = round(config["learning_rate"] * rng.uniform(0.55, 1.3), 5)
        config["n_estimators"] = int(config["n_estimators"] * rng.uniform(0.8, 1.7))
        if number % 3 == 0:
            config["max_depth"] = rng.randint(3, 9)
        if number % 4 == 1:
            config["reg_lambda"] = round(config["reg_lambda"] * rng.uniform(0.3, 4), 4)
    reasoning, tokens, beliefs = "", {}, {}
    history_tokens = min(2600.0, 90.0 * number)
    if by == "llama":
        words = WORDS.format(a=max(0, number - 1))
        for start in range(0, len(words), 60):
            t += 0.35
            reasoning += words[start : start + 60]
            yield ProposalText(number, words[start : start + 60]), t
        history = history_tokens
        tokens = {
            "prompt": 980 + history, "cached": 700 + history * 0.8, "generated": 214.0,
            "context_used": 1194 + history, "context_length": 4096.0, "per_s": 34.2, "seconds": 6.3,
            "parts": {"instructions": 310.0, "task": 670.0, "history": history, "reply": 214.0},
        }  # fmt: skip
        beliefs = _beliefs(rng, config)
    changes = {k: [best_config[k], v] for k, v in config.items() if best_config[k] != v}
    yield ProposalMade(
        number, by, config, reasoning, fallback, tokens, beliefs, changes if number else {}
    ), t  # fmt: skip
    if number in (4, 13):
        t += 1.5
        yield TrialFinished(
            number, "fail", config, None, proposer=by, seconds=1.5, reasoning=reasoning,
            reason="out of memory: 2,100 MB asked for, the limit is 2,048 MB", tokens=tokens,
        ), t  # fmt: skip
        return
    centre = 0.8312 + 0.03 * (1 - math.exp(-number / 5)) + rng.gauss(0, 0.006)
    scores = tuple(round(centre + rng.gauss(0, 0.008), 6) for _ in range(5))
    for index, score in enumerate(scores):
        t += 2.1
        yield FoldFinished(number, index, 5, score, score + 0.02, 2.0), t
    value = sum(scores) / 5
    std = math.sqrt(sum((s - value) ** 2 for s in scores) / 5)
    yield TrialFinished(
        number, "complete", config, value, scores, std, value + 0.03 + rng.random() * 0.04,
        10.5, by,
        "", reasoning, fallback, value > best, tokens,
    ), t  # fmt: skip


def _beliefs(rng: random.Random, config: dict[str, Any]) -> dict[str, list[list[Any]]]:
    found: dict[str, list[list[Any]]] = {}
    for param in SPACE:
        name = str(param["name"])
        value = config[name]
        if isinstance(value, str):
            found[name] = [["gbtree", 0.81], ["dart", 0.19]]
            continue
        low, high, width = float(value) * 0.2, float(value) * 3.0, rng.uniform(0.1, 0.8)
        centres = [low + (high - low) * (i + 0.5) / 12 for i in range(12)]
        weights = [math.exp(-(((c - value) / (width * value)) ** 2)) + 0.02 for c in centres]
        total = sum(weights)
        found[name] = [[c, w / total] for c, w in zip(centres, weights, strict=True)]
    return found


def finished(trials: int = 20) -> Iterator[tuple[Event, float]]:
    """The study up to its end."""
    t = START_T
    best: TrialFinished | None = None
    default = None
    for event, t in events(trials, trials):
        if isinstance(event, TrialFinished):
            best = event if event.incumbent else best
            default = event.value if event.proposer == "default" else default
        yield event, t
    assert best is not None
    yield StudyFinished("budget", best.number, best.value, default, 0.8571, t - START_T), t + 1


def live(trials: int = 9, fraction: float = 0.5) -> list[tuple[Event, float]]:
    """The study while the trial after `trials` finished ones is on its way."""
    whole = list(events(trials + 1))
    start = next(
        i for i, (e, _) in enumerate(whole) if isinstance(e, ProposalStarted) and e.number == trials
    )
    return whole[: start + max(1, round((len(whole) - start - 1) * fraction))]


def held() -> list[tuple[Event, float]]:
    """The study while the proposal for trial 9 waits for a person's word."""
    whole = live(9, 1.0)
    cut = next(i for i, (e, _) in enumerate(whole) if isinstance(e, ProposalMade) and e.number == 9)
    made, t = whole[cut]
    assert isinstance(made, ProposalMade)
    return [*whole[:cut], (steered("each proposal waits for approval", 8, review=True), t - 0.1),
            (replace(made, awaits_approval=True), t)]  # fmt: skip


def steered(text: str, after: int, undo: str = "", **settings: Any) -> Event:
    return StudySteered(after, text, settings, undo)


def flown() -> list[tuple[Event, float]]:
    """A study that was steered, asked about and run again; nine trials are done."""
    past = live(9, 0.75)
    t = past[-1][1]
    space = [dict(p) for p in SPACE]
    space[2] |= {"text": "integer 3 to 6", "low": 3, "high": 6, "task": "integer 2 to 12"}
    space[6] |= {"choices": ["gbtree"], "frozen": True, "task": "one of gbtree, dart",
                 "task_choices": ["gbtree", "dart"]}  # fmt: skip
    more: list[Event] = [
        steered("hint: keep the trees shallow", 3, hints=["keep the trees shallow"]),
        steered("max_depth now: integer 3 to 6", 5, "max_depth now: integer 3 to 6", space=space),
        TrialNoted(2, "odd: fold 2"),
        RerunFinished(7, 1, 0.8544, 9.0), RerunFinished(7, 2, 0.8601, 9.2),
        RerunFinished(7, 3, 0.8497, 9.1),
        ImportanceFound({"learning_rate": 0.52, "n_estimators": 0.31, "max_depth": 0.12,
                         "reg_lambda": 0.05}, 9, "PED-ANOVA"),
        QuestionAsked(0, "why is depth 12 bad?",
                      computed_answer("why is depth 12 bad?", fold(past))),
        AnswerText(0, "Trial 3 went to **depth 9**, "),
        QuestionAnswered(
            0, "Trial 3 went to **depth 9**, and its train score ran away from its score: "
            'it overfits. I would try {"max_depth": 4}.', {**DEFAULT, "max_depth": 4},
            model="Qwen2.5", seconds=4.2,
        ),
    ]  # fmt: skip
    return [*past, *((event, t + 0.01 * i) for i, event in enumerate(more))]


def noted(text: str, level: str = "warning") -> Event:
    return Noted(level, text)


class Replay:
    """A link over recorded events; what is asked of it is kept in `sent`."""

    def __init__(self, recorded: Iterable[tuple[Event, float]], name: str = "bank-churn") -> None:
        self.name = name
        self.alive = True
        self.behind = self.starting = self.opening = self.refused = False
        self.sent: list[Request] = []
        self.words = ""
        self.panel: BaselinePanel | None = None
        self.logged: dict[int, list[dict[str, Any]]] = {}
        self._fold = StateFold()
        self._new = list(recorded)
        self.last_t = self._new[-1][1] if self._new else START_T

    def add(self, *more: tuple[Event, float]) -> None:
        self._new.extend(more)

    def poll(self) -> bool:
        new, self._new = self._new, []
        for event, t in new:
            self._fold.apply(event, t)
        return bool(new)

    @property
    def state(self) -> StudyState:
        return self._fold.state

    def send(self, request: Request) -> None:
        self.sent.append(request)

    def continue_from(self, other: object) -> None:
        pass

    async def delivered(self) -> None:
        pass

    def last_output(self) -> str:
        return self.words

    def baselines(self) -> BaselinePanel | None:
        return self.panel

    def records(self, number: int) -> list[dict[str, Any]]:
        return self.logged.get(number, [])
