"""A look at a table for the interface, as JSON: types, empty cells, the target, warnings."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def inspect(path: Path, target: str | None = None) -> dict[str, Any]:
    raise NotImplementedError
