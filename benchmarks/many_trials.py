"""What a study of 10,000 trials costs: showing one trial, going on with it, exporting it.

    python benchmarks/many_trials.py

A short study is run, and its trials are copied inside its database until there are so many. Printed
are processor seconds and the largest process, beside those of the short study.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_RUN = 20
_OF_TRIAL = {
    "trial_values": "objective, value, value_type",
    "trial_params": "param_name, param_value, distribution_json",
    "trial_user_attributes": "key, value_json",
    "trial_system_attributes": "key, value_json",
}


def main() -> int:
    """Make the study, then measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--folder", type=Path, help="kept, and used again")
    arguments = parser.parse_args()
    home = arguments.folder or Path(tempfile.mkdtemp(prefix="many-trials-"))
    if not (home / "studies" / "many").exists():
        options = ["--proposer", "random", "--budget", str(_RUN), "--no-confirm", "--seed", "1"]
        for name in ("few", "many"):
            measured(home, ["run", "breast_cancer", "--study", name, *options])
        multiply(home / "studies" / "many", arguments.trials)
    for name in ("few", "many"):
        print(f"{_RUN if name == 'few' else arguments.trials:,} trials")
        for command in (["show", name, "--trial", "7"], ["show", name], ["resume", name],
                        ["export", name, "-o", str(home / "out")]):  # fmt: skip
            cpu_s, memory_mb = measured(home, command)
            what = " ".join(c for c in command[:1] + command[2:3] if c != "-o")
            print(f"  {what:14} {cpu_s:6.2f} s of processor time, {memory_mb:4.0f} MB", flush=True)
    if arguments.folder is None:
        shutil.rmtree(home)
    return 0


def multiply(folder: Path, trials: int) -> None:
    """Copy the trials of a study, and the log of its proposals, until there are `trials`."""
    with closing(sqlite3.connect(folder / "study.db")) as database, database:
        ((first, has),) = database.execute("SELECT MIN(trial_id), COUNT(*) FROM trials")
        for start in range(has, trials, has):
            number = f"number + {start}"
            database.execute(
                "INSERT INTO trials (trial_id, number, study_id, state, datetime_start,"
                f" datetime_complete) SELECT trial_id + {start}, {number}, study_id, state,"
                " datetime_start, datetime_complete FROM trials"
                f" WHERE number < {min(has, trials - start)}"
            )
        for table, columns in _OF_TRIAL.items():
            for start in range(has, trials, has):
                database.execute(
                    f"INSERT INTO {table} (trial_id, {columns}) SELECT trial_id + {start},"
                    f" {columns} FROM {table} WHERE trial_id < {first + min(has, trials - start)}"
                )
        database.execute(
            "UPDATE study_user_attributes SET value_json = ? WHERE key = ?",
            (str(trials), "hyperllama:budget_trials"),
        )
    log = folder / "proposals.jsonl"
    records = [json.loads(line) for line in log.read_text("utf8").splitlines()]
    with log.open("w", encoding="utf8") as file:
        for number in range(trials):
            record = {**records[number % len(records)], "number": number}
            file.write(json.dumps(record, separators=(",", ":")) + "\n")


def measured(home: Path, command: list[str]) -> tuple[float, float]:
    """Processor seconds of a command with its children, and the largest process's MB."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HYPERLLAMA_HOME": str(home)}
    measure = (
        "import resource, subprocess, sys\n"
        "code = subprocess.run([sys.executable, '-m', 'hyperllama', *sys.argv[1:]],"
        " stdout=subprocess.DEVNULL).returncode\n"
        "u = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(code, u.ru_utime + u.ru_stime, u.ru_maxrss)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", measure, *command], env=environment, text=True, check=True,
        stdout=subprocess.PIPE,
    )  # fmt: skip
    code, cpu_s, kilobytes = done.stdout.split()
    if code != "0":
        sys.exit(f"`{' '.join(command)}` ended with {code}")
    return float(cpu_s), float(kilobytes) / 1024


if __name__ == "__main__":
    raise SystemExit(main())
