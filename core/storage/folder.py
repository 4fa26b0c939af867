"""The folder of one study: its name, its lock, its small files. Imports nothing heavy.

Lists of studies are made from the `summary.json` files alone, so that they cost milliseconds.
"""

from __future__ import annotations

import fcntl
import json
import math
import os
import re
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hyperllama.core.errors import StudyError
from hyperllama.core.events.codec import decode_sound
from hyperllama.core.storage.paths import (
    DATABASE,
    home,
    own_database,
    shared_database,
    study_dir,
)
from hyperllama.core.text import nearest

SUMMARY = "summary.json"
TASK = "task.toml"
EVENTS = "events.jsonl"
COMMANDS = "commands.jsonl"
PROPOSALS = "proposals.jsonl"
LOG = "study.log"
CACHE = "engine.cache"
_LEFT_BEHIND = ("lock", COMMANDS, "commands.done", CACHE)


class Lock:
    """The right to work on a study: held by one process, and gone the moment that process is.

    A `flock` on the file `lock` in the study's folder. The file says who holds it, for messages.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "lock"
        self._fd: int | None = None

    def take(self, patience_s: float = 1.0) -> None:
        """Take the lock; wait a moment, since a reader may be testing it just now.

        Raises:
            StudyError: another process works on this study, or the folder cannot be written.
        """
        try:
            home().mkdir(parents=True, exist_ok=True, mode=0o700)
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StudyError(
                f"the study folder {self._path.parent} cannot be written: {error.strerror}",
                "check its permissions and the space left, or move HYPERLLAMA_HOME",
            ) from error
        deadline = time.monotonic() + patience_s
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() < deadline:
                    time.sleep(0.05)
                    continue
                pid = _pid_in(fd)
                os.close(fd)
                name = self._path.parent.name
                raise StudyError(
                    f"the study {name!r} is being worked on by process {pid or 'unknown'}",
                    f"watch it with `hyperllama show {name} --follow`, or in the interface; "
                    "stop it there, or with Ctrl-C where it runs",
                ) from None
        os.ftruncate(fd, 0)
        os.pwrite(fd, json.dumps({"pid": os.getpid(), "t": time.time()}).encode(), 0)
        self._fd = fd

    def release(self) -> None:
        """Give the lock back. Idempotent; the end of the process does it too."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def holder(folder: Path) -> int | None:
    """The id of the process that owns the study of this folder; None when none does.

    Tests the lock itself, so a process id that was given to another process cannot mislead.
    """
    try:
        fd = os.open(folder / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _pid_in(fd) or 0
    except OSError:
        return None
    finally:
        os.close(fd)
    return None


def _pid_in(fd: int) -> int | None:
    try:
        return int(json.loads(os.pread(fd, 200, 0))["pid"])
    except (ValueError, KeyError, TypeError):
        return None


def write_atomically(path: Path, text: str) -> None:
    """Replace the file at once: readers see the old or the new text, never a part."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    with partial.open("w", encoding="utf8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def write_summary(folder: Path, summary: Mapping[str, Any]) -> None:
    """Write `summary.json`: what a list of studies, and `resume`, need to know."""
    write_atomically(folder / SUMMARY, json.dumps(summary, indent=1, ensure_ascii=False) + "\n")


@dataclass(frozen=True, kw_only=True)
class StoredSummary:
    """What `summary.json` may hold; texts are empty and numbers null where they are not known."""

    study: str | None = None
    storage: str | None = None
    state: str | None = None
    why: str | None = None
    message: str | None = None
    task: str | None = None
    data: str | None = None
    kind: str | None = None
    metric: str | None = None
    proposer: str | None = None
    model: str | None = None
    created_t: float | None = None
    updated_t: float | None = None
    trials: float | None = None
    failed: float | None = None
    budget_trials: float | None = None
    budget_s: float | None = None
    best_value: float | None = None
    default_value: float | None = None
    best_number: float | None = None
    winner_number: float | None = None
    claimed_gain: float | None = None
    gain: float | None = None
    gain_low: float | None = None
    gain_high: float | None = None
    test_value: float | None = None
    seconds: float | None = None
    rows: float | None = None
    features: float | None = None
    pid: float | None = None
    best_config: Mapping[str, Any] | None = None
    begun: Mapping[str, Any] | None = None
    settings: Mapping[str, Any] | None = None
    estimators: tuple[Any, ...] | None = None


def read_summary(folder: Path) -> dict[str, Any] | None:
    """The summary of a study, its `state` set to "interrupted" where its process is gone.

    None where the folder holds no study. Leaves out what is of another type, and adds `live` (bool)
    and `folder`. Where the file is missing or damaged, `state` is "unknown".
    """
    summary = _sound_summary(folder / SUMMARY)
    if not summary:
        if not any((folder / name).exists() for name in (SUMMARY, TASK, DATABASE)):
            return None
        summary = {"state": "unknown"}
    if study_dir(str(summary.get("study", ""))).name != folder.name:  # copied, or not said
        summary["study"] = folder.name
    pid = holder(folder)
    summary["live"] = pid is not None
    summary["folder"] = str(folder)
    if pid is None and summary.get("state") in ("running", "paused"):
        summary["state"] = "interrupted"
    return summary


def _sound_summary(file: Path) -> dict[str, Any]:
    """What a summary says, without values that are not of their type; empty if it cannot be
    read."""
    try:
        summary = json.loads(file.read_text("utf8"))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(summary, dict):
        return {}
    _, damaged = decode_sound(StoredSummary, summary)
    return {
        k: v for k, v in summary.items()
        if k not in damaged and (not isinstance(v, float) or math.isfinite(v))
    }


def storage_of(folder: Path) -> str:
    """The storage a study was made in: the file in its folder, wherever that lies now; else the one
    that its summary names.

    Raises:
        StudyError: its URL has a password, which is not kept.
    """
    named = str((read_summary(folder) or {}).get("storage") or "")
    if (folder / DATABASE).exists() or named == DATABASE:
        return own_database(folder)
    if "***" in named:
        raise StudyError(
            f"the study {folder.name!r} is in {named}, and its password is not kept",
            "give the whole URL with --storage, or in HYPERLLAMA_STORAGE",
        )
    return named or shared_database()


def _says(file: Path, text: str) -> bool:
    try:
        return text.encode() in file.read_bytes()
    except OSError:
        return False


def all_summaries(saying: str = "") -> list[dict[str, Any]]:
    """The summaries of all studies on this machine, the last touched first.

    Args:
        saying: only those in whose file this stands; others are neither parsed nor checked, which
            takes most of the time.
    """
    found = [
        summary
        for folder in sorted((home() / "studies").glob("*"))
        if (not saying or _says(folder / SUMMARY, saying))
        and (summary := read_summary(folder)) is not None
    ]
    return sorted(found, key=lambda s: -float(s.get("updated_t") or 0.0))


def take_in(folder: Path, name: str | None = None) -> str:
    """Copy the folder of a study into the data folder; returns the study's name here.

    Only regular files are copied; its lock, its requests and the engine's cache stay behind.

    Raises:
        StudyError: it holds no study of its own, or there is a study of this name.
    """
    folder = folder.expanduser().absolute()
    if not (folder / DATABASE).is_file() or not (folder / TASK).is_file():
        hint = f"it has to hold {DATABASE} and {TASK}"
        if (read_summary(folder) or {}).get("storage"):
            hint += "; studies of older versions get them when they are resumed"
        raise StudyError(f"{folder} is not the folder of a study", hint)
    name = check_name(folder.name if name is None else name)
    target = study_dir(name)
    if target.exists():
        raise StudyError(f"there is a study {name!r} already", "--as NAME gives it another name")
    if holder(folder) is not None:
        raise StudyError(f"a process is working on {folder}", "stop it first")
    part = target.with_name(f".{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True, mode=0o700)
    for file in sorted(folder.iterdir()):
        if file.is_file() and not file.is_symlink() and not file.name.startswith(_LEFT_BEHIND):
            shutil.copyfile(file, part / file.name)
    summary = _sound_summary(part / SUMMARY)
    if summary:
        write_summary(part, {**summary, "study": name, "storage": DATABASE})
    part.rename(target)
    return name


def find_study(name: str) -> Path:
    """The folder of an existing study.

    Raises:
        StudyError: there is no such study; the hint names those that there are.
    """
    folder = study_dir(name)
    if any((folder / file).exists() for file in (TASK, SUMMARY, DATABASE)):
        return folder
    known = [str(s.get("study")) for s in all_summaries()]
    close = [k for k in known if name.lower() in k.lower()]
    close = close or [k for k in [nearest(name, known)] if k] or known
    hint = (f"studies here: {', '.join(close[:8])}" if known else
            "no study was run yet; `hyperllama run TASK` runs one")
    raise StudyError(f"there is no study {name!r} in {home()}", hint)


def free_name(stem: str) -> str:
    """`stem`, made fit for a folder, or with the first number that no study has."""
    stem = re.sub(r"[^\w.-]+", "-", stem).strip("-._") or "study"
    name, number = stem, 2
    while study_dir(name).exists() or (home() / "trash" / study_dir(name).name).exists():
        name, number = f"{stem}-{number}", number + 1
    return name


def shown_storage(folder: Path, url: str) -> str:
    """A storage as the summary of a study names it; the folder's own file by its name alone."""
    return DATABASE if url == own_database(folder) else hide_password(url)


def hide_password(url: str) -> str:
    """A storage URL as it may be shown and kept: with *** for the password."""
    url = re.sub(r"^((?:[\w+.-]+:?//?)?[^:/@]*:).*@", r"\1***@", url)  # a malformed one, too
    return re.sub(r"((?:password|passwd|pwd)=)[^&]*", r"\1***", url, flags=re.IGNORECASE)


def check_name(name: str) -> str:
    """The name, if it can be that of a study and of its folder.

    Raises:
        StudyError: it is empty, too long, or holds characters a folder's name should not have.
    """
    if not re.fullmatch(r"\w[\w.-]{0,99}", name) or study_dir(name).name != name:
        raise StudyError(
            f"{name!r} cannot be the name of a study",
            "letters, digits, . _ - only, beginning with a letter or digit, at most 100",
        )
    return name
