"""A bench worker's main: one piece of work after the other; problems stay open between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict

from hyperllama.core.experiments.bench.problem import Problem
from hyperllama.core.experiments.bench.runner import done_here
from hyperllama.models.process.serve import ChildRequest, serve


def main() -> None:
    """Serve until stdin ends."""
    opened: dict[str, Problem] = {}

    def handle(request: ChildRequest) -> Iterator[Mapping[str, object]]:
        run = done_here(request, opened)
        yield {"done": True, "run": None if run is None else asdict(run)}

    serve(handle)


if __name__ == "__main__":
    main()
