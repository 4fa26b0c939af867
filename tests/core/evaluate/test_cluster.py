"""Folds on a Dask cluster: the scores of this machine, and what a worker's death costs."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from asyncio import CancelledError
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from hyperllama.core.errors import StudyError
from hyperllama.core.evaluate.cluster import scheduler
from hyperllama.core.evaluate.cluster.runner import ClusterRunner
from hyperllama.core.evaluate.cluster.scheduler import Cluster, PendingFold
from hyperllama.core.evaluate.cluster.worker import (
    UNSANDBOXED,
    FoldTask,
    StudyTable,
    WorkerFacts,
    check_versions,
    worker_facts,
)
from hyperllama.core.evaluate.racing import Rival
from hyperllama.core.evaluate.results import FoldResult, Result
from hyperllama.core.evaluate.runner.client import TrialRunner
from hyperllama.core.events.requests import Pause, Resume, Step
from hyperllama.core.programs.boxes import sandbox_problem
from hyperllama.core.programs.store import ProgramStore
from hyperllama.core.space import Categorical, Config, Integer, Param, SearchSpace
from hyperllama.core.storage.request_log import send
from hyperllama.tui.cli import run_command_line
from tests.core.evaluate.test_runner import HUNG, QUICK, write_task
from tests.core.fakes import Bench
from tests.core.study.test_program_studies import TREE
from tests.small import command, environment

distributed = pytest.importorskip("distributed", reason="the extra [cluster] is not installed")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, ...]]:
    """(cluster, its runner, a runner of this machine, processes of the two workers)"""
    folder = tmp_path_factory.mktemp("cluster")
    task = write_task(folder)
    at = distributed.LocalCluster(
        n_workers=0, dashboard_address=None, processes=False, scheduler_port=0, protocol="tcp"
    )
    line = command("worker", "--cluster", at.scheduler_address, "--jobs", 1, "--", "--no-nanny",
                   "--local-directory", folder)  # fmt: skip
    env = environment({"HYPERLLAMA_HOME": str(folder / "home")})
    workers = [
        subprocess.Popen(line, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(2)
    ]
    with TrialRunner(task, log=folder / "log", threads=1) as here:
        problem = here.open()
        here.share_table(folder / "shared")
        joined = Cluster(at.scheduler_address, folder / "cluster.log")
        joined._client.wait_for_workers(2, timeout=60)
        needed = joined.check(problem.estimators, programs=False)
        table = (folder / "shared").read_bytes()
        joined.hand_out(lambda: StudyTable(task.read_text(), table, needed, 1))
        yield joined, ClusterRunner(joined, here, folder, ahead=2), here, workers
        joined.close()
    for worker in workers:
        worker.kill()
        worker.wait()
    at.close()


def test_a_cluster_scores_as_this_machine_does(cluster: tuple[Any, ...]) -> None:
    _, runner, here, _ = cluster
    seen: list[FoldResult] = []
    there, own = runner.evaluate(QUICK, seed=4, on_fold=seen.append), here.evaluate(QUICK, seed=4)
    assert (there.state, there.value, there.facts) == ("complete", own.value, own.facts)
    assert there.fold_scores == own.fold_scores and tuple(seen) == there.folds
    failed = runner.evaluate({**QUICK, "decision_tree.max_depth": -3}, seed=4)
    assert failed.state == "failed" and failed.reason.startswith("fold 1 of 3: ")
    lead = tuple(score + 1 for score in own.fold_scores)
    rival = Rival(7, lead, (0.0,) * 3, 1e-3, 0.0, 1e-2, 0.05)
    raced, alone = (r.evaluate(QUICK, seed=4, rival=rival) for r in (runner, here))
    assert raced.state == "stopped" and len(raced.folds) == 1
    assert raced.facts["stopped"] == alone.facts["stopped"]


@pytest.mark.skipif(sandbox_problem() != "", reason="no sandbox here")
def test_programs_run_in_the_sandbox_of_the_worker(cluster: tuple[Any, ...]) -> None:
    _, runner, here, _ = cluster
    key = ProgramStore(runner._folder).add(TREE)
    there, own = (r.evaluate({"program": key, "depth": 2}, seed=4) for r in (runner, here))
    assert there.state == "complete", there.reason
    assert there.fold_scores == own.fold_scores and there.facts == own.facts
    missing = runner.evaluate({"program": "aaaaaaaaaaaa"}, seed=4)
    assert missing.state == "failed" and "no program" in missing.reason


def test_a_worker_without_a_sandbox_gets_no_programs(
    cluster: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    joined, _, here, _ = cluster
    facts = replace(worker_facts(), host="far", sandbox_problem="bubblewrap is not installed")
    answers = SimpleNamespace(run=lambda *a, **more: {"tcp://far:1": facts})
    monkeypatch.setattr(joined, "_client", answers)
    assert joined.check(["mlp"], programs=False).keys() >= {"numpy"}
    with pytest.raises(StudyError, match=r"the worker on far has no sandbox .*bubblewrap"):
        joined.check(["mlp"], programs=True)
    older = replace(facts, versions={**facts.versions, "hyperllama": "0.1.0"})
    answers.run = lambda *a, **more: {"tcp://far:1": older}
    with pytest.raises(StudyError, match=r"on far .*hyperllama is 0\.1\.0 there and \S+ here"):
        joined.check(["mlp"], programs=False)
    answers.run = lambda *a, **more: {"tcp://far:1": ModuleNotFoundError("hyperllama")}
    with pytest.raises(StudyError, match="tcp://far:1 cannot take part: hyperllama"):
        joined.check(["mlp"], programs=False)
    text = here.task.file.read_text() + "[programs]\nunsandboxed = true\n"
    table = StudyTable(text, b"", {}, 1)
    fold = FoldTask("s", {}, 0, None, 0, program=TREE)
    asked = table.evaluate(fold, 1, lambda: False, tmp_path)
    assert asked.state == "failed" and "in a sandbox only" in asked.reason
    newer = StudyTable(text, b"", {"numpy": "99.0"}, 1)
    with pytest.raises(StudyError, match=r"numpy is \S+ there and 99.0 here"):
        newer.evaluate(fold, 1, lambda: False, tmp_path)


def test_a_study_on_a_cluster_is_paused_stepped_and_goes_on(
    cluster: tuple[Any, ...], tmp_path: Path
) -> None:
    _, runner, here, _ = cluster
    trees = SearchSpace([
        Param("estimator", Categorical(("decision_tree",)), "decision_tree"),
        Param("decision_tree.max_depth", Integer(1, 12), 3),
        Param("decision_tree.min_samples_leaf", Integer(1, 60), 1),
    ])  # fmt: skip
    first = threading.Event()

    def evaluate(config: Config, **more: Any) -> Result:
        if not first.is_set():
            first.set()
            send(bench.folder, Pause())
        return runner.evaluate(config, **more)

    there: Any = SimpleNamespace(evaluate=evaluate, other_folds=True, test_score=here.test_score)
    bench = Bench(tmp_path / "s", space=trees, runners=[there, there], budget=6)
    ended: list[int] = []

    def nap() -> None:
        time.sleep(0.02)
        states = [trial.state for trial in bench.store.trials()]
        if "RUNNING" not in states and (not ended or states.count("COMPLETE") > ended[-1]):
            ended.append(states.count("COMPLETE"))
            send(bench.folder, Step() if len(ended) == 1 else Resume())

    bench.on_sleep = nap
    assert bench.study().run().why == "budget"
    assert len(ended) == 2 and ended[1] == ended[0] + 1
    assert [trial.state for trial in bench.store.trials()] == ["COMPLETE"] * 6
    trial = bench.store.trials()[3]
    assert trial.fold_scores == here.evaluate(trial.config, seed=bench.seed).fold_scores


def test_without_its_scheduler_a_study_ends_and_says_how_it_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from distributed.client import ClosedClientError

    def lost(timeout: float) -> None:
        raise CancelledError

    def closed(*given: Any, **more: Any) -> None:
        raise ClosedClientError("Client is closed")

    future: Any = SimpleNamespace(
        status="lost", done=lambda: True, cancel=closed, result=lost,
        add_done_callback=lambda ended: ended(None),
    )  # fmt: skip
    at = Cluster.__new__(Cluster)
    at.where = "tcp://head:8786"
    at._client = client = SimpleNamespace(status="closed", submit=closed)  # type: ignore
    at.study, at.threads = "s", 1
    runner = ClusterRunner(at, SimpleNamespace(folds=3), Path(), 1)  # type: ignore[arg-type]
    gone = "scheduler at tcp://head:8786 answers no more"
    with pytest.raises(StudyError, match=gone) as error:
        runner.evaluate({}, seed=0)
    assert "hyperllama resume" in error.value.hint
    client.submit = lambda *a, **more: future
    with pytest.raises(StudyError, match=gone):  # in the middle of a fold, which is dropped
        runner.evaluate({}, seed=0)
    client.status = "connecting"  # as long as Dask tries
    monkeypatch.setattr(scheduler, "_AGAIN_S", 0.0)
    with pytest.raises(StudyError, match=gone):
        at.wait(PendingFold(FoldTask("s", {}, 0, None, 0), future), lambda: False)


def test_what_is_wanted_no_more_ends_on_the_worker(cluster: tuple[Any, ...]) -> None:
    _, runner, _, workers = cluster
    before = busy(workers)
    asked = 0

    def stop() -> bool:
        nonlocal asked
        asked += 1
        return asked > 3 and busy(workers) > before + 0.2

    assert runner.evaluate(HUNG, seed=0, should_stop=stop).state == "cancelled"
    # both workers take the next trial at once: none still trains what was cancelled
    assert runner.evaluate(QUICK, seed=4).state == "complete"


def test_a_fold_whose_worker_is_killed_is_trained_by_another(cluster: tuple[Any, ...]) -> None:
    _, runner, here, workers = cluster
    children = psutil.Process(workers[0].pid).children(recursive=True)
    slow = {**HUNG, "mlp.learning_rate_init": 1e-3, "mlp.width": 16, "mlp.depth": 1}
    before = busy(workers[:1])

    def kill() -> None:
        while busy(workers[:1]) < before + 0.2:
            threading.Event().wait(0.02)
        os.kill(workers[0].pid, signal.SIGKILL)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    result = runner.evaluate(slow, seed=1)
    killer.join(5)
    assert workers[0].poll() is not None
    assert result.state == "complete", result.reason
    assert [f.fold for f in result.folds] == [0, 1, 2]
    assert result.fold_scores == here.evaluate(slow, seed=1).fold_scores
    assert psutil.wait_procs(children, timeout=10)[1] == []


def busy(workers: Any) -> float:
    """Seconds of processor that the workers' trial runners have used."""
    total = 0.0
    for worker in workers:
        if worker.poll() is None:
            for child in psutil.Process(worker.pid).children(recursive=True):
                used = child.cpu_times()
                total += used.user + used.system
    return total


