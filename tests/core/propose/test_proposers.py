"""The conformance suite: what every proposer keeps to. A new proposer is added to `MAKERS`."""

from __future__ import annotations

import functools
import itertools
import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hyperllama.core.errors import ModelFileError, SpaceError
from hyperllama.core.propose import make_proposer, proposers
from hyperllama.core.propose.chat import ChatProposer
from hyperllama.core.propose.embedded import knows
from hyperllama.core.space import Categorical, Condition, Config, Float, Integer, Param, SearchSpace
from hyperllama.core.trials import (
    AskContext,
    Cancelled,
    Exhausted,
    Observed,
    Proposal,
    Proposer,
    ProposerSetting,
)
from hyperllama.models.engine import Engine, ModelInfo
from hyperllama.models.gguf import resolve_model
from tests.core.fake_engine import FakeEngine
from tests.models.tiny_gguf import write_tiny

Maker = Callable[..., Proposer]


def _registered(name: str) -> Maker:
    def make(**setting: Any) -> Proposer:
        return make_proposer(name, setting=ProposerSetting(**setting))

    return make


@functools.cache
def _chat_model() -> str:
    return str(write_tiny(Path(tempfile.mkdtemp()) / "tiny.gguf"))


def _chat(**setting: Any) -> Proposer:
    return ChatProposer(
        ProposerSetting(model=_chat_model(), make_engine=lambda: FakeEngine(), **setting)
    )


def _with_chat(name: str, **always: Any) -> Maker:
    def make(**setting: Any) -> Proposer:
        engine = {"model": _chat_model(), "make_engine": lambda: FakeEngine()}
        given = {**engine, **always, **setting}
        return make_proposer(name, setting=ProposerSetting(**given))

    return make


class _SharedEngine(Engine):
    """One engine for all tests of this file: loaded once, closed with the test process."""

    def load(self, path: Path, settings: Any = None, *rest: Any) -> ModelInfo:
        return self.info or super().load(path, settings, *rest)

    def close(self) -> None:
        pass


@functools.cache
def _shared_engine() -> Engine:
    return _SharedEngine(log=Path(tempfile.mkdtemp()) / "engine.log")


def _embedded(name: str, **always: Any) -> Maker:
    def make(**setting: Any) -> Proposer:
        pytest.importorskip("llama_cpp")
        try:
            resolve_model("embedded")
        except ModelFileError:
            pytest.skip("there is no embedded model yet")
        return make_proposer(
            name, setting=ProposerSetting(make_engine=_shared_engine, **{**always, **setting})
        )

    return make


MAKERS: dict[str, Maker] = {
    "llama": _embedded("llama"),
    "hybrid": _embedded("hybrid"),
    "screen": _embedded("llama+screen", options={"candidates": 2}),
    **{name: _registered(name) for name in ("random", "tpe", "cmaes", "gp")},
    "chat": _chat,
    "hybrid chat": _with_chat("hybrid"),
    "screen chat": _with_chat("llama+screen", options={"candidates": 2}),
}

SMALL = SearchSpace(
    [
        Param("lr", Float(1e-4, 1.0, log=True), 0.1, "step size"),
        Param("depth", Integer(1, 12), 6, "depth"),
        Param("share", Float(0.1, 1.0), 1.0, "rows seen"),
        Param("weights", Categorical(("uniform", "distance")), "uniform", "weights"),
    ]
)
CONDITIONAL = SearchSpace(
    [
        Param("model", Categorical(("svm", "tree")), "svm"),
        Param("C", Float(2**-10, 2**10, log=True), 1.0, when=Condition("model", ("svm",))),
        Param("kernel", Categorical(("rbf", "poly")), "rbf", when=Condition("model", ("svm",))),
        Param("degree", Integer(2, 5), 3, when=Condition("kernel", ("poly",))),
        Param("leaf", Integer(1, 64, log=True), 1, when=Condition("model", ("tree",))),
    ]
)
ODD_CHOICES = SearchSpace(
    [
        Param("flag", Categorical((True, False, None)), True),
        Param("name", Categorical(('say "hi"', "naïve ☃", "a,b", "1")), "1"),
        Param("number", Categorical((0.5, 2, 10)), 2),
    ]
)
TWENTY = SearchSpace(
    [
        Param(f"p{i}", Integer(1, 1000, log=True) if i % 2 else Float(-1e6, 1e-3), None)
        for i in range(20)
    ]
)
ONE = SearchSpace([Param("x", Float(-5.0, 5.0), 0.0)])
STEPS = SearchSpace([Param("a", Float(0.0, 1.0, step=0.3), 0.0), Param("b", Integer(1, 9, step=4))])
FROZEN = SMALL.freeze("depth", 3).freeze("weights", "distance")
ALL_FROZEN = SearchSpace([Param("x", Integer(3, 3), 3), Param("y", Categorical(("a",)), "a")])
SPACES = {
    "small": SMALL,
    "conditional": CONDITIONAL,
    "odd choices": ODD_CHOICES,
    "twenty": TWENTY,
    "one": ONE,
    "steps": STEPS,
    "frozen": FROZEN,
}


