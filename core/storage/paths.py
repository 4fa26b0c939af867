"""Where studies lie in the data folder, `home`."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hyperllama.models.paths import home as home  # others take it from here

DATABASE = "study.db"
_USERS_UMASK = "HYPERLLAMA_UMASK"  # what children of this program restore for exported files


def study_dir(study: str) -> Path:
    """The folder of one study: its name with everything but letters, digits, . _ - replaced."""
    safe = re.sub(r"[^\w.-]+", "_", study).strip("._") or "study"
    return home() / "studies" / safe


def own_database(folder: Path) -> str:
    """The Optuna storage URL of a study that lies in its own folder."""
    return f"sqlite:///{folder / DATABASE}"


def shared_database() -> str:
    """The Optuna storage URL that versions before 0.3 used: one SQLite file for all studies."""
    return f"sqlite:///{home() / 'studies.db'}"


def can_share(folder: Path, url: str) -> bool:
    """Whether several processes may work on a study in this storage: on a server, or in a file that
    is not the study's own."""
    return url not in (own_database(folder), shared_database()) and ":memory:" not in url


def keep_private() -> None:
    """Let this process and its children make files that only the user can read.

    What is handed on (`users_umask`) keeps the permissions that the user has chosen.
    """
    before = os.umask(0o077)
    os.environ.setdefault(_USERS_UMASK, f"{before:o}")


@contextmanager
def users_umask() -> Iterator[None]:
    """Files made inside have the permissions of the user's other files."""
    try:
        chosen = int(os.environ.get(_USERS_UMASK, ""), 8)
    except ValueError:
        yield  # `keep_private` was not called: the umask is the user's
        return
    before = os.umask(chosen)
    try:
        yield
    finally:
        os.umask(before)


def close_home() -> bool:
    """Make the data folder one that only its owner can open; whether it was open to others."""
    folder = home()
    try:
        found = folder.stat()
        open_to_others = stat.S_ISDIR(found.st_mode) and stat.S_IMODE(found.st_mode) & 0o077
        if open_to_others and found.st_uid == os.getuid():
            folder.chmod(0o700)
            return True
    except OSError:
        pass
    return False
