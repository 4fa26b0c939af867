"""What the program itself answers to a question, computed from the study's state.

It stands beside the model's words at once, and is what they are to say. The question is read for
numbers of trials, names of hyperparameters and a few words; what is not understood gets the verdict
on the study.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from hyperllama.core.space import number
from hyperllama.core.study.findings.claims import say_gain
from hyperllama.core.study.findings.verdict import Verdict, verdict
from hyperllama.core.study.state import StudyState, TrialState
from hyperllama.core.text import one_line, percent

MOST = 8
"""Sentences of an answer, so that it fits a small terminal beside the model's words."""
_MENTIONED = 4  # trials, and hyperparameters, that are told of
_CHANGES = 5  # hyperparameters that are told of a trial
_BEST = 5  # trials whose values are told of a hyperparameter
_TRIALS = re.compile(
    r"\btrials?\s+#?\d+(?:\s*(?:,|and|or|with|than|to|against|vs\.?)\s*(?:trial\s+)?#?\d+)*", re.I
)
_PLAIN_NAMES = (
    (r"deep\w*|depth|shallow\w*", r"(max )?depth"),
    (r"(more|fewer|many|less|\d+) trees|number of trees|rounds|iterations",
     r"n estimators|iterations|max iter"),
    (r"(step|learning) ?(size|rates?)|(learn\w*|train\w*) (slower|faster)",
     r"learning rate( init)?"),
    (r"regulari[sz]\w*|penalt\w+", r"reg (alpha|lambda)|l2 (regularization|leaf reg)|alpha|c"),
    (r"leaf|leaves",
     r"(max|num) leaves|max leaf nodes|min (child weight|child samples|samples leaf)"),
    (r"neighbou?rs?", r"n neighbors"),
    (r"layers?", r"depth"),
    (r"units|neurons|wider|hidden|width", r"width"),
)
"""(how people speak of a hyperparameter, its names without underscores)."""
_SUBJECTS = {
    "failures": r"fail|error|crash|broke",
    "importance": r"importan|matter|influence|sensitiv",
    "noise": r"noise|luck|chance|significan|sure|trust|real\b",
    "more": r"\bmore\b|\bstop|enough|continue|go on|longer|budget|converge",
    "next": r"\btry\b|next|suggest|propose|explore|recommend|ranges?\b",
    "gain": r"better|worse|best|good|default|gain|improve|beat|result|winner|changed?\b",
}


def computed_answer(question: str, state: StudyState) -> tuple[str, ...]:
    """Sentences on a question, what it names first; at most `MOST`, none before a trial ended."""
    found: list[str] = []
    named = _named_trials(question, state)
    found += [about_trial(trial, state) for trial in named]
    if len(named) == 2:
        found += _between(named[0], named[1], state)
    for name in named_parameters(question, state):
        found += _about_parameter(name, question, state)
    about = [name for name, words in _SUBJECTS.items() if re.search(words, question, re.I)]
    for subject in about if found or about else ("gain", "importance"):
        found += _about(subject, state)
    return tuple(dict.fromkeys(found))[:MOST]


def about_trial(trial: TrialState, state: StudyState) -> str:
    """A trial against the default: better or worse, by how much, within noise or not."""
    name = f"Trial {trial.number}"
    if not trial.done:
        return f"{name} has not ended."
    if trial.value is None:
        return f"{name} failed: {one_line(trial.reason, 160).rstrip('.')}."
    default, text = state.default, f"{name} scored {trial.value:.5g}"
    if trial is default:
        return f"{text}: it is the library's default configuration."
    if default is not None and default.value is not None:
        text += f", {_gap(trial.value - default.value, state)} the default"
    shares = state.importance.shares if state.importance else {}
    changed = [n for n, v in trial.config.items() if default and v != default.config.get(n)]
    changed.sort(key=lambda n: -shares.get(n, 0.0))
    listed = ", ".join(f"{n} {_shown(trial.config[n])}" for n in changed[:_CHANGES])
    more = f" and {len(changed) - _CHANGES} more" if len(changed) > _CHANGES else ""
    return f"{text}; it differs in {listed}{more}." if changed else f"{text}."


def named_parameters(question: str, state: StudyState) -> list[str]:
    """Hyperparameters that a question names: wholly ("max_depth", "max depth"), else by their last
    word ("depth"), and as people speak of them ("deeper trees", "less regularisation")."""
    asked = re.sub(r"[\s_-]+", " ", question.lower())
    names = [str(row.get("name")) for row in (state.opened.space if state.opened else ())]
    words = {name: re.sub(r"[\s_-]+", " ", name.rpartition(".")[2].lower()) for name in names}
    named = [n for n in names if re.search(rf"\b{re.escape(words[n])}\b", asked)] or [
        n for n in names
        if len(last := words[n].split()[-1]) > 3 and re.search(rf"\b{re.escape(last)}s?\b", asked)
    ]  # fmt: skip
    meant = [theirs for said, theirs in _PLAIN_NAMES if re.search(rf"\b({said})\b", asked)]
    named += [n for n in names if any(re.fullmatch(theirs, words[n]) for theirs in meant)]
    return list(dict.fromkeys(named))[:_MENTIONED]


