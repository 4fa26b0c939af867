"""`hyperllama studies`: every study on this machine, from the summaries alone."""

from __future__ import annotations

import argparse
import time

NAME = "studies"
HELP = "list the studies on this machine"


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--names", action="store_true", help="the names alone, one a line")


def run(arguments: argparse.Namespace) -> int:
    from hyperllama.core.storage.folder import all_summaries
    from hyperllama.core.text import one_line
    from hyperllama.tui.cli.printing import print_json, print_table, short

    found = all_summaries()
    if arguments.names:
        for summary in found:
            print(one_line(summary.get("study")))
    elif arguments.json:
        print_json(found)
    elif not found:
        print("no study yet; begin one with: hyperllama run breast_cancer")
    else:
        rows = [("STUDY", "STATE", "TRIALS", "BEST", "DEFAULT", "METRIC", "PROPOSER", "CHANGED")]
        for s in found:
            budget = s.get("budget_trials")
            rows.append((
                s["study"], s.get("state", ""),
                f"{s.get('trials', 0)}{'' if budget is None else f'/{budget}'}",
                short(s.get("best_value")), short(s.get("default_value")),
                s.get("metric") or "", s.get("proposer") or "",
                _ago(float(s.get("updated_t") or 0.0)),
            ))  # fmt: skip
        print_table(rows)
    return 0


def _ago(t: float) -> str:
    seconds = max(0.0, time.time() - t)
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return "now"
