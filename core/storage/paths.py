"""Where HyperLlama keeps what it writes: one folder, moved as a whole by HYPERLLAMA_HOME."""

from __future__ import annotations

import os
import re
from pathlib import Path


def home() -> Path:
    """The data folder: $HYPERLLAMA_HOME, else the platform's user data folder. Not created here."""
    chosen = os.environ.get("HYPERLLAMA_HOME")
    if chosen:
        return Path(chosen).expanduser().absolute()
    from platformdirs import user_data_path

    return user_data_path("hyperllama")


def study_dir(study: str) -> Path:
    """The folder of one study: its name with everything but letters, digits, . _ - replaced."""
    safe = re.sub(r"[^\w.-]+", "_", study).strip("._") or "study"
    return home() / "studies" / safe


def default_storage() -> str:
    """The Optuna storage URL used when none is given: one SQLite file for all studies."""
    return f"sqlite:///{home() / 'studies.db'}"
