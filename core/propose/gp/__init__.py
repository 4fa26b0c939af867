"""Proposals from a Gaussian process ("the GP") over the history: the model, what it expects, where.

Gives out the fitted process (`surrogate`), expected improvement (`acquisition`) and a proposer.
"""