def score(space: SearchSpace, config: Config) -> float:
    """Greater is better; the optimum lies at 0.7 of every axis."""
    return -float(np.square(space.to_unit(config) - 0.7).sum())


def play(
    proposer: Proposer, space: SearchSpace, trials: int, fail: Callable[[int], bool] | None = None
) -> list[Observed]:
    """A short study: ask, score, tell."""
    told: list[Observed] = []
    for number in range(trials):
        proposal = proposer.ask(space, AskContext(number, trials - number))
        failed = fail is not None and fail(number)
        told.append(
            Observed(
                number,
                proposal.config,
                None if failed else score(space, proposal.config),
                "ran out of memory" if failed else "",
                proposal.proposer,
                () if failed else (0.1, 0.2),
                None if failed else 0.9,
                1.5,
            )
        )
        proposer.tell(told[-1])
    return told


@pytest.fixture(params=sorted(MAKERS))
def make(request: pytest.FixtureRequest) -> Maker:
    return MAKERS[request.param]


@pytest.mark.parametrize("space", SPACES.values(), ids=list(SPACES))
def test_proposals_lie_in_the_space_and_never_repeat(make: Maker, space: SearchSpace) -> None:
    proposer = make(seed=1)
    told = play(proposer, space, 12)
    assert all(space.validate(t.config) == t.config for t in told)
    assert len({space.key(t.config) for t in told}) == 12
    proposer.close()
    proposer.close()


def test_same_seed_same_proposals_and_another_seed_others(make: Maker) -> None:
    first, again, other = (play(make(seed=s), SMALL, 8) for s in (3, 3, 4))
    assert [t.config for t in first] == [t.config for t in again]
    assert [t.config for t in first] != [t.config for t in other]


@pytest.mark.parametrize("space", [SMALL, CONDITIONAL], ids=["small", "conditional"])
def test_a_resumed_proposer_goes_on_as_if_it_had_never_stopped(
    make: Maker, space: SearchSpace
) -> None:
    whole = play(make(seed=5), space, 14, fail=lambda n: n % 5 == 2)
    resumed = make(seed=5)
    for trial in whole[:11]:
        resumed.tell(trial)
    assert resumed.ask(space, AskContext(11, 3)).config == whole[11].config


def test_asking_twice_gives_the_same_and_changes_nothing(make: Maker) -> None:
    proposer = make(seed=2)
    play(proposer, SMALL, 5)
    context = AskContext(5, 3)
    assert proposer.ask(SMALL, context).config == proposer.ask(SMALL, context).config


def test_failed_trials_and_those_of_others_are_taken_in(make: Maker) -> None:
    proposer = make(seed=0)
    proposer.tell(Observed(0, SMALL.default(), 0.5, proposer="default"))
    for number in range(1, 5):
        config = SMALL.sample(np.random.default_rng(number))
        proposer.tell(Observed(number, config, None, "diverged", "queue"))
    proposer.tell(Observed(5, SMALL.sample(np.random.default_rng(9)), math.nan))
    proposer.tell(Observed(6, SMALL.sample(np.random.default_rng(10)), math.inf))
    proposal = proposer.ask(SMALL, AskContext(7))
    assert SMALL.contains(proposal.config)


