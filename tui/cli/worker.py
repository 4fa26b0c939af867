"""`hyperllama worker --cluster ADDRESS`: lend this machine to the studies of a Dask cluster."""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from urllib.parse import urlsplit

from hyperllama.core.errors import StudyError, pip_install
from hyperllama.models.process import python_argv
from hyperllama.models.process.processors import usable_processors
from hyperllama.tui.cli.options import positive

PATIENCE_S = 30.0
"""How long a scheduler may take to start, as long as Dask itself waits."""
DASKS_PORT = 8786
NAME = "worker"
HELP = "train folds for the studies of a Dask cluster"
EPILOG = """\
examples:
  hyperllama worker --cluster tcp://head:8786
  hyperllama worker --cluster /shared/scheduler.json --jobs 8 -- --death-timeout 60

What follows -- goes to `dask worker` as it is. Whoever reaches the scheduler can run code here: on
a network with others, use tls:// with certificates (docs/clusters.md)."""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--cluster", required=True, metavar="ADDRESS|FILE",
        help="of the scheduler: tcp://host:8786, tls://host:8786, or its file",
    )
    parser.add_argument(
        "--jobs", type=positive, metavar="N",
        help="folds at a time (default: one for each two processors)",
    )
    parser.add_argument(
        "--threads", type=positive, metavar="N",
        help="of one fold (default: the processors, or OMP_NUM_THREADS, divided by --jobs)",
    )
    for name, what in (("ca-file", "of the authority"), ("cert", "of this worker"),
                       ("key", "private key of this worker")):  # fmt: skip
        parser.add_argument(f"--tls-{name}", metavar="FILE", help=f"PEM file, {what}")
    parser.add_argument(
        "--unsandboxed", action="store_true",
        help="run programs without a sandbox where a study asks for it: they can read the files "
        "of this machine and use its network",
    )
    parser.add_argument("dask", nargs="*", help=argparse.SUPPRESS)


def run(arguments: argparse.Namespace) -> int:
    from importlib.util import find_spec

    from hyperllama.core.evaluate.cluster.scheduler import address_of
    from hyperllama.core.evaluate.cluster.worker import THREADS, UNSANDBOXED

    if find_spec("distributed") is None:
        raise StudyError("a worker needs the package distributed, which is not installed",
                         pip_install("hyperllama[cluster]"))  # fmt: skip
    usable, where = usable_processors(), arguments.cluster
    if not Path(where).is_file():
        _wait_for(address_of(where))
    jobs = arguments.jobs or max(1, usable // 2)
    said = os.environ.get("OMP_NUM_THREADS", "")
    most = min(usable, int(said)) if said.isdecimal() and int(said) else usable
    options = ["--scheduler-file", where] if Path(where).is_file() else [where]
    options += ["--nthreads", str(jobs), "--nworkers", "1", "--no-dashboard"]
    for name in ("tls_ca_file", "tls_cert", "tls_key"):
        if getattr(arguments, name):
            options += [f"--{name.replace('_', '-')}", getattr(arguments, name)]
    argv = python_argv("distributed.cli.dask_worker", *options, *arguments.dask)
    own = {THREADS: str(arguments.threads or max(1, most // jobs))}
    if arguments.unsandboxed:
        own[UNSANDBOXED] = "1"
    os.execve(argv[0], argv, {**os.environ, **own})


def _wait_for(address: str) -> None:
    """Wait until a scheduler's port is open; without one Dask ends with a traceback.

    Raises:
        StudyError: it does not open.
    """
    import socket

    parts, until = urlsplit(address if "://" in address else f"tcp://{address}"), time.monotonic()
    while parts.scheme in ("tcp", "tls"):  # others are not looked for in this way
        try:
            there = (parts.hostname or "", parts.port or DASKS_PORT)
            socket.create_connection(there, timeout=5).close()
            return
        except (OSError, ValueError) as error:
            if time.monotonic() > until + PATIENCE_S:
                raise StudyError(
                    f"no Dask scheduler answers at {address}: {error}",
                    "start one: `dask scheduler`; --cluster takes its address, or the scheduler "
                    "file",
                ) from error
            time.sleep(1)
