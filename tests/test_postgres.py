"""A study in a real PostgreSQL, with two processes; `benchmarks/postgres_storm.py` is the storm."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.postgres_server import PostgresServer, missing
from benchmarks.postgres_storm import SharedStorm

QUICK = """\
name = "storm"
kind = "classification"
metric = "accuracy"
estimator = "decision_tree"
[data]
path = "storm.csv"
target = "y"
[validation]
folds = 2
"""


@pytest.mark.skipif(bool(missing()), reason=missing())
def test_two_processes_lose_and_repeat_nothing_when_one_is_killed_and_the_server_restarts(
    tmp_path: Path,
) -> None:
    with PostgresServer() as server:
        report = SharedStorm(server, tmp_path, trials=10, seed=1, task=QUICK).run(
            kills=1, restarts=1, away_s=0.2, elsewhere=False
        )
    assert report.wrong == [], "\n".join(report.lines())
    assert report.restarts == 1 and report.trials == 10
