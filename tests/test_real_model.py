"""A small instruct model with its own tokenizer and chat template, end to end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.small import TASK, hyperllama, write_task

pytestmark = pytest.mark.real_model


@pytest.mark.parametrize("reasoning", ["no", "yes"])
def test_a_study_with_an_instruct_model(tmp_path: Path, smollm2: Path, reasoning: str) -> None:
    task = write_task(tmp_path, TASK)
    options = ["--proposer", "llama", "--model", smollm2, "--budget", "2", "--threads", "1"]
    prompt = ["--prompt", f"reasoning={reasoning}", "--prompt", "reasoning_tokens=24"]
    done = hyperllama("run", task, *options, *prompt, "--context", "2048", "--json")
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    proposed = [e for e in events if e["event"] == "ProposalMade" and e["proposer"] == "llama"]
    assert len(proposed) == 1
    for proposal in proposed:
        assert proposal["config"] and not proposal["fallback"]
        assert bool(proposal["reasoning"]) == (reasoning == "yes")
    assert [e["state"] for e in events if e["event"] == "TrialFinished"] == ["complete"] * 2
