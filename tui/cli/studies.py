"""`hyperllama studies`: every study on this machine, from the summaries alone."""

from __future__ import annotations

import argparse
import json
import time

NAME = "studies"
HELP = "list the studies on this machine"


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--names", action="store_true", help="the names alone, one a line")


def run(arguments: argparse.Namespace) -> int:
    from hyperllama.core.storage.folder import all_summaries
    from hyperllama.core.text import plain

    found = all_summaries()
    if arguments.names:
        for summary in found:
            print(plain(str(summary.get("study"))))
        return 0
    if arguments.json:
        print(json.dumps(found, indent=1))
        return 0
    if not found:
        print("no study yet; begin one with: hyperllama run breast_cancer")
        return 0
    rows = [("STUDY", "STATE", "TRIALS", "BEST", "DEFAULT", "METRIC", "PROPOSER", "TOUCHED")]
    for s in found:
        budget = s.get("budget_trials")
        done = f"{s.get('trials', 0)}{'' if budget is None else f'/{budget}'}"
        rows.append(
            (
                plain(str(s.get("study"))),
                str(s.get("state")),
                done,
                _score(s.get("best_value")),
                _score(s.get("default_value")),
                plain(str(s.get("metric") or "")),
                plain(str(s.get("proposer") or "")),
                _ago(float(s.get("updated_t") or 0.0)),
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip())
    return 0


def _score(value: object) -> str:
    return f"{value:.5g}" if isinstance(value, (int, float)) else "-"


def _ago(t: float) -> str:
    seconds = max(0.0, time.time() - t)
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return "now"
