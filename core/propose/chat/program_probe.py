"""Whether a chat model can program: it writes one small program, which has to run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hyperllama.core.events import Noted
from hyperllama.core.programs.facts import ProgramTask
from hyperllama.core.programs.rehearsal import checked
from hyperllama.core.prompt.thinking import Marks
from hyperllama.core.propose.chat.free import FreeWriter
from hyperllama.core.propose.chat.probe import ProbeQuestion, probed
from hyperllama.core.propose.engine_session import EngineSession

TOY = ProgramTask(
    "free",
    [{"name": "age", "kind": "number", "missing_share": 0.1, "distinct": 60, "position": 0},
     {"name": "city", "kind": "category", "missing_share": 0.0, "distinct": 5, "position": 1},
     {"name": "income", "kind": "number", "missing_share": 0.0, "distinct": 300, "position": 2}],
    {"kind": "classification", "metric": "roc_auc", "n_classes": 2, "n_rows": 400},
    Path(),
)  # fmt: skip
"""The made-up table that the program is for."""
_TOKENS = 400
_TEXT = """\
Write a Python function build(columns, task) that returns an unfitted scikit-learn Pipeline for a \
table with two numeric columns at the positions 0 and 2, some cells of the first one empty (NaN), \
and a category as codes 0 to 4 at position 1. The target has two classes. X is a NumPy array. Fill \
empty cells with the median, make one column for each category, and classify with a random forest. \
Import what you need from sklearn. Begin with a docstring of one line. Reply with one Python code \
block and nothing else."""
PROGRAMS = ProbeQuestion("programs", _TEXT, _TOKENS)


def why_not_free(
    session: EngineSession,
    writer: FreeWriter,
    marks: Marks | None,
    report: Callable[[Noted], None],
    should_stop: Callable[[], bool] = lambda: False,
) -> str:
    """Why a model's own programs are not worth its time; empty where they are.

    Raises:
        Cancelled, EngineError: as `probed`.
        StudyError: the sandbox cannot be started.
    """
    reply = probed(session, PROGRAMS, marks, report, should_stop)
    problem = checked(reply.text, TOY, writer.sandbox).problem
    return f"the program that it was asked for cannot be used ({problem})" if problem else ""
