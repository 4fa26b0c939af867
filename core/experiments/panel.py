"""What a study found beside what simpler ways find with the same budget: the baselines panel.

`read_panel(STUDY)` is what an interface draws; it reads one JSON file. `baselines.py` writes that
file while nothing else is running, and keeps its trials apart from the study's own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from hyperllama.core.errors import StudyError
from hyperllama.core.storage.folder import find_study, holder, write_atomically

FOLDER = "baselines"
FILE = "honesty.json"  # the name that studies of version 0.1.0 have it under


@dataclass(frozen=True)
class BaselineCurve:
    """A way to search, after 1, 2, ... evaluations; scores are greater-is-better.

    Attributes:
        name: "default", "random", "tpe", "gp".
        mean: expected best score, one an evaluation.
        low, high: the band: of random search the 10th and 90th percentile, of others the worst and
            the best seed; as long as `mean`.
        source: in words, where it comes from.
    """

    name: str
    mean: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    source: str = ""


@dataclass(frozen=True)
class BaselinePanel:
    """Everything the panel shows; what is not there yet is empty.

    Attributes:
        study, metric, budget: what it is about; budget in evaluations.
        curve: the study's own best score after each evaluation.
        proposer: of the study.
        lines: baselines.
        margin: the study's noise (`core.trials.noise`); None while that is unknown.
        state: "none", "waiting" (for spare time), "running", "finished", "off", "stopped".
        done, total: pieces of work.
    """

    study: str
    metric: str = ""
    budget: int = 0
    curve: Sequence[float] = ()
    proposer: str = ""
    lines: Sequence[BaselineCurve] = ()
    margin: float | None = None
    state: str = "none"
    done: int = 0
    total: int = 0

    def words(self) -> list[str]:
        """What it means, in plain sentences."""
        if not self.curve:
            return []
        said: list[str] = []
        for line in self.lines:
            at = min(len(line.mean), len(self.curve)) - 1
            if at >= 0:
                said.append(self._against(line, at))
        return said

    def _against(self, line: BaselineCurve, at: int) -> str:
        """The study against a baseline after `at` + 1 evaluations."""
        best = self.curve[at]
        gap, name = best - line.mean[at], "random search" if line.name == "random" else line.name
        if abs(gap) < 1e-12:
            return f"equal to {name} after {at + 1} evaluations"
        side = "above" if gap > 0 else "below"
        text = f"{abs(gap):.4g} {side} {name} after {at + 1} evaluations"
        if line.low[at] < line.high[at] and line.low[at] <= best <= line.high[at]:
            luck = f"{line.low[at]:.4g} to {line.high[at]:.4g}"
            return f"{text}: within the luck of its draws, {luck}"
        if self.margin is None:
            return text
        standing = "within" if abs(gap) <= self.margin else "beyond"
        return f"{text}: {standing} noise (±{self.margin:.2g})"


def panel_file(folder: Path) -> Path:
    """Where a study's panel is kept."""
    return folder / FOLDER / FILE


def lock_folder(folder: Path) -> Path:
    """Where the lock of the process lies that fills a study's panel."""
    return folder / FOLDER / "panel"


def write_panel(folder: Path, found: BaselinePanel) -> None:
    """Replace the panel at once."""
    file = panel_file(folder)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, json.dumps(asdict(found), ensure_ascii=False) + "\n")


def read_panel(study: str) -> BaselinePanel:
    """The panel of a study so far; its `state` is "stopped" where no process works on it.

    Raises:
        StudyError: there is no such study, or the file is damaged.
    """
    folder = find_study(study)
    file = panel_file(folder)
    try:
        found = _from_json(json.loads(file.read_text("utf8")))
    except FileNotFoundError:
        return BaselinePanel(folder.name)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise StudyError(f"{file} cannot be read: {error}", "delete it") from error
    if found.state in ("running", "waiting") and holder(lock_folder(folder)) is None:
        return replace(found, state="stopped")
    return found


def _from_json(raw: Mapping[str, Any]) -> BaselinePanel:
    values: dict[str, Any] = {}
    for key in BaselinePanel.__dataclass_fields__.keys() & raw.keys():
        value = raw[key]
        if key == "lines":
            value = [BaselineCurve(**{k: _frozen(v) for k, v in item.items()}) for item in value]
        values[key] = _frozen(value)
    return BaselinePanel(**values)


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
