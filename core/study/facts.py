"""What a model is told of a study when it is asked about it: lines, the most important first."""

from __future__ import annotations

import re

from hyperllama.core.prompt.facts import facts_of
from hyperllama.core.prompt.wording import Names, score_text, space_lines, untrusted
from hyperllama.core.study.progress import Progress
from hyperllama.core.trials import Observed

_BEST = 8  # trials that are told whatever is asked
_LATEST = 6
_MENTIONED = 6


def facts_for(question: str, progress: Progress) -> list[str]:
    """Lines about the trials that a question is about, then the best, the findings, the latest."""
    names = Names(progress.space)
    trials = progress.trials
    scored = sorted(
        (t for t in trials if t.value is not None), key=lambda t: -float(t.value or 0.0)
    )
    lines = [f"The search space:\n{space_lines(progress.space, names, True)}"]
    told: set[int] = set()

    def tell(title: str, chosen: list[Observed]) -> None:
        fresh = [t for t in chosen if t.number not in told]
        told.update(t.number for t in fresh)
        lines.extend(f"{title}{_line(t)}" for t in fresh)

    if progress.best is not None:
        tell("The best trial so far is ", [progress.best])
    mentioned = {int(n) for n in re.findall(r"\d+", question)[:_MENTIONED]}
    tell("Asked about: ", [t for t in trials if t.number in mentioned])
    if progress.default is not None:
        tell("The library's default configuration is ", [progress.default])
    for name in progress.space.names:
        if name.lower() in question.lower().replace(" ", "_"):
            lines.append(_by_value(name, scored))
    lines.extend(fact.text for fact in facts_of(progress.space, trials, names))
    tell("Among the best: ", scored[:_BEST])
    tell("Failed: ", [t for t in trials if t.value is None][-_LATEST:])
    tell("Lately: ", trials[: -_LATEST - 1 : -1])
    return lines


def _line(trial: Observed) -> str:
    config = ", ".join(f"{n} {_short(v)}" for n, v in trial.config.items())
    by = f" by {trial.proposer}" if trial.proposer else ""
    if trial.value is None:
        return f"trial {trial.number}{by} ({config}): failed, {untrusted(trial.reason, 160)}"
    facts = [f"score {score_text(trial.value)}"]
    if trial.train_value is not None:
        facts.append(f"train score {score_text(trial.train_value)}")
    if trial.fold_scores:
        facts.append("folds " + " ".join(score_text(s) for s in trial.fold_scores))
    if trial.seconds:
        facts.append(f"{trial.seconds:.1f} s")
    return f"trial {trial.number}{by} ({config}): {', '.join(facts)}"


def _by_value(name: str, scored: list[Observed]) -> str:
    """Scores along one hyperparameter, lowest value first, at most twelve of them."""
    pairs = [(t.config[name], t) for t in scored if name in t.config]
    pairs.sort(key=lambda pair: (str(type(pair[0])), pair[0] if pair[0] is not None else 0))
    step = max(1, len(pairs) // 12)
    shown = ", ".join(f"{_short(v)}: {score_text(t.value)}" for v, t in pairs[::step])
    return f"Scores by {name}: {shown}" if shown else f"{name} was never varied"


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
