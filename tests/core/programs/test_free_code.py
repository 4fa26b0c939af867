"""Programs that chat models write: taken out of replies, checked, repaired, refused, kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hyperllama.core.data import Column
from hyperllama.core.errors import StudyError
from hyperllama.core.programs import boxes, rehearsal
from hyperllama.core.programs.boxes import INSTALL_HINT
from hyperllama.core.programs.contract import parse_program
from hyperllama.core.programs.facts import ProgramTask, column_facts, with_names
from hyperllama.core.programs.rehearsal import made_up_rows
from hyperllama.core.programs.reply import code_in
from hyperllama.core.programs.store import CHOICE, TRIES, ProgramStore
from hyperllama.core.propose.chat import programs as proposer_of_programs
from hyperllama.core.propose.chat.docstring import speaks_of, tidied
from hyperllama.core.propose.chat.programs import ProgramProposer
from hyperllama.core.propose.llama import open_model
from hyperllama.core.space import Float, Integer, Param, SearchSpace
from hyperllama.core.storage.proposal_log import read_proposals
from hyperllama.core.study.folding import fold
from hyperllama.core.study.inputs import changed_inputs
from hyperllama.core.study.starting.options import Options, settled
from hyperllama.core.task import parse_task, standalone_text
from hyperllama.core.task.spec import Programs
from hyperllama.core.trials import AskContext, Observed, ProposerSetting
from tests.core.fake_engine import FakeEngine
from tests.core.fakes import Bench, FakeRunner
from tests.models.tiny_gguf import write_tiny

GOOD = '''"""Trees on ranks."""
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import QuantileTransformer
from sklearn.tree import DecisionTreeClassifier

SPACE = {"depth": {"low": 1, "high": 9, "default": 3}}

def build(columns, task, depth=3):
    ranks = QuantileTransformer(n_quantiles=20)
    return make_pipeline(ranks, DecisionTreeClassifier(max_depth=depth))
'''
OTHER = GOOD.replace("n_quantiles=20", "n_quantiles=10").replace("Trees on ranks", "Fewer ranks")
REFUSED = "import os\n" + GOOD
SPACE = SearchSpace([Param("rate", Float(0.01, 1.0), 0.1), Param("depth", Integer(1, 9), 3)])
COLUMNS = [
    {"name": "age", "kind": "number", "missing_share": 0.25, "distinct": 60, "position": 0},
    {"name": "city", "kind": "category", "missing_share": 0.0, "distinct": 3, "position": 1},
]
TASK = {"kind": "classification", "metric": "roc_auc", "n_classes": 2, "n_rows": 300}


@pytest.mark.parametrize(
    "reply",
    [
        GOOD,
        f"```python\n{GOOD}```",
        f"Sure! Here it is:\n\n```py\n{GOOD}```\nIt uses ranks, so outliers matter less.",
        f"```python\n{GOOD}",
        f"```python\n```python\n{GOOD}\n```",
        f"~~~\n{GOOD}~~~",
        f"First the imports:\n```python\nimport numpy\n```\nThen all of it:\n```python\n{GOOD}```",
        f"Here is the program:\n{GOOD}\nI hope that this helps, tell me how it scores.",
        "".join(f"    {line}\n" for line in GOOD.splitlines()),
        GOOD.replace("\n", "\r\n"),
    ],
)
def test_the_program_is_taken_out_of_a_reply(reply: str) -> None:
    assert parse_program(code_in(reply)).key == parse_program(GOOD).key


def test_a_reply_without_a_program() -> None:
    assert code_in("I cannot write programs, sorry.") == ""
    assert code_in("") == ""
    assert tidied('``` It "averages\\ trees"') == "It 'averages trees'."
    assert tidied("10 x 10") == ""


def test_made_up_rows_are_like_the_columns() -> None:
    x, y = made_up_rows(COLUMNS, (0, 1, 2))
    assert x.shape == (len(y), 2) and set(y) == {0, 1, 2}
    assert 0.1 < np.isnan(x[:, 0]).mean() < 0.4
    assert set(np.unique(x[:, 1])) == {0.0, 1.0, 2.0}
    assert np.array_equal(x, made_up_rows(COLUMNS, ())[0], equal_nan=True)


class Writes:
    """A fake model that writes these replies one after the other, then the last one again."""

    def __init__(self, *replies: str) -> None:
        self.replies, self.prompts = list(replies), list[str]()

    def __call__(self, name: str, prompt: str) -> Any:
        if name == "reply":
            return "The best is 4. Try 5."
        if name != "program":
            return None
        self.prompts.append(prompt)
        return self.replies[min(len(self.prompts), len(self.replies)) - 1]


Make = Callable[..., tuple[ProgramProposer, FakeEngine]]


@pytest.fixture
def make(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Makes a proposer of programs on a fake engine, without a sandbox of its own."""
    monkeypatch.setattr(rehearsal, "why_it_fails", lambda program, told, sandbox: "")
    monkeypatch.setattr(proposer_of_programs, "sandbox_problem", lambda: "")
    monkeypatch.setattr(proposer_of_programs.FreeWriter, "sandbox", lambda self: None)
    opened: list[ProgramProposer] = []

    def made(script: Any, way: str = "free", **told: Any) -> tuple[ProgramProposer, FakeEngine]:
        engine = FakeEngine(script)
        setting = ProposerSetting(
            model=str(write_tiny(tmp_path / "tiny.gguf")), make_engine=lambda: engine,
            notes="age counts", metric="roc_auc", report=told.pop("report", lambda event: None),
            programs=ProgramTask(way, COLUMNS, TASK, tmp_path, **told),
        )  # fmt: skip
        proposer = open_model(setting)
        assert isinstance(proposer, ProgramProposer)
        opened.append(proposer)
        return proposer, engine

    yield made
    for proposer in opened:
        proposer.close()


