"""The child process of the interface that fits the GP for plots, so that NumPy stays out of it.

Requests are those of `landscape`: "profile" over one hyperparameter, "surface" over two.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hyperllama.core.propose.gp.landscape import drawn, landscape, levels_of


def handle(request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Answer one request with one message.

    A "profile" gives mean, low and high at the places asked for; a "surface" its levels and, for
    each cell of a terminal, the band between them and the lines in braille.
    """
    across = int(request["across"]), list(request["across_at"])
    known = (request["x"], request["y"], request["categorical"], request["base"])
    if request["do"] == "profile":
        found = landscape(*known, across)
        lines = {name: getattr(found, name)[0].tolist() for name in ("mean", "low", "high")}
        yield {"done": True, **lines}
        return
    found = landscape(*known, across, (int(request["up"]), list(request["up_at"])))
    columns, rows = int(request["columns"]), int(request["rows"])
    levels = levels_of(found.mean, max(2, min(6, rows // 3)))  # lines need room between them
    bands, lines_ = drawn(found.mean, levels, columns, rows)
    yield {"done": True, "levels": levels, "bands": bands, "lines": lines_}


if __name__ == "__main__":
    from hyperllama.models.process.serve import serve

    serve(handle)
