"""Fills the virtual environment. `make` runs it with the environment's own Python.

    prepare.py packages [--dev]         what HyperLlama imports; with --dev also the tests' tools
    prepare.py llama [--backend NAME]   llama-cpp-python: kept from before, found by pip, or built
    prepare.py wheelhouse FOLDER        everything as files, to carry to a machine with no network

Standard library only: this runs before anything is installed.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import queue
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONSTRAINTS = ROOT / "constraints.txt"
RECIPE = ROOT / "scripts" / "llama_cpp_build.cmake"
LOGS = Path(sys.prefix) / "log"
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")
MADE_FOR = "made_for.txt"
BACKENDS = {
    "cpu": "",
    "cuda": "-DGGML_CUDA=on",
    "metal": "-DGGML_METAL=on",
    "vulkan": "-DGGML_VULKAN=on",
    "hip": "-DGGML_HIP=on",
}
PROBE = "import llama_cpp; llama_cpp.llama_backend_init(); llama_cpp.llama_print_system_info()"
LINES_SHOWN_ON_FAILURE = 15
GB_PER_COMPILER = 1.5


class Failed(Exception):
    """A command ended badly; the message is what a person should read."""


def say(text: str) -> None:
    print(text, flush=True)


def clock(seconds: float) -> str:
    """Minutes and seconds: 75 -> "1:15"."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def watch(
    command: Sequence[str],
    log: Path,
    stage: Callable[[str], str | None],
    environment: Mapping[str, str] = os.environ,
) -> float:
    """Runs a long command, its output into `log`, and says now and then where it stands.

    `stage` turns a line of output into what to show, or None. Returns the seconds it took; raises
    Failed with the last lines of the log.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    lines: queue.Queue[str | None] = queue.Queue()
    began = shown = time.monotonic()
    live = sys.stdout.isatty()
    every_s = 1.0 if live else 15.0
    now, told = "starting", ""
    process = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )

    def read() -> None:
        for line in process.stdout or ():
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    try:
        with log.open("w", encoding="utf-8") as out:
            out.write(f"$ {' '.join(command)}\n")
            while True:
                try:
                    line = lines.get(timeout=every_s)
                    if line is None:
                        break
                    out.write(line)
                    out.flush()
                    now = stage(line) or now
                except queue.Empty:
                    pass
                silent_s = time.monotonic() - shown
                if silent_s >= every_s and (live or now != told or silent_s >= 60):
                    shown, told = time.monotonic(), now
                    text = f"  {clock(shown - began)}  {now}"
                    if live:
                        print(f"\r\x1b[K{text[:78]}", end="", flush=True)
                    else:
                        say(text)
    except KeyboardInterrupt:
        process.terminate()
        raise
    finally:
        if live:
            print("\r\x1b[K", end="", flush=True)
    if process.wait() != 0:
        raise Failed(f"{tail(log.read_text(encoding='utf-8'))}\n  the whole log: {log}")
    return time.monotonic() - began


def run(command: Sequence[str]) -> None:
    """Runs a short command without a word; raises Failed with what it said."""
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode != 0:
        raise Failed(tail(done.stdout + done.stderr))


def tail(output: str) -> str:
    """The last lines worth reading: without pip's postscript and the compiler's command lines."""
    told, _, _ = output.partition("error: subprocess-exited-with-error")
    lines = [line for line in told.splitlines() if line.strip() and len(line) < 400]
    return "\n".join(f"  | {line.strip()[:200]}" for line in lines[-LINES_SHOWN_ON_FAILURE:])


def pip_stage(line: str) -> str | None:
    """What pip is at."""
    if found := re.match(r"\s*Downloading (\S+?)-\d\S* \(([^)]+)\)", line):
        return f"downloading {found[1]} ({found[2]})"
    if line.startswith("Installing collected packages"):
        return "installing"
    return None


def build_stage(line: str) -> str | None:
    """What the build is at: ninja counts its steps as [k/n]."""
    if found := re.search(r"\[(\d+)/(\d+)\] ", line):
        return f"compiling, step {found[1]} of {found[2]}"
    if "Configuring CMake" in line:
        return "configuring"
    return pip_stage(line)


# -- packages -----------------------------------------------------------------------------------


def made_for() -> str:
    """What the wheels of a wheelhouse fit, as its file MADE_FOR says it: Python and system."""
    major, minor = sys.version_info[:2]
    return f"Python {major}.{minor} on {sys.platform} {platform.machine()}"


def refuse_another_python() -> None:
    """Raises Failed where pip may take only a wheelhouse that was made for another Python."""
    if "PIP_NO_INDEX" not in os.environ:
        return
    for folder in os.environ.get("PIP_FIND_LINKS", "").split():
        kept = Path(folder) / MADE_FOR
        if kept.is_file() and (other := kept.read_text(encoding="utf-8").strip()) != made_for():
            python = other.partition(" on ")[0].replace("Python ", "python")
            raise Failed(
                f"The packages in {folder} are for {other}, and this is {made_for()}.\n"
                f"  With that Python: make run PYTHON={python}\n"
                "  Otherwise run make wheelhouse again with the Python and system of this machine."
            )


def install_packages(dev: bool) -> None:
    """Installs the project, editable, with exactly the versions of constraints.txt."""
    what = "packages and test tools" if dev else "packages"
    refuse_another_python()
    known = find_spec("xgboost") or "PIP_NO_INDEX" in os.environ
    first = "" if known else ", a download of some 600 MB"
    say(f"Installing {what} into {Path(sys.prefix).name}{first}")
    target = f"{ROOT}[dev]" if dev else str(ROOT)
    command = [*PIP, "install", "--progress-bar", "off", "-c", str(CONSTRAINTS), "-e", target]
    try:
        took_s = watch(command, LOGS / "packages.log", pip_stage)
    except Failed as failure:
        raise Failed(
            f"pip could not install the {what}:\n{failure}\n"
            "  Without a network? See 'Offline' in README.md. Otherwise run make again."
        ) from failure
    say(f"Installed in {clock(took_s)}")


# -- llama.cpp ----------------------------------------------------------------------------------


def pinned() -> str:
    """The version of llama-cpp-python that the project is written against."""
    found = re.search(r"^llama-cpp-python==(\S+)", CONSTRAINTS.read_text(), re.MULTILINE)
    if not found:
        raise Failed(f"{CONSTRAINTS.name} has no line llama-cpp-python==...")
    return found[1]


def processor() -> str:
    """What the compiler's "native" means here: the instruction sets, as the system names them."""
    try:
        text = Path("/proc/cpuinfo").read_text()
        if found := re.search(r"^(?:flags|Features)\s*:\s*(.+)$", text, re.MULTILINE):
            return " ".join(sorted(set(found[1].split())))
    except OSError:
        pass
    if sys.platform == "darwin":
        asked = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    return platform.processor()


