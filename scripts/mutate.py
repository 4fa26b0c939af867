"""Do the tests fail when the code is wrong? `make mutate` changes one place at a time and looks.

Every mutation of `scripts/mutations.toml` is applied to a temporary copy of the repository and the
tests named beside it are run there until the first failure. A mutation that no test fails on has
survived. Nothing outside of the copy is changed.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
TIMEOUT_S = 900
"""A mutation whose tests run longer is counted as killed: it hangs."""


@dataclass(frozen=True)
class Mutation:
    """A wrong piece of code.

    Attributes:
        what: what is wrong then.
        file: path in the repository.
        old, new: the text as it is, once in the file, and the wrong text.
        tests: arguments for pytest.
    """

    what: str
    file: str
    old: str
    new: str
    tests: str

    @property
    def stale(self) -> bool:
        """Whether the text is no longer there, or not only once."""
        path = ROOT / self.file
        return not path.is_file() or path.read_text(encoding="utf-8").count(self.old) != 1

    def __str__(self) -> str:
        return f"{self.file}: {self.what}"


def read() -> list[Mutation]:
    """All mutations."""
    text = Path(__file__).with_name("mutations.toml").read_text(encoding="utf-8")
    return [Mutation(**entry) for entry in tomllib.loads(text)["mutation"]]


def copy(folder: Path) -> None:
    """The files that git knows, as they are on the disk."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    for name in filter(None, names.split("\0")):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)


def failing(folder: Path, tests: list[str]) -> str:
    """The test that failed in the copy, "timeout", or "" where all passed."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    # bytecode of a file that changes twice within a second would be taken for that of its new text
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False,
            timeout=TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        return "timeout"
    if done.returncode in (0, 1, 2):
        lines = [x for x in done.stdout.splitlines() if x.startswith(("FAILED", "ERROR"))]
        return lines[-1].split(" - ")[0] if lines else "" if done.returncode == 0 else "an error"
    raise SystemExit(f"pytest {' '.join(tests)} cannot be run:\n{done.stdout}{done.stderr}")


def run(mutations: list[Mutation], folder: Path) -> int:
    """Try all of them; the number that survived."""
    copy(folder)
    for tests in dict.fromkeys(m.tests for m in mutations):
        found = failing(folder, shlex.split(tests))
        if found:
            raise SystemExit(f"{tests} fails without any mutation: {found}")
    survived = 0
    for number, m in enumerate(mutations, 1):
        path = folder / m.file
        text = path.read_text(encoding="utf-8")
        wrong = text.replace(m.old, m.new)
        compile(wrong, m.file, "exec")  # a mutation that is no Python would prove nothing
        path.write_text(wrong, encoding="utf-8")
        found = failing(folder, shlex.split(m.tests))
        path.write_text(text, encoding="utf-8")
        survived += not found
        verdict = f"killed by {found.removeprefix('FAILED ')}" if found else "SURVIVED"
        print(f"{number:3}/{len(mutations)} {m}\n        {verdict}", flush=True)
    return survived


def main() -> int:
    """Returns 0 where at least nine tenths were killed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--list", action="store_true", help="show the mutations, run nothing")
    parser.add_argument("--only", metavar="TEXT", default="", help="those that contain TEXT")
    arguments = parser.parse_args()
    mutations = [m for m in read() if arguments.only.lower() in str(m).lower()]
    stale = [m for m in mutations if m.stale]
    for m in stale:
        print(f"stale, the text is not there once: {m}\n{m.old}", file=sys.stderr)
    if stale or not mutations:
        return 1
    if arguments.list:
        print(*mutations, sep="\n")
        return 0
    with tempfile.TemporaryDirectory(prefix="hyperllama-mutate-") as name:
        survived = run(mutations, Path(name))
    killed = len(mutations) - survived
    share = killed / len(mutations)
    print(f"{killed} of {len(mutations)} killed ({share:.0%}), {survived} survived")
    return int(share < 0.9)


if __name__ == "__main__":
    sys.exit(main())
