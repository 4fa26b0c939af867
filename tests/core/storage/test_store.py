"""The storage: atomic proposals, results that end a trial, other programs at the same database."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import optuna
import pytest

from hyperllama.core.errors import StudyError
from hyperllama.core.storage.database import open_storage
from hyperllama.core.storage.store import Store
from tests.core.fakes import SPACE, Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def started(store: Store, **values: object) -> int:
    config = SPACE.complete(values)
    number = store.reserve()
    store.propose(number, config, SPACE, {"proposer": "llama", "reasoning": "So."})
    return number


def test_a_proposal_is_a_running_trial_that_optuna_reads(bench: Bench) -> None:
    number = started(bench.store, max_depth=3)
    trial = optuna.load_study(study_name="s", storage=bench.url).trials[number]
    assert trial.state == optuna.trial.TrialState.RUNNING
    assert trial.params == SPACE.complete({"max_depth": 3})
    assert trial.distributions == SPACE.to_distributions()
    assert trial.user_attrs == {"hyperllama:proposer": "llama", "hyperllama:reasoning": "So."}
    assert trial.datetime_start is not None


def test_a_result_ends_it_and_stays(bench: Bench) -> None:
    number = started(bench.store)
    bench.store.finish(number, 0.75, {"fold_scores": [0.7, 0.8], "seconds": 1.5, "reason": ""})
    bench.reopen()
    trial = bench.store.trials()[number]
    assert (trial.state, trial.value, trial.fold_scores) == ("COMPLETE", 0.75, (0.7, 0.8))
    assert (trial.seconds, trial.proposer) == (1.5, "llama")
    with pytest.raises(Exception, match="finished"):
        bench.store.finish(number, 0.9, {})


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_without_a_finite_value_it_failed(bench: Bench, value: float | None) -> None:
    number = started(bench.store)
    bench.store.finish(number, value, {"reason": "no memory"})
    trial = bench.store.trials()[number]
    assert trial.state == "FAIL" and trial.value is None
    assert trial.reason == "no memory"


def test_values_come_back_exactly(bench: Bench) -> None:
    config = {"learning_rate": 0.1 + 0.2, "max_depth": 7, "booster": "dart"}
    started(bench.store, **config)
    bench.reopen()
    stored = bench.store.trials()[0].config
    assert stored == config and list(stored) == list(SPACE.complete(config))


def test_a_queued_trial_is_taken_once(bench: Bench) -> None:
    bench.store.queue({"max_depth": 2})
    waiting = bench.store.waiting()
    assert [t.config for t in waiting] == [{"max_depth": 2}] and not waiting[0].ours
    config = SPACE.complete({"max_depth": 2})
    assert bench.store.take(waiting[0], config, SPACE)
    assert not bench.store.take(waiting[0], config, SPACE)
    trial = bench.store.trials()[0]
    assert (trial.state, trial.config, trial.proposer) == ("RUNNING", config, "queue")
    assert bench.store.waiting() == []


def test_an_interrupted_trial_is_put_back_whole(bench: Bench) -> None:
    number = started(bench.store, max_depth=5)
    bench.store.put_back(number)
    (waiting,) = bench.store.waiting()
    assert waiting.ours and waiting.proposer == "llama" and waiting.config["max_depth"] == 5
    assert bench.store.take(waiting, waiting.config, SPACE)


def test_a_reader_does_not_lock_the_study(bench: Bench) -> None:
    with sqlite3.connect(bench.folder / "studies.db", timeout=0.1) as reader:
        assert reader.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM trials").fetchone()
        number = started(bench.store)
        bench.store.finish(number, 1.0, {"seconds": 1.0})
        assert reader.execute("SELECT count(*) FROM trials").fetchone() == (0,)
        reader.execute("ROLLBACK")
        assert reader.execute("SELECT count(*) FROM trials").fetchone() == (1,)


def test_the_cost_of_a_trial_does_not_grow_with_the_history(bench: Bench) -> None:
    import sqlalchemy

    statements: list[str] = []
    engine = bench.store._storage.engine  # type: ignore[attr-defined]
    sqlalchemy.event.listen(
        engine, "before_cursor_execute", lambda c, cur, s, *rest: statements.append(s)
    )
    counts = []
    for i in range(12):
        before = len(statements)
        bench.store.waiting()
        bench.store.finish(started(bench.store, max_depth=1 + i % 12), 0.5, {"seconds": 1.0})
        counts.append(len(statements) - before)
    assert counts[-1] <= counts[2]


def test_names_are_unique_in_a_storage(bench: Bench) -> None:
    with pytest.raises(StudyError, match="already has a study 's'"):
        Store.create(open_storage(bench.url), "s", "accuracy", {})
    with pytest.raises(StudyError, match="has no study 't'"):
        Store.open(open_storage(bench.url), "t")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("studies.db", "is not a storage URL"),
        ("nosuchdb://host/x", "not supported"),
        ("redis://host/0", "not supported"),
        ("postgresql+nosuch://user:secret@127.0.0.1/x", "needs a driver"),
        ("sqlite:////proc/nowhere/studies.db", "cannot be opened"),
    ],
)
def test_storages_that_cannot_be_opened_say_why(url: str, message: str) -> None:
    with pytest.raises(StudyError, match=message) as caught:
        open_storage(url)
    assert caught.value.hint and "secret" not in str(caught.value)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    file = tmp_path / "studies.db"
    file.write_text("this is no database, whatever its name says" * 50)
    with pytest.raises(StudyError, match="cannot be opened"):
        open_storage(f"sqlite:///{file}")


def test_reading_makes_no_file(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="there is no database"):
        open_storage(f"sqlite:///{tmp_path / 'none.db'}", create=False)
    assert not list(tmp_path.iterdir())


