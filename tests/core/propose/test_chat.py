"""The proposer that asks a chat model, with an engine that draws at random."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hyperllama.core.errors import EngineError, ModelFileError, SpaceError
from hyperllama.core.events import ModelLoaded, ModelLoading, Noted
from hyperllama.core.experiments.contenders import make_proposer_of, parse_contender
from hyperllama.core.prompt.thinking import closed, marks_of, opened, unclosed
from hyperllama.core.prompt.wording import Names
from hyperllama.core.propose import make_proposer
from hyperllama.core.propose.chat import ChatProposer
from hyperllama.core.propose.chat.decoding import lead_segments
from hyperllama.core.propose.chat.reply import Slot, stage
from hyperllama.core.propose.llama import drawn
from hyperllama.core.space import Categorical, Condition, Float, Integer, Param, SearchSpace
from hyperllama.core.study.proposals import counts
from hyperllama.core.task.prompt_options import PromptOptions
from hyperllama.core.trials import (
    AnswersQuestions,
    AskContext,
    Cancelled,
    Observed,
    ProposerSetting,
    Question,
)
from hyperllama.models.engine import EngineSettings, Fixed, Free, Number, OneOf
from hyperllama.models.engine.chat import render
from hyperllama.models.gguf import read_metadata
from tests.core.fake_engine import FakeEngine
from tests.models.random_model import real_templates
from tests.models.tiny_gguf import CHAT_TEMPLATE, write_tiny

REAL = real_templates()
SPACE = SearchSpace(
    [
        Param("lr", Float(1e-4, 1.0, log=True), 0.1, "step size"),
        Param("kernel", Categorical(("rbf", "poly")), "rbf", "shape"),
        Param("degree", Integer(2, 5), 3, when=Condition("kernel", ("poly",))),
        Param("share", Float(0.0, 1.0, step=0.25), 1.0),
        Param("seed", Integer(7, 7), 7),
    ]
)


REASONED = PromptOptions(reasoning=True)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny(tmp_path / "tiny.gguf")


def chat(model: Path, engine: FakeEngine, **setting: Any) -> ChatProposer:
    setting = {"make_engine": lambda: engine, "metric": "accuracy", "prompt": REASONED, **setting}
    return ChatProposer(ProposerSetting(model=str(model), **setting))


def always(values: dict[str, Any]) -> Callable[[str, str], Any]:
    return lambda name, prompt: values.get(name)


def test_the_registry_opens_it_for_a_chat_model(model: Path) -> None:
    proposer = make_proposer("llama", setting=ProposerSetting(model=str(model)))
    assert isinstance(proposer, ChatProposer)
    assert proposer.name == "llama"
    with pytest.raises(ModelFileError, match="no model is called 'nobody'"):
        make_proposer("llama", setting=ProposerSetting(model="nobody"))


def test_fixed_text_is_put_in_and_values_are_decoded_in_stages(model: Path) -> None:
    engine = FakeEngine(always({"value kernel": '"poly"'}))
    proposal = chat(model, engine).ask(SPACE, AskContext(0))
    first, second = engine.requests
    assert [type(s) for s in first.segments] == [Free, Fixed, Number, Fixed, OneOf]
    assert [type(s) for s in second.segments] == [Fixed, Number, Fixed, OneOf, Fixed]
    assert first.segments[1] == Fixed('\nConfiguration: {"lr": ')
    assert second.segments[-1] == Fixed(', "seed": 7}')
    assert list(second.prompt[: len(first.prompt)]) == list(first.prompt)
    assert set(proposal.config) == {"lr", "kernel", "degree", "share", "seed"}
    assert SPACE.contains(proposal.config)


def test_children_of_another_choice_are_not_asked_for(model: Path) -> None:
    engine = FakeEngine(always({"value kernel": '"rbf"'}))
    proposal = chat(model, engine).ask(SPACE, AskContext(0))
    assert "degree" not in proposal.config
    assert "degree" not in proposal.record["raw"]


def test_the_record_makes_a_proposal_replayable(model: Path) -> None:
    engine = FakeEngine(always({"reasoning": "Less is \x1b[31mmore."}))
    events: list[Any] = []
    said: list[str] = []
    proposer = chat(model, engine, report=events.append, seed=3)
    proposal = proposer.ask(SPACE, AskContext(0, on_text=said.append))
    record = proposal.record
    assert proposal.reasoning == "Less is more."
    assert said == ["Less is \x1b[31mmore."]
    assert record["prompt"] == "".join(engine.requests[0].prompt)
    assert record["raw"].startswith("Less is") and record["raw"].endswith("}")
    assert record["sha256"] == "0" * 64
    assert record["rejections"] == []
    assert record["seed"] == engine.requests[0].seed
    assert record["settings"]["temperature"] == 0.7
    assert record["plan"]["context_length"] == 4096
    assert {"prompt", "cached", "generated", "context_used", "context_length", "per_s"} <= set(
        record["tokens"]
    )
    assert record["prompt_version"]
    shown = counts(record)
    parts = shown["parts"]
    assert list(parts) == ["instructions", "task", "history", "reasoning", "reply"]
    assert sum(parts.values()) == shown["context_used"] and min(parts.values()) >= 0
    assert parts["task"] > 50 and parts["reasoning"] == engine.count_tokens([proposal.reasoning])[0]
    assert (shown["left_out"], shown["listed"], shown["dropped"]) == (0, 0, [])
    assert shown["reserve"] == record["plan"]["reasoning"] + record["plan"]["reply"]
    kinds = [type(e) for e in events]
    assert kinds[0] is ModelLoading and kinds[-1] is ModelLoaded
    assert proposal.beliefs["kernel"] == [("rbf", 0.5), ("poly", 0.5)]
    assert sum(p for _, p in proposal.beliefs["lr"]) <= 1.0 + 1e-9


def test_a_repeat_is_asked_again_with_the_reason_and_a_higher_temperature(model: Path) -> None:
    same = {"value lr": 0.5, "value kernel": '"rbf"', "value share": "1"}
    known = SPACE.validate({"lr": 0.5, "kernel": "rbf", "share": 1.0, "seed": 7})

    def script(name: str, prompt: str) -> Any:
        return None if "rejected: it repeats trial 0 (score 0.9)" in prompt else same.get(name)

    engine = FakeEngine(script)
    proposer = chat(model, engine)
    proposer.tell(Observed(0, known, 0.9))
    proposal = proposer.ask(SPACE, AskContext(1))
    assert proposal.config != known
    assert proposal.proposer == "llama" and not proposal.fallback
    assert proposal.record["rejections"] == ["it repeats trial 0 (score 0.9)."]
    temperatures = sorted({r.temperature for r in engine.requests})
    assert temperatures == pytest.approx([0.7, 1.0])


def test_after_two_repeats_tpe_proposes_and_says_so(model: Path) -> None:
    same = {"value lr": 0.5, "value kernel": '"rbf"', "value share": "1"}
    proposer = chat(model, FakeEngine(always(same)))
    known = {"lr": 0.5, "kernel": "rbf", "share": 1.0, "seed": 7}
    proposer.tell(Observed(0, known, None, "killed"))
    proposal = proposer.ask(SPACE, AskContext(1))
    assert proposal.proposer == "tpe"
    assert "2 replies were rejected: it repeats trial 0 (failed)" in proposal.fallback
    assert len(proposal.record["attempts"]) == 2
    assert SPACE.contains(proposal.config)


def test_a_context_too_short_for_the_task_falls_back_visibly(model: Path) -> None:
    proposal = chat(model, FakeEngine(context_length=128)).ask(SPACE, AskContext(0))
    assert proposal.proposer == "tpe"
    assert "the context has 128" in proposal.fallback


def test_no_chain_of_thought_starts_with_the_configuration(model: Path) -> None:
    engine = FakeEngine()
    options = PromptOptions(reasoning=False)
    proposal = chat(model, engine, prompt=options).ask(SPACE, AskContext(0))
    assert engine.requests[0].segments[0] == Fixed("")
    assert proposal.reasoning == ""
    assert proposal.record["prompt"].endswith("\nlr,kernel,degree,share,seed,score\n")


def test_without_an_analysis_the_reply_is_the_next_row_of_the_table(model: Path) -> None:
    space = SearchSpace(
        [Param("lr", Float(1e-4, 1.0, log=True), 0.1), Param("n", Integer(1, 9), 3),
         Param("kind", Categorical(("1", 1, "a b")), 1), Param("seed", Integer(7, 7), 7)]
    )  # fmt: skip
    engine = FakeEngine(always({"value kind": '"a b"'}))
    options = PromptOptions(reasoning=False, templates="standard")
    proposer = chat(model, engine, prompt=options)
    proposer.tell(Observed(11, {"lr": 0.5, "n": 2, "kind": "1", "seed": 7}, 0.9))
    proposal = proposer.ask(space, AskContext(12))
    first = engine.requests[0].segments
    assert [type(s) for s in first] == [Fixed, Number, Fixed, Number, Fixed, OneOf, Fixed]
    assert (first[0], first[2], first[-1]) == (Fixed("12,"), Fixed(","), Fixed(",7"))
    assert first[5].options == ('"1"', "1", '"a b"')
    assert space.contains(proposal.config) and proposal.config["kind"] == "a b"
    text = proposal.record["prompt"]
    assert "in the order of the columns, trial,lr,n,kind,seed<" in text
    assert '\n11,0.5,2,"1",7,0.9,,new best<|im_end|>' in text
    assert engine.ahead[0][-1].startswith(f"\n12,{proposal.config['lr']:.2g},")
    for options in (PromptOptions(reasoning=False, reply="json"), REASONED):
        engine = FakeEngine()
        chat(model, engine, prompt=options).ask(space, AskContext(0))
        assert '{"lr": ' in "".join(s.text for s in engine.requests[0].segments[:2]
                                    if isinstance(s, Fixed))  # fmt: skip


THINKS = CHAT_TEMPLATE + "{# <think> #}"


def test_tenths_become_values_within_them() -> None:
    slot = Slot(Param("lr", Float(1e-4, 1.0, log=True), 0.1), levels=10)
    assert slot.segment == Number("value lr", 0, 9, integer=True, belief=True)
    assert slot.value(5, 0.0) == pytest.approx(1e-2) and slot.value(4, 1.0) == pytest.approx(1e-2)
    whole = Slot(Param("n", Integer(1, 5), 3), levels=10)
    assert whole.belief([(k, 0.1) for k in range(10)]) == [(n, pytest.approx(0.2))
                                                           for n in range(1, 6)]  # fmt: skip


def test_llama_proposes_what_a_gaussian_process_takes_of_the_models_beliefs(model: Path) -> None:
    space = SearchSpace(
        [Param("lr", Float(1e-4, 1.0, log=True), 0.1), Param("share", Float(0.0, 1.0), 1.0)]
    )
    beliefs = {"lr": [(1e-2, 1.0)], "share": [(0.2, 0.5), (0.8, 0.5)]}
    u = np.array([space.to_unit(c) for c in drawn(space, beliefs, np.random.default_rng(0), 2000)])
    near_lr, near_share = np.abs(u[:, 0] - 0.5) < 0.051, np.abs(np.abs(u[:, 1] - 0.5) - 0.3) < 0.051
    assert near_lr.mean() == pytest.approx(0.775, abs=0.04)  # 3 of 4, and a tenth of the others
    assert near_share.mean() == pytest.approx(0.8, abs=0.04)
    for surrogate in (True, False):
        engine = FakeEngine()
        setting = ProposerSetting(
            model=str(model), make_engine=lambda engine=engine: engine,
            prompt=PromptOptions(reasoning=False, surrogate=surrogate),
        )  # fmt: skip
        proposer = make_proposer("llama", setting=setting)
        for i, at in enumerate(np.random.default_rng(1).random((8, 2))):
            proposer.tell(Observed(i, space.from_unit(at), float(-abs(at[1] - 0.5)), proposer="x"))
        proposal = proposer.ask(space, AskContext(8))
        assert proposal.proposer == "llama" and space.contains(proposal.config)
        reply = proposal.record["attempts"][-1]["config"]
        if not surrogate:
            assert proposal.config == reply and "drawn" not in proposal.record
            continue
        assert proposal.record["drawn"] == 64 and proposal.record["reply"] == reply
        assert "Of 64 configurations drawn from what the model holds likely" in proposal.reasoning
        assert abs(proposal.config["share"] - 0.5) <= abs(reply["share"] - 0.5)
        assert abs(proposal.config["share"] - 0.5) < 0.1


def test_llama_even_differs_in_what_is_drawn_alone(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = SearchSpace([Param("lr", Float(1e-4, 1.0, log=True), 0.1)])
    beliefs: list[dict[str, Any]] = []

    def spied(space: SearchSpace, shown: Any, *rest: Any) -> Any:
        beliefs.append(dict(shown))
        return drawn(space, shown, *rest)

    monkeypatch.setattr("hyperllama.core.propose.llama.drawn", spied)
    found = []
    for name in ("llama", "llama-even"):
        contender = parse_contender(f"{name}:{model}")
        setting = ProposerSetting(model=str(model), make_engine=FakeEngine)
        proposer = make_proposer_of(contender, setting)
        for i in range(5):
            proposer.tell(Observed(i, space.from_unit(np.array([i / 5])), float(i), proposer="x"))
        found.append(proposer.ask(space, AskContext(5)))
    assert beliefs[0]["lr"] and beliefs[1] == {"lr": ()}
    assert found[0].beliefs == found[1].beliefs
    assert found[0].record["reply"] == found[1].record["reply"]
    with pytest.raises(SpaceError, match="needs a chat model"):
        make_proposer_of(parse_contender("llama-even"), ProposerSetting(model="embedded"))


def test_a_reasoning_model_thinks_up_to_its_budget_and_is_brought_to_the_answer(
    tmp_path: Path,
) -> None:
    model = write_tiny(tmp_path / "thinks.gguf", template=THINKS)
    engine = FakeEngine()
    proposal = chat(model, engine, prompt=PromptOptions(reasoning=True, thinking_tokens=300)).ask(
        SPACE, AskContext(0)
    )
    first = engine.requests[0].segments
    assert first[0] == Fixed("<think>\n", special=True)
    assert first[1] == Free("reasoning", 300, ("</think>",))
    assert first[2] == Fixed("\n</think>\n\n", special=True)
    assert first[3] == Fixed('{"lr": ')
    assert proposal.reasoning
    assert "analysis" not in proposal.record["prompt"]
    engine = FakeEngine()
    chat(model, engine, prompt=PromptOptions(reasoning=False)).ask(SPACE, AskContext(0))
    assert not any(isinstance(s, Free) for s in engine.requests[0].segments)
    assert engine.requests[0].segments[1] == Fixed("\n</think>\n\n", special=True)


def test_reasoning_that_the_template_does_not_mark_is_noticed(model: Path) -> None:
    def script(name: str, prompt: str) -> Any:
        return "<think> hm" if name == "reasoning" and "analysis" in prompt else None

    engine = FakeEngine(script)
    proposer = chat(model, engine)
    proposal = proposer.ask(SPACE, AskContext(0))
    assert "<think>" not in proposal.reasoning
    before = len(engine.requests)
    proposer.ask(SPACE, AskContext(0))
    assert engine.requests[before].segments[0] == Fixed("<think>\n", special=True)


def test_marks_of_reasoning() -> None:
    assert marks_of("{{ messages }}") is None
    think = marks_of("... <think> ...")
    assert think is not None
    assert opened("<|assistant|><think>\n", think)
    assert not opened("<|assistant|>", think)
    harmony = marks_of("<|start|>{{ role }}<|channel|>final<|message|>")
    assert harmony is not None and harmony.closing.endswith("final<|message|>")
    assert unclosed("<think> so be it </think> fine") is None
    assert unclosed("<think> so be it") == think


QWEN = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "<|im_start|>assistant\n{% if enable_thinking is defined and enable_thinking is false %}"
    "<think>\n\n</think>\n\n{% endif %}"
)
DEEPSEEK = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ m.content }}{% elif m.role == 'user' %}"
    "<｜User｜>{{ m.content }}{% else %}<｜Assistant｜>{{ m.content }}{% endif %}{% endfor %}"
    "<｜Assistant｜>{% if thinking %}<think>{% else %}<think></think>{% endif %}"
)
GEMMA = (
    "{% for m in messages %}<|turn>{{ m.role }}\n{{ m.content }}<turn|>\n{% endfor %}<|turn>model\n"
    "{% if not enable_thinking %}<|channel>thought\n<channel|>{% endif %}"
)
REASONING = [
    # template, before the reasoning, after it; before the answer without reasoning
    (QWEN, ["<think>\n"], "\n</think>\n\n", []),
    (DEEPSEEK, [], "\n</think>\n\n", []),
    (GEMMA, ["<|channel>thought\n"], "<channel|>", []),
    (CHAT_TEMPLATE + "<think>", [], "\n</think>\n\n", ["\n</think>\n\n"]),
    (THINKS, ["<think>\n"], "\n</think>\n\n", ["<think>\n", "\n</think>\n\n"]),
]


class Rendering(FakeEngine):
    """Random replies behind a real chat template."""

    def __init__(self, template: str) -> None:
        super().__init__()
        self.template = template

    def render_chat(self, messages: Any, *, variables: Any = None) -> str:
        return render(self.template, messages, variables=variables)


@pytest.mark.parametrize(("template", "before", "after", "without"), REASONING)
def test_templates_are_told_whether_to_think(
    tmp_path: Path, template: str, before: list[str], after: str, without: list[str]
) -> None:
    model = write_tiny(tmp_path / "thinks.gguf", template=template)
    engine = Rendering(template)
    chat(model, engine).ask(SPACE, AskContext(0))
    segments = list(engine.requests[0].segments)
    assert [s.text for s in segments[: len(before)] if isinstance(s, Fixed)] == before
    assert isinstance(segments[len(before)], Free)
    assert segments[len(before) + 1] == Fixed(after, special=True)
    engine = Rendering(template)
    chat(model, engine, prompt=PromptOptions(reasoning=False)).ask(SPACE, AskContext(0))
    fixed = [Fixed(text, special=True) for text in without]
    assert [*engine.requests[0].segments[: len(fixed)]] == fixed
    assert engine.requests[0].segments[len(fixed)] == Fixed("0,")


@pytest.mark.parametrize("file", REAL, ids=lambda path: path.stem)
def test_real_chat_templates(file: Path) -> None:
    """System text, trials and question are in, in this order; what is stable stands in front."""
    bare = file.suffix == ".jinja"
    template = file.read_text("utf8") if bare else read_metadata(file).chat_template
    first = [{"role": "system", "content": "BE BRIEF"}, {"role": "user", "content": "TASK\n\nASK"}]
    more = [first[0], {"role": "user", "content": "TASK\n1,2\n\nASK"}]
    marks = marks_of(template)
    for thinks in (True, False):
        variables = {"enable_thinking": thinks, "thinking": thinks}
        one, two = (render(template, m, bos="<s>", eos="</s>", variables=variables)
                    for m in (first, more))
        assert 0 <= one.index("BE BRIEF") < one.index("TASK") < one.index("ASK", one.index("TASK"))
        assert two.startswith(one[: one.index("\n\nASK")])
        if marks is not None:
            for tokens in (0, 9):
                lead = lead_segments(marks, tokens, one)
                said = one + "".join(getattr(s, "text", "hm") for s in lead)
                assert closed(said, marks) or said.endswith(marks.closing)
                assert said.count(marks.stop) <= one.count(marks.stop) + 1
                assert any(isinstance(s, Free) for s in lead) == bool(tokens)


def test_an_engine_that_died_is_reported_and_one_that_stays_dead_is_an_error(model: Path) -> None:
    events: list[Any] = []
    proposal = chat(model, FakeEngine(die_at=[1]), report=events.append).ask(SPACE, AskContext(0))
    assert proposal.proposer == "llama"
    assert any(isinstance(e, Noted) and "started again" in e.text for e in events)
    with pytest.raises(EngineError, match="SIGABRT"):
        chat(model, FakeEngine(dead=True)).ask(SPACE, AskContext(0))

def test_layers_that_find_no_room_after_an_engine_died_are_told(model: Path) -> None:
    """Started again beside a program that took the GPU's memory, it has fewer layers there."""
    engine, events = FakeEngine(die_at=[1]), list[Any]()
    proposer = chat(model, engine, report=events.append)
    proposer._session.opened()
    assert engine.info is not None
    engine.info = replace(engine.info, gpu_layers=1, gpu_offload=True)
    proposer.ask(SPACE, AskContext(0))
    told = [e.text for e in events if isinstance(e, Noted) and "GPU" in e.text]
    assert told == ["1 of 2 layers found room on the GPU; the others run on the processor"]
    assert proposer._session.info.gpu_layers == 1


