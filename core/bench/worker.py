"""A bench worker's main: one JSON line in, one JSON line out, until stdin ends."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict

from core.bench.problem import Problem
from core.bench.runner import done_here
from core.errors import HyperLlamaError


def main() -> None:
    """Serve stdin. What libraries print goes to stderr, never between the answers."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    opened: dict[str, Problem] = {}
    for line in sys.stdin:
        answer: dict[str, object]
        try:
            run = done_here(json.loads(line), opened)
            answer = {"run": None if run is None else asdict(run)}
        except HyperLlamaError as error:
            answer = {"error": error.message, "hint": error.hint}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
