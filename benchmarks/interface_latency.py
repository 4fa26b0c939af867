"""How quickly the study screen reacts while a model generates and trials train on all cores.

    python benchmarks/interface_latency.py [--keys 300] [--trials 5000] [--idle] [--json]

The interface runs in a pseudo-terminal of 140x45, on a study with a long history to which another
process adds words and folds ten times a second. Beside it llama.cpp generates without end and
XGBoost trains without end on all cores (not with --idle), in sessions and as nice as studies are.
Measured are, from outside, the time from a key to the screen's answer to it (the cursor of the
history moves) and, from inside, by how much a timer of the event loop comes late. Targets: a key
within 100 ms, a stall of at most 50 ms, both at the 99th percentile.

On a machine with other work `--above N` lifts interface and load by N, their distance unchanged
(needs the right to do so): 5 puts the load level with that work.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import fcntl
import json
import os
import pty
import random
import select
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from hyperllama.models.process import STUDY_NICENESS, set_niceness  # noqa: E402

NAME = "latency"
CURSOR = "▌".encode()
TICK_S = 0.005
BEGUN_S = 3.0  # after the first paint: what is read and drawn at the start is no key's effect


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=300)
    parser.add_argument("--trials", type=int, default=5000)
    parser.add_argument("--idle", action="store_true", help="without the model and the training")
    parser.add_argument("--above", type=int, default=0, metavar="N")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--part", choices=("interface", "writer", "model", "training"))
    options = parser.parse_args()
    if options.part:
        PARTS[options.part](options)
        return
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"HYPERLLAMA_HOME": folder, "HYPERLLAMA_CONFIG": folder, "TERM":
                       "xterm-256color", "LC_ALL": "C.UTF-8", "COLORTERM": "truecolor"}  # fmt: skip
        parts = ["writer", *([] if options.idle else ["model", "training"])]
        with contextlib.ExitStack() as running:
            for part in parts:
                process = running.enter_context(started(part, options.trials))
                set_niceness(process.pid, STUDY_NICENESS - options.above)
            time.sleep(8 if not options.idle else 4)  # until all of them are at work
            result = measured(options)
    print("\n".join(f"{name:24} {value}" for name, value in result.items()))
    if options.json:
        print(json.dumps(result))


@contextlib.contextmanager
def started(part: str, trials: int):  # type: ignore[no-untyped-def]
    """One of the other processes, for as long as the measurement lasts."""
    argv = [sys.executable, __file__, "--part", part, "--trials", str(trials)]
    log = Path(os.environ["HYPERLLAMA_HOME"]) / f"{part}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(argv, stdout=output, stderr=output, start_new_session=True)
        try:
            yield process
        finally:
            if process.poll() not in (None, 0):
                sys.stderr.write(log.read_text("utf8", "replace"))
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def measured(options: argparse.Namespace) -> dict[str, float]:
    """Drive the interface in a pseudo-terminal."""
    argv = [sys.executable, __file__, "--part", "interface"]
    begin = time.perf_counter()
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(argv[0], argv)
    set_niceness(pid, -options.above)
    set_niceness(os.getpid(), -options.above)
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 45, 140, 0, 0))
    wait_for(fd, b"History", 60.0)
    paint_ms = 1e3 * (time.perf_counter() - begin)
    drain(fd, BEGUN_S)
    rng = random.Random(0)
    write(fd, b"kkkkkkkkkkkk")  # away from the newest trial, which is drawn anew all the time
    drain(fd, 1.0)
    key_ms = []
    for i in range(options.keys):
        key = (b"k", b"j", b"k", b"\x1b[5~", b"\x1b[6~")[i % 5]
        drain(fd, rng.uniform(0.02, 0.2))
        begin = time.perf_counter()
        write(fd, key)
        if wait_for(fd, CURSOR, 5.0):
            key_ms.append(1e3 * (time.perf_counter() - begin))
    write(fd, b"\x11")  # ctrl+q
    drain(fd, 1.0)
    write(fd, b"l")
    stalls_file = Path(os.environ["HYPERLLAMA_HOME"]) / "stalls.json"
    deadline = time.monotonic() + 20
    while not stalls_file.exists() and time.monotonic() < deadline:
        drain(fd, 0.2)
    late_ms = json.loads(stalls_file.read_text("utf8"))
    os.waitpid(pid, 0)
    return {
        "history_trials": options.trials,
        "keys": len(key_ms),
        "first_paint_ms": round(paint_ms),
        **{f"key_p{p}_ms": round(quantile(key_ms, p), 1) for p in (50, 95, 99)},
        "key_max_ms": round(max(key_ms), 1),
        "ticks": len(late_ms),
        **{f"stall_p{p}_ms": round(quantile(late_ms, p), 1) for p in (50, 95, 99)},
        "stall_max_ms": round(max(late_ms), 1),
        "load": round(os.getloadavg()[0], 1),
    }


def quantile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def write(fd: int, data: bytes) -> None:
    os.write(fd, data)


def drain(fd: int, seconds: float) -> bytes:
    """Read what comes for so long."""
    data, end = b"", time.perf_counter() + seconds
    while (left := end - time.perf_counter()) > 0:
        if select.select([fd], [], [], left)[0]:
            try:
                data += os.read(fd, 1 << 16)
            except OSError:
                break
    return data


def wait_for(fd: int, sign: bytes, seconds: float) -> bool:
    """Read until `sign` was drawn."""
    data, end = b"", time.perf_counter() + seconds
    while sign not in data:
        left = end - time.perf_counter()
        if left <= 0:
            return False
        if select.select([fd], [], [], left)[0]:
            data = data[-8:] + os.read(fd, 1 << 16)
    return True


# The other processes


def interface(options: argparse.Namespace) -> None:
    """The interface itself, with a timer that notes by how much it comes late."""
    from hyperllama.tui.app import HyperLlama

    class Timed(HyperLlama):
        CSS_PATH = ROOT / "tui" / "hyperllama.tcss"

        async def on_ready(self) -> None:
            self.late_ms: list[float] = []
            self.run_worker(self.tick())

        async def tick(self) -> None:
            await asyncio.sleep(BEGUN_S)
            loop = asyncio.get_running_loop()
            while True:
                wanted = loop.time() + TICK_S
                await asyncio.sleep(TICK_S)
                self.late_ms.append(1e3 * (loop.time() - wanted))

    app = Timed(study=NAME)
    app.run()
    partial = Path(os.environ["HYPERLLAMA_HOME"]) / "stalls.part"
    partial.write_text(json.dumps(app.late_ms), "utf8")
    partial.replace(partial.with_name("stalls.json"))


def writer(options: argparse.Namespace) -> None:
    """A study with a long past, to which words and folds are added ten times a second."""
    from hyperllama.core.events import (  # fmt: skip
        FoldFinished,
        ProposalMade,
        ProposalStarted,
        ProposalText,
        StudyOpened,
        TrialFinished,
        to_json,
    )
    from hyperllama.core.storage.folder import EVENTS, Lock
    from hyperllama.core.storage.paths import study_dir

    rng = random.Random(0)
    folder = study_dir(NAME)
    lock = Lock(folder)
    lock.take()
    names = ("learning_rate", "max_depth", "subsample", "reg_lambda", "gamma")
    space = [
        {"name": n, "text": "float 0 to 1", "type": "float", "low": 0.0, "high": 1.0} for n in names
    ]
    with (folder / EVENTS).open("w", encoding="utf8") as file:

        def tell(event: object) -> None:
            file.write(to_json(event, time.time()) + "\n")  # type: ignore[arg-type]

        tell(
            StudyOpened(
                NAME, "task", "classification", "accuracy", ("xgboost",), "llama", "chat.gguf", 0,
                2 * options.trials, None, 1000, 9, 5, tuple(space),
            )
        )  # fmt: skip
        best, best_config = 0.0, {str(p["name"]): 0.5 for p in space}
        for number in range(10**9):
            config = {str(p["name"]): rng.random() for p in space}
            words = "The best trial has a **small learning rate**; " * 6
            past = number < options.trials
            tell(ProposalStarted(number, "llama"))
            for start in range(0, len(words), 30):
                if not past:
                    tell(ProposalText(number, words[start : start + 30]))
                    file.flush()
                    time.sleep(0.1)
            changes = {n: [best_config[n], v] for n, v in config.items()}
            tokens = {"prompt": 900.0, "generated": 80.0, "context_length": 4096.0}
            tell(ProposalMade(number, "llama", config, words, tokens=tokens, changes=changes))
            scores = tuple(rng.gauss(0.8, 0.02) for _ in range(5))
            for fold, score in enumerate(scores):
                if not past:
                    tell(FoldFinished(number, fold, 5, score, score, 0.1))
                    file.flush()
                    time.sleep(0.1)
            value = sum(scores) / 5
            tell(TrialFinished(number, "complete", config, value, scores, 0.02, value, 1.0,
                               "llama", "", words, "", value > best))  # fmt: skip
            if value > best:
                best, best_config = value, config


def model(options: argparse.Namespace) -> None:
    """llama.cpp generates without end."""
    from hyperllama.models.engine import Engine, EngineSettings, Generation, Tokens
    from hyperllama.models.gguf import resolve_model

    home = Path(os.environ["HYPERLLAMA_HOME"])
    with Engine(log=home / "engine.log") as engine:
        engine.load(resolve_model("embedded"), EngineSettings(threads=1))
        segments = [Tokens(f"t{i}", tuple(range(100, 200))) for i in range(100)]
        for seed in range(10**9):
            prompt = [random.Random(seed).randrange(2, 200) for _ in range(300)]
            engine.generate(Generation(prompt, segments, 1.0, seed=seed))


def training(options: argparse.Namespace) -> None:
    """XGBoost trains without end, on all cores."""
    import numpy as np
    from xgboost import XGBClassifier

    from hyperllama.models.process.processors import usable_processors

    rng = np.random.default_rng(0)
    x = rng.random((20_000, 30))
    y = (x.sum(axis=1) > 15).astype(int)
    while True:
        XGBClassifier(n_estimators=200, max_depth=6, n_jobs=usable_processors()).fit(x, y)


PARTS = {"interface": interface, "writer": writer, "model": model, "training": training}

if __name__ == "__main__":
    main()
