"""The child process that draws a chart of a study as a PNG picture, for terminals that show them.

Needs the extra "pictures" (resvg).
"""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from hyperllama.core.charts import Bars, Chart, to_svg
from hyperllama.core.errors import StudyError, pip_install
from hyperllama.core.events import ImportanceFound
from hyperllama.core.report import plots
from hyperllama.core.storage.reading import read_stored
from hyperllama.core.study.findings.axes import axes_of
from hyperllama.core.study.findings.importance import METHOD
from hyperllama.core.study.history import state_of


def chart_of(
    study: plots.Plotted, view: str, across: str = "", up: str = ""
) -> Chart | Bars | None:
    """The chart that a view of the progress pane shows; None where there is nothing to draw yet."""
    axes = {axis.name: axis for axis in axes_of(study.state)}
    if study.state.best is None:
        return None
    if view == "importance":
        return plots.importance_bars(study)
    if view == "one" and across in axes:
        return plots.one(study, axes[across])
    if view == "two" and across in axes and up in axes:
        return plots.two(study, axes[across], axes[up])
    if view == "all":
        return plots.parallel(study)
    if view == "curves":
        return plots.learning_curves(study)
    found = plots.progress(study).charts[0]
    return found if isinstance(found, Chart) else None


def handle(request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Draw one chart; the answer has the picture's bytes in base64, or "nothing".

    Raises:
        StudyError: the extra is not installed.
    """
    try:
        import resvg_py
    except ImportError as error:
        raise StudyError("pictures need a package that is not installed",
                         pip_install("hyperllama[pictures]")) from error
    state = state_of(read_stored(request["study"], None))
    scored = sum(t.value is not None for t in state.trials)
    known = ImportanceFound(dict(request["shares"]), scored, METHOD)
    study = plots.Plotted(replace(state, importance=known))
    chart = chart_of(study, request["view"], request.get("across", ""), request.get("up", ""))
    if chart is None:
        yield {"done": True, "nothing": True}
        return
    if isinstance(chart, Chart):  # as wide as the room, in the same units as its letters
        height = round(760 * request["height"] / request["width"])
        chart = replace(chart, width=760, height=max(260, height))
    png = resvg_py.svg_to_bytes(
        svg_string=to_svg(chart, request["dark"]), width=request["width"],
        sans_serif_family=_sans_serif(),
    )  # fmt: skip
    yield {"done": True, "png": base64.b64encode(bytes(png)).decode("ascii")}


def _sans_serif() -> str | None:
    """The family that this machine uses for plain text; None where that cannot be asked."""
    try:
        done = subprocess.run(
            ["fc-match", "-f", "%{family}", "sans-serif"], capture_output=True, text=True,
            timeout=5, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.partition(",")[0] or None


if __name__ == "__main__":
    from hyperllama.models.process.serve import serve

    serve(handle)