def test_a_free_program_is_kept_and_proposed(make: Make, tmp_path: Path) -> None:
    model = Writes(f"{GOOD}\n```\nIt uses ranks.")
    proposer, _ = make(model)
    proposal = proposer.ask(SPACE, AskContext(1))
    key = ProgramStore(tmp_path).add(GOOD)
    assert proposal.config == {CHOICE: key, "depth": 3}
    assert (proposal.proposer, proposal.reasoning) == ("llama", "Trees on ranks.")
    assert proposal.record["drafts"][0]["stage"] == "" and not proposal.fallback
    assert [p.config for p in proposer.several(SPACE, AskContext(1), 3)] == [proposal.config]
    asked = model.prompts[0]
    assert "- age: number, 60 different values, 25% empty" in asked and "age counts" in asked
    assert asked.endswith("assistant\n")


def test_a_program_that_is_refused_is_repaired(make: Make) -> None:
    model = Writes(REFUSED, GOOD)
    proposal = make(model)[0].ask(SPACE, AskContext(1))
    assert proposal.config[CHOICE] and len(model.prompts) == 2
    assert "line 1: importing os is not allowed" in model.prompts[1]
    assert "`import os`" in model.prompts[1] and "Trees on ranks" in model.prompts[1]
    assert [d["stage"] for d in proposal.record["drafts"]] == ["policy", ""]


def test_after_two_repairs_a_bound_program_takes_its_place(make: Make) -> None:
    model = Writes(REFUSED, "def build(:", "no code")
    proposer, _ = make(model)
    proposal = proposer.ask(SPACE, AskContext(1))
    assert len(model.prompts) == 3 and SPACE.contains(proposal.config)
    assert proposal.proposer == "llama"
    assert proposal.fallback.startswith("3 drafts of a program could not be used: ")
    assert [d["stage"] for d in proposal.record["drafts"]] == ["policy", "parse", "parse"]
    for number in range(1, 4):  # a model that never gets there is not asked again and again
        proposer.tell(Observed(number, {"rate": 0.1 * number, "depth": 3}, 0.5, proposer="llama"))
    bound = proposer.ask(SPACE, AskContext(4))
    assert len(model.prompts) == 3 and not bound.fallback


def test_a_program_that_was_tried_is_not_proposed_again(make: Make, tmp_path: Path) -> None:
    model = Writes(GOOD.replace("Trees on ranks.", "The same."), OTHER)
    proposer, _ = make(model)
    key = ProgramStore(tmp_path).add(GOOD)
    proposer.tell(Observed(1, {CHOICE: key, "depth": 5}, 0.75, proposer="llama"))
    proposal = proposer.ask(SPACE, AskContext(2))
    assert "trial 1 had it and scored 0.75" in model.prompts[1]
    assert proposal.reasoning == "Fewer ranks."


