"""Random forests of scikit-learn (`RandomForestClassifier`, `RandomForestRegressor`)."""

from __future__ import annotations

from hyperllama.core.estimators.trees import forest

FAMILY = forest("random_forest", "random forest", "RandomForest", order=3, short="rf")
