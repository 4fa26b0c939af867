"""Search spaces that a model proposes, before the first trial; a person confirms them.

A chat model is asked for one bound after the other, with what the hyperparameter does beside it,
and for each choice whether to keep it. From an embedded model, the middle nine tenths of its
beliefs without any trial are the range. Either way any reply is a space, and the library's default
lies well inside: by a decade on a logarithmic scale, else by two steps, as far as there is room.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hyperllama.core.estimators import CHOICE
from hyperllama.core.prompt.thinking import Marks, marks_of
from hyperllama.core.prompt.wording import metric_words, number_text, untrusted
from hyperllama.core.propose.chat.decoding import lead_segments
from hyperllama.core.propose.embedded.model import EmbeddedModel, ShownTrials
from hyperllama.core.propose.engine_session import EngineSession
from hyperllama.core.space import Categorical, Domain, Float, Integer, Param, SearchSpace, Value
from hyperllama.core.text import plain
from hyperllama.core.trials import Cancelled, ProposerSetting
from hyperllama.core.trials.history import seed_for
from hyperllama.models.engine import Fixed, Free, Generation, Number, OneOf, Segment
from hyperllama.models.gguf import check_model, resolve_model

ANALYSIS_TOKENS = 250
WIDER = 10.0
"""How far beyond the usual range a bound on a logarithmic scale may go, as a factor."""
_TEMPERATURE = 0.3
_DIGITS = 3
_MIDDLE = (0.05, 0.95)  # of an embedded model's belief
_LOWER, _UPPER = "Lower bound", "Upper bound"
_KEEP, _DROP = '"keep"', '"drop"'
SYSTEM = (
    "You choose search ranges for hyperparameter optimisation. A good range is narrow enough to be "
    "searched with few trials and wide enough to hold the best value for this table. Think of how "
    "many rows and columns there are, of noise, and of what each hyperparameter does."
)


@dataclass(frozen=True)
class SpaceProposal:
    """A search space that a model proposes.

    Attributes:
        before, space: the usual space, and the proposed one, which lacks hyperparameters that count
            only with a choice that was dropped.
        reasoning: why, as the model wrote it; may be empty.
        model: name of its file.
        record: prompt, raw reply and seed of each question.
    """

    before: SearchSpace
    space: SearchSpace
    reasoning: str = ""
    model: str = ""
    record: Mapping[str, Any] = field(default_factory=dict)

    def changes(self) -> list[tuple[str, Domain, Domain]]:
        """(name, usual domain, proposed domain) where they differ."""
        return [
            (p.name, self.before[p.name].domain, p.domain)
            for p in self.space
            if p.domain != self.before[p.name].domain
        ]

    def overrides(self) -> dict[str, dict[str, Any]]:
        """The changes as a task file has them: name -> low and high, or choices."""
        found: dict[str, dict[str, Any]] = {}
        for name, _, domain in self.changes():
            if isinstance(domain, Categorical):
                found[name] = {"choices": ["none" if c is None else c for c in domain.choices]}
            else:
                found[name] = {"low": domain.low, "high": domain.high}
                if domain.log:
                    found[name]["log"] = True
        return found


def propose_space(
    setting: ProposerSetting,
    space: SearchSpace,
    on_text: Callable[[str], None] = lambda text: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> SpaceProposal:
    """Ask the model of `setting` for the ranges of `space`, one family at a time.

    Raises:
        ModelFileError: there is no such model. EngineError: the engine failed.
        Cancelled: `should_stop` became true.
    """
    file = check_model(resolve_model(setting.model))
    model: _EmbeddedRanges | _ChatRanges = (
        _EmbeddedRanges(setting) if file.is_embedded_dialect
        else _ChatRanges(setting, marks_of(file.chat_template), file.path)
    )  # fmt: skip
    several = CHOICE in space
    domains: dict[str, Domain] = {}
    reasons: list[str] = []
    records: list[Mapping[str, Any]] = []
    try:
        for name in setting.estimators if several else (setting.estimators or ("",))[:1]:
            if should_stop():
                raise Cancelled
            part = _family_space(space, name) if several else space
            found = model.ask(name, part, on_text, should_stop)
            domains |= {f"{name}.{n}" if several else n: d for n, d in found.domains.items()}
            reasons.append(found.reasoning)
            records.append(found.record)
    finally:
        model.close()
    reasoning = "\n\n".join(filter(None, reasons))
    record = {"questions": records}
    return SpaceProposal(space, space.with_domains(domains), reasoning, file.path.stem, record)


def _family_space(space: SearchSpace, estimator: str) -> SearchSpace:
    """One family's part of a space that chooses among families, under the family's own names."""
    prefix = f"{estimator}."
    params: list[Param] = []
    for p in space.params:
        if p.name.startswith(prefix):
            when = p.when
            if when is not None:
                inner = when.parent.removeprefix(prefix)
                when = None if when.parent == CHOICE else replace(when, parent=inner)
            params.append(replace(p, name=p.name.removeprefix(prefix), when=when))
    return SearchSpace(params)


@dataclass(frozen=True)
class _Ranges:
    """The ranges of one family, why, and what makes them replayable."""

    domains: dict[str, Domain]
    reasoning: str = ""
    record: Mapping[str, Any] = field(default_factory=dict)


class _EmbeddedRanges:
    """Ranges from an embedded model's beliefs."""

    def __init__(self, setting: ProposerSetting) -> None:
        self._seed = seed_for(setting.seed, 0)
        self._model = EmbeddedModel(setting)

    def ask(
        self, estimator: str, space: SearchSpace, on_text: Callable[[str], None],
        should_stop: Callable[[], bool],
    ) -> _Ranges:  # fmt: skip
        draws = self._model.draw(space, estimator, ShownTrials(), self._seed)
        known = [p for p in space.free if p.name in draws.beliefs]
        domains = {p.name: _around(p, draws.beliefs[p.name]) for p in known}
        reasoning = f"{estimator or 'Ranges'}: the middle of what did well on other tables."
        on_text(f"{reasoning}\n")
        return _Ranges(domains, reasoning, draws.record)

    def close(self) -> None:
        self._model.close()


