"""Makes the pictures in docs/: drives a whole session in a pseudo-terminal and saves its screens.

    python scripts/screens.py [--table TABLE --target COLUMN] [-o docs/screens]
    python scripts/screens.py --size 80x24 140x45 200x60 --theme hyperllama-dark hyperllama-light
    NO_COLOR=1 python scripts/screens.py --size 80x24 140x45 200x60 -o FOLDER

With several sizes or themes each has a folder of its own below the given one. The session is
tests/tui/session_steps.py; a minute on an idle machine, most of it training.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from hyperllama.tui.preferences.themes import THEMES  # noqa: E402
from tests.tui.session import Session, run_before  # noqa: E402
from tests.tui.session_steps import PIPELINES, program_steps, steps  # noqa: E402

USUAL = (140, 45)
Size = tuple[int, int]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--table", type=Path, metavar="TABLE",
                        default=ROOT / "sample_tasks" / "data" / "machine_fault.csv")  # fmt: skip
    parser.add_argument("--target", default="state", metavar="COLUMN")
    parser.add_argument("--size", nargs="+", type=_size, default=[USUAL], metavar="COLUMNSxLINES",
                        help="default: 140x45")  # fmt: skip
    parser.add_argument("--theme", nargs="+", choices=[t.name for t in THEMES], default=[],
                        help="default: the usual one")  # fmt: skip
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "docs" / "screens")
    arguments = parser.parse_args()
    output: Path = arguments.output.resolve()
    table: Path = arguments.table.resolve()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder) / "tables"
        work.mkdir()
        shutil.copy(table, work / "patients.csv")
        own = {"HYPERLLAMA_HOME": f"{folder}/home", "HYPERLLAMA_CONFIG": f"{folder}/settings"}
        os.environ.update(own, PYTHONPATH=str(ROOT), HOME=folder)
        os.chdir(work)
        run_before(work, "patients.csv", arguments.target)
        run_before(work, "patients.csv", arguments.target, PIPELINES, "--programs", "pipeline")
        flown: list[Session] = []
        try:
            for number, name in enumerate(_steps(work, arguments.target, flown), 1):
                session = flown[-1]
                for place, picture in pictures(session, arguments.size, arguments.theme):
                    text = picture.read_text("utf8").replace(folder, "")
                    text = text.replace(str(ROOT), "~/hyperllama")
                    (output / place).mkdir(parents=True, exist_ok=True)
                    (output / place / f"{number:02d}-{name}.svg").write_text(text, "utf8")
                    picture.unlink()
                print(name, flush=True)
        finally:
            flown[-1].end()
    return 0


def _steps(work: Path, target: str, flown: list[Session]) -> Iterator[str]:
    """The names of all screens, one session after the other; `flown` holds them."""
    for each in (steps, program_steps):
        flown.append(Session(work, "patients.csv", target, USUAL))
        yield from each(flown[-1])


def pictures(session: Session, sizes: list[Size], themes: list[str]) -> Iterator[tuple[str, Path]]:
    """Save what is on the screen in each size and theme: (folder for it, the picture)."""
    for theme in THEMES if themes else THEMES[:1]:  # in the order in which a key goes through them
        for size in sizes if not themes or theme.name in themes else ():
            parts = [f"{size[0]}x{size[1]}"] * (len(sizes) > 1) + [theme.name] * (len(themes) > 1)
            if size != USUAL:
                session.resize(size)
            yield "-".join(parts), session.picture()
            if size != USUAL:
                session.resize(USUAL)
        if themes:
            session.next_theme()


def _size(text: str) -> Size:
    columns, _, lines = text.partition("x")
    return int(columns), int(lines)


if __name__ == "__main__":
    raise SystemExit(main())
