"""Works on an experiment's queue: cells, worker processes, shared engines, results kept on disk.

A grid comes in; files of finished trials go out. Nothing here computes a figure.
"""