def test_only_failures_so_far(make: Maker) -> None:
    proposer = make(seed=0)
    told = play(proposer, SMALL, 6, fail=lambda n: True)
    assert len({SMALL.key(t.config) for t in told}) == 6


def test_equal_scores_everywhere(make: Maker) -> None:
    proposer = make(seed=0)
    for number in range(15):
        proposal = proposer.ask(SMALL, AskContext(number, 15 - number))
        proposer.tell(Observed(number, proposal.config, 0.5))
    assert SMALL.contains(proposer.ask(SMALL, AskContext(15)).config)


def test_the_space_may_change_between_two_questions(make: Maker) -> None:
    proposer = make(seed=0)
    play(proposer, SMALL, 6)
    narrowed = SMALL.replace(Param("lr", Float(1e-3, 2e-3, log=True), 1e-3))
    widened = SMALL.replace(Param("depth", Integer(1, 40), 6))
    added = SMALL.replace(Param("gamma", Float(0.0, 5.0), 0.0))
    frozen = SMALL.freeze("share", 0.3).freeze("weights", "distance")
    for number, space in enumerate([narrowed, widened, added, frozen, SMALL], 6):
        proposal = proposer.ask(space, AskContext(number))
        assert space.contains(proposal.config)
        proposer.tell(Observed(number, proposal.config, 0.1 * number))


def test_a_finite_space_is_tried_whole_and_then_exhausted(make: Maker) -> None:
    space = SearchSpace(
        [
            Param("kind", Categorical(("a", "b")), "a"),
            Param("n", Integer(1, 3), 1, when=Condition("kind", ("a",))),
        ]
    )
    proposer = make(seed=0)
    told = play(proposer, space, 4)
    assert {space.key(t.config) for t in told} == {
        space.key(c) for c in ({"kind": "a", "n": 1}, {"kind": "a", "n": 2},
                               {"kind": "a", "n": 3}, {"kind": "b"})
    }
    with pytest.raises(Exhausted):
        proposer.ask(space, AskContext(4))


def test_a_space_without_freedom_gives_its_one_configuration(make: Maker) -> None:
    proposer = make(seed=0)
    assert play(proposer, ALL_FROZEN, 1)[0].config == {"x": 3, "y": "a"}
    with pytest.raises(Exhausted):
        proposer.ask(ALL_FROZEN, AskContext(1))


def test_all_categorical(make: Maker) -> None:
    told = play(make(seed=0), ODD_CHOICES, 36)
    assert len({ODD_CHOICES.key(t.config) for t in told}) == 36


def test_a_proposal_names_its_proposer(make: Maker) -> None:
    proposer = make(seed=0)
    proposal = proposer.ask(SMALL, AskContext(0))
    assert isinstance(proposal, Proposal)
    assert isinstance(proposer, Proposer)
    assert proposer.name
    makers = {"hybrid": ("llama", "embedded", "gp")}.get(proposer.name, (proposer.name,))
    assert proposal.proposer in makers or proposal.fallback


def test_a_stop_is_obeyed(make: Maker) -> None:
    with pytest.raises(Cancelled):
        make(seed=0).ask(SMALL, AskContext(0, should_stop=lambda: True))


def test_model_based_search_beats_random_search() -> None:
    """Mean best of five seeds at 40 trials on a smooth bowl."""
    best = {
        name: np.mean(
            [
                max(score(TWO, t.config) for t in play(MAKERS[name](seed=s), TWO, 40))
                for s in range(5)
            ]
        )
        for name in ("random", "tpe", "cmaes")
    }
    assert best["tpe"] > best["random"]
    assert best["cmaes"] > best["random"]


TWO = SearchSpace(
    [Param(n, Float(0.0, 1.0), 0.5) for n in "abcd"]
)


