"""`hyperllama baselines STUDY`: what simpler ways reach with its budget."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from hyperllama.tui.cli.options import positive

if TYPE_CHECKING:
    from hyperllama.core.experiments.panel import BaselinePanel

NAME = "baselines"
HELP = "what random search, TPE and GP reach with a study's budget"
EPILOG = """\
Runs at the lowest priority, only while no study is running on this machine; goes on where it was
stopped. Its trials are kept apart from the study's, and the study's test rows are not scored."""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", metavar="STUDY")
    parser.add_argument("--show", action="store_true", help="what was found so far; runs nothing")
    parser.add_argument("--seeds", type=positive, default=3, metavar="N",
                        help="of each baseline (default: 3)")  # fmt: skip
    parser.add_argument("--proposers", metavar="A,B", default="random,tpe,gp",
                        help="(default: random,tpe,gp)")  # fmt: skip
    parser.add_argument("--now", action="store_true", help="do not wait for other studies")
    parser.add_argument("--detached", action="store_true", help="in the background")
    switches = parser.add_mutually_exclusive_group()
    switches.add_argument("--off", action="store_true", help="switch them off for this study")
    switches.add_argument("--on", action="store_true", help="switch them on again")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--quiet", action="store_true", help="print nothing")
    parser.add_argument(
        "--storage", metavar="URL", default=os.environ.get("HYPERLLAMA_STORAGE"),
        help="an Optuna storage (default: where the study was made)",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    from hyperllama.core.experiments.panel import read_panel

    if arguments.off or arguments.on:
        from hyperllama.core.experiments.baselines import switch

        switch(arguments.study, arguments.on)
        return 0
    if arguments.show:
        _print(read_panel(arguments.study), arguments.json)
        return 0
    if arguments.detached:
        from hyperllama.core.experiments.baselines import spawn

        read_panel(arguments.study)  # raises where there is no such study
        pid = spawn(arguments.study, arguments.storage)
        print(f"process {pid} runs them while no study is running")
        return 0
    return _run(arguments)


def _run(arguments: argparse.Namespace) -> int:
    from hyperllama.core.experiments.baselines import run_baselines
    from hyperllama.tui.cli.study.session import Signals

    _give_way()
    shown = sys.stderr.isatty() and not arguments.quiet

    def progress(found: BaselinePanel) -> None:
        if shown:
            what = "waits for spare time" if found.state == "waiting" else "baselines"
            line = f"{what}: {found.done} of {found.total}"
            print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)

    with Signals() as signals:
        found = run_baselines(
            arguments.study,
            storage=arguments.storage,
            seeds=arguments.seeds,
            proposers=[p for p in arguments.proposers.split(",") if p],
            should_stop=lambda: signals.received is not None,
            on_progress=progress,
            busy=(lambda: False) if arguments.now else None,
        )
    if shown:
        print("\r\x1b[K", end="", file=sys.stderr)
    if not arguments.quiet:
        _print(found, arguments.json)
    if signals.received is not None:
        print(f"stopped; go on with: hyperllama baselines {found.study}", file=sys.stderr)
        return 128 + signals.received
    return 0


def _give_way() -> None:
    """The lowest priority, for this process and its children."""
    with contextlib.suppress(OSError, AttributeError):  # not on this system, or set lower already
        os.nice(19)


def _print(found: BaselinePanel, as_json: bool) -> None:
    if as_json:
        print(json.dumps({**asdict(found), "words": found.words()}, ensure_ascii=False, indent=1))
        return
    if not found.curve:
        print(f"nothing yet; begin with: hyperllama baselines {found.study}")
        return
    print(f"{found.study}: {found.metric}, after {len(found.curve)} evaluations ({found.state}, "
          f"{found.done} of {found.total})")  # fmt: skip
    print(f"  {'this study':<12} {found.curve[-1]:>10.5g}  {found.proposer}")
    for line in found.lines:
        band = ""
        if line.low[-1] != line.high[-1]:
            band = f"[{line.low[-1]:.5g}, {line.high[-1]:.5g}]"
        print(f"  {line.name:<12} {line.mean[-1]:>10.5g}  {band:<22} {line.source}".rstrip())
    for words in found.words():
        print(words)