def _around(p: Param, belief: Sequence[tuple[Value, float]]) -> Domain:
    """The range that holds the middle of a belief and the default; choices that are likely."""
    d, total = p.domain, sum(share for _, share in belief)
    if isinstance(d, Categorical):
        least = (1 - _MIDDLE[1] + _MIDDLE[0]) / 2 * total
        kept = {v for v, share in belief if share >= least} | {p.start}
        return Categorical(tuple(c for c in d.choices if c in kept))
    ordered = sorted(belief, key=lambda pair: d.to_unit(pair[0]))
    low = high = ordered[0][0]
    so_far = 0.0
    for value, share in ordered:
        if so_far < _MIDDLE[0] * total:
            low = value
        if so_far < _MIDDLE[1] * total:
            high = value
        so_far += share
    low_most, high_least = _around_default(p, float(d.low), float(d.high))
    return _range(d, min(float(low), low_most), max(float(high), high_least))  # type: ignore[arg-type]


def _range(d: Float | Integer, low: float, high: float) -> Domain:
    """`d` with other bounds; as it is where nothing would be left to vary."""
    if isinstance(d, Integer):
        low, high = int(low), int(high)
        return replace(d, low=low, high=high) if low < high else d
    low, high = float(f"{low:.{_DIGITS}g}"), float(f"{high:.{_DIGITS}g}")
    return replace(d, low=low, high=high) if low < high else d


class _ChatRanges:
    """Ranges from a chat model's constrained reply."""

    def __init__(self, setting: ProposerSetting, marks: Marks | None, path: Path) -> None:
        self._setting, self._marks = setting, marks
        self._session = EngineSession(setting, path)

    def ask(
        self, estimator: str, space: SearchSpace, on_text: Callable[[str], None],
        should_stop: Callable[[], bool],
    ) -> _Ranges:  # fmt: skip
        params = [p for p in space.free if not _stepped(p.domain)]
        if not params:
            return _Ranges({})
        question, seed = _question(self._setting, estimator, params), self._setting.seed
        prompt = self._session.render_chat(
            [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question}]
        )
        segments = [
            *lead_segments(self._marks, 0, prompt),  # the analysis takes the reasoning's place
            Free("analysis", ANALYSIS_TOKENS, ("```", "{", _LOWER)),
            Fixed("\n"),
            *_reply(params),
        ]
        made = self._session.generate(
            Generation(prompt, segments, temperature=_TEMPERATURE, top_p=0.95, seed=seed),
            lambda text: on_text(plain(text)),
            should_stop,
        )
        if made.stop_reason == "cancelled":
            raise Cancelled
        analysis = plain(str(made.values.get("analysis", ""))).strip()
        said = _without_room(params)
        if said:
            on_text(f"\n{said}\n")
        record = {"prompt": prompt, "raw": made.text, "seed": seed}
        reasoning = "\n\n".join(filter(None, (analysis, said)))
        return _Ranges(_decided(params, made.values), reasoning, record)

    def close(self) -> None:
        self._session.close()


def _stepped(d: Domain) -> bool:
    """Whether a range has steps; other bounds would move all its values, so it is not asked for."""
    return not isinstance(d, Categorical) and d.step not in (None, 1)


