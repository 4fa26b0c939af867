"""`kill -9` in every phase of a study's life: what is lost? Nothing may be.

    python benchmarks/kill_storm.py --kills 100 --model CHAT.gguf -o storm.jsonl

For each proposer a study runs once in peace. Then the same study, with the same seed, runs under
kills: of the whole, or of one of its children, in each phase: loading, proposing, training, telling
(from a trial's last score to the next proposal), confirming; and of the processes that export,
rename, archive (or delete and take back) and repair it. After every kill the trials that were
finished before have to be there as they were, nothing may be left running, and in the end the study
has to be the one in peace, trial by trial.

With `--model` a third of the kills hit studies with that chat model. One line of JSON a kill goes
to the output, where a storm goes on that was stopped.
"""

from __future__ import annotations

import argparse
import json
import math
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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.kill_phases import (
    LABELS,
    ROOT,
    Phases,
    finished,
    unfinished,
    write_task,
)
from benchmarks.kill_report import AFTER, PHASES, RUNNING, Kill, Report
from hyperllama.core.events.requests import Confirm
from hyperllama.core.storage.request_log import send

GONE_WITHIN_S = 10.0  # on a busy machine a child that is just importing needs seconds
_DELAY_S = {"proposing": 0.3, "training": 0.15, "telling": 0.02, "confirming": 0.8}
"""The kill comes at most so long after a phase was seen to begin."""


