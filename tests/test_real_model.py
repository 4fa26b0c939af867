"""A small instruct model with its own tokenizer and chat template, end to end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hyperllama.core.propose import make_proposer
from hyperllama.core.propose.chat.conversation import answered
from hyperllama.core.propose.chat.probe import REASONS, probed
from hyperllama.core.propose.engine_session import EngineSession
from hyperllama.core.task.prompt_options import PromptOptions
from hyperllama.core.trials import AskContext, Observed, ProposerSetting, Question
from hyperllama.models.engine import EngineSettings, Fixed, Free, Generation, Number
from tests.core.fakes import SPACE
from tests.small import TASK, hyperllama, write_task

pytestmark = pytest.mark.real_model


def test_a_study_with_an_instruct_model(tmp_path: Path, smollm2: Path) -> None:
    task = write_task(tmp_path, TASK)
    options = ["--proposer", "llama", "--model", smollm2, "--budget", "2", "--threads", "1"]
    prompt = ["--prompt", "reasoning=yes", "--prompt", "reasoning_tokens=24"]
    done = hyperllama("run", task, *options, *prompt, "--context", "2048", "--json")
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    proposed = [e for e in events if e["event"] == "ProposalMade" and e["proposer"] == "llama"]
    assert len(proposed) == 1
    for proposal in proposed:
        assert proposal["config"] and not proposal["fallback"] and proposal["reasoning"]
    assert [e["state"] for e in events if e["event"] == "TrialFinished"] == ["complete"] * 2


def test_a_model_that_is_not_asked_to_reason_proposes_at_once(smollm2: Path) -> None:
    setting = ProposerSetting(model=str(smollm2), engine=EngineSettings(2048, threads=1),
                              metric="accuracy", prompt=PromptOptions(reasoning=False))  # fmt: skip
    proposer = make_proposer("llama", setting=setting)
    try:
        proposer.tell(Observed(0, SPACE.default(), 0.8, proposer="default"))
        made = proposer.ask(SPACE, AskContext(1))
    finally:
        proposer.close()
    assert made.proposer == "llama" and not made.fallback and not made.reasoning
    assert SPACE.contains(made.config) and made.config != SPACE.default()


def test_a_question_costs_the_next_proposal_no_token(tmp_path: Path, smollm2: Path) -> None:
    cache = tmp_path / "engine.cache"
    setting = ProposerSetting(engine=EngineSettings(1024, threads=1), cache=cache)
    session = EngineSession(setting, smollm2)
    rows = [f"{n},0.{n},0.8{n}\n" for n in range(24)]
    try:
        propose = Generation([*rows, "24,"], [Number("n", 0, 1, belief=True)])
        before = session.generate(propose)
        found = ["Trial 3 scored 0.9, 0.01 better (within noise) than the default."]
        heard: list[str] = []  # with the first word the answer is stopped
        question = Question("Is trial 3 better?", on_text=heard.append,
                            should_stop=lambda: bool(heard), computed=found)  # fmt: skip
        answer = answered(session, lambda prompt: (), question)
        assert answer.text and answer.cut == "it was stopped" and answer.tokens["cached"] == 0
        after = session.generate(propose)
        assert after.cached_tokens == after.prompt_tokens - 3  # "24," is what is asked
        assert after.evaluated_tokens == after.prompt_tokens - after.cached_tokens + (
            before.evaluated_tokens - before.prompt_tokens
        )
        assert after.values == before.values and after.beliefs == before.beliefs
    finally:
        session.close()
    assert not list(tmp_path.glob("engine.cache.aside*"))


def test_values_follow_the_reasoning_loops_end_and_a_try_is_remembered(smollm2: Path) -> None:
    session = EngineSession(ProposerSetting(engine=EngineSettings(1024, threads=1)), smollm2)
    try:
        prompt = session.render_chat([{"role": "user", "content": "Which max_depth, 1 to 15?"}])
        means = []
        for wanted in (2, 14):
            lead = Fixed(f"The best max_depth is {wanted}, so I take {wanted}.\nmax_depth=")
            number = Number("n", 1, 15, integer=True, belief=True)
            made = session.generate(Generation(prompt, [lead, number]))
            means.append(sum(float(v) * p for v, p in made.beliefs["n"]))
        assert means[1] > means[0] + 3
        circling = session.generate(Generation("up and down and up and down and", [Free("t", 120)]))
        assert circling.stop_reason == "loop" and len(circling.values["t"]) < 100
        reply = probed(session, REASONS)
        assert reply.text and probed(session, REASONS) == reply
    finally:
        session.close()