@pytest.mark.parametrize("layers", ["all", 3, "auto", "none", 0])
def test_layers_that_a_person_asked_for_and_that_do_not_fit_end_before_the_first_trial(
    model: Path, layers: str | int
) -> None:
    class Full(FakeEngine):
        def load(self, *_: Any, **__: Any) -> Any:
            raise EngineError("it needs more memory than the GPU has free")

    settings = EngineSettings(2048, layers)
    setting = ProposerSetting(model=str(model), make_engine=Full, engine=settings)
    proposer = ChatProposer(setting)
    if layers in ("all", 3):
        with pytest.raises(EngineError, match="than the GPU has free"):
            proposer.check_room(SPACE)
    else:
        proposer.check_room(SPACE)  # there is a way for every GPU: the first proposal finds it



def test_a_stop_during_the_reply_cancels(model: Path) -> None:
    stops = iter([False, True, True])
    with pytest.raises(Cancelled):
        chat(model, FakeEngine()).ask(SPACE, AskContext(0, should_stop=lambda: next(stops)))


WISE = "max_depth=4 scored best so far. Next I would try 5."


def reasons(name: str, prompt: str) -> Any:
    return WISE if name == "reply" else None


def test_reasoning_is_on_where_the_user_or_size_and_a_short_try_say_so(model: Path) -> None:
    def segments(engine: FakeEngine, prompt: PromptOptions) -> tuple[list[Any], list[Any]]:
        told: list[Any] = []
        chat(model, engine, prompt=prompt, report=told.append).ask(SPACE, AskContext(0))
        return [r.segments[0] for r in engine.requests], [e for e in told if isinstance(e, Noted)]

    usual = PromptOptions()
    (small, *_), told = segments(FakeEngine(reasons), usual)
    assert small == Fixed("") and not told  # too small to be tried
    (asked, *_), told = segments(FakeEngine(reasons), REASONED)
    assert isinstance(asked, Free) and not told
    engine = FakeEngine(reasons, parameters=3 * 10**9)
    (tried, then, *_), told = segments(engine, usual)
    assert (tried, then) == (Free("reply", 96), Free("reasoning", 256, then.stop))
    assert [e.level for e in told] == ["info"]
    (first, *_), _ = segments(FakeEngine(reasons, parameters=3 * 10**9), usual)
    assert first == then  # the try is remembered
    never = PromptOptions(reasoning=False)
    (off, *_), _ = segments(FakeEngine(reasons, parameters=3 * 10**9), never)
    assert off == Fixed("")


