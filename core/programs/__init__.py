"""Code as a hyperparameter: what a program is, what it may contain, and the sandbox that runs it.

A program is a Python text that builds an estimator; it is never imported or executed outside the
sandbox, whoever wrote it.
"""
