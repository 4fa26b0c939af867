"""The search space as people changed it in the middle of a study.

The task's own space stays what trials are stored with; what was changed is kept beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from hyperllama.core.errors import SpaceError
from hyperllama.core.space.domains import Categorical, Domain, Float, Integer
from hyperllama.core.space.params import Param
from hyperllama.core.space.search_space import SearchSpace


class Ranges:
    """A search space and the domains that were changed in it. Immutable.

    Args:
        base: the task's space.
        changed: what `kept` gave once; entries that no longer fit the base are left out.
    """

    def __init__(self, base: SearchSpace, changed: Mapping[str, Any] | None = None) -> None:
        self.base = base
        self._domains: dict[str, Domain] = {}
        for name, entry in (changed or {}).items():
            if name in base and isinstance(entry, Mapping):
                try:
                    self._domains[name] = _domain(base[name], entry)
                except SpaceError:
                    continue
        self.space = base.with_domains(self._domains)

    def __bool__(self) -> bool:
        return bool(self._domains)

    @property
    def kept(self) -> dict[str, Any]:
        """What was changed, JSON-able: name -> low and high, or choices."""
        return {
            name: {"choices": list(d.choices)}
            if isinstance(d, Categorical)
            else {"low": d.low, "high": d.high}
            for name, d in self._domains.items()
        }

    @property
    def stored(self) -> SearchSpace:
        """The space that trials are stored with: Optuna lets bounds change, but no choices."""
        whole = self.base
        for name, domain in self._domains.items():
            if not isinstance(domain, Categorical):
                whole = whole.replace(replace(whole[name], domain=domain))
        return whole

    def freeze(self, name: str, value: Any) -> Ranges:
        """Freeze a hyperparameter at `value`, which may lie outside its present range.

        Raises:
            SpaceError: there is no such hyperparameter, the value is of another kind, or nothing
                would be left to vary.
        """
        domain = self.base.known(name).domain
        if isinstance(domain, Categorical):
            return self._with(name, {"choices": [domain.cast(value)]})
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise SpaceError(f"{name} needs a number, not {value!r}")
        return self._with(name, {"low": value, "high": value})

    def limit(
        self, name: str, low: float | None, high: float | None, choices: Sequence[Any] = ()
    ) -> Ranges:
        """Give a hyperparameter other bounds (None: as they are), or some of the task's choices.

        Raises:
            SpaceError: as `freeze`; or the bounds are no range.
        """
        now = self._domains.get(name, self.base.known(name).domain)
        if isinstance(now, Categorical):
            return self._with(name, {"choices": list(choices)})
        low, high = now.low if low is None else low, now.high if high is None else high
        return self._with(name, {"low": low, "high": high})

    def release(self, name: str) -> Ranges:
        """Give a hyperparameter the task's own range again.

        Raises:
            SpaceError: there is no such hyperparameter.
        """
        self.base.known(name)
        return Ranges(self.base, {n: e for n, e in self.kept.items() if n != name})

    def _with(self, name: str, entry: Mapping[str, Any]) -> Ranges:
        _domain(self.base[name], entry)  # raises
        changed = Ranges(self.base, {**self.kept, name: entry})
        if not changed.space.free:
            raise SpaceError(
                "every hyperparameter would be frozen", "leave at least one of them free to vary"
            )
        return changed


def _domain(param: Param, entry: Mapping[str, Any]) -> Domain:
    """The domain that an entry of `Ranges.kept` describes.

    Raises:
        SpaceError: it describes none.
    """
    domain = param.domain
    try:
        if isinstance(domain, Categorical):
            return Categorical(tuple(domain.cast(c) for c in entry["choices"]))
        low, high = entry["low"], entry["high"]
        if isinstance(domain, Float):
            return Float(float(low), float(high), domain.log, None if low == high else domain.step)
        if float(low) != int(low) or float(high) != int(high):
            raise SpaceError("takes whole numbers")
        return Integer(int(low), int(high), domain.log, 1 if low == high else domain.step)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise SpaceError(f"{param.name}: these are no bounds") from error
    except SpaceError as error:
        raise SpaceError(f"{param.name}: {error.message}", error.hint) from error
