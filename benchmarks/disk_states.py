"""60 states of a study's folder as a power cut may leave them: each opens, or `repair` opens it.

    python benchmarks/disk_states.py

One small study is run. For each state its folder is copied, damaged, and resumed; where that is
refused it is repaired and resumed. Trials are scored by a fake. A finished trial that is gone is
counted as lost, and any other error as wrong.
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

PAGE = 4096
Damage = Callable[[Path], None]


def cut(name: str, share: float, less: int = 0) -> Damage:
    """The file ends after this share of it, and `less` bytes before."""
    def damage(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: max(0, int(len(content) * share) - less)])

    return damage


def pages(name: str, which: Callable[[int], list[int]], filled: Callable[[int], bytes]) -> Damage:
    """Pages of the file are replaced; `which` is given their count."""
    def damage(folder: Path) -> None:
        content = bytearray((folder / name).read_bytes())
        for page in which(max(1, len(content) // PAGE)):
            size = min(PAGE, len(content) - page * PAGE)
            content[page * PAGE : page * PAGE + size] = filled(size)
        (folder / name).write_bytes(content)

    return damage


def sprinkled(name: str, count: int = 64) -> Damage:
    """Single bytes of the file are replaced."""
    def damage(folder: Path) -> None:
        content = bytearray((folder / name).read_bytes())
        for _ in range(count if content else 0):
            content[random.randrange(len(content))] = random.randrange(256)
        (folder / name).write_bytes(content)

    return damage


def gone(*names: str) -> Damage:
    def damage(folder: Path) -> None:
        for name in names:
            (folder / name).unlink(missing_ok=True)

    return damage


def both(*damages: Damage) -> Damage:
    def damage(folder: Path) -> None:
        for one in damages:
            one(folder)

    return damage


def states() -> Iterator[tuple[str, Damage]]:
    """What may be left, by name."""
    db, wal = "study.db", "study.db-wal"
    for share, less in ((0, 0), (0.001, 0), (0.03, 0), (0.25, 0), (0.5, 0), (0.75, 0), (1, PAGE),
                        (1, 1)):  # fmt: skip
        yield f"{db} cut to {share:.1%} less {less}", cut(db, share, less)
    for what, filled in (("zeroed", bytes), ("garbled", random.randbytes)):
        for where, which in _PAGES.items():
            yield f"{db}: {where} {what}", pages(db, which, filled)
    for name, damage in (
        ("missing", gone(wal)), ("empty", cut(wal, 0)), ("cut", cut(wal, 0.5)),
        ("one frame less", cut(wal, 1, PAGE + 24)), ("torn frame", cut(wal, 1, 1000)),
        ("zeroed", pages(wal, lambda n: list(range(n)), bytes)),
        ("garbled", sprinkled(wal)), ("without -shm", gone("study.db-shm")),
        ("and -shm missing", gone(wal, "study.db-shm")),
        ("-shm garbled", sprinkled("study.db-shm")),
    ):  # fmt: skip
        yield f"{wal} {name}", damage
    for name in ("events.jsonl", "proposals.jsonl"):
        yield from _texts(name)
        yield f"{name}: its end zeroed", pages(name, lambda n: [n - 1], bytes)
        yield f"{name} half", cut(name, 0.5)
    for name in ("summary.json", "task.toml", "study.db.backup"):
        yield from _texts(name)
    yield "database garbled, log torn", both(sprinkled(db), cut("events.jsonl", 1, 30))
    yield "database missing, backup cut", both(gone(db, wal), cut("study.db.backup", 0.5))


_PAGES: dict[str, Callable[[int], list[int]]] = {
    "the first page": lambda n: [0],
    "the second page": lambda n: [1],
    "the third page": lambda n: [2],
    "a page in the middle": lambda n: [n // 2],
    "the last page": lambda n: [n - 1],
    "three pages": lambda n: sorted(random.sample(range(1, n), 3)),
    "half of the pages": lambda n: list(range(0, n, 2)),
    "all but the first page": lambda n: list(range(1, n)),
}


def _texts(name: str) -> Iterator[tuple[str, Damage]]:
    yield f"{name} missing", gone(name)
    yield f"{name} empty", cut(name, 0)
    yield f"{name} torn", cut(name, 1, 20)
    yield f"{name} garbled", sprinkled(name)


def make_study(folder: Path) -> Path:
    """A finished study whose last change is in the write-ahead file, as a cut would find it."""
    from hyperllama.core.events import TrialNoted
    from hyperllama.core.storage.database import open_storage
    from hyperllama.core.storage.paths import study_dir
    from hyperllama.core.storage.store import Store
    from hyperllama.core.study.history import store_event
    from hyperllama.core.study.starting.opening import start
    from hyperllama.core.study.starting.options import Options
    from tests.core.fakes import SPACE
    from tests.small import write_task

    start(write_task(folder / "work"), Options(proposer="random", trials=6, confirm=False))
    open_file = sqlite3.connect(study_dir("quick") / "study.db")  # keeps the write-ahead file
    store = Store.open(open_storage(f"sqlite:///{study_dir('quick') / 'study.db'}"), "quick")
    store_event(store, TrialNoted(1, "good"), SPACE)
    shutil.copytree(study_dir("quick"), folder / "whole")
    store.close()
    open_file.close()
    return folder / "whole"


def looked_at(whole: Path, damage: Damage) -> tuple[str, int]:
    """How a damaged copy was opened ("opens", "repaired", "wrong"), and finished trials lost."""
    from hyperllama.core.errors import HyperLlamaError
    from hyperllama.core.storage.paths import study_dir
    from hyperllama.core.study.history import read_state
    from hyperllama.core.study.repair import repair
    from hyperllama.core.study.starting.opening import resume

    folder = study_dir("quick")
    shutil.rmtree(folder)
    shutil.copytree(whole, folder)
    damage(folder)
    how = "opens"
    try:
        try:
            resume("quick", more=1)
        except HyperLlamaError:
            how = "repaired"
            repair("quick")
            resume("quick", more=1)
        return how, 6 - sum(t.done for t in read_state("quick").trials if t.number < 6)
    except Exception:
        traceback.print_exc()
        return "wrong", 0


def main() -> int:
    """Look at every state, then count."""
    random.seed(0)
    with tempfile.TemporaryDirectory() as name:
        os.environ["HYPERLLAMA_HOME"] = name
        from hyperllama.core.study.starting import problem
        from tests.core.study.test_launch import LaunchRunner

        problem.TrialRunner = LaunchRunner  # type: ignore[assignment, misc]
        whole = make_study(Path(name))
        found = []
        for state, damage in states():
            how, lost = looked_at(whole, damage)
            found.append((how, lost))
            print(f"{how:9} {lost} lost  {state}", flush=True)
    counts = {how: sum(h == how for h, _ in found) for how in ("opens", "repaired", "wrong")}
    print(f"{len(found)} states: {counts}; {sum(lost for _, lost in found)} trials lost")
    return 1 if counts["wrong"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
