"""Where HyperLlama keeps what it writes: one folder, moved as a whole by HYPERLLAMA_HOME."""

from __future__ import annotations

import os
from pathlib import Path


def home() -> Path:
    """The data folder: $HYPERLLAMA_HOME, else the platform's user data folder. Not created here."""
    chosen = os.environ.get("HYPERLLAMA_HOME")
    if chosen:
        return Path(chosen).expanduser().absolute()
    from platformdirs import user_data_path

    return user_data_path("hyperllama")
