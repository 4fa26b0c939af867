"""The fifth question: with which prompt does a model propose best? True scores of its proposals.

    from hyperllama.core.experiments.prompts import PromptBench, run_prompt_bench

    bench = PromptBench("model.gguf", prompt_problems(), ("short", "standard"), histories=4)
    figures = run_prompt_bench(bench, Path("out"))

A history is the default configuration and random ones with their scores. From each the model goes
on for a few turns, told the score of each of its proposals; every variant gets the same histories.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean, median

import numpy as np

from hyperllama.core.errors import DataError, ModelFileError
from hyperllama.core.experiments.figures.statistics import Estimate, gain, over_units
from hyperllama.core.experiments.problems.random_search import RandomSearch
from hyperllama.core.experiments.problems.tabular import TabularProblem, tabular_problems
from hyperllama.core.experiments.running.engines import close_engines, shared_engine
from hyperllama.core.prompt.templates import Templates, load_templates
from hyperllama.core.propose import make_proposer
from hyperllama.core.space import Config
from hyperllama.core.task.prompt_options import PromptOptions
from hyperllama.core.trials import AskContext, Observed, Proposal
from hyperllama.models.engine import EngineSettings
from hyperllama.models.gguf import file_sha256, read_metadata, resolve_model

FILE = "prompts.jsonl"
LENGTHS = (4, 12)
"""Trials of a history, in turn: one from a study's beginning, one from its middle."""
POOL = 60
"""Random configurations a problem: histories are drawn from them, and ranks counted among them."""
NEAR = 0.05
"""A proposal whose values all lie within that share of their range from a trial's is a copy."""
PROBLEMS: tuple[tuple[str, str, str], ...] = (
    ("breast_cancer", "xgboost", "neg_log_loss"),
    ("diabetes", "hist_gradient_boosting", "r2"),
    ("wine", "linear", "neg_log_loss"),
    ("breast_cancer", "mlp", "accuracy"),
)
"""(data set, family, metric): tables that come with scikit-learn, of four families."""


@dataclass(frozen=True)
class PromptBench:
    """What is measured.

    Attributes:
        model: file or name of a chat or base model.
        problems: see `prompt_problems`.
        variants: names of variants that ship, or folders with templates; the others are compared
            with the first.
        histories: how many a problem.
        turns: proposals after each history.
        reasoning: see `PromptOptions`; off by default, because it takes most of the time.
    """

    model: str
    problems: Sequence[TabularProblem]
    variants: Sequence[str]
    histories: int = 4
    turns: int = 4
    context_length: int = 4096
    threads: int = 1
    reasoning: bool = False


@dataclass(frozen=True)
class PromptRun:
    """What a variant did after one history.

    Attributes:
        key: of the problem, the history and what else decides the losses.
        problem, history: its name, which of its histories.
        best: loss of the best trial of the history; lower is better.
        losses: of the proposals, in order; a failed one has the worst loss known.
        copies: proposals that lie close to an earlier trial.
        replaced: proposals that were not the model's, because it repeated trials.
        seconds, tokens: of each proposal; tokens of its prompt.
    """

    variant: str
    key: str
    problem: str
    history: int
    best: float
    losses: tuple[float, ...]
    copies: int
    replaced: int
    seconds: tuple[float, ...]
    tokens: tuple[int, ...]


@dataclass(frozen=True)
class VariantFigures:
    """A variant over all histories.

    Attributes:
        runs: histories.
        beats: mean share of random configurations that a proposal beats, with its 95 % interval.
        difference: of that from the first variant's, in pairs; None of the first one.
        gain: mean share of the history's best loss that the turns saved, with its interval.
        improved: share of histories whose best was beaten.
        copies, replaced: shares of the proposals.
        seconds, tokens: median of a proposal.
    """

    variant: str
    runs: int
    beats: Estimate
    difference: Estimate | None
    gain: Estimate
    improved: float
    copies: float
    replaced: float
    seconds: float
    tokens: float


