"""A PostgreSQL server of its own, from the distribution's packages, for a test or a benchmark."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

PASSWORD = "kept-to-itself-7391"
_PROGRAMS = ("initdb", "pg_ctl", "postgres")


def missing() -> str:
    """Why no server can be started here; empty where one can."""
    lacking = [name for name in _PROGRAMS if not _program(name)]
    if lacking:
        return f"PostgreSQL is not installed: no {', '.join(lacking)} (apt install postgresql)"
    if os.geteuid() == 0 and not _user():
        return "PostgreSQL does not run as root, and there is no user postgres"
    try:
        import psycopg  # noqa: F401
    except ImportError:
        return "psycopg is not installed: pip install 'hyperllama[postgres]'"
    return ""


class PostgresServer:
    """A server on a free port of this machine, run by an unprivileged user; ends with the block."""

    def __enter__(self) -> PostgresServer:
        self._folder = Path(tempfile.mkdtemp(prefix="hyperllama-pg-"))
        secret = self._folder / "secret"
        secret.write_text(PASSWORD)
        if user := _user():
            shutil.chown(self._folder, user)
            shutil.chown(secret, user)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self._run("initdb", "-N", "-U", "tuner", "-A", "scram-sha-256", "--pwfile", secret)
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def url(self) -> str:
        """Where studies are kept, with the password."""
        return f"postgresql://tuner:{PASSWORD}@127.0.0.1:{self._port}/postgres"

    def start(self) -> None:
        settings = f"-p {self._port} -h 127.0.0.1 -k {self._folder} -c fsync=off"
        self._run("pg_ctl", "-w", "-l", self._folder / "log", "-o", settings, "start")

    def stop(self) -> None:
        """End the server and every connection to it at once."""
        self._run("pg_ctl", "-m", "fast", "-w", "stop")

    def restart(self, away_s: float) -> None:
        """Be away for a while."""
        self.stop()
        time.sleep(away_s)
        self.start()

    def _run(self, program: str, *arguments: object) -> None:
        subprocess.run(
            [_program(program), "-D", str(self._folder / "data"), *map(str, arguments)],
            check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd="/",
            **({"user": user, "group": user, "extra_groups": []} if (user := _user()) else {}),
        )  # type: ignore[call-overload]  # fmt: skip


def _user() -> str:
    """Whom the server runs as where this process is root's; empty: as this process."""
    if os.geteuid() != 0:
        return ""
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        return ""


def _program(name: str) -> str:
    """The path of a program of PostgreSQL; Debian keeps them out of the search path."""
    folders = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
    return shutil.which(name) or shutil.which(name, path=os.pathsep.join(folders)) or ""
