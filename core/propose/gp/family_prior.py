"""The family prior: which configurations of a family of models score well on other tables, and how
scores change with each hyperparameter.

Five to twenty trials do not tell a Gaussian process what matters. So `workshop/family_prior.py`
fits to the scores of the corpora, a family at a time, length scales and a mean loss by
configuration and facts of the table, a ridge regression on random Fourier features (Rahimi and
Recht 2007), and writes both to `models/embedded/family_prior.json`. Shapes: m places, d free
hyperparameters, D axes of a family.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from hyperllama.core.estimators import CHOICE, Facts, canonical_name, family
from hyperllama.core.propose.gp.surrogate import Floats, LengthPrior, Trend
from hyperllama.core.space import Categorical, Domain, Float, Integer, SearchSpace
from hyperllama.core.trials import ProposerSetting
from hyperllama.models.embedded import dialect

FEATURES = 256
_STEPS = 65
_FACTS = 8
_USUAL = Facts(500, 12, 2, 0.3)
NET = "net"
"""What networks of people's own scripts go by; they are no family of the project's."""


@dataclass(frozen=True)
class Axis:
    """A hyperparameter as the corpora have it.

    Attributes:
        default: coordinate of the library's default.
        length: mean and standard deviation of the logarithm of its length scale, in units of the
            range.
    """

    name: str
    domain: Domain
    default: float
    length: tuple[float, float]

    @classmethod
    def read(cls, written: Mapping[str, Any]) -> Axis:
        """The axis of an object of the file."""
        w = dict(written)
        domain: Domain
        if "choices" in w:
            domain = Categorical(tuple(w["choices"]))
        elif w["whole"]:
            domain = Integer(w["low"], w["high"], log=w["log"])
        else:
            domain = Float(w["low"], w["high"], log=w["log"])
        return cls(w["name"], domain, w["default"], (w["length"][0], w["length"][1]))

    def alike(self, domain: Domain) -> bool:
        """Whether a domain is of the same kind: choices, logarithmic, or neither."""
        return _kind(self.domain) == _kind(domain)

    def coordinates(self, domain: Domain, u: Floats) -> Floats:
        """Own coordinates of the values of another domain at `u`, shape (m,)."""
        own = _own(self.domain, domain)
        if isinstance(domain, Categorical):
            return np.asarray(own[np.minimum((u * len(own)).astype(int), len(own) - 1)])
        return np.interp(u, np.linspace(0.0, 1.0, len(own)), own)


@dataclass(frozen=True)
class LearntFamily:
    """What the file says of one family.

    Attributes:
        kinds: of tasks that it holds for.
        weights: of the features, shape (FEATURES,): standardised loss.
    """

    family: str
    kinds: tuple[str, ...]
    axes: tuple[Axis, ...]
    weights: Floats

    @cached_property
    def features(self) -> Features:
        return Features([a.length[0] for a in self.axes])


class Features:
    """Random Fourier features of a configuration and facts.

    Args:
        lengths: logarithms of the axes' length scales; axes that hardly matter count as less long.
    """

    def __init__(self, lengths: Sequence[float]) -> None:
        drawn = np.random.RandomState(0)  # its stream never changes (NEP 19)
        scale = np.append(np.exp(np.minimum(lengths, 1.0)), np.ones(_FACTS))
        self.waves: Floats = drawn.standard_normal((len(scale), FEATURES)) / scale[:, None]
        self.shifts: Floats = drawn.uniform(0.0, 2 * math.pi, FEATURES)

    def __call__(self, x: Floats, about: Floats) -> Floats:
        """Features at coordinates `x`, shape (m, D), for facts `about`: shape (m, FEATURES)."""
        phase = (about @ self.waves[-_FACTS:] + self.shifts).astype(np.float32)
        waves = x.astype(np.float32) @ self.waves[:-_FACTS].astype(np.float32)
        return np.asarray(np.cos(waves + phase)) * np.float32(math.sqrt(2 / FEATURES))


@dataclass(frozen=True)
class FamilyPrior:
    """What is known of the families of a study, before its first trial.

    Attributes:
        estimators: the families that are tuned.
        kind, facts, metric: as `ProposerSetting` has them.
    """

    estimators: Sequence[str] = ()
    kind: str = ""
    facts: Facts | None = None
    metric: str = ""

    @classmethod
    def of(cls, setting: ProposerSetting) -> FamilyPrior:
        return cls(setting.estimators, setting.kind, setting.facts, setting.metric)

    @classmethod
    def of_others(cls, setting: ProposerSetting, known: Callable[[str], bool]) -> FamilyPrior:
        """Of families that are not `known`, and of networks, which go by their hyperparameters'
        names; nothing of the others."""
        others = tuple(e for e in setting.estimators if not known(e))
        return cls(others, setting.kind, setting.facts, setting.metric)

    @property
    def about(self) -> Floats:
        """Facts and metric as numbers of similar size, shape (8,); beyond what the corpora have
        they count as its ends."""
        f, metric = self.facts or _USUAL, dialect.metric_kind(self.metric)
        return np.array([
            math.log10(min(max(f.rows, 100), 2000)) / 2,
            math.log10(min(max(f.features, 2), 100)) / 2, f.categorical_share, f.minority_share,
            0.5 * (metric == "error"), 0.5 * (metric == "rank"),
            0.5 * (self.kind == "regression"), 0.5 * (f.classes > 2),
        ])  # fmt: skip

    def lengths(self, space: SearchSpace) -> LengthPrior:
        """What is believed of the length scales of a space's free hyperparameters."""
        prior = LengthPrior.usual(len(space.free))
        found = self._matched(space)
        own = {name: axis for axis, name in found[1].items()} if found else {}
        for j, p in enumerate(space.free):
            axis = own.get(p.name)
            if axis is not None and axis.alike(p.domain):
                mean = axis.length[0] + math.log(_extent(axis.domain) / _extent(p.domain))
                prior.centre[j], prior.spread[j] = mean, axis.length[1]
        return prior

    def trend(self, space: SearchSpace) -> Trend | None:
        """The standardised loss that is usual at coordinates of `space`; None where nothing is
        known."""
        found = self._matched(space)
        if found is None:
            return None
        known, names = found
        facts, column = self.about, {p.name: j for j, p in enumerate(space.free)}

        def expected(u: Floats) -> Floats:
            x = np.tile([a.default for a in known.axes], (len(u), 1))
            for i, axis in enumerate(known.axes):
                if axis not in names:
                    continue
                p = space[names[axis]]
                if p.frozen:
                    x[:, i] = axis.domain.to_unit(p.start)
                else:
                    own = u[:, column[p.name]]
                    x[:, i] = axis.coordinates(p.domain, own)
                    if p.when is not None:
                        x[:, i] = np.where(own == 0.5, 0.5, x[:, i])  # inactive
            return np.asarray(known.features(x, facts) @ known.weights, dtype=float)

        return expected

    def _matched(self, space: SearchSpace) -> tuple[LearntFamily, dict[Axis, str]] | None:
        """The entry of the family with most of a space's hyperparameters: axis -> name there."""
        owner, prefix = self.estimators[0] if len(self.estimators) == 1 else "", ""
        if CHOICE in space and space[CHOICE].frozen:
            owner = str(space[CHOICE].start)
            prefix = f"{owner}."
        if dialect.is_net(space.names):
            owner = NET
        own = canonical_name(owner) or owner
        aliases = family(own).aliases if own not in ("", NET) else {}
        names = {_plain(aliases.get(n, n)): p.name for p in space.params
                 if p.name.startswith(prefix) and (n := p.name.removeprefix(prefix))}  # fmt: skip
        best = None
        for known in learnt_families():
            if known.family == own and self.kind in ("", *known.kinds):
                found = {a: names[n] for a in known.axes if (n := _plain(a.name)) in names
                         and (isinstance(a.domain, Categorical)
                              == isinstance(space[names[n]].domain, Categorical))}  # fmt: skip
                if len(found) > (len(best[1]) if best else 1):
                    best = known, found
        return best


