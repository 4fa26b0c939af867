"""A chat model is tried out once, and what it replied is remembered by its file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hyperllama.core.propose.chat.probe import (
    REASONS,
    ProbeQuestion,
    ProbeReply,
    probed,
    why_no_analysis,
)
from hyperllama.core.propose.engine_session import EngineSession
from hyperllama.core.trials import Cancelled, ProposerSetting
from tests.core.fake_engine import FakeEngine
from tests.models.tiny_gguf import write_tiny

Opened = Callable[[FakeEngine], EngineSession]
GOOD = "max_depth=4 scored best so far. Next I would try 5."


@pytest.fixture
def session(tmp_path: Path) -> Opened:
    model = write_tiny(tmp_path / "tiny.gguf")
    return lambda engine: EngineSession(ProposerSetting(make_engine=lambda: engine), model)


def test_a_question_is_asked_once_for_each_file_and_text(home: Path, session: Opened) -> None:
    engine = FakeEngine(lambda name, prompt: GOOD)
    told: list[Any] = []
    first = probed(session(engine), REASONS, report=told.append)
    assert (first.text, first.ended, first.looped) == (GOOD, True, False)
    assert len(told) == 1 and "tried out once" in told[0].text
    assert probed(session(engine), REASONS, report=told.append) == first
    assert len(engine.requests) == len(told) == 1
    probed(session(engine), ProbeQuestion("reasons", "another text", 96))
    probed(session(engine), ProbeQuestion("writes", "x = ?", 96))
    assert len(engine.requests) == 3
    (file,) = (home / "probes").iterdir()
    file.write_text("{ damaged", "utf8")
    assert probed(session(engine), REASONS) == first


def test_a_try_that_is_stopped_is_not_remembered(session: Opened) -> None:
    engine = FakeEngine(lambda name, prompt: GOOD)
    with pytest.raises(Cancelled):
        probed(session(engine), REASONS, should_stop=lambda: True)
    assert probed(session(engine), REASONS).text == GOOD


def test_what_a_reply_says_about_a_models_analysis(session: Opened) -> None:
    assert not probed(session(FakeEngine(lambda n, p: "word " * 200)), REASONS).ended

    def why(text: str, ended: bool = True, looped: bool = False) -> str:
        return why_no_analysis(ProbeReply("", 96, text, ended, looped))

    assert why(GOOD) == ""
    assert why(GOOD, looped=True) == "it repeats itself"
    assert why(GOOD, ended=False) == "it does not come to an end"
    assert "instruction" in why("The score is 0.88 for a max_depth that I do not name.")
    assert "instruction" in why("It is 4. " * 6)
