"""What packages add through entry points; HyperLlama's own parts are found the same way."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from importlib.metadata import entry_points
from typing import Generic, Protocol, TypeVar

from hyperllama.core.errors import SpaceError
from hyperllama.core.text import allowed, one_line, shown


class Ordered(Protocol):
    """What a plug-in has: its place in lists."""

    @property
    def order(self) -> int: ...


Part = TypeVar("Part", bound=Ordered)


class PlugIns(Generic[Part]):
    """The entry points of one group, loaded when they are first asked for.

    Args:
        group: of the entry points.
        kind: the class that each of them has to be an instance of.
        what: what messages call one of them.
    """

    def __init__(self, group: str, kind: type[Part], what: str) -> None:
        self._group, self._kind, self._what = group, kind, what

    @cached_property
    def _loaded(self) -> tuple[dict[str, Part], dict[str, str]]:
        usable: dict[str, Part] = {}
        broken: dict[str, str] = {}
        for point in entry_points(group=self._group):
            try:
                part = point.load()
                if not isinstance(part, self._kind):
                    raise TypeError(f"{point.value} is not a {self._kind.__name__}")
                if getattr(part, "name", point.name) != point.name:
                    raise ValueError(f"{point.value} has another name")
                usable[point.name] = part
            except Exception as error:  # whatever a plug-in raises, the others work without it
                broken[point.name] = f"{type(error).__name__}: {one_line(error)}"
        return dict(sorted(usable.items(), key=lambda pair: (pair[1].order, pair[0]))), broken

    @property
    def usable(self) -> Mapping[str, Part]:
        """The parts by name, in the order of lists."""
        return self._loaded[0]

    @property
    def broken(self) -> Mapping[str, str]:
        """The entry points that could not be loaded: name -> why, in one line."""
        return self._loaded[1]

    def unknown(self, name: str) -> SpaceError:
        """The error about a name that is not usable: what is broken about it, or what there is."""
        if name in self.broken:
            problem = f"{self._what} {shown(name)} cannot be loaded: {self.broken[name]}"
            return SpaceError(problem, "repair or remove the package that it comes from")
        more = "".join(f"; {n} cannot be loaded: {why}" for n, why in self.broken.items())
        hint = allowed(list(self.usable), name) + more
        return SpaceError(f"unknown {self._what} {shown(name)}", hint)
