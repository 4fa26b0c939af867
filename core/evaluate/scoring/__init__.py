"""Scoring configurations and programs on a table that is in memory: folds, measures, failures.

`crossval.Evaluator` is what others use: it is given a configuration and gives fold scores. No
process is started here but the sandbox of programs.
"""
