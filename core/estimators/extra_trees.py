"""Extremely randomised trees of scikit-learn (`ExtraTreesClassifier`, `ExtraTreesRegressor`)."""

from __future__ import annotations

from hyperllama.core.estimators.trees import forest

FAMILY = forest("extra_trees", "extremely randomised trees", "ExtraTrees", order=4, short="et")