def cache_folder(backend: str, cmake_args: str) -> Path:
    """Where the wheel for this version, recipe, system, processor and build options is kept."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    cpu = "portable" if "GGML_NATIVE=OFF" in cmake_args else processor()
    key = hashlib.sha256(f"{cpu}\n{cmake_args}\n{RECIPE.read_text()}".encode()).hexdigest()[:10]
    system = f"{sys.platform}-{platform.machine()}-{''.join(platform.libc_ver()) or 'libc'}"
    return base / "hyperllama" / "wheels" / f"llama-cpp-python-{pinned()}-{backend}-{system}-{key}"


def wheel_in(folder: Path) -> Path | None:
    return next(iter(sorted(folder.glob("llama_cpp_python-*.whl"))), None)


def from_pip(folder: Path) -> Path | None:
    """A ready wheel from wherever pip is told to look (an index, a wheelhouse), or None."""
    requirement = f"llama-cpp-python=={pinned()}"
    command = [*PIP, "download", "--no-deps", "--only-binary", ":all:", "-d", str(folder)]
    done = subprocess.run([*command, requirement], capture_output=True, check=False)
    return wheel_in(folder) if done.returncode == 0 else None


def jobs() -> int:
    """How many compilers at once: the usable cores, fewer where memory is short."""
    processors = runpy.run_path(str(ROOT / "models" / "process" / "processors.py"))
    cores = int(processors["usable_processors"]())
    try:
        gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (ValueError, OSError):
        return cores
    return max(1, min(cores, int(gigabytes / GB_PER_COMPILER)))


def build(backend: str, cmake_args: str, folder: Path) -> Path:
    """Compiles llama.cpp into a wheel and keeps it in `folder`."""
    for variable, usual in (("CC", ("cc", "gcc", "clang")), ("CXX", ("c++", "g++", "clang++"))):
        named = os.environ.get(variable, "").split()[:1]
        if not any(shutil.which(tool) for tool in named or usual):
            raise Failed(
                f"  there is no compiler ({' or '.join(named or usual)}). Install one:\n"
                "  Debian, Ubuntu: apt install build-essential    Fedora: dnf install gcc-c++\n"
                "  macOS: xcode-select --install"
            )
    recipe = shlex.quote(f"-DCMAKE_PROJECT_INCLUDE={RECIPE}")
    environment = {
        "CMAKE_BUILD_PARALLEL_LEVEL": str(jobs()),
        **os.environ,
        "CMAKE_ARGS": f"-DLLAVA_BUILD=OFF {recipe} {BACKENDS[backend]} {cmake_args}",
    }
    log = LOGS / "llama.log"
    portable = "GGML_NATIVE=OFF" in cmake_args
    target = f"any {platform.machine()} processor" if portable else "this computer"
    say(
        f"Building llama.cpp for {target} ({backend}): once, 2 to 5 minutes on two cores\n"
        f"  the whole log: {log}"
    )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".building-") as temporary:
        # pip's own cache knows nothing of CMAKE_ARGS and would hand out a wheel of another kind
        command = [*PIP, "wheel", "-v", "--no-deps", "--no-cache-dir", "--progress-bar", "off"]
        command += ["-w", temporary, f"llama-cpp-python=={pinned()}"]
        took_s = watch(command, log, build_stage, environment)
        made = wheel_in(Path(temporary))
        if made is None:
            raise Failed(f"the build left no wheel; the whole log: {log}")
        folder.mkdir(exist_ok=True)
        kept = folder / made.name
        made.replace(kept)
    say(f"Built in {clock(took_s)}; kept for the next time in {folder}")
    return kept


def install_wheel(wheel: Path) -> bool:
    """Puts the wheel into the environment; False if it does not load on this computer."""
    quiet = [*PIP, "install", "--quiet"]
    run([*quiet, "--no-deps", "--force-reinstall", str(wheel)])
    run([*quiet, "-c", str(CONSTRAINTS), f"llama-cpp-python=={pinned()}"])
    probe = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, check=False)
    return probe.returncode == 0


def install_llama(backend: str) -> None:
    """Puts llama-cpp-python into the environment, from the nearest place that has it."""
    cmake_args = os.environ.get("CMAKE_ARGS", "").strip()
    folder = cache_folder(backend, cmake_args)
    if (wheel := wheel_in(folder)) and install_wheel(wheel):
        say(f"llama.cpp ({backend}): the wheel that was built before, {wheel}")
        return
    if backend == "cpu" and not cmake_args:
        with tempfile.TemporaryDirectory() as temporary:
            if (wheel := from_pip(Path(temporary))) and install_wheel(wheel):
                say(f"llama.cpp: a ready wheel, {wheel.name}")
                return
    try:
        if not install_wheel(build(backend, cmake_args, folder)):
            why = f'{sys.executable} -c "import llama_cpp"'
            raise Failed(f"  the new library does not load; this shows why: {why}")
    except Failed as failure:
        raise Failed(
            f"llama.cpp could not be built:\n{failure}\n"
            "  Everything but the language model works without it, for example:\n"
            f"    {Path(sys.executable).parent / 'hyperllama'} run TASK --proposer tpe\n"
            f"  To try again: make llama{'' if backend == 'cpu' else f' BACKEND={backend}'}"
        ) from failure


# -- wheelhouse ---------------------------------------------------------------------------------


def fill_wheelhouse(folder: Path) -> None:
    """Collects every package as a wheel, llama.cpp built without this processor's specialities."""
    folder.mkdir(parents=True, exist_ok=True)
    say(f"Collecting wheels in {folder}")
    wheel = [*PIP, "wheel", "--progress-bar", "off", "-w", str(folder)]
    beside = ("jinja2", "diskcache", "setuptools>=77")  # llama-cpp-python's, and the installer's
    command = [*wheel, "-c", str(CONSTRAINTS), f"{ROOT}[dev]", *beside]
    watch(command, LOGS / "wheelhouse.log", pip_stage)
    for own in folder.glob("hyperllama-*.whl"):
        own.unlink()  # the clone itself is carried along
    cmake_args = f"-DGGML_NATIVE=OFF {os.environ.get('CMAKE_ARGS', '')}".strip()
    kept = cache_folder("cpu", cmake_args)
    shutil.copy2(wheel_in(kept) or build("cpu", cmake_args, kept), folder)
    (folder / MADE_FOR).write_text(f"{made_for()}\n", encoding="utf-8")
    say(
        "Carry this folder and the clone to a machine with the same system and Python. There:\n"
        f"  PIP_NO_INDEX=1 PIP_FIND_LINKS={folder.name} make run"
    )


def main() -> None:
    """Reads the command line; a failure is a message and exit code 1."""
    parser = argparse.ArgumentParser(description="Fills the virtual environment.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("packages").add_argument("--dev", action="store_true")
    commands.add_parser("llama").add_argument("--backend", choices=BACKENDS, default="cpu")
    commands.add_parser("wheelhouse").add_argument("folder", type=Path)
    options = parser.parse_args()
    try:
        if options.command == "packages":
            install_packages(options.dev)
        elif options.command == "llama":
            install_llama(options.backend)
        else:
            fill_wheelhouse(options.folder)
    except Failed as failure:
        raise SystemExit(str(failure)) from failure
    except KeyboardInterrupt:
        raise SystemExit("stopped; run make again and it goes on from here") from None


if __name__ == "__main__":
    main()