def test_a_model_that_fails_the_try_is_not_asked_for_an_analysis(model: Path) -> None:
    told: list[Any] = []
    engine = FakeEngine(loops=True, parameters=3 * 10**9)
    proposer = chat(model, engine, prompt=PromptOptions(), report=told.append)
    assert proposer.ask(SPACE, AskContext(0)).reasoning == ""
    assert engine.requests[1].segments[0] == Fixed("")
    assert any("in a short try of the model it repeats itself" in e.text
               for e in told if isinstance(e, Noted))  # fmt: skip


def test_an_incoherent_analysis_is_left_out_said_and_not_paid_for_again(model: Path) -> None:
    told: list[Any] = []
    engine = FakeEngine(loops=True)
    proposer = chat(model, engine, report=told.append)
    proposal = proposer.ask(SPACE, AskContext(0))
    assert proposal.reasoning == "The model's analysis was left out: it repeats itself."
    assert proposal.proposer == "llama" and not proposal.fallback
    assert proposal.record["raw"].startswith("0,")
    assert [e.text for e in told if isinstance(e, Noted)] == [
        "The model's analysis was left out: it repeats itself; this study goes on without"
    ]
    asked = len(engine.requests)
    assert proposer.ask(SPACE, AskContext(1)).reasoning == ""
    assert not any(isinstance(s, Free) for r in engine.requests[asked:] for s in r.segments)
    again = chat(model, engine)  # a study that is opened again
    again.tell(Observed(0, proposal.config, 0.5, proposer="llama", reasoning=proposal.reasoning))
    assert again.ask(SPACE, AskContext(1)).reasoning == ""