def test_other_versions_are_refused_with_both() -> None:
    facts = worker_facts()
    assert {"python", "numpy", "scikit-learn", "xgboost", "hyperllama"} <= set(facts.versions)
    check_versions(facts.versions, facts)
    other = replace(facts, host="far", versions={**facts.versions, "numpy": "1.0"})
    with pytest.raises(StudyError, match=r"far .*numpy is 1\.0 there and 2\.\S+ here") as refused:
        check_versions(facts.versions, other)
    assert "xgboost" not in refused.value.message
    with pytest.raises(StudyError, match="xgboost is not installed there"):
        check_versions({"xgboost": "3.0"}, WorkerFacts("far", {}, ""))


def test_what_names_no_cluster_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="no address of a Dask scheduler"):
        Cluster("cluster.json", tmp_path / "log")
    with pytest.raises(StudyError, match="asks for certificates"):
        Cluster("tls://far:8786", tmp_path / "log")


def test_a_worker_is_one_of_dask_with_our_limits(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ran: list[tuple[list[str], dict[str, str]]] = []
    monkeypatch.setattr(os, "execve", lambda path, argv, env: ran.append((argv, env)))
    monkeypatch.setattr("hyperllama.tui.cli.worker.usable_processors", lambda: 8)
    awaited: list[str] = []
    monkeypatch.setattr("hyperllama.tui.cli.worker._wait_for", awaited.append)
    file = tmp_path / "scheduler.json"
    file.write_text("{}")
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    run_command_line(["worker", "--cluster", str(file), "--jobs", "2", "--tls-cert", "c.pem",
                      "--", "--death-timeout", "60"])  # fmt: skip
    run_command_line(["worker", "--cluster", "tls://far:1", "--unsandboxed", "--threads", "3"])
    (first, env), (second, other) = ran
    assert awaited == ["tls://far:1"]
    assert first[first.index("--scheduler-file") + 1] == str(file)
    assert first[-4:] == ["--tls-cert", "c.pem", "--death-timeout", "60"]
    assert first[first.index("--nthreads") + 1] == "2" and UNSANDBOXED not in env
    assert env["HYPERLLAMA_WORKER_THREADS"] == "2" and other["HYPERLLAMA_WORKER_THREADS"] == "3"
    assert "tls://far:1" in second and other[UNSANDBOXED] == "1"
    assert second[second.index("--nthreads") + 1] == "4"


def test_a_worker_without_a_scheduler_is_told_what_to_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("hyperllama.tui.cli.worker.PATIENCE_S", -1.0)
    assert run_command_line(["worker", "--cluster", "tcp://127.0.0.1:1"]) == 7
    told = capsys.readouterr().err
    assert "no Dask scheduler answers at tcp://127.0.0.1:1" in told and "`dask scheduler`" in told
    assert run_command_line(["worker", "--cluster", "nowhere"]) == 7
