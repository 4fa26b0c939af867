"""How many of the programs that are proposed parse, and how many run.

    python benchmarks/program_shares.py TASK.toml --proposer random --count 200
    python benchmarks/program_shares.py TASK.toml --proposer llama --model FILE.gguf --count 200
    python benchmarks/program_shares.py TASK.toml --programs free --model FILE.gguf --count 50

Each proposal is a configuration of the pipeline space, written value by value under the grammar of
that space where a chat model makes it. It is rendered, parsed, run as a program, and compared with
the pipeline that a trial would train. With --programs free a chat model writes Python: its drafts
are counted by how far they get, before and after repairs. Every few programs another study begins,
with another seed and nothing known. With -o FILE what was made is kept, and the same command goes
on from there.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from hyperllama.core.data import Table, load_table
from hyperllama.core.evaluate.pipeline import built
from hyperllama.core.evaluate.rendered import program_text
from hyperllama.core.evaluate.steps import FitSetting, trial_recipe
from hyperllama.core.programs.contract import ProgramError, parse_program
from hyperllama.core.programs.facts import program_task
from hyperllama.core.propose import make_proposer
from hyperllama.core.propose.chat.programs import ProgramProposer
from hyperllama.core.task import Problem, find_task, load_task, resolve
from hyperllama.core.task.prompt_options import PromptOptions
from hyperllama.core.trials import AskContext, Observed, Proposal, Proposer, ProposerSetting


@dataclass(frozen=True)
class Asked:
    """A task with its table, who proposes, and how many programs a study has."""

    problem: Problem
    table: Table
    proposer: str
    model: str
    each: int


def main() -> None:
    """Propose, render, parse, run; print the shares."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task")
    parser.add_argument("--proposer", default="random")
    parser.add_argument("--programs", choices=("pipeline", "bound", "free"))
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--each", type=int, default=10, help="programs of one study (default: 10)")
    parser.add_argument("-o", "--out", type=Path, help="JSON lines, one a program")
    given = parser.parse_args()
    task = load_task(find_task(given.task))
    way = given.programs or ("bound" if given.proposer == "llama" else "pipeline")
    programs = task.programs.model_copy(update={"kind": way})
    make = _drafted if way == "free" else _chosen
    task = task.model_copy(update={"programs": programs})
    table = load_table(task)
    proposer = "llama" if way == "free" else given.proposer
    asked = Asked(resolve(task, table), table, proposer, given.model, given.each)
    done = []
    if given.out and given.out.exists():
        done = [json.loads(line) for line in given.out.read_text("utf8").splitlines()]
    for study in range(len(done) // given.each, -(-given.count // given.each)):
        done = done[: study * given.each] + list(make(study, asked))
        if given.out:
            given.out.write_text("".join(f"{json.dumps(d)}\n" for d in done), "utf8")
    if way == "free":
        _tell_drafts(done)
        return
    shares = {k: sum(bool(d[k]) for d in done) for k in ("parses", "runs", "same", "line")}
    print(f"{len(done)} programs of {given.proposer}: {shares['parses']} parse, {shares['runs']} "
          f"run, {shares['same']} predict as their trial's pipeline, {shares['line']} have a line "
          "of the model's")  # fmt: skip


def _tell_drafts(done: list[dict[str, Any]]) -> None:
    """How many first and last drafts got how far; a draft that runs may be used."""
    stages = ("reply", "parse", "policy", "run", "")
    for at, which in ((0, "first drafts"), (-1, "after up to two repairs")):
        ended = [stages.index(d["stages"][at].replace("repeat", "run")) for d in done]
        shares = [sum(e > n for e in ended) for n in range(4)]
        print(f"{len(done)} programs, {which}: {shares[0]} hold a program, {shares[1]} parse, "
              f"{shares[2]} keep policy and contract, {shares[3]} run")  # fmt: skip


def _opened(study: int, asked: Asked, folder: Path) -> Proposer:
    problem, task = asked.problem, asked.problem.task
    return make_proposer(asked.proposer, setting=ProposerSetting(
        seed=study, task=task.name, kind=problem.kind, metric=problem.metric,
        estimators=problem.estimators, facts=problem.facts, model=asked.model,
        dataset="\n".join(asked.table.summary()), prompt=PromptOptions.of({"reasoning": False}),
        programs=program_task(problem, folder),
    ))  # fmt: skip


def _drafted(study: int, asked: Asked) -> Iterator[dict[str, Any]]:
    """What became of the drafts of each program of a study."""
    with tempfile.TemporaryDirectory() as folder:
        proposer = _opened(study, asked, Path(folder))
        assert isinstance(proposer, ProgramProposer)
        try:
            for number in range(1, asked.each + 1):
                drafts = [d.record() for d in proposer.drafts(AskContext(number, asked.each))]
                yield {"stages": [d["stage"] for d in drafts], "drafts": drafts}
        finally:
            proposer.close()


def _chosen(study: int, asked: Asked) -> Iterator[dict[str, Any]]:
    """What became of each proposal of a study; scores are all alike."""
    proposer = _opened(study, asked, Path())
    try:
        for number in range(1, asked.each + 1):
            proposal = proposer.ask(asked.problem.space, AskContext(number, asked.each))
            proposer.tell(Observed(number, proposal.config, 0.0, proposer=proposal.proposer))
            yield _judged(proposal, asked)
    finally:
        proposer.close()


def _judged(proposal: Proposal, asked: Asked) -> dict[str, Any]:
    """What becomes of a proposal as a program."""
    config, line = proposal.config, str(proposal.record.get("tries", ""))
    setting = FitSetting.of(asked.problem, 0)
    found = {"config": config, "line": line, "fallback": proposal.fallback,
             "parses": False, "runs": False, "same": False}  # fmt: skip
    rows = np.random.default_rng(0).permutation(asked.table.n_rows)[:300]
    try:
        text = program_text(config, asked.problem.space, setting, line)
        parse_program(text)
        found["parses"] = True
        written = _predicted(_build(text, asked.table.columns), asked.table, rows)
        found["runs"] = True
        model = built(trial_recipe(config, setting)[1])
        found["same"] = bool(np.array_equal(written, _predicted(model, asked.table, rows)))
    except (ProgramError, ValueError) as error:
        found["error"] = str(error)
        print(f"{config}: {error}")
    return found


def _build(text: str, columns: Any) -> Any:
    names: dict[str, Any] = {}
    exec(text, names)
    facts = [SimpleNamespace(name=c.name, kind=c.kind, position=i) for i, c in enumerate(columns)]
    return names["build"](facts, SimpleNamespace())


def _predicted(model: Any, table: Table, rows: Any) -> Any:
    train, new = rows[:200], rows[200:]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(table.x[train], table.y[train]).predict(table.x[new])


if __name__ == "__main__":
    main()
