"""What a model reads about a study when it is asked about it: lines, the most important first."""

from __future__ import annotations

import re

from hyperllama.core.prompt.facts import facts_of
from hyperllama.core.prompt.wording import Names, score_text, space_lines, untrusted
from hyperllama.core.study.budget import describe_budget
from hyperllama.core.study.findings.computed_answer import named_parameters
from hyperllama.core.study.proposals import observed_trials
from hyperllama.core.study.record import EventRecord
from hyperllama.core.trials import Observed

_BEST = 8  # trials that are listed whatever is asked
_LATEST = 6
_MENTIONED = 6


def facts_for(record: EventRecord) -> list[str]:
    """The study, the default, the best trials, the findings, the latest trials."""
    space, trials = record.space, observed_trials(record.state)
    names = Names(space)
    scored = _scored(trials)
    lines = [*_about(record), f"The search space:\n{space_lines(space, names, True)}"]
    listed: set[int] = set()

    def add(title: str, chosen: list[Observed]) -> None:
        fresh = [t for t in chosen if t.number not in listed]
        listed.update(t.number for t in fresh)
        lines.extend(f"{title}{_line(t)}" for t in fresh)

    add("The best trial so far is ", [t for t in trials if t.number == record.state.incumbent])
    default = [t for t in trials if t.proposer == "default"]
    add("The library's default configuration is ", default[:1])
    lines.extend(fact.text for fact in facts_of(space, trials, names))
    add("Among the best: ", scored[:_BEST])
    add("Failed: ", [t for t in trials if t.value is None][-_LATEST:])
    add("Lately: ", trials[: -_LATEST - 1 : -1])
    return lines


def facts_about(question: str, record: EventRecord) -> list[str]:
    """The trials whose numbers a question has, and the scores along the hyperparameters that it
    names."""
    trials = observed_trials(record.state)
    mentioned = {int(n) for n in re.findall(r"\d+", question)[:_MENTIONED]}
    lines = [f"Asked about: {_line(t)}" for t in trials if t.number in mentioned]
    names = named_parameters(question, record.state)
    return [*lines, *(_by_value(name, _scored(trials)) for name in names)]


def _scored(trials: list[Observed]) -> list[Observed]:
    """Those with a score, best first."""
    return sorted((t for t in trials if t.value is not None), key=lambda t: -float(t.value or 0.0))


def _about(record: EventRecord) -> list[str]:
    """The study beyond its trials: task, metric, budget, hints."""
    opened, state = record.opened, record.state
    failed = sum(t.state == "fail" for t in state.trials)
    lines = [
        f"Task: {opened.task}, {opened.kind}, {opened.rows} rows, {opened.features} columns.",
        f"Tuned: {', '.join(opened.estimators)}. Score: {opened.metric}, higher is better, "
        f"the mean over {opened.folds} folds.",
        f"{state.done_count} trials are done, {failed} of them failed. The budget is "
        f"{describe_budget(opened.budget_trials, opened.budget_s)}; {opened.proposer} proposes.",
    ]
    if state.hints:
        lines.append("The user said: " + "; ".join(state.hints[-5:]))
    return lines


def _line(trial: Observed) -> str:
    config = ", ".join(f"{n} {_short(v)}" for n, v in trial.config.items())
    by = f" by {trial.proposer}" if trial.proposer else ""
    if trial.value is None:
        return f"trial {trial.number}{by} ({config}): failed, {untrusted(trial.reason, 160)}"
    facts = [f"score {score_text(trial.value)}", *filter(None, [untrusted(trial.reason, 160)])]
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
