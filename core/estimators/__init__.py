"""The estimator families, one file each, found by entry points; nothing here imports a library.

It gives families by name or by estimator (`family`, `families`, `family_of`), and the search spaces
of one or of several of them.
"""

from __future__ import annotations

from hyperllama.core.estimators.base import Constructor, Facts, Family
from hyperllama.core.estimators.joint import CHOICE, joint_space, rounds_names, split
from hyperllama.core.estimators.registry import (
    broken_families,
    canonical_name,
    families,
    family,
    family_of,
    likely_family,
    unknown,
)

__all__ = [
    "CHOICE",
    "Constructor",
    "Facts",
    "Family",
    "broken_families",
    "canonical_name",
    "families",
    "family",
    "family_of",
    "joint_space",
    "likely_family",
    "rounds_names",
    "split",
    "unknown",
]
