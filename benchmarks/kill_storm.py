"""`kill -9` at random moments, of a whole study and of its children: what is lost? Nothing may be.

    python benchmarks/kill_storm.py --kills 50

Each round runs a study once in peace and once more, with the same seed, under kills; after every
kill the finished trials have to be those that were finished before and perhaps more, nothing of the
study may be left running, and in the end both studies have to be the same, trial by trial.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

TASK = """\
name = "storm"
kind = "classification"
metric = "accuracy"
estimator = "random_forest"
[data]
path = "storm.csv"
target = "y"
[space]
n_estimators = { low = 50, high = 150 }
[validation]
folds = 3
"""
GONE_WITHIN_S = 10.0  # on a busy machine a child that is just importing needs seconds


@dataclass
class Report:
    """What a storm did and what it found; `wrong` holds everything that should not have been."""

    kills: Counter[str] = field(default_factory=Counter)
    studies: int = 0
    trials: int = 0
    resumed: int = 0
    interrupted: int = 0
    gone_s: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        kills = ", ".join(f"{n} of {what}" for what, n in sorted(self.kills.items()))
        slowest = max(self.gone_s, default=0.0)
        return [
            f"{sum(self.kills.values())} kills ({kills}) in {self.studies} studies",
            f"{self.trials} trials finished, {self.resumed} resumes, "
            f"{self.interrupted} kills hit a running trial",
            f"children gone after at most {slowest:.2f} s",
            *(f"WRONG: {w}" for w in self.wrong),
        ]


class Storm:
    """Runs studies in `folder` and kills them."""

    def __init__(
        self,
        folder: Path,
        *,
        seed: int,
        trials: int,
        proposer: str = "tpe",
        extra: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        self.trials = trials
        self.report = Report()
        self._rng = random.Random(seed)
        self._mark = uuid.uuid4().hex
        self._options = ["--proposer", proposer, "--budget", str(trials), *extra]
        self._startup_s = 3.0
        self._task = _write_task(folder / "work")

    def run(self, kills: int) -> Report:
        """Kill so often, over as many studies as it takes."""
        while sum(self.report.kills.values()) < kills and not self.report.wrong:
            self.round(kills - sum(self.report.kills.values()))
        for process in self._ours():
            self.report.wrong.append(f"process {process.pid} is still there")
        return self.report

    def round(self, kills: int) -> None:
        """One study in peace, the same under kills."""
        seed = self.report.studies
        self.report.studies += 1
        peace, war = self.folder / f"peace{seed}", self.folder / f"war{seed}"
        peaceful = self._start(peace, "run", seed)  # meanwhile the other one is killed
        kept: dict[int, Any] = {}
        last = sum(self.report.kills.values()) + kills
        while sum(self.report.kills.values()) < last and not self._over(war):
            self._kill_once(war, seed)
            now = finished(war)
            for number, trial in kept.items():
                if now.get(number) != trial:
                    self.report.wrong.append(f"{war.name}: trial {number} was {trial}, is {now}")
            kept = now
        if not self._over(war):
            if self._begun(war):
                self.report.resumed += 1
            if self._start(war, "resume" if self._begun(war) else "run", seed).wait(300):
                self.report.wrong.append(f"{war.name}: it does not resume")
        if code := peaceful.wait(300):
            self.report.wrong.append(f"a study in peace ended with {code}")
        now, wanted = finished(war), finished(peace)
        self.report.trials += len(now)
        if now != wanted:
            differ = [n for n in sorted({*now, *wanted}) if now.get(n) != wanted.get(n)]
            self.report.wrong.append(
                f"{war.name}: differs from the study in peace at {differ}: "
                f"{[(now.get(n), wanted.get(n)) for n in differ[:2]]}"
            )
        left = unfinished(war)
        if left:
            self.report.wrong.append(f"{war.name}: trials left {left}")

    def _kill_once(self, home: Path, seed: int) -> None:
        """Start or resume; perhaps kill a child, after which it has to go on; kill the whole."""
        begun = self._begun(home)
        self.report.resumed += begun
        process = self._start(home, "resume" if begun else "run", seed)
        if self._rng.random() < 0.25:
            self._wait(process, self._rng.uniform(0.0, self._startup_s))
        else:
            self._until_begun(process, home)
            self._wait(process, self._rng.uniform(0.0, 1.5))
        if self._rng.random() < 0.5 and (children := self._family(process)):
            self._kill(self._rng.choice(children), "a child")
            self._wait(process, self._rng.uniform(0.0, 3.0))
            if process.poll() not in (None, 0):
                self.report.wrong.append(f"{home.name}: a child's death ended the study")
        if process.poll() is not None:
            return  # it was done before the kill came
        family = self._family(process)
        self._kill(psutil.Process(process.pid), "the whole")
        killed = time.monotonic()
        process.wait(10)
        _, alive = psutil.wait_procs(family, timeout=GONE_WITHIN_S)
        self.report.gone_s.append(time.monotonic() - killed)
        for left in alive:
            self.report.wrong.append(f"child {left.pid} outlived the study")
        self.report.interrupted += bool(unfinished(home))

    def _kill(self, victim: psutil.Process, what: str) -> None:
        try:
            victim.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            return
        self.report.kills[what] += 1

    def _family(self, process: subprocess.Popen[bytes]) -> list[psutil.Process]:
        try:
            return psutil.Process(process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def _wait(self, process: subprocess.Popen[bytes], seconds: float) -> None:
        """So long, or until the process ends."""
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            pass

    def _until_begun(self, process: subprocess.Popen[bytes], home: Path) -> None:
        """Until the study's loop runs in this process."""
        events = home / "studies" / "storm" / "events.jsonl"
        started = time.monotonic()
        while process.poll() is None:
            try:
                with events.open(encoding="utf8") as file:
                    if f'"pid":{process.pid}' in file.readline():
                        self._startup_s = time.monotonic() - started
                        return
            except OSError:
                pass
            time.sleep(0.01)

    def _start(self, home: Path, command: str, seed: int) -> subprocess.Popen[bytes]:
        options = [str(self._task), "--seed", str(seed), "--study", "storm", *self._options]
        if command == "resume":
            options = ["storm"]
        log = self.folder / f"{home.name}.log"
        with log.open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "hyperllama", command, *options],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={
                    **os.environ,
                    "PYTHONPATH": str(ROOT),
                    "HYPERLLAMA_HOME": str(home),
                    "HYPERLLAMA_STORM": self._mark,
                },
            )

    def _begun(self, home: Path) -> bool:
        return (home / "studies" / "storm" / "summary.json").exists()

    def _over(self, home: Path) -> bool:
        return len(finished(home)) >= self.trials

    def _ours(self) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("HYPERLLAMA_STORM") == self._mark:
                    found.append(process)
            except psutil.Error:
                continue
        return found