class Storm:
    """Runs studies in `folder` and kills them; all with one seed, so one in peace is enough."""

    def __init__(
        self,
        folder: Path,
        *,
        seed: int,
        trials: int,
        proposer: str = "tpe",
        model: str | None = None,
        phases: Sequence[str] = PHASES,
        told: Callable[[Kill], None] = lambda kill: None,
        hit: Counter[str] | None = None,
    ) -> None:
        self.folder, self.trials, self.proposer = folder, trials, "chat" if model else proposer
        self.report = Report()
        self._phases = phases
        self._told = told
        self._hit, self._most, self._idle = hit or Counter(), 0, 0
        self._rng = random.Random(seed)
        self._mark = uuid.uuid4().hex
        self._options = ["--seed", str(seed), "--proposer", proposer, "--budget", str(trials)]
        if model is not None:
            self._options += ["--model", model, "--threads", "1"]
        self._took_s = {"run": 3.0, "export": 3.0, "repair": 1.5}
        self._peaceful: subprocess.Popen[bytes] | None = None
        self._wanted: dict[int, Any] = {}
        self._kept: dict[int, Any] = {}
        self._task = write_task(folder / "work")

    def run(self, kills: int) -> Report:
        """Kill so often, over as many studies as it takes."""
        self._most = sum(self._hit.values()) + kills
        self._peaceful = self._start(self.folder / "peace", "run")  # beside the first one
        while len(self.report.kills) < kills and not self.report.wrong:
            self._round(kills)
        for process in self._ours():
            self.report.wrong.append(f"process {process.pid} is still there")
        return self.report

    def _round(self, kills: int) -> None:
        """The same study once more, killed once in each phase, then compared."""
        home = self.folder / f"war{self.report.studies}"
        self.report.studies += 1
        self._kept = {}
        after = [phase for phase in AFTER if phase in self._phases]
        self._rng.shuffle(after)
        before, most = len(self.report.kills), math.ceil(self._most / len(self._phases))
        for phase in (*(phase for phase in RUNNING if phase in self._phases), *after):
            if self._hit[phase] < most and len(self.report.kills) < kills and not self.report.wrong:
                if phase == "loading" or phase in _DELAY_S:
                    self._kill_study(home, phase)
                elif finished(home):
                    getattr(self, f"_kill_{phase}")(home)
                self._check(home)
        if not self.report.wrong:
            self._finish(home)
            self._compare(home)
        self._idle = 0 if len(self.report.kills) > before else self._idle + 1
        if self._idle > 3:
            self.report.wrong.append(f"a phase never comes; hit were {dict(self._hit)}")

    def _kill_study(self, home: Path, phase: str) -> None:
        """Run or resume the study, and kill it, or a child of it, in this phase if it comes."""
        if phase == "confirming":
            if not finished(home):
                self._finish(home)
            send(home / "studies" / "storm", Confirm())  # so few trials are not confirmed unasked
        process = self._begin(home)
        seen = Phases(home, process.pid)
        if phase == "loading":
            _wait(process, self._rng.uniform(0.0, self._took_s["run"]))
        else:
            started = time.monotonic()
            while process.poll() is None and (now := seen.read()) != phase:
                if now == "loading":
                    self._took_s["run"] = time.monotonic() - started
                time.sleep(0.003)
            chat = 8 if self.proposer == "chat" and phase == "proposing" else 1
            _wait(process, self._rng.uniform(0.0, chat * _DELAY_S[phase]))
        if process.poll() is not None:  # it was done before the phase came
            if process.returncode:
                self.report.wrong.append(f"{home.name}: it ended with {process.returncode}")
            return
        children = _family(process)
        if children and self._rng.random() < 0.3:
            self._kill_child(self._rng.choice(children), seen.read)
            _wait(process, self._rng.uniform(0.0, 3.0))
            if process.poll() not in (None, 0):
                self.report.wrong.append(f"{home.name}: a child's death ended the study")
        self._kill_whole(process, seen.read, "the study")

    def _kill_exporting(self, home: Path) -> None:
        """Kill an export; the next one into the same folder has to be whole."""
        out = self.folder / f"{home.name}-export"
        command = ["export", "storm", "-o", str(out)]
        self._kill_command(home, command, "exporting")
        if code := self._done(home, *command):
            self.report.wrong.append(f"{home.name}: after a killed export it ends with {code}")
        elif left := [f.name for f in out.iterdir() if f.name.endswith((".tmp", ".part"))]:
            self.report.wrong.append(f"{home.name}: an export left {left}")
        else:
            json.loads((out / "best.json").read_text("utf8"))
            shutil.rmtree(out)

    def _kill_repairing(self, home: Path) -> None:
        """Garble the database, kill its repair; the next repair has to bring back everything."""
        file = home / "studies" / "storm" / "study.db"
        content = bytearray(file.read_bytes())
        for _ in range(self._rng.choice((64, 4096))):
            content[self._rng.randrange(len(content))] = self._rng.randrange(256)
        file.write_bytes(content)
        self._kill_command(home, ["repair", "storm"], "repairing")
        if code := self._done(home, "repair", "storm"):
            self.report.wrong.append(f"{home.name}: after a killed repair it ends with {code}")

    def _kill_renaming(self, home: Path) -> None:
        self._kill_labelling(home, "renaming")

    def _kill_archiving(self, home: Path) -> None:
        self._kill_labelling(home, "archiving")

    def _kill_labelling(self, home: Path, phase: str) -> None:
        """Kill what gives the study one title after the other, or archives and deletes it."""
        process = self._popen(home, [sys.executable, "-c", LABELS, phase], subprocess.PIPE)
        assert process.stdout is not None and process.stdout.readline() == b"begun\n"
        _wait(process, self._rng.uniform(0.0, 0.2))
        self._kill_whole(process, lambda: phase, "a process that puts it in order")
        process.stdout.close()
        folder, trash = home / "studies" / "storm", home / "trash" / "storm"
        if folder.exists() == trash.exists():
            self.report.wrong.append(f"{home.name}: it is in the list and in the trash, or nowhere")
        elif trash.exists():
            trash.rename(folder)
        json.loads((folder / "label.json").read_text("utf8"))

    def _kill_command(self, home: Path, command: Sequence[str], phase: str) -> None:
        process = self._start(home, *command)
        _wait(process, self._rng.uniform(0.1, 1.0) * self._took_s[command[0]])
        if process.poll() is None:
            self._kill_whole(process, lambda: phase, f"`{command[0]}`")
        elif process.returncode:
            self.report.wrong.append(f"{home.name}: `{command[0]}` ended with {process.returncode}")

    def _done(self, home: Path, *command: str) -> int:
        """Let a command end in peace; its exit code."""
        started = time.monotonic()
        code = self._start(home, *command).wait(600)
        self._took_s[command[0]] = time.monotonic() - started
        return code

    def _finish(self, home: Path) -> None:
        """Let the study end in peace."""
        process = self._begin(home)
        if code := process.wait(600):
            self.report.wrong.append(f"{home.name}: it does not resume, {code}")

    def _compare(self, home: Path) -> None:
        """Both studies have to be the same."""
        if self._peaceful is not None:
            if code := self._peaceful.wait(600):
                self.report.wrong.append(f"a study in peace ended with {code}")
            self._peaceful, self._wanted = None, finished(self.folder / "peace")
        now, wanted = finished(home), self._wanted
        self.report.trials += len(now)
        if now != wanted:
            differ = [n for n in sorted({*now, *wanted}) if now.get(n) != wanted.get(n)]
            self.report.wrong.append(
                f"{home.name}: differs from the study in peace at {differ}: "
                f"{[(now.get(n), wanted.get(n)) for n in differ[:2]]}"
            )
        if left := unfinished(home):
            self.report.wrong.append(f"{home.name}: trials left {left}")

    def _check(self, home: Path) -> None:
        """What was finished has to be there as it was."""
        now = finished(home)
        for number, trial in self._kept.items():
            if now.get(number) != trial:
                self.report.wrong.append(f"{home.name}: trial {number} was {trial}, is {now}")
        self._kept = now

    def _kill_whole(
        self, process: subprocess.Popen[bytes], phase: Callable[[], str], what: str
    ) -> None:
        """Kill a process; its children have to go with it."""
        family, started = _family(process), time.monotonic()
        process.kill()
        process.wait(10)
        _, alive = psutil.wait_procs(family, timeout=GONE_WITHIN_S)
        for left in alive:
            self.report.wrong.append(f"child {left.pid} outlived {what}")
        self._count(phase(), what, round(time.monotonic() - started, 3))

    def _kill_child(self, child: psutil.Process, phase: Callable[[], str]) -> None:
        try:
            child.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            return
        self._count(phase(), "a child")

    def _count(self, phase: str, victim: str, gone_s: float = 0.0) -> None:
        kill = Kill(self.proposer, phase, victim, gone_s)
        self.report.kills.append(kill)
        self._hit[phase] += 1
        self._told(kill)

    def _begin(self, home: Path) -> subprocess.Popen[bytes]:
        """Start the study, or go on with it."""
        begun = (home / "studies" / "storm" / "summary.json").exists()
        self.report.resumed += begun
        return self._start(home, *(("resume", "storm") if begun else ("run",)))

    def _start(self, home: Path, *command: str) -> subprocess.Popen[bytes]:
        """Start a command of the program."""
        if command == ("run",):
            command = ("run", str(self._task), "--study", "storm", *self._options)
        with (self.folder / f"{home.name}.log").open("ab") as output:
            return self._popen(home, [sys.executable, "-m", "hyperllama", *command], output)

    def _popen(self, home: Path, command: Sequence[str], output: Any) -> subprocess.Popen[bytes]:
        with (self.folder / f"{home.name}.log").open("ab") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=log,
                env={
                    **os.environ,
                    "PYTHONPATH": str(ROOT),
                    "HYPERLLAMA_HOME": str(home),
                    "HYPERLLAMA_STORM": self._mark,
                },
            )

    def _ours(self) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("HYPERLLAMA_STORM") == self._mark:
                    found.append(process)
            except psutil.Error:
                continue
        return found


