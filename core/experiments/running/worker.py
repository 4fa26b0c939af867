"""A worker's main: one cell, or a part of a random pool, after the other; what was opened stays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from hyperllama.core.experiments.grid import load_grid
from hyperllama.core.experiments.running.runner import CellPlayer, OpenedParts
from hyperllama.models.process.serve import ChildRequest, serve


def main() -> None:
    """Serve until stdin ends."""
    players: dict[str, CellPlayer] = {}

    def handle(request: ChildRequest) -> Iterator[Mapping[str, object]]:
        grid = load_grid(request["name"])
        kept = request.get("kept")
        if grid.name not in players:
            parts = OpenedParts(kept=Path(kept) if kept else None)
            players[grid.name] = CellPlayer(grid.name, parts)
        player = players[grid.name]
        if "fill" in request:
            task, first, last = request["fill"]
            player.problem(grid, task).fill(first, last)
        else:
            player.play(grid, next(c for c in grid.cells if c.id == request["cell"]))
        yield {"done": True}

    serve(handle)


if __name__ == "__main__":
    main()
