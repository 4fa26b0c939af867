"""What a question in the middle of a study costs the next proposal of a chat model.

    python benchmarks/question_cost.py --model FILE [--trials 30] [--rounds 8] [--json]

In turn, a proposal after a trial, and one after a trial and a question about the study; what is
read ahead is read before each. Given are the medians of their seconds and of the tokens that were
evaluated, the ratio of the seconds (`ratio`), and what the questions themselves took: the first
word, and all of it. Only ratios within one run are to be compared on a busy machine: `cpu_ratio` is
that of processor time.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.proposal_latency import Ours, history, spaces
from hyperllama.core.trials import Question

_FACTS = 24  # lines on trials that a question brings along


def measure(model: Path, trials: int, rounds: int, folder: Path) -> dict[str, Any]:
    """The table's row, see above."""
    space = spaces()[4]
    trial_of = history(space)
    ours = Ours(model, space, 1, folder / "engine.log", folder / "engine.cache")
    for number in range(trials):
        ours.tell(trial_of(number))
    ours.ask(trials)
    plain: list[tuple[float, float, int]] = []
    asked: list[tuple[float, float, int]] = []
    answers: list[tuple[float, float, float]] = []
    for i in range(2 * rounds):
        number = trials + i
        ours.run(trial_of(number))
        if i % 2:
            answers.append(_answer(ours, [str(trial_of(n)) for n in range(_FACTS)], i))
        took = ours.ask(number + 1)
        (asked if i % 2 else plain).append((took.seconds, took.cpu_s, took.evaluated - took.ahead))
    ours.close()
    usual, after = _medians(plain), _medians(asked)
    first, whole, cached = _medians(answers)
    return {
        "ratio": after[0] / usual[0], "cpu_ratio": after[1] / usual[1],
        "proposal_s": usual[0], "after_question_s": after[0],
        "evaluated": usual[2], "evaluated_after_question": after[2],
        "first_word_s": first, "answer_s": whole, "cached_share_of_questions": cached,
    }  # fmt: skip


def _answer(ours: Ours, facts: Sequence[str], turn: int) -> tuple[float, float, float]:
    """Seconds to the first word and to the last, and the share of the prompt that was cached."""
    begin = time.perf_counter()
    heard: list[float] = []
    question = Question(
        f"Is trial {turn} better than the default?", facts,
        on_text=lambda text: heard.append(time.perf_counter() - begin),
        computed=[f"Trial {turn} is within noise of the default."],
    )  # fmt: skip
    answer = ours.answer(question)
    first = heard[0] if heard else answer.seconds
    return first, answer.seconds, answer.tokens["cached"] / answer.tokens["prompt"]


def _medians(rows: Sequence[tuple[float, float, float]]) -> list[float]:
    return [float(statistics.median(column)) for column in zip(*rows, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--trials", type=int, default=30, help="of the study before the first one")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(options.model, options.trials, options.rounds, Path(folder))
    for name, value in found.items():
        print(f"{name:28} {value:.3g}")
    if options.json:
        print(json.dumps({name: round(value, 4) for name, value in found.items()}))


if __name__ == "__main__":
    main()