def _family(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _wait(process: subprocess.Popen[bytes], seconds: float) -> None:
    """So long, or until the process ends."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        pass


def _storms(kills: int, model: str | None, done: Counter[str]) -> Iterator[tuple[str, int]]:
    """(proposer, how many kills are left for it); a chat model, if there is one, gets a third."""
    proposers = ("tpe", "hybrid") if model is None else ("tpe", "hybrid", "chat")
    for at, name in enumerate(proposers):
        share = kills * (at + 1) // len(proposers) - kills * at // len(proposers)
        yield name, share - done[name]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--trials", type=int, default=3, help="of each study")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", help="a GGUF file with a template, for a third of the kills")
    parser.add_argument("-o", "--output", type=Path, required=True, help="one line of JSON a kill")
    arguments = parser.parse_args()
    arguments.output.touch()
    kills = [Kill(**json.loads(line)) for line in arguments.output.read_text("utf8").splitlines()]
    whole = Report(kills=kills)

    def told(kill: Kill) -> None:
        with arguments.output.open("a", encoding="utf8") as file:
            file.write(json.dumps(asdict(kill)) + "\n")

    done = Counter(kill.proposer for kill in kills)
    for name, left in _storms(arguments.kills, arguments.model, done):
        if left > 0 and not whole.wrong:
            folder = Path(tempfile.mkdtemp(prefix="kill-storm-"))
            storm = Storm(
                folder, seed=arguments.seed, trials=arguments.trials,
                proposer="llama" if name == "chat" else name,
                model=arguments.model if name == "chat" else None,
                told=told, hit=Counter(k.phase for k in kills if k.proposer == name),
            )  # fmt: skip
            whole.add(storm.run(left))
            print(folder if whole.wrong else f"{name}: done", flush=True)
            if not whole.wrong:
                shutil.rmtree(folder)
    print("\n".join(whole.lines()))
    return 1 if whole.wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
