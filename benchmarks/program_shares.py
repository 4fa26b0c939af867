"""How many of the programs that are proposed parse, and how many run.

    python benchmarks/program_shares.py TASK.toml --proposer random --count 200
    python benchmarks/program_shares.py TASK.toml --proposer llama --model FILE.gguf --count 200

Each proposal is a configuration of the pipeline space, written value by value under the grammar of
that space where a chat model makes it. It is rendered, parsed, run as a program, and compared with
the pipeline that a trial would train.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from hyperllama.core.data import load_table
from hyperllama.core.evaluate.pipeline import built
from hyperllama.core.evaluate.rendered import program_text
from hyperllama.core.evaluate.steps import FitSetting, trial_recipe
from hyperllama.core.programs.contract import ProgramError, parse_program
from hyperllama.core.propose import make_proposer
from hyperllama.core.task import find_task, load_task, resolve
from hyperllama.core.task.prompt_options import PromptOptions
from hyperllama.core.trials import AskContext, Observed, ProposerSetting


def main() -> None:
    """Propose, render, parse, run; print the shares."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task")
    parser.add_argument("--proposer", default="random")
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--count", type=int, default=200)
    given = parser.parse_args()
    task = load_task(find_task(given.task))
    programs = task.programs.model_copy(update={"kind": "pipeline"})
    task = task.model_copy(update={"programs": programs})
    table = load_table(task)
    problem = resolve(task, table)
    setting = FitSetting.of(problem, 0)
    proposer = make_proposer(given.proposer, setting=ProposerSetting(
        seed=0, task=task.name, kind=problem.kind, metric=problem.metric,
        estimators=problem.estimators, facts=problem.facts, model=given.model,
        dataset="\n".join(table.summary()), prompt=PromptOptions.of({"reasoning": False}),
        log=Path("engine.log"),
    ))  # fmt: skip
    rows = np.random.default_rng(0).permutation(table.n_rows)[:300]
    train, new = rows[:200], rows[200:]
    parsed = ran = same = 0
    began = time.monotonic()
    for number in range(1, given.count + 1):
        config = proposer.ask(problem.space, AskContext(number, given.count)).config
        proposer.tell(Observed(number, config, 0.0, proposer=given.proposer))
        text = program_text(config, problem.space, setting)
        try:
            parse_program(text)
            parsed += 1
            written = _predicted(_build(text, table.columns), table, train, new)
            ran += 1
            same += np.array_equal(
                written, _predicted(built(trial_recipe(config, setting)[1]), table, train, new)
            )
        except (ProgramError, ValueError) as error:
            print(f"program {number}: {error}")
    proposer.close()
    seconds = time.monotonic() - began
    print(f"{given.count} programs of {given.proposer} in {seconds:.0f} s: {parsed} parse, "
          f"{ran} run, {same} predict as their trial's pipeline")  # fmt: skip


def _build(text: str, columns: Any) -> Any:
    names: dict[str, Any] = {}
    exec(text, names)
    facts = [SimpleNamespace(name=c.name, kind=c.kind, position=i) for i, c in enumerate(columns)]
    return names["build"](facts, SimpleNamespace())


def _predicted(model: Any, table: Any, train: Any, new: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(table.x[train], table.y[train]).predict(table.x[new])


if __name__ == "__main__":
    main()
