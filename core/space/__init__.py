"""The search space: what may be varied, within which bounds, and under which conditions.

It gives hyperparameters and their domains, search spaces, and the changes that people make to them
in the middle of a study. Nothing here loads Optuna or NumPy before it is needed.
"""

from hyperllama.core.space.describe import describe_space
from hyperllama.core.space.domains import Categorical, Domain, Float, Integer, Value, number
from hyperllama.core.space.params import Condition, Param, reachable
from hyperllama.core.space.ranges import Ranges
from hyperllama.core.space.search_space import Config, SearchSpace

__all__ = [
    "Categorical",
    "Condition",
    "Config",
    "Domain",
    "Float",
    "Integer",
    "Param",
    "Ranges",
    "SearchSpace",
    "Value",
    "describe_space",
    "number",
    "reachable",
]
