"""The commands that start `inside.py`: boxed by bubblewrap or sandbox-exec, or not boxed."""

from __future__ import annotations

import os
import shutil
import site
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from hyperllama.core.errors import StudyError
from hyperllama.core.programs.seccomp import filter_bytes

INSTALL_HINT = ("install bubblewrap: `apt install bubblewrap`, or `dnf install bubblewrap`; or "
                "start a study with --unsandboxed, for programs that you have read")
_INSIDE = Path(__file__).with_name("inside.py")
_WARM = ("sklearn.pipeline", "sklearn.compose", "sklearn.preprocessing", "sklearn.impute",
         "sklearn.ensemble", "sklearn.linear_model", "sklearn.feature_selection", "scipy.stats",
         "xgboost")  # fmt: skip
_TOOLS = {"linux": ("bwrap", "bubblewrap is not installed"),
          "darwin": ("sandbox-exec", "sandbox-exec is not in the PATH")}  # fmt: skip
_PROFILE = """(version 1)
(deny default)
(allow process-fork)
(allow process-exec (literal {python}))
(allow process-info* (target same-sandbox))
(allow signal (target same-sandbox))
(allow sysctl-read)
(allow file-read-metadata)
(allow file-read* (literal "/") (literal "/dev/null") (literal "/dev/random")
    (literal "/dev/urandom") (subpath "/usr/lib") (subpath "/System") (subpath "/Library/Apple"))
(allow file-read* {readable})
(allow file-write-data (literal "/dev/null"))
(allow file-read* file-write* (subpath {scratch}))
"""
"""What sandbox-exec allows: reading the system's libraries, Python and its packages, and writing
into one folder. There is no rule for the network, for other processes, or for any other file."""


def sandbox_problem(system: str = sys.platform) -> str:
    """Why there can be no sandbox here; empty where there can."""
    if system not in _TOOLS:
        return f"there is no sandbox for {system}"
    tool, missing = _TOOLS[system]
    return "" if shutil.which(tool) else missing


def command(threads: int, scratch: Path, *, boxed: bool, system: str = sys.platform) -> list[str]:
    """The command line of a sandbox.

    Args:
        threads: for the libraries inside.
        scratch: an empty folder, the only one that may be written where nothing else can be had.
        boxed: False for a process like any other, with an environment of its own.

    Raises:
        StudyError: no sandbox can be had on this machine.
    """
    if not boxed:
        return _unboxed(threads, scratch)
    if problem := sandbox_problem(system):
        raise StudyError(f"programs need a sandbox, and {problem}", INSTALL_HINT)
    return _bubblewrap(threads) if system == "linux" else _sandbox_exec(threads, scratch)


def _bubblewrap(threads: int) -> list[str]:
    """Read-only Python and packages, nothing else."""
    argv = ["bwrap", "--unshare-all", "--unshare-user", "--die-with-parent", "--new-session",
            "--clearenv", "--cap-drop", "ALL", "--uid", "1000", "--gid", "1000"]  # fmt: skip
    for system in ("/usr", "/lib", "/lib64", "/lib32", "/etc/ld.so.cache", "/etc/alternatives"):
        argv += ["--ro-bind-try", system, system]
    for folder in _python_folders():
        argv += ["--ro-bind", folder, folder]
    argv += ["--ro-bind", str(_INSIDE.resolve()), "/sandbox/inside.py"]
    for setting in _settings(threads):
        argv += ["--setenv", *setting.split("=", 1)]
    argv += ["--dir", "/tmp", "--proc", "/proc", "--dev", "/dev", "--chdir", "/"]
    argv += ["--remount-ro", "/dev", "--remount-ro", "/"]
    return [*argv, "--", *_inside("/sandbox/inside.py")]


def _sandbox_exec(threads: int, scratch: Path) -> list[str]:
    readable = [*_python_folders(), str(_INSIDE.resolve().parent)]
    profile = _PROFILE.format(
        python=_quoted(os.path.realpath(sys.executable)), scratch=_quoted(str(scratch.resolve())),
        readable=" ".join(f"(subpath {_quoted(os.path.realpath(f))})" for f in readable),
    )  # fmt: skip
    settings = [*_settings(threads), f"TMPDIR={scratch.resolve()}"]
    python = ["sandbox-exec", "-p", profile, os.path.realpath(sys.executable)]
    return ["env", "-i", *settings, *python, *_inside(str(_INSIDE.resolve()))[1:]]


def _unboxed(threads: int, scratch: Path) -> list[str]:
    settings = [*_settings(threads), f"TMPDIR={scratch}"]
    return ["env", "-i", *settings, *_inside(str(_INSIDE))]


def _inside(file: str) -> list[str]:
    """Python on `inside.py`, with the filter of a fit and the libraries to import."""
    return [sys.executable, "-s", "-B", file, filter_bytes().hex() or "-", *_WARM]


def _settings(threads: int) -> list[str]:
    """The whole environment inside."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")
    counts = [f"{name}={threads}" for name in names]
    return [*counts, "PYTHONHASHSEED=0", f"PYTHONPATH={_packages()}"]


def _quoted(path: str) -> str:
    """A path as a string of a sandbox profile."""
    return '"' + path.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _python_folders() -> list[str]:
    """Where this Python and its packages lie, outside the system's own folders."""
    interpreter = Path(sys.executable)
    wanted: Sequence[str] = [
        sys.prefix, sys.base_prefix, *_packages().split(os.pathsep),
        str(interpreter.parent), str(interpreter.resolve().parent),
    ]  # fmt: skip
    found: list[str] = []
    for folder in sorted({str(Path(w)) for w in wanted if w}):
        inside = any(folder == f or folder.startswith(f"{f}/") for f in ("/usr", *found))
        if not inside and Path(folder).is_dir() and folder != "/":
            found.append(folder)
    return found


def _packages() -> str:
    """The folders of installed packages, as PYTHONPATH takes them."""
    own = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    beside = [p for p in sys.path if p.endswith("site-packages") and p not in own]
    user = [site.getusersitepackages()] if site.ENABLE_USER_SITE else []
    return os.pathsep.join(dict.fromkeys([*own, *beside, *(u for u in user if Path(u).is_dir())]))
