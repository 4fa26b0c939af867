"""Proposers as plug-ins: foreign ones run a study, broken ones are named and stop no other."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hyperllama.core.propose import proposers
from tests.small import hyperllama, with_plug_in, write_task

CORNERS = """
from hyperllama.core.propose import ProposerInfo
from hyperllama.core.trials import Proposal

INFO = ProposerInfo("the corners of the space", "corners:Corners")


class Corners:
    name = "corners"

    def __init__(self, setting):
        self.tried = 0

    def ask(self, space, context):
        u = [float(self.tried >> i & 1) for i in range(len(space.free))]
        return Proposal(space.from_unit(u), self.name)

    def tell(self, trial):
        self.tried += trial.proposer == self.name

    def close(self):
        pass
"""
ENTRY_POINTS = """\
[hyperllama.proposers]
corners = corners:INFO
absent = no_such_module:INFO
impostor = json:dumps
"""


@pytest.fixture
def plug_ins(tmp_path: Path) -> dict[str, str]:
    """An environment with a package that adds a proposer, and two broken entry points."""
    return with_plug_in(tmp_path / "site", "corners", CORNERS, ENTRY_POINTS)


def test_a_foreign_proposer_runs_a_study(tmp_path: Path, plug_ins: dict[str, str]) -> None:
    task = write_task(tmp_path)
    ran = hyperllama("run", task, "--proposer", "corners", "--json", env=plug_ins)
    assert ran.returncode == 0, ran.stderr
    events = [json.loads(line) for line in ran.stdout.splitlines()]
    made = [e["proposer"] for e in events if "fold_scores" in e and "proposer" in e]
    assert made == ["default", "corners", "corners", "corners"]


def test_a_broken_one_is_named_with_the_reason_and_stops_no_other(
    tmp_path: Path, plug_ins: dict[str, str]
) -> None:
    ran = hyperllama("run", write_task(tmp_path), "--proposer", "absent", env=plug_ins)
    assert ran.returncode == 2
    assert "proposer 'absent' cannot be loaded: ModuleNotFoundError" in ran.stderr
    probe = ("from hyperllama.core.propose import *; print(*proposers()); "
             "print(*broken_proposers().values(), sep='\\n')")
    listed = subprocess.run([sys.executable, "-c", probe], env=plug_ins, text=True,
                            capture_output=True, check=True).stdout.splitlines()
    assert listed[0].split() == [*proposers(), "corners"]
    assert "no_such_module" in listed[1] and "json:dumps is not a ProposerInfo" in listed[2]


def test_every_proposer_says_in_one_line_what_it_is() -> None:
    for name, info in proposers().items():
        assert info.summary and "\n" not in info.summary, name
    asking = {name for name, info in proposers().items() if info.needs_model}
    assert asking == {"llama", "hybrid", "llama+screen"}
