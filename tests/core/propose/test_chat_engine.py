"""The chat proposer with llama.cpp itself, on tiny models of random weights with chat templates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.valid_proposals import tried
from hyperllama.core.prompt.templates import PromptError
from hyperllama.core.propose.chat import ChatProposer
from hyperllama.core.space import Categorical, Condition, Float, Integer, Param, SearchSpace
from hyperllama.core.task.prompt_options import PromptOptions
from hyperllama.core.trials import AskContext, Observed, ProposerSetting
from hyperllama.models.engine import Engine, EngineSettings
from tests.models.random_model import real_vocabularies, write_random
from tests.models.tiny_gguf import CHAT_TEMPLATE, write_tiny

pytest.importorskip("llama_cpp")

SPACE = SearchSpace(
    [
        Param("lr", Float(1e-8, 1.0, log=True), 0.1),
        Param("model", Categorical(('say "hi"', "naïve ☃", "svm")), "svm"),
        Param("C", Float(2**-10, 2**10, log=True), 1.0, when=Condition("model", ("svm",))),
        Param("width", Integer(16, 1024, log=True), 100),
        Param("shift", Float(-1e6, -1e-3), -1.0),
        Param("flag", Categorical((True, False, None)), None),
    ]
)
BRIEF = PromptOptions(reasoning_tokens=12, thinking_tokens=12)


def chat(model: Path, home: Path, **setting: Any) -> ChatProposer:
    setting = {"prompt": BRIEF, **setting}
    return ChatProposer(
        ProposerSetting(
            model=str(model),
            metric="r2",
            engine=EngineSettings(threads=1, gpu_layers="none"),
            log=home.parent / "engine.log",
            **setting,
        )
    )


def play(
    proposer: ChatProposer, first: int, last: int, told: list[Observed],
    engine: Engine | None = None,
) -> list[Any]:
    """Ask, score and tell; `engine` first finishes what it reads ahead."""
    made = []
    for number in range(first, last):
        if engine is not None:
            engine.finish_reading()
        proposal = proposer.ask(SPACE, AskContext(number, 9))
        made.append(proposal)
        value = -float(np.square(SPACE.to_unit(proposal.config) - 0.6).sum())
        told.append(Observed(number, proposal.config, value, proposer="llama", seconds=0.5))
        proposer.tell(told[-1])
    return made


@pytest.mark.parametrize(
    "template",
    [CHAT_TEMPLATE, None, CHAT_TEMPLATE.replace("assistant\n", "assistant\n<think>\n")],
    ids=["chat", "no template", "thinks"],
)
def test_every_proposal_lies_in_the_space_and_none_needs_a_second_reply(
    tmp_path: Path, home: Path, template: str | None
) -> None:
    model = write_tiny(tmp_path / "tiny.gguf", template=template, context=8192)
    proposer = chat(model, home, temperature=1.5)
    try:
        for proposal in play(proposer, 0, 6, []):
            assert SPACE.contains(proposal.config)
            assert proposal.proposer == "llama"
            assert proposal.record["rejections"] == []
            assert set(proposal.beliefs) == set(proposal.config)
            for pairs in proposal.beliefs.values():
                assert 0.5 < sum(p for _, p in pairs) <= 1.0 + 1e-6
    finally:
        proposer.close()


def test_a_resumed_study_makes_the_same_proposals_and_a_running_one_reads_only_what_is_new(
    tmp_path: Path, home: Path
) -> None:
    model = write_tiny(tmp_path / "tiny.gguf", context=8192)
    told: list[Observed] = []
    running, resumed = chat(model, home, seed=4), chat(model, home, seed=4)
    try:
        made = play(running, 0, 4, told)
        for trial in told[:3]:
            resumed.tell(trial)
        again = resumed.ask(SPACE, AskContext(3, 9))
        assert again.config == made[3].config
        assert again.reasoning == made[3].reasoning
        assert again.record["prompt"] == made[3].record["prompt"]
        tokens = made[3].record["tokens"]
        assert tokens["cached"] > 0.7 * tokens["prompt"]
        assert abs(tokens["prompt"] - made[3].record["plan"]["prompt"]) <= 2
    finally:
        running.close()
        resumed.close()


@pytest.mark.parametrize("reasoning", [True, False])
def test_what_is_read_ahead_changes_no_proposal_and_leaves_little_to_read(
    tmp_path: Path, home: Path, reasoning: bool
) -> None:
    model = write_tiny(tmp_path / "tiny.gguf", context=8192)
    made = []
    for ahead in (True, False):
        options = PromptOptions(reasoning=reasoning, reasoning_tokens=12, read_ahead=ahead)
        engine = Engine(log=tmp_path / "engine.log")
        proposer = chat(model, home, seed=4, prompt=options, make_engine=lambda e=engine: e)
        try:
            made.append(play(proposer, 0, 4, [], engine))
        finally:
            proposer.close()
    for with_it, without in zip(*made, strict=True):
        assert with_it.config == without.config
        assert with_it.record["raw"] == without.record["raw"]
    read, all_of_it = (proposals[3].record["tokens"] for proposals in made)
    assert read["cached"] > all_of_it["cached"] > 0
    assert read["evaluated"] < all_of_it["evaluated"]


def test_a_resumed_study_finds_the_prompt_read_already(tmp_path: Path, home: Path) -> None:
    model = write_tiny(tmp_path / "tiny.gguf", context=8192)
    told: list[Observed] = []
    first = chat(model, home, seed=4, cache=tmp_path / "engine.cache")
    play(first, 0, 3, told)
    first.close()
    assert (tmp_path / "engine.cache").exists()
    tokens = []
    for cache in (tmp_path / "engine.cache", None):
        resumed = chat(model, home, seed=4, cache=cache)
        for trial in told:
            resumed.tell(trial)
        made = resumed.ask(SPACE, AskContext(3, 9))
        tokens.append((made.record["tokens"]["cached"], made.config, made.record["raw"]))
        resumed.close()
    assert tokens[0][0] > 0.7 * made.record["tokens"]["prompt"] and tokens[1][0] == 0
    assert tokens[0][1:] == tokens[1][1:]


def test_a_context_that_the_task_does_not_fit_is_refused_before_the_first_trial(
    tmp_path: Path, home: Path
) -> None:
    for context, small in ((512, True), (2048, False)):
        proposer = chat(write_tiny(tmp_path / "tiny.gguf", context=context), home)
        try:
            if small:
                with pytest.raises(PromptError, match="512 tokens is too small for this task"):
                    proposer.check_room(SPACE)
            else:
                proposer.check_room(SPACE)
        finally:
            proposer.close()


def test_candidates_are_decoded_side_by_side_and_ordered_by_their_beliefs(
    tmp_path: Path, home: Path
) -> None:
    model = write_tiny(tmp_path / "tiny.gguf", context=8192)
    space = SearchSpace([p for p in SPACE if p.when is None])
    proposer = chat(model, home, prompt=PromptOptions(reasoning=False), temperature=1.0)
    try:
        made = proposer.several(space, AskContext(0), 4)
        alone = proposer.ask(space, AskContext(0))
        assert len(made) == 4 and len({space.key(p.config) for p in made}) == 4
        assert all(space.contains(p.config) for p in made)
        assert alone.config in [p.config for p in made]
        evaluated = made[0].record["tokens"]["evaluated"]
        prompt = made[0].record["tokens"]["prompt"]
        assert evaluated < prompt + 5 * alone.record["tokens"]["generated"]

        def surely(p: Any) -> float:
            return sum(map(share, (p.beliefs[n] for n in p.config), p.config.values()))

        def share(belief: Any, value: Any) -> float:
            exact = [q for v, q in belief if v == value]
            near = exact or [min(belief, key=lambda pair: abs(pair[0] - value))[1]]
            return float(np.log(sum(near)))

        assert [surely(p) for p in made] == sorted(map(surely, made), reverse=True)
        one_by_one = proposer.several(SPACE, AskContext(0), 3)  # one of them is conditional
        assert len(one_by_one) == 3 and all(SPACE.contains(p.config) for p in one_by_one)
    finally:
        proposer.close()


def test_greedy_replies_differ_once_a_repeat_was_rejected_or_fall_back(
    tmp_path: Path, home: Path
) -> None:
    model = write_tiny(tmp_path / "tiny.gguf", context=8192)
    proposer = chat(model, home, temperature=0.0, prompt=PromptOptions(reasoning=False))
    try:
        first = proposer.ask(SPACE, AskContext(0))
        proposer.tell(Observed(1, first.config, 0.5))
        second = proposer.ask(SPACE, AskContext(0))
        assert second.config != first.config
    finally:
        proposer.close()


def test_the_full_chat_mode_and_neutral_names(tmp_path: Path, home: Path) -> None:
    model = write_tiny(tmp_path / "tiny.gguf", context=8192)
    options = PromptOptions(history="chat", neutral_names=True, reasoning_tokens=12)
    proposer = chat(model, home, prompt=options)
    try:
        made = play(proposer, 0, 4, [])
        assert all(SPACE.contains(p.config) for p in made)
        tokens = made[3].record["tokens"]
        assert tokens["cached"] > 0.7 * tokens["prompt"]
    finally:
        proposer.close()


@pytest.mark.parametrize("source", [None, *real_vocabularies()], ids=lambda p: p.stem if p else "-")
def test_proposals_lie_in_random_spaces_whatever_the_tokenizer(
    tmp_path: Path, home: Path, source: Path | None
) -> None:
    """Long and short tokens, names in every script, ranges from 1e-30 to 1e30."""
    model = write_random(tmp_path / "random.gguf", source)
    assert tried(model, 12, tmp_path / "engine.log") == {"valid": 12}