@dataclass(frozen=True)
class PromptFigures:
    """The answer.

    Attributes:
        variants: the one whose proposals are best first.
        random: the gain of as many random configurations, exactly in the mean.
    """

    variants: tuple[VariantFigures, ...]
    random: float


def prompt_problems(pool: int = POOL, cache: Path | None = None) -> list[TabularProblem]:
    """The built-in tables; see `tabular.task_problems` for task files of one's own."""
    return tabular_problems(PROBLEMS, pool=pool, cache=cache)


def run_prompt_bench(
    bench: PromptBench, out: Path,
    on_progress: Callable[[int, int, float, str], None] = lambda done, total, left_s, label: None,
) -> PromptFigures:
    """Run what `out` does not hold yet; the figures of all that was asked for.

    Args:
        on_progress: told runs done, all runs, seconds left, and what was run.

    Raises:
        ModelFileError: the model is an embedded one, which reads no prompt.
        PromptError: a variant is malformed or missing. DataError: results cannot be read.
    """
    model = read_metadata(resolve_model(bench.model))
    if model.is_embedded_dialect:
        raise ModelFileError(f"{bench.model} reads no prompt", "name a chat model's file")
    templates = {v: load_templates(_chosen(v)) for v in bench.variants}
    sha256 = file_sha256(model.path)
    out.mkdir(parents=True, exist_ok=True)
    known = {(r.variant, r.key): r for r in read_runs(out)}
    # in this order the beginning of most prompts is in the engine's cache
    wanted = [
        (variant, problem, history, _key(bench, sha256, templates[variant], problem, history))
        for problem in bench.problems for variant in bench.variants
        for history in range(bench.histories)
    ]  # fmt: skip
    missing = [w for w in wanted if (w[0], w[3]) not in known]
    began = time.monotonic()
    try:
        with (out / FILE).open("a", encoding="utf8") as file:
            for done, (variant, problem, history, key) in enumerate(missing, 1):
                run = replace(_run(bench, problem, variant, history), key=key)
                known[variant, key] = run
                file.write(json.dumps(asdict(run)) + "\n")
                file.flush()
                left_s = (time.monotonic() - began) / done * (len(missing) - done)
                label = f"{problem.name}, history {history}: {variant}"
                on_progress(len(wanted) - len(missing) + done, len(wanted), left_s, label)
    finally:
        close_engines()
    runs = [known[w[0], w[3]] for w in wanted]
    pools = {p.name: p.random_search(0) for p in bench.problems}
    return prompt_figures(runs, bench.variants, pools)


def prompt_figures(
    runs: Sequence[PromptRun], variants: Sequence[str], pools: Mapping[str, RandomSearch]
) -> PromptFigures:
    """The figures of runs.

    Args:
        variants: in the order in which they were asked for.
        pools: losses of random configurations by problem.
    """
    beaten = {(r.variant, r.problem, r.history): _beaten(pools[r.problem], r) for r in runs}
    found = []
    for variant in variants:
        mine = [r for r in runs if r.variant == variant]
        beats, first = (
            np.array([beaten[v, r.problem, r.history] for r in mine])
            for v in (variant, variants[0])
        )
        gains = np.array([_gain(r) for r in mine])
        proposals = sum(len(r.losses) for r in mine)
        found.append(
            VariantFigures(
                variant, len(mine), over_units(beats, np.mean),
                None if variant == variants[0] else over_units(beats - first, np.mean),
                over_units(gains, np.mean), float((gains > 0).mean()),
                sum(r.copies for r in mine) / proposals, sum(r.replaced for r in mine) / proposals,
                median(s for r in mine for s in r.seconds),
                median(t for r in mine for t in r.tokens),
            )
        )  # fmt: skip
    chance = fmean(_by_chance(pools[r.problem], r) for r in runs if r.variant == variants[0])
    return PromptFigures(tuple(sorted(found, key=lambda f: -f.beats.value)), chance)


def read_runs(out: Path) -> list[PromptRun]:
    """The results in a folder; a line that was cut while it was written is left out.

    Raises:
        DataError: the file cannot be read.
    """
    file = out / FILE
    try:
        lines = file.read_text("utf8").splitlines() if file.exists() else []
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file} cannot be read: {error}", "name another folder") from error
    return list(_parsed(lines))


