"""`python -m workshop survey | corpus | train | export | evaluate | ...`: how models are made.

    python -m workshop survey  -o survey --tables TABLES --jobs 2
    python -m workshop train  --corpus corpus -o run-1m --size 1m --minutes 240

Every step resumes where it was stopped. `train`, `export` and `evaluate` need the extra [pretrain].
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from workshop import options

if TYPE_CHECKING:
    from workshop.surfaces import FittedSurface
    from workshop.trajectories import Trajectory

RESERVED = 10_000


def corpus(args: argparse.Namespace) -> int:
    """Evaluate the families over generated data sets, and over the tables of a folder."""
    from workshop import corpus as corpora
    from workshop.datasets import Dataset, from_table, generate

    args.output.mkdir(parents=True, exist_ok=True)
    if args.worker is None:
        workers = [
            subprocess.Popen([sys.executable, "-m", "workshop", *sys.argv[1:],
                              "--worker", str(w)])
            for w in range(args.jobs)
        ]
        return max(w.wait() for w in workers)
    tables: list[tuple[Path, str]] = []
    if args.tables:
        manifest = args.tables / "manifest.csv"
        with manifest.open(encoding="utf8") as lines:
            tables = [(args.tables / r["file"], r["target"]) for r in csv.DictReader(lines)]
    files = sorted(args.output.glob("*.jsonl.gz"))
    done = {(s.dataset, s.family) for f in files for s in corpora.read(f)}
    out = args.output / f"surfaces-{args.worker}.jsonl.gz"
    last = min(args.first + args.datasets, RESERVED)
    everything: list[int | tuple[Path, str]] = [*tables, *range(args.first, last)]
    for i, what in enumerate(everything):
        if i % args.jobs != args.worker:
            continue
        data: Dataset
        if isinstance(what, int):
            name, seed = f"generated-{what}", what
        else:
            name, seed = f"table-{what[0].stem}", i
        wanted = [f for f in args.families if (name, f) not in done]
        if not wanted:
            continue
        data = generate(what) if isinstance(what, int) else from_table(*what, seed)
        for family in wanted:
            surface = corpora.evaluate_surface(data, family, options.CONFIGS[family], seed)
            corpora.append(out, surface)
            print(f"{i + 1} of {len(everything)}: {name} {data.x.shape} {family} "
                  f"{surface.seconds:.1f} s", flush=True)
    return 0


def survey(args: argparse.Namespace) -> int:
    """Evaluate the families on many targets of a folder of tables, a little of each first."""
    from workshop import survey as surveys
    from workshop import targets

    args.output.mkdir(parents=True, exist_ok=True)
    chosen = args.output / "targets.jsonl"
    if not chosen.exists():
        print("choosing targets", flush=True)
        targets.save(list(targets.find(args.tables)), chosen)
    if args.worker is None and args.jobs > 1:
        workers = [subprocess.Popen([sys.executable, "-m", "workshop", *sys.argv[1:],
                                     "--worker", str(w)]) for w in range(args.jobs)]
        return max(w.wait() for w in workers)
    done = surveys.work(args.output, args.tables, targets.load(chosen),
                        args.families or list(surveys.PACE), args.worker or 0, args.jobs)
    for i, unit in enumerate(done, 1):
        if i % 20 == 0:
            print(f"{i} units, {time.process_time() / 60:.1f} min: {unit.key}", flush=True)
    return 0


def pack(args: argparse.Namespace) -> int:
    """Put the units of a survey into one compact file, when nothing works on it."""
    from workshop.survey import pack as packed

    print(f"{packed(args.folder)} units")
    return 0


def sequences(args: argparse.Namespace) -> int:
    """Make sequences ahead, until stopped, for trainings with --pool."""
    from workshop.pool import fill, gather
    from workshop.sequences import Source

    args.output.mkdir(parents=True, exist_ok=True)
    seen, _ = gather(args.corpus, args.survey, args.cache)
    own = 0
    for number in range(1, args.jobs):
        if os.fork() == 0:
            own = number
            break
    began = time.monotonic()
    source = Source(seen, args.seed, args.synthetic, _played(args, seen))
    for i, path in enumerate(fill(args.output, source, args.batch, own, args.jobs), 1):
        seconds = time.monotonic() - began
        if i % 10 == 0:
            print(f"{path.name} {i} files {seconds:.0f} s", flush=True)
        if seconds > 60 * args.minutes:
            break
    return 0


def train(args: argparse.Namespace) -> int:
    """Train a network on a corpus."""
    import torch

    from workshop import network
    from workshop.export import VOCABULARY_SIZE, weights_of
    from workshop.pool import gather
    from workshop.train import TrainOptions
    from workshop.train import train as run

    torch.set_num_threads(args.threads)
    seen, kept = gather(args.corpus, args.survey, args.cache)
    print(f"{len(seen)} surfaces to learn from, {len(kept)} held out", flush=True)
    shape = network.shape_of(args.size, VOCABULARY_SIZE)
    options = TrainOptions(
        args.steps, args.batch, args.rate, args.synthetic, args.seed, args.device, args.workers,
        args.pool, args.minutes, fuse=args.device == "cpu",
    )  # fmt: skip
    start = network.grown(weights_of(args.start), shape) if args.start else None
    run(seen, kept, shape, args.output, options, start, _played(args, seen))
    return 0


def export(args: argparse.Namespace) -> int:
    """Write a trained network as GGUF."""
    from workshop.export import export as write
    from workshop.train import load

    net = load(args.run / "final.pt")
    lines = (args.run / "log.jsonl").read_text(encoding="utf8").splitlines()
    last = json.loads(lines[-1])
    millions = sum(p.numel() for p in net.parameters()) / 1e6
    summary = (f"{millions:.1f} M parameters, {last['step']} steps, {last['minutes']:.0f} minutes, "
               f"held-out loss {last['held_out']:.3f}")
    summary = args.summary or summary
    write(net, args.output, name=args.name or f"HyperLlama {millions:.0f}M", kind=args.kind,
          summary=summary)
    print(f"{args.output}: {args.output.stat().st_size / 2**20:.1f} MiB, {summary}")
    return 0


def evaluate(args: argparse.Namespace) -> int:
    """Held-out loss and proposal quality of a trained network."""
    from workshop.pool import gather
    from workshop.quality import measure
    from workshop.train import load

    _, kept = gather(args.corpus, args.survey, args.cache)
    print(json.dumps(measure(load(args.run / "final.pt"), kept), indent=2))
    return 0


def portfolio(args: argparse.Namespace) -> int:
    """Choose the fixed ten configurations of each family."""
    from workshop.pool import gather
    from workshop.portfolio import portfolio as choose

    known, _ = gather(args.corpus, args.survey, args.cache)
    known = [s for s in known if s.family in (args.families or [s.family])]
    chosen = choose(known)
    before = json.loads(args.output.read_text()) if args.output.exists() else {}
    chosen = dict(sorted({**before, **chosen}.items()))
    lines = (f'  "{name}": [\n' + ",\n".join(f"    {json.dumps(c)}" for c in configs) + "\n  ]"
             for name, configs in chosen.items())
    args.output.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf8")
    return 0


def family_prior(args: argparse.Namespace) -> int:
    """Learn the family prior: each family's length scales and mean loss, for the GP."""
    from workshop.family_prior import write

    write(args.corpus, args.survey, args.output)
    return 0