def test_failures_change_no_sampler() -> None:
    """A failed trial leaves the next proposal as it is."""
    for name in ("tpe", "cmaes"):
        clean = play(MAKERS[name](seed=1), TWO, 20)
        failing = MAKERS[name](seed=1)
        for trial in clean:
            failing.tell(trial)
        failing.tell(Observed(20, TWO.sample(np.random.default_rng(0)), None, "killed"))
        without = MAKERS[name](seed=1)
        for trial in clean:
            without.tell(trial)
        ask = AskContext(21)
        assert failing.ask(TWO, ask).config == without.ask(TWO, ask).config


def test_a_thousand_trials_are_quick_enough(make: Maker) -> None:
    proposer = make(seed=0)
    rng = np.random.default_rng(0)
    for number in range(1000):
        config = SMALL.sample(rng)
        proposer.tell(Observed(number, config, score(SMALL, config)))
    assert SMALL.contains(proposer.ask(SMALL, AskContext(1000)).config)


def test_default_is_proposed_once() -> None:
    proposer = make_proposer("default", setting=ProposerSetting())
    first = proposer.ask(CONDITIONAL, AskContext(0))
    assert first.config == CONDITIONAL.default()
    proposer.tell(Observed(0, first.config, 0.3))
    with pytest.raises(Exhausted):
        proposer.ask(CONDITIONAL, AskContext(1))


def test_the_queue_keeps_order_fills_in_defaults_and_passes_over_what_was_tried() -> None:
    proposer: Any = make_proposer(
        "queue", setting=ProposerSetting(queue=({"lr": 0.2}, {"lr": 0.2}, {"depth": 2}))
    )
    proposer.add(SMALL, {"share": 0.5})
    with pytest.raises(SpaceError, match="depth = 99"):
        proposer.add(SMALL, {"depth": 99})
    with pytest.raises(SpaceError, match="unknown"):
        proposer.add(SMALL, {"dept": 2})
    with pytest.raises(SpaceError, match="no effect"):
        proposer.add(CONDITIONAL, {"model": "tree", "C": 1.0})
    made = []
    for number in itertools.count():
        try:
            config = proposer.ask(SMALL, AskContext(number)).config
        except Exhausted:
            break
        made.append(config)
        proposer.tell(Observed(number, config, 0.0))
    default = SMALL.default()
    assert made == [{**default, "lr": 0.2}, {**default, "depth": 2}, {**default, "share": 0.5}]


def test_the_queue_says_what_no_longer_fits() -> None:
    proposer: Any = make_proposer(
        "queue", setting=ProposerSetting(queue=({"depth": 12}, {"depth": 2}))
    )
    narrowed = SMALL.replace(Param("depth", Integer(1, 4), 2))
    proposal = proposer.ask(narrowed, AskContext(0))
    assert proposal.config["depth"] == 2
    assert "depth = 12" in proposal.record["skipped"][0]


def test_the_registry_names_what_there_is() -> None:
    assert {"default", "llama", "random", "tpe", "gp", "cmaes", "queue"} <= set(proposers())
    with pytest.raises(SpaceError, match="unknown proposer 'tpee'"):
        make_proposer("tpee", setting=ProposerSetting())


def test_the_embedded_model_names_the_families_it_was_not_trained_on() -> None:
    said: list[Any] = []
    make_proposer("llama", setting=ProposerSetting(estimators=("svm",), report=said.append))
    assert said == [] and knows("svc") and not knows("lightgbm")
    setting = ProposerSetting(estimators=("svm", "lightgbm"), report=said.append)
    make_proposer("llama", setting=setting)
    assert [e.text for e in said] == ["the embedded model was not trained on lightgbm"]


def test_the_screen_takes_the_candidate_that_promises_most() -> None:
    proposer = MAKERS["screen chat"](seed=0, options={"candidates": 6})
    for number in range(12):
        u = np.array([number / 12])
        proposer.tell(Observed(number, ONE.from_unit(u), score(ONE, ONE.from_unit(u))))
    proposal = proposer.ask(ONE, AskContext(12))
    found = proposal.record["candidates"]
    assert 2 <= len(found) <= 6 and len({c["config"]["x"] for c in found}) == len(found)
    best = max(found, key=lambda c: float(c["log_ei"]))
    assert proposal.config == best["config"] and "candidates of the model" in proposal.reasoning
    assert best["mean"] >= min(c["mean"] for c in found)