def _parsed(lines: Sequence[str]) -> Iterator[PromptRun]:
    for line in lines:
        try:
            raw = json.loads(line)
            lists = {k: tuple(raw[k]) for k in ("losses", "seconds", "tokens")}
            yield PromptRun(**{**raw, **lists})
        except (ValueError, TypeError, KeyError):
            continue


def _chosen(variant: str) -> str:
    return str(Path(variant).expanduser()) if "/" in variant else variant


def _key(
    bench: PromptBench, sha256: str, templates: Templates, problem: TabularProblem, history: int
) -> str:
    """Changes with whatever would change the losses of a run."""
    parts = (sha256[:12], templates.version, problem.fingerprint, history, bench.turns,
             bench.context_length, bench.reasoning)  # fmt: skip
    return " ".join(map(str, parts))


def _history(problem: TabularProblem, history: int) -> list[Observed]:
    """The default and random configurations with their scores; the same for every variant."""
    rng = np.random.default_rng([17, history])
    length = LENGTHS[history % len(LENGTHS)]
    configs = [problem.space.default(), *(problem.space.sample(rng) for _ in range(length - 1))]
    return [_observed(problem, i, c, "default" if i == 0 else "random")
            for i, c in enumerate(configs)]  # fmt: skip


def _observed(problem: TabularProblem, number: int, config: Config, proposer: str) -> Observed:
    loss = problem.observe(config, 0)
    return Observed(number, config, None if loss is None else -loss, proposer=proposer)


def _run(bench: PromptBench, problem: TabularProblem, variant: str, history: int) -> PromptRun:
    trials = _history(problem, history)
    setting = replace(
        problem.under(history).setting(history, 0),
        model=bench.model, task=problem.group, metric=problem.metric, seed=history,
        engine=EngineSettings(context_length=bench.context_length, threads=bench.threads),
        make_engine=shared_engine,
        prompt=PromptOptions(
            reasoning=bench.reasoning, templates=_chosen(variant), read_ahead=False,
            surrogate=False,
        ),
    )  # fmt: skip
    proposer = make_proposer("llama", setting=setting)
    made: list[Proposal] = []
    copies = 0
    begun = len(trials)
    try:
        for trial in trials:
            proposer.tell(trial)
        for number in range(begun, begun + bench.turns):
            proposal = proposer.ask(problem.space, AskContext(number))
            copies += _near(problem, proposal.config, trials)
            trials.append(_observed(problem, number, proposal.config, proposal.proposer))
            proposer.tell(trials[-1])
            made.append(proposal)
    finally:
        proposer.close()
    worst = problem.failed_loss(0)
    losses = [worst if t.value is None else -t.value for t in trials]
    counts = [p.record.get("tokens", {}) for p in made]
    return PromptRun(
        variant, "", problem.name, history, min(losses[:begun]), tuple(losses[begun:]), copies,
        sum(bool(p.fallback) for p in made),
        tuple(round(float(p.record.get("seconds", math.nan)), 3) for p in made),
        tuple(int(c.get("prompt", 0)) for c in counts),
    )  # fmt: skip


def _near(problem: TabularProblem, config: Config, trials: Sequence[Observed]) -> bool:
    x = problem.space.to_unit(config)
    return any(np.abs(problem.space.to_unit(t.config) - x).max() < NEAR for t in trials)


def _gain(run: PromptRun) -> float:
    return float(gain(min(run.best, *run.losses), run.best))


def _beaten(pool: RandomSearch, run: PromptRun) -> float:
    """Mean share of random configurations that a proposal is better than; ties count half."""
    losses = np.array(run.losses)[:, None]
    return float(((pool.judged > losses) + (pool.judged == losses) / 2).mean())


def _by_chance(pool: RandomSearch, run: PromptRun) -> float:
    """The mean gain of as many random configurations after the same history."""
    after = replace(pool, default=(run.best, run.best)).curve(len(run.losses) + 1, "default")
    return float(gain(float(after[-1]), run.best))
