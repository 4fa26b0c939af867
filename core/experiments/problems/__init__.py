"""Benchmark problems: the paper's functions, exhaustive tables, and small data sets really trained.

Each has a space, losses and the distribution of random search's results; none knows a contender or
a report. `recipe.open_problem` opens one from its recipe.
"""
