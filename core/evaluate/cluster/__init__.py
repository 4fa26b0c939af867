"""Folds that are trained on other machines, through Dask.

What runs where the study runs: the connection (`scheduler`) and a runner that scores trials through
it (`runner`). What runs on the workers: `worker`. Dask is imported when a cluster is asked for.
"""