def test_values_are_decoded_after_the_reasoning_in_every_stage(model: Path) -> None:
    engine = FakeEngine(always({"reasoning": "A poly kernel.", "value kernel": '"poly"'}))
    chat(model, engine).ask(SPACE, AskContext(0))
    first, second = engine.requests
    kinds = [type(s) for s in first.segments]
    assert kinds.index(Free) < kinds.index(Number)
    assert "A poly kernel.\nConfiguration: " in "".join(map(str, second.prompt))


def test_a_base_model_continues_a_text_and_is_asked_for_no_analysis(tmp_path: Path) -> None:
    base = write_tiny(tmp_path / "base.gguf", template="")
    engine, told = FakeEngine(), list[Any]()
    proposer = chat(base, engine, report=told.append)
    proposer.tell(Observed(0, SPACE.default(), 0.5, proposer="default"))
    proposal = proposer.ask(SPACE, AskContext(1))
    prompt = proposal.record["prompt"]
    assert "<|im_start|>" not in prompt and prompt.endswith("\n0,0.1,rbf,,1,7,0.5\n")
    assert engine.requests[0].segments[0] == Fixed("1,") and proposal.reasoning == ""
    (note,) = [e for e in told if isinstance(e, Noted)]
    assert note.level == "warning" and "asked for no reasoning" in note.text