def _named_trials(question: str, state: StudyState) -> list[TrialState]:
    numbers = [int(n) for found in _TRIALS.findall(question) for n in re.findall(r"\d+", found)]
    trials = (state.trial(n) for n in dict.fromkeys(numbers[:_MENTIONED]))
    return [trial for trial in trials if trial is not None]


def _between(one: TrialState, other: TrialState, state: StudyState) -> Iterator[str]:
    if one.value is not None and other.value is not None:
        yield f"Trial {one.number} is {_gap(one.value - other.value, state)} trial {other.number}."


def _gap(gap: float, state: StudyState) -> str:
    """A difference of scores in words, ready for what it is a difference to."""
    if gap == 0:
        return "exactly as good as"
    noise = state.noise
    if noise is None:
        sure = ""
    else:
        sure = " (within noise)" if abs(gap) <= noise.margin else " (beyond noise)"
    return f"{abs(gap):.3g} {'better' if gap > 0 else 'worse'}{sure} than"


def _about_parameter(name: str, question: str, state: StudyState) -> Iterator[str]:
    """How much a hyperparameter matters, where the best trials have it, and a value asked about."""
    scored = sorted((t for t in state.trials if t.value is not None and name in t.config),
                    key=lambda t: -(t.value or 0.0))  # fmt: skip
    if not scored:
        yield f"{name} was in no trial that has a score."
        return
    if len({repr(t.config[name]) for t in scored}) == 1:
        yield f"{name} was never varied: it is {_shown(scored[0].config[name])} in all trials."
        return
    shares = state.importance.shares if state.importance else {}
    share = f", {percent(shares[name])} of the importance" if name in shares else ""
    best = [t.config[name] for t in scored[:_BEST]]
    yield f"{name}{share}: the best {len(best)} trials have {_values(best)}."
    for text in re.findall(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e-?\d+)?", _TRIALS.sub("", question)):
        wanted = float(text)
        numbers = [t for t in scored if _is_number(t.config[name])]
        if not numbers:
            return
        nearest = min(numbers, key=lambda t: abs(t.config[name] - wanted))
        value = nearest.config[name]
        what = f"{name} {_shown(value)}"
        if value != wanted:
            what = f"No trial had {name} {text}; the nearest is {_shown(value)}"
        yield f"{what}: {_lowered(about_trial(nearest, state))}"


def _about(subject: str, state: StudyState) -> Iterator[str]:
    """What is known on one of `_SUBJECTS`."""
    found = verdict(state)
    if subject == "failures":
        yield from _failures(state)
    elif found is None:
        yield "No trial has a score yet."
    elif subject == "importance":
        yield _importance(found, state)
    elif subject == "noise":
        yield _noise(state)
    elif subject == "more":
        yield _sentence(found.more or "whether more trials would pay is not known yet")
    elif subject == "next":
        yield from _next(found, state)
    else:
        yield from _gain(found, state)


def _gain(found: Verdict, state: StudyState) -> Iterator[str]:
    yield found.headline
    best = state.winner
    if best is not None:
        yield about_trial(best, state)
    if state.confirmation is not None and state.confirmation.repeats:
        yield _sentence(say_gain(state))


def _importance(found: Verdict, state: StudyState) -> str:
    if not found.importance or state.importance is None:
        return "What matters is not known yet: that takes some more trials."
    ranked = ", ".join(f"{name} {percent(share)}" for name, share in found.importance)
    return f"What mattered over {state.importance.trials} trials: {ranked}."


def _noise(state: StudyState) -> str:
    noise = state.noise
    if noise is None:
        return "The noise is not known yet: that takes a second trial on the same folds."
    return (
        f"A gap below {noise.margin:.2g} between trials is within noise: the best of "
        f"{noise.trials} trials may be that much above the default by luck."
    )


def _next(found: Verdict, state: StudyState) -> Iterator[str]:
    best = sorted((t for t in state.trials if t.value is not None),
                  key=lambda t: -(t.value or 0.0))[:_BEST]  # fmt: skip
    names = [name for name, _ in found.importance] or [str(n) for n in best[0].config][:3]
    spans = [f"{n} {_values([t.config[n] for t in best if n in t.config])}" for n in names[:4]
             if any(n in t.config for t in best)]  # fmt: skip
    if spans:
        yield f"The best {len(best)} trials have {'; '.join(spans)}."
    for edge in found.edges:
        yield _sentence(
            f"the best values of {edge.name} lie at its {'upper' if edge.upper else 'lower'} bound "
            f"{number(edge.bound)}: a range of {number(edge.low)} to {number(edge.high)} goes on"
        )


def _failures(state: StudyState) -> Iterator[str]:
    failed = [t for t in state.trials if t.state == "fail"]
    if not failed:
        yield "No trial failed."
        return
    yield f"{len(failed)} of {state.done_count} trials failed."
    yield from (about_trial(trial, state) for trial in failed[-2:])


def _values(values: Sequence[Any]) -> str:
    """Values as one, a span, or a list."""
    if all(map(_is_number, values)):
        low, high = min(values), max(values)
        return _shown(low) if low == high else f"{_shown(low)} to {_shown(high)}"
    return ", ".join(dict.fromkeys(map(_shown, values)))


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return "off" if value is None else one_line(value, 40)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:].rstrip('.')}."


def _lowered(text: str) -> str:
    return f"{text[0].lower()}{text[1:]}"