def pools(args: argparse.Namespace) -> int:
    """Compare the Gaussian process with and without the family prior on scores really measured."""
    from workshop.pools import compare

    compare(args.corpus, args.survey, args.tasks)
    return 0


def trajectories(args: argparse.Namespace) -> int:
    """Let a method play studies on surfaces to learn from, for histories such as it makes."""
    from workshop.pool import gather
    from workshop.trajectories import record

    seen, _ = gather(args.corpus, args.survey, args.cache)
    played = record(seen, args.method, args.output, args.budget, args.seed, args.minutes)
    print(f"{sum(1 for _ in played)} studies")
    return 0


def measure(args: argparse.Namespace) -> int:
    """Play methods on reserved targets, every trial trained, and compare them."""
    from workshop import measure as measures
    from workshop import targets

    held = [t for t in targets.load(args.targets) if t.reserved][: args.tasks]
    done = measures.work(args.output, args.tables, held, args.families, args.methods, args.seeds,
                         args.budget)
    for i, cell in enumerate(done, 1):
        print(f"{i}: {cell.key}", flush=True)
    mine = [c for c in measures.cells(args.output)
            if c.method in args.methods and c.family in (args.show or args.families)]
    for fresh in (False, True):
        print("judged by fresh rows:" if fresh else "judged by the folds:")
        for row in measures.table(mine, fresh=fresh):
            print(json.dumps(row))
    return 0


def replay(args: argparse.Namespace) -> int:
    """Compare proposers on held-out surfaces: the share of random search's gap that they close."""
    from workshop.pool import gather
    from workshop.replay import compare, tasks

    _, kept = gather(args.corpus, args.survey, args.cache)
    kept = [s for s in kept if s.family in (args.families or [s.family])]
    compare(tasks(kept, args.tasks), args.methods, args.budget, args.seeds, args.output)
    return 0


def stops(args: argparse.Namespace) -> int:
    """Let studies on held-out surfaces go on after the advice to stop: how often is it right?"""
    from workshop.pool import gather
    from workshop.replay import tasks
    from workshop.stops import study

    _, kept = gather(args.corpus, args.survey, args.cache)
    study(tasks(kept, args.tasks), args.method, args.budget, args.more, args.output)
    return 0


def _played(args: argparse.Namespace, seen: list[FittedSurface]) -> list[Trajectory]:
    from workshop.trajectories import read

    return read(args.trajectories, seen) if args.trajectories else []


STEPS = {
    corpus: options.corpus, survey: options.survey,
    pack: options.pack, train: options.train, trajectories: options.trajectories,
    sequences: options.sequences, export: options.export,
    evaluate: options.evaluate, portfolio: options.portfolio,
    family_prior: options.family_prior, pools: options.pools,
    measure: options.measure, replay: options.replay,
    stops: options.stops,
}  # fmt: skip


def main() -> int:
    """Parse the command line and run one step."""
    parser = argparse.ArgumentParser(prog="python -m workshop", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    steps = parser.add_subparsers(dest="step", required=True)
    for step, add_options in STEPS.items():
        one = steps.add_parser(step.__name__.replace("_", "-"), help=step.__doc__)
        add_options(one)
        one.set_defaults(run_step=step)
    args = parser.parse_args()
    try:
        done: int = args.run_step(args)
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "gguf"):
            raise
        print(f"{error.name} is not installed: pip install '.[pretrain]'", file=sys.stderr)
        return 1
    return done


if __name__ == "__main__":
    sys.exit(main())