def test_neutral_names_are_translated_back(model: Path) -> None:
    engine = FakeEngine(always({"value kernel": '"v2"'}))
    proposal = chat(model, engine, prompt=PromptOptions(reasoning=True, neutral_names=True)).ask(
        SPACE, AskContext(0)
    )
    assert proposal.config["kernel"] == "poly"
    assert '"x2": "v2"' in proposal.record["raw"]
    assert "kernel" not in proposal.record["prompt"]


def test_replies_cover_any_space_in_its_order() -> None:
    """Stages put together give each active hyperparameter once, for random choices of parents."""
    space = SearchSpace(
        [
            Param("a", Categorical(("x", "y")), "x"),
            Param("b", Categorical((True, False)), True, when=Condition("a", ("x",))),
            Param("c", Integer(0, 9), 1, when=Condition("b", (True,))),
            Param("d", Float(0, 1), 1, when=Condition("a", ("y",))),
            Param("e", Categorical((None, 1, "1", 'q"q')), None),
        ]
    )
    names, rng = Names(space), np.random.default_rng(0)
    for _ in range(40):
        wanted = space.sample(rng)
        config: dict[str, Any] = {}
        at, text, stages = 0, "", 0
        while at < len(space.params):
            pieces, fixed, at = stage(space, names, config, at)
            stages += 1
            for piece in pieces:
                if isinstance(piece, Fixed):
                    text += piece.text
                else:
                    assert isinstance(piece, Slot)
                    name = piece.param.name
                    config[name] = wanted[name]
                    text += names.literal(name, wanted[name])
            config.update(fixed)
        assert config == wanted
        assert text == names.config(wanted)
        assert stages <= 3


