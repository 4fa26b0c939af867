"""The Python interface for scripts: an Optuna sampler, a search estimator of scikit-learn."""
