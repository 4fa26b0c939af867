"""A model proposes the search space: whatever it says, a space comes out that holds the default."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hyperllama.core.estimators import Facts, families, family, joint_space
from hyperllama.core.propose.search_space import propose_space
from hyperllama.core.propose.task_space import space_for, with_space
from hyperllama.core.space import Categorical, Condition, Float, Integer, Param, SearchSpace
from hyperllama.core.task import parse_task
from hyperllama.core.task.new import new_task_file
from hyperllama.core.trials import ProposerSetting
from tests.core.fake_engine import FakeEngine
from tests.models.tiny_gguf import write_tiny
from tests.small import write_task

FACTS = Facts(rows=300, features=8, classes=2, minority_share=0.4)


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny(tmp_path_factory.mktemp("model") / "tiny.gguf"))


def setting(model: str, seed: int = 0, **more: Any) -> ProposerSetting:
    usual: dict[str, Any] = {
        "kind": "classification", "metric": "roc_auc", "estimators": ("xgboost",), "facts": FACTS,
        "dataset": "300 rows, 8 features", "make_engine": FakeEngine,
    }  # fmt: skip
    return ProposerSetting(seed=seed, model=model, **{**usual, **more})


@pytest.mark.parametrize("name", families())
def test_a_chat_model_cannot_leave_the_space(chat: str, name: str) -> None:
    space = family(name).space(family(name).kinds[0], FACTS)
    for seed in range(5):
        found = propose_space(setting(chat, seed, estimators=(name,)), space)
        for p in found.space:
            assert p.domain.contains(space[p.name].start)
            if isinstance(p.domain, Categorical):
                was = space[p.name].domain
                assert isinstance(was, Categorical) and set(p.domain.choices) <= set(was.choices)
            else:
                assert p.domain.low <= p.domain.high
                assert not p.domain.log or p.domain.low > 0
        assert found.reasoning and found.record["questions"][0]["prompt"]


def test_a_range_goes_well_beyond_the_default_or_says_why_not(chat: str) -> None:
    """Whatever is answered, also where every bound asked for is a copy of the default."""
    space = family("xgboost").space("classification", FACTS)
    copies = FakeEngine(lambda name, prompt: 1.0 if name[0].isdigit() else None)
    for engine in (FakeEngine, lambda: copies):
        found = propose_space(setting(chat, make_engine=engine), space)
        for p in found.space:
            d, middle = p.domain, float(space[p.name].start)
            assert isinstance(d, (Float, Integer))
            usual = space[p.name].domain
            step = 1 if isinstance(d, Integer) else (usual.high - usual.low) / 10
            below, above = middle - 2 * step, middle + 2 * step
            if d.log:
                below, above = middle / 10, middle * 10
            excused = found.reasoning.rpartition("Near their defaults")[2]
            assert d.low <= below + step / 100 or f"{p.name} from" in excused
            assert d.high >= above - step / 100 or f"{p.name} to" in excused
    assert found.space["reg_lambda"].domain.high >= 10
    assert "subsample to 1" in found.reasoning


def test_the_same_seed_proposes_the_same(chat: str) -> None:
    space = family("xgboost").space("classification", FACTS)
    first, again, other = (propose_space(setting(chat, s), space).space for s in (1, 1, 2))
    assert first == again and first != other


def test_what_counts_only_with_a_dropped_choice_is_dropped(chat: str) -> None:
    space = SearchSpace(
        [
            Param("kernel", Categorical(("rbf", "poly")), "rbf"),
            Param("degree", Integer(2, 5), 3, when=Condition("kernel", ("poly",))),
            Param("tol", Float(1e-4, 1e-2, log=True), 1e-3),
            Param("step", Float(0.0, 1.0, step=0.25), 0.5),
        ]
    )
    drops = FakeEngine(lambda name, prompt: '"drop"' if name == "0 1" else None)
    found = propose_space(setting(chat, make_engine=lambda: drops), space)
    assert found.space.names == ("kernel", "tol", "step")
    assert found.overrides()["kernel"] == {"choices": ["rbf"]}
    assert found.space["step"] == space["step"]
    held = FakeEngine(lambda name, prompt: 1e-3 if name.startswith("2 ") else None)
    same = propose_space(setting(chat, make_engine=lambda: held), space)
    assert same.space["tol"] == space["tol"]  # nothing would be left to vary


def test_the_task_file_gets_it(chat: str, tmp_path: Path) -> None:
    task = write_task(tmp_path)
    task.unlink()
    for names in (["svm"], ["xgboost", "svm"]):
        text = new_task_file(tmp_path / "quick.csv", estimators=names, task_file=task)
        found = space_for(text, task, chat, make_engine=FakeEngine)
        written = with_space(text, found)
        read = parse_task(written, task)
        before = joint_space(names, "classification", FACTS)
        changed = {name for name, _, _ in found.changes()}
        assert changed and set(read.space) == changed <= set(before.names)
        assert written.count("# ") > 10  # the remarks stay


def test_an_embedded_model_gives_the_middle_of_its_beliefs() -> None:
    pytest.importorskip("llama_cpp")
    space = joint_space(["decision_tree", "knn"], "classification", FACTS)
    found = propose_space(
        setting("embedded", estimators=("decision_tree", "knn"), make_engine=None), space
    )
    assert found.changes()
    rng = np.random.default_rng(0)
    assert all(space.contains(found.space.sample(rng)) for _ in range(20))
    assert all(p.domain.contains(p.start) for p in found.space)