def test_trials_of_a_long_study_keep_the_prompt_inside_the_context(model: Path) -> None:
    engine = FakeEngine(context_length=2048)
    options = PromptOptions(reasoning=True, templates="short")
    proposer = chat(model, engine, prompt=options)
    rng = np.random.default_rng(0)
    for number in range(1000):
        proposer.tell(Observed(number, SPACE.sample(rng), float(rng.random()), seconds=1.0))
    proposal = proposer.ask(SPACE, AskContext(1000))
    assert proposal.record["plan"]["form"] == "digest"
    assert proposal.record["tokens"]["context_used"] <= 2048
    assert proposal.record["plan"]["left_out"] > 900
    shown = counts(proposal.record)
    assert shown["parts"]["history"] > 400 and shown["left_out"] + shown["listed"] == 1000


def test_it_answers_questions_from_as_many_facts_as_fit(model: Path, tmp_path: Path) -> None:
    engine = FakeEngine(always({"answer": "Depth 12 \x1b[31moverfits."}), context_length=512)
    proposer = make_proposer("hybrid", setting=ProposerSetting(
        model=str(model), make_engine=lambda: engine))  # fmt: skip
    assert isinstance(proposer, AnswersQuestions) and proposer.can_answer
    heard: list[str] = []
    facts = ["trial 3 is the best", *(f"trial {n} had a score of 0.{n}" for n in range(200))]
    found = {"computed": ["trial 3 is 0.1 better"], "about": ["Asked about: trial 3"]}
    answer = proposer.answer(Question("why?", facts, [("who?", "me")], heard.append, **found))
    assert answer.text == "Depth 12 overfits." == "".join(heard).strip()
    prompt = str(engine.requests[0].prompt)
    assert "trial 3 is the best" in prompt and "0.199" not in prompt
    assert prompt.index("who?") < prompt.index("0.1 better") < prompt.index("why?")
    assert "Asked about: trial 3" in prompt and not answer.cut
    assert len(engine.tokenize(prompt)) + 170 < 512
    assert answer.model == "fake" and answer.tokens["context_length"] == 512
    with pytest.raises(Cancelled):
        proposer.answer(Question("why?", facts, should_stop=lambda: True))
    with pytest.raises(EngineError, match="does not fit"):
        proposer.answer(Question("why? " * 400, facts))
    engine = FakeEngine(loops=True)
    proposer = chat(model, engine, cache=tmp_path / "engine.cache")
    assert proposer.answer(Question("why?", facts)).cut == "it repeated itself"
    assert engine.requests[-1].aside == str(tmp_path / "engine.cache.aside")
    proposer.ask(SPACE, AskContext(1, 9))
    assert engine.restored == []
    engine.pid = None  # it was killed, because it did not end the answer in time
    proposer.answer(Question("why?", facts))
    proposer.ask(SPACE, AskContext(1, 9))
    proposer.ask(SPACE, AskContext(1, 9))
    assert engine.restored == ["engine.cache.aside"]


def test_a_reasoning_model_answers_without_reasoning_first(tmp_path: Path) -> None:
    thinking = write_tiny(tmp_path / "t.gguf", template=CHAT_TEMPLATE + "{# <think> #}")
    engine = FakeEngine(always({"answer": "Because."}))
    proposer = chat(thinking, engine)
    assert proposer.answer(Question("why?")).text == "Because."
    first, *_ = engine.requests[0].segments
    assert isinstance(first, Fixed) and "<think>" in first.text
