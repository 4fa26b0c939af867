"""Writes constraints.txt: `python scripts/pins.py python3.10 python3.11`.

Each interpreter resolves the project afresh (nothing is installed). The first one named speaks for
Python 3.10, the second for 3.11 and later: a release that runs on 3.11 runs on all newer ones, so
one set of versions is tested everywhere except where a package has dropped 3.10.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEAD = """\
# The exact versions that the tests pass with; `pip install -c constraints.txt` holds to them.
# Renew with: python scripts/pins.py python3.10 python3.11   (then run `make check`)
"""


def resolve(python: str, folder: Path) -> dict[str, str]:
    """Package name -> version of everything the project and its tests need under `python`."""
    venv, report = folder / "venv", folder / "report.json"
    subprocess.run([python, "-m", "venv", "--clear", str(venv)], check=True)
    pip = [str(venv / "bin" / "python"), "-m", "pip", "install", "--dry-run", "--quiet"]
    subprocess.run([*pip, "--report", str(report), f"{ROOT}[dev,llama]"], check=True)
    found = (entry["metadata"] for entry in json.loads(report.read_text())["install"])
    pins = {re.sub(r"[-_.]+", "-", item["name"]).lower(): item["version"] for item in found}
    pins.pop("hyperllama", None)
    return pins


def merge(old: dict[str, str], new: dict[str, str]) -> list[str]:
    """One line for a version that both share, a line with a marker for any other."""
    lines = []
    for name in sorted({*old, *new}):
        if old.get(name) == new.get(name):
            lines.append(f"{name}=={old[name]}")
            continue
        if name in old:
            lines.append(f'{name}=={old[name]} ; python_version < "3.11"')
        if name in new:
            lines.append(f'{name}=={new[name]} ; python_version >= "3.11"')
    return lines


def main() -> None:
    """Resolves twice and writes the file."""
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    with tempfile.TemporaryDirectory() as name:
        old, new = (resolve(python, Path(name)) for python in sys.argv[1:])
    (ROOT / "constraints.txt").write_text("\n".join([HEAD.rstrip(), *merge(old, new)]) + "\n")


if __name__ == "__main__":
    main()
