"""The trial of a study that a person wants to use in place of the winner, kept in its folder."""

from __future__ import annotations

from contextlib import suppress

from hyperllama.core.storage.folder import write_atomically
from hyperllama.core.storage.paths import study_dir

_FILE = "chosen_trial"


class ChosenTrials:
    """The chosen trial of each study, by the study's name; read and written as it is asked for."""

    def get(self, study: str) -> int | None:
        """The number of the chosen trial; None where none is chosen, or the file is damaged."""
        with suppress(OSError, ValueError):
            return int((study_dir(study) / _FILE).read_text("utf8"))
        return None

    def choose(self, study: str, number: int | None) -> None:
        """Keep the choice for later sessions; None leaves it to the study again.

        Raises:
            OSError: the folder cannot be written.
        """
        file = study_dir(study) / _FILE
        if number is None:
            file.unlink(missing_ok=True)
        else:
            write_atomically(file, f"{number}\n")
