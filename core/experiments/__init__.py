"""Experiments: contenders x tasks x seeds as a resumable queue (`grid`, `reading`, `running`).

`running.comparison`, `bench` and `baselines` ask it three questions, `figures` answers in numbers.
`grid`, `reading` and `panel` load neither NumPy nor scikit-learn, so an interface may use them.
"""
