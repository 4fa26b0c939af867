"""The commands that start `inside.py`: boxed by bubblewrap or sandbox-exec, or not boxed."""

from __future__ import annotations

import contextlib
import os
import shutil
import site
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path

from hyperllama.core.errors import StudyError
from hyperllama.core.programs.seccomp import filter_bytes
from hyperllama.core.text import one_line

INSTALL_HINT = ("install bubblewrap: `apt install bubblewrap`, or `dnf install bubblewrap`; or "
                "start a study with --unsandboxed, for programs that you have read")
_UNSANDBOXED = ("start a study with --unsandboxed, for programs that you have read: they can then "
                "read and change every file that you can, and use the network")
_NAMESPACES = {"kernel.apparmor_restrict_unprivileged_userns": ("1", "0"),
               "kernel.unprivileged_userns_clone": ("0", "1"),
               "user.max_user_namespaces": ("0", "15000")}  # fmt: skip
"""Settings of the Linux kernel: the value that forbids user namespaces, and one that allows them.
The first is Ubuntu's since 23.10, the second Debian's, the third is in every kernel."""
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
    if not shutil.which(tool):
        return missing
    return _bubblewrap_problem() if system == "linux" else ""


def sandbox_hint(problem: str) -> str:
    """What to do about what `sandbox_problem` says."""
    settings = [f"{name}={value[1]}" for name, value in _NAMESPACES.items() if name in problem]
    if settings:
        return (f"`sudo sysctl -w {' '.join(settings)}` allows them until the machine starts anew, "
                f"and a file in /etc/sysctl.d for good; or {_UNSANDBOXED}")  # fmt: skip
    if "user namespaces" in problem:
        docker = "--security-opt seccomp=unconfined --security-opt systempaths=unconfined"
        return f"a container has to be started so that it may (docker: {docker}); or {_UNSANDBOXED}"
    return _UNSANDBOXED if problem.startswith("bubblewrap opens") else INSTALL_HINT


def _bubblewrap_problem() -> str:
    """Why bubblewrap opens no sandbox here, tried with a Python that does nothing."""
    python = [sys.executable, "-I", "-S", "-c", ""]
    try:
        tried = subprocess.run([*_box(1), "--", *python], stdin=subprocess.DEVNULL, timeout=60,
                               capture_output=True, text=True, errors="replace")  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"bubblewrap opens none here ({error})"
    if not tried.returncode:
        return ""
    settings = {}
    for name in _NAMESPACES:
        with contextlib.suppress(OSError):
            file = Path("/proc/sys", *name.split("."))
            settings[name] = file.read_text("utf8").strip()
    return bubblewrap_refusal(tried.stderr, settings)


def bubblewrap_refusal(said: str, settings: Mapping[str, str]) -> str:
    """Why bubblewrap opened no sandbox.

    Args:
        said: its standard error.
        settings: those of `_NAMESPACES` that this kernel has, with their values.
    """
    forbid = [f"{name} = {value[0]}" for name, value in _NAMESPACES.items()
              if settings.get(name) == value[0]]  # fmt: skip
    if forbid:
        return f"this system forbids the user namespaces of bubblewrap ({', '.join(forbid)})"
    last = one_line((said.strip().splitlines() or ["it says nothing"])[-1])
    if any(words in last.lower() for words in ("namespace", "uid map", "not permitted")):
        return f"this container forbids the user namespaces of bubblewrap ({last})"
    return f"bubblewrap opens none here ({last})"


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
        raise StudyError(f"programs need a sandbox, and {problem}", sandbox_hint(problem))
    return _bubblewrap(threads) if system == "linux" else _sandbox_exec(threads, scratch)


def _bubblewrap(threads: int) -> list[str]:
    return [*_box(threads), "--", *_inside("/sandbox/inside.py")]


def _box(threads: int) -> list[str]:
    """bubblewrap with read-only Python and packages, nothing else."""
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
    return [*argv, "--remount-ro", "/dev", "--remount-ro", "/"]


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
