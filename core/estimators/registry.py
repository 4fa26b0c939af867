"""Finds the estimator families that are installed, by entry points; ours are among them.

A package of its own adds a family with

    [project.entry-points."hyperllama.estimators"]
    naive_bayes = "its_package.naive_bayes:FAMILY"
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from typing import Any

from hyperllama.core.errors import SpaceError
from hyperllama.core.estimators.base import Facts, Family
from hyperllama.core.plug_ins import PlugIns

_FAMILIES = PlugIns("hyperllama.estimators", Family, "estimator")


def families(kind: str | None = None) -> tuple[str, ...]:
    """The names of all families, or of those that can do a kind of task; imports no library."""
    return tuple(f.name for f in _FAMILIES.usable.values() if kind is None or kind in f.kinds)


def broken_families() -> Mapping[str, str]:
    """The entry points that could not be loaded: name -> why, in one line."""
    return _FAMILIES.broken


def family(name: str) -> Family:
    """A family by its name, or by a usual other name ("rf", "svc"); imports no learning library.

    Raises:
        SpaceError: there is no such family, or its plug-in is broken.
    """
    known = canonical_name(name)
    if known is None:
        raise unknown(name)
    return _FAMILIES.usable[known]


def unknown(name: str) -> SpaceError:
    """The error about the name of a family that is unknown or broken."""
    return _FAMILIES.unknown(name)


def canonical_name(name: str) -> str | None:
    """The family's own name, or None where no family goes by this name.

    Class names count too: "XGBClassifier", "SVR", "sklearn.svm.SVC".
    """
    return _names().get(_plain(name))


@cache
def _names() -> dict[str, str]:
    """Every plain name -> the family's own name; the first family of its order keeps a name."""
    names: dict[str, str] = {}
    for f in _FAMILIES.usable.values():
        classes = (_plain(path.partition(":")[2]) for path in f.classes.values())
        for name in (f.name.replace("_", ""), *classes, *f.names):
            names.setdefault(name, f.name)
    return names


def _plain(name: str) -> str:
    plain = "".join(c for c in name.rpartition(".")[2].lower() if c.isalnum())
    return plain.removesuffix("classifier").removesuffix("regressor")


def family_of(estimator: Any) -> Family | None:
    """The family that an estimator (an object or a class) belongs to; None for foreign classes.

    A subclass belongs to no family: what it does with the hyperparameters is its own affair.
    """
    cls = estimator if isinstance(estimator, type) else type(estimator)
    for f in _FAMILIES.usable.values():
        for kind, path in f.classes.items():
            same_name = path.partition(":")[2] == cls.__name__
            same_package = cls.__module__.partition(".")[0] == f.package
            if same_name and same_package and f.estimator_class(kind) is cls:
                return f
    return None


def likely_family(names: Collection[str]) -> str | None:
    """The family that most of these hyperparameters' names belong to; the first of equals.

    None where fewer than two belong to it, or fewer than half of them.
    """
    common = {f.name: sum(n in _hyperparameters(f.name) for n in names)
              for f in _FAMILIES.usable.values()}
    best = max(common, key=lambda f: common[f], default="")
    return best if best and common[best] >= 2 and 2 * common[best] >= len(names) else None


@cache
def _hyperparameters(name: str) -> frozenset[str]:
    """A family's hyperparameters, and other libraries' names for them."""
    found = family(name)
    own = {p.name for kind in found.kinds for p in found.space(kind, Facts(1000, 10, 2))}
    return frozenset(own | set(found.aliases) | set(found.embedded_names))