def test_the_prompt_tells_what_was_measured(make: Make, tmp_path: Path) -> None:
    model = Writes(OTHER)
    proposer, _ = make(model, rendered=lambda config: '"""XGBoost as it is."""')
    key = ProgramStore(tmp_path).add(GOOD)
    facts = {TRIES: "Trees on ranks.", "columns": {"age": 0.75, "city": 0.25}}
    proposer.tell(Observed(0, {"rate": 0.1, "depth": 3}, 0.6, facts={TRIES: "XGBoost as it is."}))
    proposer.tell(Observed(1, {CHOICE: key, "depth": 5}, 0.75, fold_scores=(0.7, 0.8),
                           train_value=0.99, seconds=2.4, facts=facts))  # fmt: skip
    failed = "fold 1 of 3: ValueError: no (line 10 of the program)"
    proposer.tell(Observed(2, {CHOICE: key, "depth": 9}, None, failed, facts=facts))
    proposer.ask(SPACE, AskContext(3, hints=("think of outliers",)))
    asked = model.prompts[0]
    assert ("- trial 1 scored 0.75 (folds 0.7 0.8; on training rows 0.99; 2 s; counts most: age "
            "75%, city 25%): Trees on ranks.") in asked  # fmt: skip
    assert ("trial 2 failed, fold 1 of 3: ValueError: no (line 10 of the program): `return "
            "make_pipeline(ranks, DecisionTreeClassifier(max_depth=depth))`") in asked  # fmt: skip
    assert "The best program so far: trial 1, score 0.75" in asked
    assert "def build(columns, task, depth=5):" in asked and "think of outliers" in asked


def test_neutral_names_hide_what_is_known_of_the_task(make: Make) -> None:
    model = Writes(GOOD)
    make(model, neutral=True)[0].ask(SPACE, AskContext(1))
    assert "age counts" not in model.prompts[0]


def test_a_bound_program_says_what_it_tries(make: Make) -> None:
    proposer, engine = make(lambda name, prompt: {
        "reply": "The best is 4. Try 5.", "line": ' a "lower" rate',
    }.get(name), "bound")  # fmt: skip
    proposal = proposer.ask(SPACE, AskContext(1))
    assert proposal.record["tries"] == "A 'lower' rate."
    assert speaks_of({"pipeline.vote": "trees", "max_depth": 6}, "Averages trees of depth 6.")
    assert not speaks_of({"pipeline.vote": "trees", "max_depth": 6}, "Tries 10 trees.")
    assert not speaks_of({"pipeline.vote": "trees"}, "The pipeline tries 10 times.")
    silent, engine = make(lambda name, prompt: "4 4 4" if name == "reply" else None, "bound")
    engine.sha256 = lambda: "1" * 64  # type: ignore[method-assign]
    assert "tries" not in silent.ask(SPACE, AskContext(1)).record or engine.requests


@pytest.mark.parametrize(("reply", "way"), [(GOOD, "free"), ("I cannot.", "bound")])
def test_a_model_is_tried_out_once(make: Make, reply: str, way: str) -> None:
    said: list[Any] = []
    model = Writes(OTHER)

    def script(name: str, prompt: str) -> Any:
        return reply if name == "reply" and "Python" in prompt else model(name, prompt)

    proposer, _ = make(script, "auto", report=said.append)
    proposal = proposer.ask(SPACE, AskContext(1))
    assert (CHOICE in proposal.config) == (way == "free")
    assert any(f"tiny.gguf writes {way} programs" in getattr(e, "text", "") for e in said)


def test_without_a_sandbox_free_code_is_refused(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        proposer_of_programs, "sandbox_problem", lambda: "bubblewrap is not installed"
    )
    with pytest.raises(StudyError, match="bubblewrap is not installed") as caught:
        make(Writes(GOOD))
    assert caught.value.hint == INSTALL_HINT
    make(Writes(GOOD), unsandboxed=True)
    said: list[Any] = []
    proposer, _ = make(Writes(GOOD), "auto", report=said.append)
    assert CHOICE not in proposer.ask(SPACE, AskContext(1)).config
    assert "there is no sandbox" in said[0].text