@lru_cache(maxsize=256)
def _own(own: Domain, domain: Domain) -> Floats:
    """Coordinates in `own` of every choice of a domain, or of places all over it."""
    values = (domain.choices if isinstance(domain, Categorical)
              else [domain.from_unit(float(u)) for u in np.linspace(0.0, 1.0, _STEPS)])
    return np.array([own.to_unit(v) for v in values])


@cache
def learnt_families() -> tuple[LearntFamily, ...]:
    """All families that something is known of."""
    written = json.loads(family_prior_file().read_text(encoding="utf-8"))
    return tuple(
        LearntFamily(w["family"], tuple(w["kinds"]), tuple(map(Axis.read, w["axes"])),
                     np.array(w["weights"], np.float32))
        for w in written
    )  # fmt: skip


def family_prior_file() -> Path:
    """Where they are."""
    return Path(str(files("hyperllama.models") / "embedded" / "family_prior.json"))


def _plain(name: str) -> str:
    return dialect.ALIASES.get(name, name)


def _kind(d: Domain) -> str:
    return "choice" if isinstance(d, Categorical) else "log" if d.log else "number"


def _extent(d: Domain) -> float:
    """How wide a range is, of its logarithm where that is searched."""
    if isinstance(d, Categorical) or d.low >= d.high:
        return 1.0
    return math.log(d.high / d.low) if d.log else float(d.high - d.low)
