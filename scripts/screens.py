"""Makes the pictures in docs/: drives a whole session in a pseudo-terminal and saves its screens.

    python scripts/screens.py [--table TABLE --target COLUMN] [--size 140x45] [-o docs/screens]

The session is tests/tui/session.py; a minute on an idle machine, most of it training.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.tui.session import Session, steps  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--table", type=Path, metavar="TABLE",
                        default=ROOT / "sample_tasks" / "data" / "diabetes.csv")  # fmt: skip
    parser.add_argument("--target", default="progression", metavar="COLUMN")
    parser.add_argument("--size", default="140x45", help="columns x lines (default: 140x45)")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "docs" / "screens")
    arguments = parser.parse_args()
    columns, _, lines = arguments.size.partition("x")
    output: Path = arguments.output.resolve()
    table: Path = arguments.table.resolve()
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder) / "work"
        work.mkdir()
        shutil.copy(table, work / "patients.csv")
        own = {"HYPERLLAMA_HOME": f"{folder}/home", "HYPERLLAMA_CONFIG": f"{folder}/settings"}
        os.environ.update(own, PYTHONPATH=str(ROOT), HOME=folder)
        os.chdir(work)
        first = [sys.executable, "-m", "hyperllama", "run", "diabetes", "--study", "before"]
        subprocess.run([*first, "--proposer", "random", "--budget", "2"], check=True)
        session = Session(work, "patients.csv", arguments.target, (int(columns), int(lines)))
        try:
            for number, name in enumerate(steps(session), 1):
                picture = session.picture()
                text = picture.read_text("utf8").replace(folder, "")
                text = text.replace(str(ROOT), "~/hyperllama")
                (output / f"{number:02d}-{name}.svg").write_text(text, "utf8")
                picture.unlink()
                print(name)
        finally:
            session.end()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
