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
from hyperllama.core.evaluate.results import std
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
class FoldNoise:
    """One configuration on other folds.

    Attributes:
        number: of the trial; values: its score on each of the other splits into folds.
    """

    number: int
    values: Sequence[float]

    @property
    def std(self) -> float:
        """Standard deviation; 0 of fewer than two values."""
        return std(self.values) or 0.0


@dataclass(frozen=True)
class UnseenScore:
    """An incumbent of the study on the rows that no trial saw: trial, validation, test score."""

    number: int
    value: float
    test_value: float


@dataclass(frozen=True)
class BaselinePanel:
    """Everything the panel shows; what is not there yet is empty.

    Attributes:
        study, metric, budget: what it is about; budget in evaluations.
        curve: the study's own best score after each evaluation.
        proposer: of the study.
        lines: baselines.
        noise: of the incumbent and of the default.
        tested: the study's successive incumbents on the untouched rows, in their order.
        state: "none", "waiting" (for spare time), "running", "finished", "off", "stopped".
        done, total: pieces of work.
    """

    study: str
    metric: str = ""
    budget: int = 0
    curve: Sequence[float] = ()
    proposer: str = ""
    lines: Sequence[BaselineCurve] = ()
    noise: Sequence[FoldNoise] = ()
    tested: Sequence[UnseenScore] = ()
    state: str = "none"
    done: int = 0
    total: int = 0

    @property
    def noise_floor(self) -> float | None:
        """How much a score varies with the choice of folds alone: the larger standard deviation.

        None where that is not measured, or there is only one way to split (by time).
        """
        return max((n.std for n in self.noise), default=0.0) or None

    @property
    def overtuning(self) -> float | None:
        """Test score lost by going on: that of the best incumbent minus the last one's, from 0 up.

        Schneider et al. 2025, "Overtuning in hyperparameter optimization" (arXiv 2506.19540).
        """
        if not self.tested:
            return None
        return max(t.test_value for t in self.tested) - self.tested[-1].test_value

    def words(self) -> list[str]:
        """What it means, in plain sentences."""
        if not self.curve:
            return []
        said: list[str] = []
        best, floor = self.curve[-1], self.noise_floor
        for line in self.lines:
            if not line.mean:
                continue
            at = min(len(line.mean), len(self.curve)) - 1
            gap = self.curve[at] - line.mean[at]
            name = "random search" if line.name == "random" else line.name
            said.append(_against(gap, name, floor, at + 1))
        if floor is not None:
            said.append(f"the choice of folds alone moves a score by ±{floor:.2g}")
        if len(self.tested) > 1:
            first, last = self.tested[0], self.tested[-1]
            said.append(
                f"validation rose by {best - first.value:+.4g}, the untouched rows by "
                f"{last.test_value - first.test_value:+.4g}"
            )
            lost = self.overtuning or 0.0
            if lost > 0:
                earlier = max(self.tested, key=lambda t: t.test_value)
                small = floor is not None and lost <= 2 * floor
                said.append(
                    f"overtuned: trial {earlier.number} was better by {lost:.2g} on the untouched "
                    "rows than the incumbent" + (", which is within noise" if small else "")
                )
            else:
                said.append("no overtuning: no earlier incumbent was better on the untouched rows")
        return said


def _against(gap: float, name: str, floor: float | None, count: int) -> str:
    if abs(gap) < 1e-12:
        return f"equal to {name} after {count} evaluations"
    side = "above" if gap > 0 else "below"
    text = f"{abs(gap):.4g} {side} {name} after {count} evaluations"
    if floor is None:
        return text
    if abs(gap) <= 2 * floor:
        return f"{text}: within noise"
    return f"{text}: {abs(gap) / floor:.0f} times the noise of the folds"


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
    kinds: dict[str, Any] = {
        "lines": BaselineCurve, "noise": FoldNoise, "tested": UnseenScore,
    }  # fmt: skip
    values: dict[str, Any] = {}
    for key in BaselinePanel.__dataclass_fields__.keys() & raw.keys():
        value = raw[key]
        if key in kinds:
            value = [kinds[key](**{k: _frozen(v) for k, v in item.items()}) for item in value]
        values[key] = _frozen(value)
    return BaselinePanel(**values)


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