def finished(home: Path) -> dict[int, Any]:
    """number -> (state, configuration, value, proposer) of the finished trials."""
    return {n: t for n, t in _trials(home).items() if t[0] in ("COMPLETE", "FAIL")}


def unfinished(home: Path) -> dict[int, Any]:
    return {n: t for n, t in _trials(home).items() if t[0] not in ("COMPLETE", "FAIL")}


def _trials(home: Path) -> dict[int, Any]:
    from hyperllama.core.errors import StudyError
    from hyperllama.core.storage.database import open_storage
    from hyperllama.core.storage.store import Store

    file = home / "studies" / "storm" / "study.db"
    if not file.exists():
        return {}
    storage = open_storage(f"sqlite:///{file}")
    try:
        store = Store.open(storage, "storm")
    except StudyError:
        return {}  # killed before the storage knew of it
    trials = store.trials()
    store.close()
    return {t.number: (t.state, t.config, t.value, t.proposer) for t in trials}


def _write_task(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 5)).round(3)
    y = (x[:, 0] * x[:, 1] + 0.3 * rng.normal(size=200) > 0).astype(int)
    lines = ["a,b,c,d,e,y"]
    lines += [f"{','.join(map(str, row))},{target}" for row, target in zip(x, y, strict=True)]
    folder.mkdir(parents=True)
    (folder / "storm.csv").write_text("\n".join(lines) + "\n")
    (folder / "storm.toml").write_text(TASK)
    return folder / "storm.toml"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--trials", type=int, default=20, help="of each study")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--proposer", default="tpe")
    parser.add_argument("--model", help="a GGUF file, for --proposer llama")
    parser.add_argument("--keep", action="store_true", help="keep the folder")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="kill-storm-"))
    extra = ["--model", arguments.model, "--threads", "1"] if arguments.model else []
    storm = Storm(
        folder,
        seed=arguments.seed,
        trials=arguments.trials,
        proposer=arguments.proposer,
        extra=extra,
    )
    started = time.monotonic()
    report = storm.run(arguments.kills)
    print("\n".join(report.lines()))
    print(f"{time.monotonic() - started:.0f} s")
    if arguments.keep or report.wrong:
        print(folder)
    else:
        shutil.rmtree(folder)
    return 1 if report.wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
