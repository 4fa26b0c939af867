"""Methods on targets that nothing was learnt from, with every trial really trained.

Targets are the reserved ones (`targets.is_reserved`). A trial is a configuration of the family's
usual space (for small networks the corpus' own, under the names of scripts), scored by the mean of
its folds; what counts is the loss of the incumbent on the folds, and on fresh rows where the table
has any. All methods begin with the default. Random search is not played but computed: what it
expects to have after n trials, over all orders of `POOL` random configurations. Cells are kept, one
JSON line each, and a call goes on from there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import comb
from pathlib import Path

import numpy as np

from hyperllama.core.estimators import canonical_name, family, likely_family
from hyperllama.core.experiments.contenders import make_proposer_of, parse_method
from hyperllama.core.experiments.rival_proposers import ListProposer
from hyperllama.core.experiments.running.engines import shared_engine
from hyperllama.core.space import Config
from hyperllama.core.trials import AskContext, Observed, Proposer, ProposerSetting
from workshop.datasets import Floats
from workshop.rivals import RIVALS, RivalProposer
from workshop.spaces import WITHOUT_FAMILY, wide_space
from workshop.survey import FOLDS, METRICS, Trainer
from workshop.targets import Target, number_of, read

LEVEL = 0
"""Of the survey, whose number of rows and splits are used."""
POOL = 60
"""Random configurations of a task."""
CUT = 50.0
"""Percent; a change of the loss counts as no more."""


@dataclass(frozen=True)
class Cell:
    """One run of a method.

    Attributes:
        target, family, method, seed: which it is.
        seen, judged: loss of each trial on the folds, and on fresh rows; None where it failed.
        configs: the trials' own.
    """

    target: str
    family: str
    method: str
    seed: int
    seen: list[float | None]
    judged: list[float | None]
    configs: list[Config] = field(default_factory=list)

    @property
    def key(self) -> tuple[str, str, str, int]:
        return self.target, self.family, self.method, self.seed

    def curve(self, fresh: bool = True) -> Floats:
        """The incumbent's loss after each trial, on fresh rows or on the folds, shape (trials,);
        of random search the expected one."""
        seen = np.array([np.inf if v is None else v for v in self.seen])
        judged = np.array([np.nan if v is None else v for v in self.judged]) if fresh else seen
        if self.method != "random":
            return np.asarray(judged[[int(np.argmin(seen[: n + 1])) for n in range(len(seen))]])
        order = 1 + np.argsort(seen[1:], kind="stable")
        best = np.where(seen[order] < seen[0], judged[order], judged[0])
        count = len(order)
        chance = [[comb(count - i - 1, n - 1) / comb(count, n) for i in range(count)]
                  for n in range(1, count + 1)]
        return np.array([judged[0], *(np.array(chance) @ best)])


@dataclass(frozen=True)
class Scored:
    """Losses of a configuration: mean of the folds, on fresh rows (on the folds where there are
    none), on each fold, on the rows fitted to."""

    seen: float
    judged: float
    folds: tuple[float, ...]
    train: float


class Objective:
    """A family on a reserved target; results are kept, so that methods share what they try."""

    def __init__(self, trainer: Trainer, name: str) -> None:
        self.trainer, self.name = trainer, name
        kind = trainer.data.kind
        own = name in WITHOUT_FAMILY
        self.space = (wide_space(name, kind, trainer.facts) if own
                      else family(name).space(kind, trainer.facts))
        self._metric = METRICS[trainer.kind].index("rmse" if kind == "regression" else "log_loss")
        self._known: dict[object, Scored | None] = {}

    @property
    def estimators(self) -> tuple[str, ...]:
        """The family as `LlamaSampler` would find it by the names."""
        known = canonical_name(self.name) or likely_family(self.space.names)
        return (known,) if known else ()

    def losses(self, config: Config) -> Scored | None:
        """Of a configuration; None where the training failed."""
        key = self.space.key(config)
        if key not in self._known:
            table, _ = self.trainer.scores(self.name, config)
            row = [float(v) for v in np.array(table[self._metric]) / 1e4] if table else []
            seen = float(np.mean(row[:FOLDS])) if row else 0.0
            self._known[key] = Scored(seen, row[-1] if row[-1] >= 0 else seen, tuple(row[:FOLDS]),
                                      row[FOLDS]) if row else None
        return self._known[key]


def play(objective: Objective, method: str, seed: int, budget: int) -> Cell:
    """A method from the default on."""
    trainer, space = objective.trainer, objective.space
    metric = "neg_log_loss" if trainer.data.classes else "neg_root_mean_squared_error"
    setting = ProposerSetting(seed=seed, kind=trainer.data.kind, estimators=objective.estimators,
                              facts=trainer.facts, metric=metric, folds=FOLDS)
    proposer = made(method, objective.name, setting)
    seen: list[float | None] = []
    judged: list[float | None] = []
    configs: list[Config] = []
    try:
        for n in range(budget):
            config, who = space.default(), "default"
            if n:
                proposal = proposer.ask(space, AskContext(n, budget - n))
                config, who = proposal.config, proposal.proposer
            found = objective.losses(config)
            seen.append(None if found is None else found.seen)
            judged.append(None if found is None else found.judged)
            configs.append(config)
            if found is None:
                told = Observed(n, config, None, "the training failed", who)
            else:
                told = Observed(n, config, -found.seen, proposer=who, train_value=-found.train,
                                fold_scores=tuple(-v for v in found.folds))
            proposer.tell(told)
    finally:
        proposer.close()
    return Cell("", objective.name, method, seed, seen, judged, configs)


def made(method: str, name: str, setting: ProposerSetting) -> Proposer:
    """A method of `hyperllama bench`, one of `RIVALS`, or "list:FILE" for a list of its own."""
    if method in RIVALS:
        return RivalProposer(method, setting)
    if method.startswith("list:"):
        known = json.loads(Path(method[5:]).read_text(encoding="utf8"))
        return ListProposer(known.get(name, ()), setting)
    contender = parse_method(method)
    setting = replace(setting, options=dict(contender.options))
    if contender.model:
        setting = replace(setting, model=contender.model, make_engine=shared_engine)
    return make_proposer_of(contender, setting)


def work(
    path: Path, tables: Path, targets: Sequence[Target], families: Sequence[str],
    methods: Sequence[str], seeds: int, budget: int,
) -> Iterator[Cell]:
    """Play every cell that is not in the file, and add it."""
    done = {c.key for c in cells(path)}
    for i, target in enumerate(targets):
        name = families[i % len(families)]
        keys = [(m, s) for m in methods for s in range(seeds)
                if (target.name, name, m, s) not in done]
        data = read(tables / f"{target.table}.csv.gz", target.column) if keys else None
        if data is None:
            continue
        trainer = Trainer(data, LEVEL, number_of(f"{target.name}/measure"))
        if not trainer.usable:
            continue
        objective = Objective(trainer, name)
        for method, seed in keys:
            trials = 1 + POOL if method == "random" else budget
            cell = replace(play(objective, method, seed, trials), target=target.name)
            with path.open("a", encoding="utf8") as out:
                out.write(json.dumps(vars(cell)) + "\n")
            yield cell


def cells(path: Path) -> list[Cell]:
    """The cells of a file."""
    if not path.exists():
        return []
    return [Cell(**json.loads(line)) for line in path.read_text(encoding="utf8").splitlines()]


def table(
    found: Sequence[Cell], at: Sequence[int] = (5, 10, 20, 30), fresh: bool = False
) -> list[Mapping[str, object]]:
    """Per method and number of trials: against random search on the same targets.

    A row: method, trials, tasks, share of tasks with less loss than random search is expected to
    have, and with the same; median and mean change of the loss in percent (cut at `CUT`) and their
    90 % intervals over the tasks (bootstrap); mean rank among the methods.

    Args:
        found: cells; a target counts where every method among them has played.
        fresh: judged by fresh rows in place of the folds that are tuned on.
    """
    rows: list[Mapping[str, object]] = []
    methods = sorted({c.method for c in found})
    tasks = sorted({(c.target, c.family) for c in found})
    for n in at:
        losses = np.full((len(tasks), len(methods)), np.nan)
        for i, task in enumerate(tasks):
            for j, method in enumerate(methods):
                mine = [c.curve(fresh) for c in found
                        if (c.target, c.family) == task and c.method == method]
                if mine and min(map(len, mine)) > n:
                    losses[i, j] = round(float(np.mean([curve[n] for curve in mine])), 9)
        losses = losses[np.isfinite(losses).all(axis=1)]
        if "random" not in methods or not len(losses):
            continue
        random = losses[:, methods.index("random")]
        ranks = (losses[:, :, None] > losses[:, None, :]).sum(axis=2) + (
            losses[:, :, None] == losses[:, None, :]).sum(axis=2) / 2 + 0.5
        drawn = np.random.default_rng(0).integers(0, len(losses), (2000, len(losses)))
        for j, method in enumerate(methods):
            change = np.clip(100 * (losses[:, j] / np.maximum(random, 1e-4) - 1), -CUT, CUT)
            row: dict[str, object] = {
                "method": method, "trials": n, "tasks": len(losses),
                "better": round(float(np.mean(losses[:, j] < random)), 3),
                "equal": round(float(np.mean(losses[:, j] == random)), 3),
            }  # fmt: skip
            for name, average in (("median", np.median), ("mean", np.mean)):
                row[name] = round(float(average(change)), 2)
                ends = np.percentile(average(change[drawn], axis=1), (5, 95))
                row[f"{name} 90 %"] = [round(float(v), 2) for v in ends]
            rows.append({**row, "rank": round(float(ranks[:, j].mean()), 2)})
    return rows