def _question(setting: ProposerSetting, estimator: str, params: Sequence[Param]) -> str:
    lines = [f"Task: {setting.kind or 'unknown'}, scored by {metric_words(setting.metric)}."]
    lines += [untrusted(line) for line in setting.dataset.splitlines()[:12] if line.strip()]
    if setting.notes.strip():
        lines.append(f"Notes of the user: {untrusted(setting.notes, 1000)}")
    lines += ["", f"Hyperparameters of {estimator or 'the model'}:"]
    for p in params:
        d = p.domain
        if isinstance(d, Categorical):
            choices = ", ".join(_literal(c) for c in d.choices)
            lines.append(f"- {untrusted(p.name, 80)}: one of {choices}; default "
                         f"{_literal(p.start)}. {p.description}")  # fmt: skip
            continue
        scale = ", logarithmic" if d.log else ""
        lines.append(f"- {untrusted(p.name, 80)}: usually {number_text(d.low)} to "
                     f"{number_text(d.high)}{scale}, default {number_text(float(p.start))}")  # type: ignore[arg-type]  # fmt: skip
    lines += [
        "",
        "Say in two or three sentences which ranges suit this table. Then give the bounds of each "
        'number, and "keep" or "drop" for each choice.',
    ]
    return "\n".join(lines)


def _limits(p: Param) -> tuple[float, float, float]:
    """The least lower bound, the default, the greatest upper bound of a number."""
    d = p.domain
    assert not isinstance(d, Categorical)
    middle = float(p.start)  # type: ignore[arg-type]
    low, high = float(d.low), float(d.high)
    if d.log and isinstance(d, Float):
        low = low / WIDER
        high = high * WIDER if high != 1.0 else high  # 1 is mostly the most there is
    elif d.log:
        high = high * WIDER
    return low, middle, high


def _around_default(p: Param, least: float, most: float) -> tuple[float, float]:
    """The greatest lower and the least upper bound that leave the default room, as far as the
    bounds may go: a decade, or two steps (of a tenth of the usual range, or of whole numbers)."""
    d, middle = p.domain, float(p.start)  # type: ignore[arg-type]
    assert not isinstance(d, Categorical)
    if d.log:
        low, high = middle / WIDER, middle * WIDER
    else:
        step = 1.0 if isinstance(d, Integer) else (d.high - d.low) / 10
        low, high = middle - 2 * step, middle + 2 * step
    return max(low, least), min(high, most)


def _without_room(params: Sequence[Param]) -> str:
    """Which ranges end nearer to their default than asked for, and why; empty for none."""
    found = []
    for p in params:
        if isinstance(p.domain, Categorical):
            continue
        least, _, most = _limits(p)
        wanted = _around_default(p, 0.0 if p.domain.log else -math.inf, math.inf)
        name = untrusted(p.name, 80)
        if wanted[0] < least:
            found.append(f"{name} from {number_text(least)}")
        if wanted[1] > most:
            found.append(f"{name} to {number_text(most)}")
    if not found:
        return ""
    return f"Near their defaults, because there are no values beyond: {', '.join(found)}."


def _reply(params: Sequence[Param]) -> list[Segment]:
    """A line for each hyperparameter: fixed text, and what is decided under its own bounds."""
    segments: list[Segment] = []
    text = ""
    for i, p in enumerate(params):
        d = p.domain
        text += f"- {untrusted(p.name, 80)}: {untrusted(p.description, 160)}".rstrip(": ") + ". "
        if isinstance(d, Categorical):
            for k, choice in enumerate(d.choices):
                text += (", " if k else "") + json.dumps(_literal(choice)) + ": "
                if choice == p.start:
                    text += _KEEP
                    continue
                segments += [Fixed(text), OneOf(f"{i} {k}", (_KEEP, _DROP))]
                text = ""
        else:
            least, middle, most = _limits(p)
            low_most, high_least = _around_default(p, least, most)
            text += f"Default {number_text(middle)}. "
            for end, a, b in (("low", least, low_most), ("high", high_least, most)):
                text += f"{_LOWER if end == 'low' else _UPPER}: "
                if a == b:
                    text += number_text(a)
                else:
                    whole = isinstance(d, Integer)
                    segments += [Fixed(text), Number(f"{i} {end}", a, b, whole, _DIGITS, d.log)]
                    text = ""
                text += ". " if end == "low" else "."
        text += "\n"
    return [*segments, Fixed(text)]


def _decided(params: Sequence[Param], values: Mapping[str, Any]) -> dict[str, Domain]:
    """The domains that the decoded values mean, by name."""
    domains: dict[str, Domain] = {}
    for i, p in enumerate(params):
        d = p.domain
        if isinstance(d, Categorical):
            kept = [c for k, c in enumerate(d.choices) if values.get(f"{i} {k}", _KEEP) == _KEEP]
            domains[p.name] = Categorical(tuple(kept))
        else:
            least, _, most = _limits(p)
            low, high = _around_default(p, least, most)
            first = min(float(values.get(f"{i} low", low)), low)
            domains[p.name] = _range(d, first, max(float(values.get(f"{i} high", high)), high))
    return domains


def _literal(value: Value) -> str:
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)
