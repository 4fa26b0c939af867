"""The study's connection to a Dask cluster: workers compared, the table handed out, folds sent."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
import uuid
from asyncio import CancelledError
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyperllama.core.errors import HyperLlamaError, StudyError, pip_install
from hyperllama.core.evaluate.cluster.worker import (
    FoldTask,
    StudyTable,
    check_versions,
    run_fold,
    table_key,
    worker_facts,
)
from hyperllama.core.evaluate.results import Result
from hyperllama.core.text import one_line

if TYPE_CHECKING:
    from distributed import Client, Future

POLL_S = 0.1
_CONNECT_S = 10.0
_FIRST_WORKER_S = 60.0
_AGAIN_S = 60.0
_REACH_S = 5.0
MOST_SENDINGS = 4
"""How often a fold is sent in vain before the study ends. Where its worker died, Dask itself has it
trained again, as often as its setting `distributed.scheduler.allowed-failures` says (3)."""


class FoldDropped(Exception):
    """The study wants the fold no more."""


class PendingFold:
    """A fold that was sent and has not come back."""

    def __init__(self, fold: FoldTask, future: Future) -> None:
        self.fold, self.in_vain = fold, 0
        self.follow(future)

    def follow(self, future: Future) -> None:
        """Wait for this one from now on."""
        self.future, self.ended = future, threading.Event()
        ended = self.ended
        future.add_done_callback(lambda future: ended.set())

    def drop(self) -> None:
        """Let its worker stop it; without its scheduler it has ended."""
        with contextlib.suppress(Exception):
            self.future.cancel()


class Cluster:
    """A Dask cluster.

    Args:
        where: the scheduler's address ("tcp://host:8786", "tls://host:8786"), or the path of its
            scheduler file. Certificates for TLS are read from Dask's own configuration.
        log: file for what Dask reports.

    Raises:
        StudyError: Dask is not installed, no scheduler answers, or there is no worker.
    """

    def __init__(self, where: str, log: Path) -> None:
        try:
            import dask
            import distributed
        except ImportError as error:
            raise StudyError("a cluster needs the package distributed, which is not installed",
                             pip_install("hyperllama[cluster]")) from error  # fmt: skip
        self.where = where
        _log_to(log)
        given: dict[str, Any] = (
            {"scheduler_file": where} if Path(where).is_file() else {"address": address_of(where)}
        )
        # a worker that has just died is not waited for half a minute, as is usual of Dask
        dask.config.set({"distributed.comm.timeouts.connect": f"{_CONNECT_S}s"})
        security = distributed.Security()
        if where.startswith("tls://") and not security.get_connection_args("client")["ssl_context"]:
            raise StudyError(f"{where} asks for certificates, and Dask's configuration names none",
                             "docs/clusters.md shows what to write there")  # fmt: skip
        try:
            self._client: Client = distributed.Client(
                **given, timeout=_CONNECT_S, set_as_default=False, name="hyperllama"
            )
        except (OSError, ValueError, TypeError, RuntimeError) as error:
            raise StudyError(
                f"no Dask scheduler answers at {where}: {one_line(error) or 'it took too long'}",
                "start one: `dask scheduler`; --cluster takes its address, or the scheduler file",
            ) from error
        # Dask has no other setting for how long it tries to reach a scheduler that it has lost
        self._client._timeout = _AGAIN_S
        try:
            self._client.wait_for_workers(1, timeout=_FIRST_WORKER_S)
        except (OSError, distributed.TimeoutError) as error:
            self._client.close()
            raise StudyError(
                f"the cluster {where} has no worker",
                f"start one on each machine: `hyperllama worker --cluster {where}`",
            ) from error
        workers = self._client.nthreads()
        self.workers, self.threads = len(workers), sum(workers.values())
        """How many there are, and how many folds they train at a time, at the start."""
        self._make_table: Callable[[], StudyTable] | None = None
        self.study = uuid.uuid4().hex[:12]
        """Tells this study from others on the same workers."""
        self._tables: dict[str, Future] = {}
        self._lock, self._handing_out = threading.Lock(), dict[str, threading.Lock]()

    def check(self, estimators: Iterable[str], programs: bool) -> dict[str, str]:
        """Compare every worker with this machine; the versions that a worker needs.

        Args:
            estimators: families that the study uses.
            programs: whether it runs programs that a model writes.

        Raises:
            StudyError: a worker has another version, no HyperLlama, or no sandbox for programs.
        """
        from hyperllama.core.estimators import families, family

        unused = {family(f).package for f in families()} - {family(f).package for f in estimators}
        needed = {k: v for k, v in worker_facts().versions.items() if k not in unused}
        answers: dict[str, Any] = self._client.run(worker_facts, on_error="return")
        for address, facts in answers.items():
            if isinstance(facts, Exception):
                raise StudyError(f"the worker {address} cannot take part: {one_line(facts)}",
                                 "is HyperLlama installed there?")  # fmt: skip
            check_versions(needed, facts)
            if programs and facts.sandbox_problem:
                raise StudyError(
                    f"the worker on {facts.host} has no sandbox for programs that a model writes: "
                    f"{facts.sandbox_problem}", "install bubblewrap there, or end that worker",
                )  # fmt: skip
        return needed

    def hand_out(self, make_table: Callable[[], StudyTable]) -> None:
        """Send a study's table to every worker, past the scheduler; later ones get it when they
        are to train their first fold.

        Raises:
            StudyError: none can be reached.
        """
        self._make_table = make_table
        reached = [self._hand_out(address) for address in self._client.nthreads()]
        if not any(reached):
            raise self._unreached()

    def send(self, fold: FoldTask) -> PendingFold:
        """Let a worker train a fold.

        Raises:
            StudyError: the scheduler is gone.
        """
        from distributed.client import ClosedClientError

        try:
            return PendingFold(fold, self._client.submit(run_fold, fold, pure=False))
        except ClosedClientError as error:
            raise self._gone() from error

    def wait(self, pending: PendingFold, should_stop: Callable[[], bool]) -> Result:
        """The result of a fold; one whose worker died is trained elsewhere.

        Raises:
            FoldDropped: `should_stop` said so.
            StudyError: the scheduler is gone, or a worker with other versions has joined.
        """
        from distributed import KilledWorker, TimeoutError

        while True:
            # what came back is fetched without the haste of the polling: Dask would begin anew
            ended = pending.ended.wait(POLL_S) and pending.future.done()
            if should_stop():
                pending.drop()
                raise FoldDropped
            try:
                result = pending.future.result(timeout=_REACH_S) if ended else None
            except KilledWorker as error:
                times = error.allowed_failures + 1
                return Result("failed", reason=f"{times} workers died one after the other while "
                              "they trained it")  # fmt: skip
            except TimeoutError:  # it was lost with its worker, and is trained again
                pending.follow(pending.future)
                continue
            except HyperLlamaError:
                raise
            except (Exception, CancelledError) as error:
                if pending.future.status not in ("cancelled", "lost"):
                    raise StudyError(f"a worker failed: {type(error).__name__}: {one_line(error)}",
                                     "its own log says more") from error  # fmt: skip
                result = None
            if isinstance(result, Result):
                return result
            if isinstance(result, str):
                pending.in_vain += not self._hand_out(result)
                if pending.in_vain >= MOST_SENDINGS:
                    raise self._unreached()
                pending.follow(self.send(pending.fold).future)
            elif pending.future.status in ("cancelled", "lost"):
                self._again(pending, should_stop)

    def close(self) -> None:
        """Let go of the cluster: its workers forget the study."""
        self._client.close(timeout=2)

    def _again(self, pending: PendingFold, should_stop: Callable[[], bool]) -> None:
        """Send a fold once more that Dask has given up, as the connection was lost."""
        deadline = time.monotonic() + _AGAIN_S
        while self._client.status == "connecting" and time.monotonic() < deadline:
            if should_stop():
                raise FoldDropped
            time.sleep(POLL_S)
        if self._client.status != "running" or pending.in_vain >= MOST_SENDINGS:
            raise self._gone()
        pending.drop()
        pending.follow(self.send(pending.fold).future)
        pending.in_vain += 1

    def _gone(self) -> StudyError:
        return StudyError(
            f"the Dask scheduler at {self.where} answers no more",
            "the trials so far are kept: `hyperllama resume STUDY` goes on once it is there again, "
            "with --cluster \"\" on this machine",
        )

    def _hand_out(self, address: str) -> bool:
        """Send the table to one worker, unless another thread has; whether the worker has it.

        A worker that is gone needs none: that counts as if it had it.
        """
        with self._lock:
            one_at_a_time = self._handing_out.setdefault(address, threading.Lock())
        with one_at_a_time:
            known = self._tables.get(address)
            if known is not None and known.status == "finished":
                return True
            assert self._make_table is not None
            table = {table_key(self.study, address): self._make_table()}
            try:
                found = self._client.scatter(
                    table, workers=[address], direct=True, timeout=_REACH_S
                )
            except OSError:
                return address not in self._client.nthreads()
            self._tables[address] = next(iter(found.values()))
            return True

    def _unreached(self) -> StudyError:
        return StudyError(
            f"the table cannot be sent to the workers of {self.where}",
            "this machine has to reach their ports, too: give them fixed ones "
            "(docs/clusters.md), or run the study beside them",
        )


def address_of(where: str) -> str:
    """The address of a scheduler as it is called; "host:8786" is short for "tcp://host:8786"."""
    if "://" in where or where.rpartition(":")[2].isdecimal():
        return where
    raise StudyError(f"{where} is no address of a Dask scheduler, and no scheduler file",
                     "for example --cluster tcp://host:8786")  # fmt: skip


def _log_to(file: Path) -> None:
    """Dask's messages go to a file, not over a terminal."""
    logger = logging.getLogger("distributed")
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
    logger.propagate = False
    logger.addHandler(logging.FileHandler(file, encoding="utf8", delay=True))
