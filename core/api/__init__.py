"""The Python interface for scripts: HyperLlama as an Optuna sampler."""
