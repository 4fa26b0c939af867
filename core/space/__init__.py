"""The search space: what may be varied, within which bounds, and under which conditions."""

from hyperllama.core.space.search_space import (
    Categorical,
    Condition,
    Config,
    Domain,
    Float,
    Integer,
    Param,
    SearchSpace,
    Value,
    number,
)

__all__ = [
    "Categorical",
    "Condition",
    "Config",
    "Domain",
    "Float",
    "Integer",
    "Param",
    "SearchSpace",
    "Value",
    "number",
]