def test_a_study_of_written_programs_needs_a_chat_model_and_a_sandbox(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = str(write_tiny(tmp_path / "tiny.gguf"))
    text = '[data]\npath = "t.csv"\ntarget = "y"\n[programs]\n'
    task = parse_task(text, tmp_path / "t.toml")
    bound = task.model_copy(update={"programs": Programs(kind="bound")})
    for wrong in (Options(proposer="tpe"), Options(proposer="llama", model="embedded")):
        with pytest.raises(StudyError, match="bound programs are written by a chat model"):
            settled(wrong, bound)
    assert settled(Options(model=model), bound)[0].proposer == "llama"
    free = task.model_copy(update={"programs": Programs(kind="free")})
    monkeypatch.setattr(boxes, "sandbox_problem", lambda: "bubblewrap is not installed")
    with pytest.raises(StudyError, match="bubblewrap is not installed") as caught:
        settled(Options(proposer="llama", model=model), free)
    assert caught.value.hint == INSTALL_HINT
    unsandboxed = task.model_copy(update={"programs": Programs(kind="free", unsandboxed=True)})
    settled(Options(proposer="llama", model=model), unsandboxed)


def test_neutral_names_are_explained_where_a_program_is_shown() -> None:
    columns = (Column("age", "number"), Column("city\n", "category"))
    assert [c["name"] for c in column_facts(columns, neutral=True)] == ["x1", "x2"]
    assert [c["name"] for c in column_facts(columns)] == ["age", "city\n"]
    shown = with_names(GOOD, columns, True)
    assert shown.startswith("# columns have neutral names here: x1 is age; x2 is city\n")
    assert parse_program(shown).key == parse_program(GOOD).key
    assert with_names(GOOD, columns, False) == GOOD
    coded = with_names(GOOD, [Column("coding=utf-7", "number")], True)
    assert parse_program(coded).key == parse_program(GOOD).key  # it is no encoding of the file


def test_a_study_of_free_programs_is_confirmed_like_any_other(make: Make, tmp_path: Path) -> None:
    quality = {20: 0.90, 10: 0.97, 5: 0.93}
    wrote = [GOOD.replace("n_quantiles=20", f"n_quantiles={q}") for q in (20, 10, 10, 5)]
    bench = Bench(tmp_path, confirm=True, budget=8, space=SPACE, proposer="llama")
    store = ProgramStore(tmp_path)

    def score(config: dict[str, Any]) -> float:
        if CHOICE not in config:
            return 0.5
        text = store.get(config[CHOICE]).text
        return next(v for q, v in quality.items() if f"n_quantiles={q})" in text)

    bench.runner = FakeRunner(score)
    bench.make = lambda name: make(Writes(*wrote))[0]
    end = bench.study().run()
    state = fold((e, 0.0) for e in bench.events)
    programs = [t for t in state.trials if CHOICE in t.config]
    assert len({t.config[CHOICE] for t in programs}) == 3  # the third was the second again
    assert all(t.facts[TRIES] == "Trees on ranks." for t in programs)
    assert state.winner is not None and end.winner_number == state.winner.number
    assert CHOICE in state.winner.config and state.winner.value == 0.97
    assert state.confirmation is not None and (state.gain or 0) > 0.3
    kept = list(read_proposals(tmp_path / "proposals.jsonl"))
    assert any("def build(columns, task, depth=3):" in str(r.get("program")) for r in kept)


def test_programs_asked_for_by_an_option_are_no_change_of_the_task_file(tmp_path: Path) -> None:
    file = tmp_path / "t.toml"
    file.write_text('[data]\npath = "t.csv"\ntarget = "y"\n')
    kept = standalone_text(file)
    asked = kept + '\n[programs]\nkind = "bound"\n'
    attrs = {"task_file": str(file), "task": asked, "settings": {"programs": "bound"}}
    assert not list(changed_inputs(tmp_path, attrs, None))
    found = list(changed_inputs(tmp_path, {**attrs, "settings": {}}, None))
    assert "was changed since this study began (programs" in found[0].text
