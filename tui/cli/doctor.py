"""`hyperllama doctor`: is everything here that is needed, what can it do, where are things kept."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

NAME = "doctor"
HELP = "check this installation; the exit code is 1 when something needed is broken"

_PACKAGES = (
    "numpy", "scipy", "scikit-learn", "xgboost", "polars", "optuna", "cmaes", "pydantic",
    "textual", "rich", "psutil", "llama-cpp-python",
)
_LEARNING = "import sklearn.ensemble, xgboost, polars, optuna, pydantic"
_LLAMA = """
import json, llama_cpp as l
print(json.dumps({
    "version": l.__version__,
    "gpu": bool(l.llama_supports_gpu_offload()),
    "mmap": bool(l.llama_supports_mmap()),
    "system": l.llama_print_system_info().decode("utf8", "replace"),
}))
"""


@dataclass(frozen=True)
class Finding:
    """One thing that was checked. `state`: "ok", "note" (works without it), "broken"."""

    what: str
    state: str
    text: str
    hint: str = ""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(arguments: argparse.Namespace) -> int:
    findings: list[Finding] = []
    checks = (_versions, _machine, _places, _learning, _plug_ins, _llama, _gpu, _embedded, _others)
    for check in checks:
        for finding in check():
            findings.append(finding)
            if not arguments.json:
                _print(finding)
    broken = sum(f.state == "broken" for f in findings)
    if arguments.json:
        from hyperllama.tui.cli.printing import print_json

        print_json([asdict(f) for f in findings])
    else:
        print(f"{broken} broken" if broken else "everything needed works")
    return 1 if broken else 0


def _print(finding: Finding) -> None:
    mark = {"ok": "ok    ", "note": "note  ", "broken": "BROKEN"}[finding.state]
    print(f"{mark}  {finding.what}: {finding.text}", flush=True)
    if finding.hint:
        print(f"        {finding.hint}")


def _versions() -> Iterator[Finding]:
    from importlib.metadata import PackageNotFoundError, version

    import hyperllama

    fits = (3, 10) <= sys.version_info[:2] <= (3, 13)
    yield Finding(
        "python",
        "ok" if fits else "broken",
        f"{platform.python_version()} on {platform.platform()}, hyperllama "
        f"{hyperllama.__version__}",
        "" if fits else "Python 3.10 to 3.13 is needed",
    )
    found, absent = [], []
    for name in _PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            absent.append(name)
    yield Finding("packages", "ok", ", ".join(found))
    needed = [name for name in absent if name != "llama-cpp-python"]
    if needed:
        yield Finding("packages", "broken", f"missing: {', '.join(needed)}", "install again")


def _machine() -> Iterator[Finding]:
    import psutil

    from hyperllama.models.process.processors import usable_processors
    from hyperllama.models.process.usage import EnergyMeter

    memory = psutil.virtual_memory()
    cores = usable_processors()
    threads = os.environ.get("OMP_NUM_THREADS")
    limited = f", OMP_NUM_THREADS={threads}" if threads else ""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    tight = memory.available < 2**30
    yield Finding(
        "machine",
        "note" if tight or load > 1.5 * cores else "ok",
        f"{cores} cores{limited}, {memory.available / 2**30:.1f} of "
        f"{memory.total / 2**30:.1f} GiB memory free, load {load:.1f}",
        "less than 1 GiB of memory is free: close something, or choose small models" if tight
        else "other programs keep the processor busy: proposals and trials take longer"
        if load > 1.5 * cores else "",
    )  # fmt: skip
    if EnergyMeter().joules() is None:
        hint = "`compare` leaves energy out; Linux shows it in /sys/class/powercap, to root only"
        yield Finding("energy", "note", "the machine reports none", hint)
    else:
        yield Finding("energy", "ok", "RAPL counters can be read")


def _plug_ins() -> Iterator[Finding]:
    from hyperllama.core.estimators import broken_families, families
    from hyperllama.core.propose import broken_proposers, proposers

    found = f"{len(families())} estimators, {len(proposers())} proposers"
    yield Finding("plug-ins", "ok", found)
    for name, why in {**broken_families(), **broken_proposers()}.items():
        hint = "repair or remove the package that it comes from"
        yield Finding(f"plug-in {name}", "note", f"cannot be loaded: {why}", hint)


def _places() -> Iterator[Finding]:
    from hyperllama.core.errors import HyperLlamaError
    from hyperllama.core.storage.paths import home

    folder = home()
    probe = folder / f".probe-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_text("x", "utf8")
        probe.unlink()
        free_gb = shutil.disk_usage(folder).free / 1e9
        state = "ok" if free_gb > 1 else "note"
        yield Finding("data folder", state, f"{folder}, {free_gb:.1f} GB free")
    except OSError as error:
        hint = "set HYPERLLAMA_HOME to a folder that can be written"
        yield Finding("data folder", "broken", f"{folder}: {error.strerror}", hint)
        return
    try:
        from hyperllama.core.storage.database import open_storage
        from hyperllama.core.storage.folder import all_summaries, hide_password

        url = os.environ.get("HYPERLLAMA_STORAGE")
        if url is None:
            studies, url = len(all_summaries()), "a file in each study's folder"
        else:
            studies = len(open_storage(url).get_all_studies())
        yield Finding("storage", "ok", f"{hide_password(url)}, {studies} studies")
    except HyperLlamaError as error:
        yield Finding("storage", "broken", error.message, error.hint)


def _learning() -> Iterator[Finding]:
    """Imports in a child process: a broken native library must not end this one."""
    done = _python(_LEARNING)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        yield Finding("learning libraries", "broken", last, "install the packages again")
    else:
        yield Finding("learning libraries", "ok", "scikit-learn, XGBoost, polars, Optuna import")


def _llama() -> Iterator[Finding]:
    from importlib.util import find_spec

    if find_spec("llama_cpp") is None:
        hint = "`make llama` builds it; until then tpe, gp, cmaes and random propose"
        yield Finding("llama.cpp", "note", "llama-cpp-python is not installed", hint)
        return
    done = _python(_LLAMA)
    try:
        facts = json.loads(done.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError):
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        yield Finding("llama.cpp", "broken", last, "build llama-cpp-python again: `make llama`")
        return
    able = " ".join(facts["system"].split()).strip("| ")
    gpu = "GPU offload" if facts["gpu"] else "CPU only"
    yield Finding("llama.cpp", "ok", f"llama-cpp-python {facts['version']}, {gpu}; {able}")


def _gpu() -> Iterator[Finding]:
    """Which GPUs there are, and whether this build of llama.cpp can use them."""
    from hyperllama.core.text import plain
    from hyperllama.models.gguf import build_backends, gpus

    found, backends = gpus(), build_backends()
    if not found:
        hint = "models run on the processor, where small ones (up to 3B, Q4_K_M) are fast enough"
        yield Finding("gpu", "ok" if not backends else "note", "none was found", hint)
        return
    named = ", ".join(
        f"{plain(g.name)}, {g.free_mb / 1024:.1f} of {g.total_mb / 1024:.1f} GiB free"
        for g in found
    )
    if backends:
        yield Finding("gpu", "ok", f"{named}; llama.cpp offloads with {', '.join(backends)}")
        return
    kind = "cuda" if shutil.which("nvidia-smi") else "vulkan"
    hint = f"build it for this GPU: `make llama BACKEND={kind}` (the README has the details)"
    if sys.platform == "darwin":
        hint = "build it again: `make llama`"
    yield Finding("gpu", "note", f"{named}; llama.cpp was built for the processor alone", hint)


def _others() -> Iterator[Finding]:
    """Chat models that other programs keep on this machine, and how many of them fit."""
    from hyperllama.models.gguf import default_context, find_models, fit, machine

    here = machine()
    usable = [m for m in find_models() if not m.problem and not m.is_embedded_dialect]
    fitting = sum(fit(m, default_context(m), here).fits for m in usable)
    if usable:
        text = f"{len(usable)} found, {fitting} of them fit into memory"
        yield Finding("other models", "ok", text, "`hyperllama models` lists them")
    else:
        hint = "put GGUF files into ~/models, or name their folder in HYPERLLAMA_MODELS"
        yield Finding("other models", "note", "none was found in the usual folders", hint)


def _embedded() -> Iterator[Finding]:
    from hyperllama.core.errors import HyperLlamaError
    from hyperllama.core.text import plain

    try:
        from hyperllama.models.gguf import read_metadata, resolve_model

        path = resolve_model("embedded")
        metadata = read_metadata(path)
        size_mb = Path(path).stat().st_size / 1e6
        text = f"{plain(str(metadata.name))}, {size_mb:.1f} MB, {path}"
        yield Finding("embedded model", "ok", text)
    except HyperLlamaError as error:
        hint = f"{error.hint}; without a model tpe proposes".lstrip("; ")
        yield Finding("embedded model", "note", plain(error.message), hint)


def _python(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh Python that finds nothing in the current folder."""
    return subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:1] = []\n{code}"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
