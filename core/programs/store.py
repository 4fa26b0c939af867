"""The programs of a study: one file each, named by what the program is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hyperllama.core.errors import SpaceError, StudyError
from hyperllama.core.programs.contract import Program, ProgramError, parse_program
from hyperllama.core.space import Config

FOLDER = "programs"
CHOICE = "program"
"""The name under which a configuration says which program is run; the rest are its values."""
TRIES = "tries"
"""The fact of a trial that is the first line of its program's docstring."""
_KEY = 12


class ProgramStore:
    """Programs in a study's folder; equal programs (see `Program.key`) are kept once.

    Args:
        folder: of the study.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / FOLDER

    def add(self, text: str) -> str:
        """Check a program and keep it; its short key.

        Raises:
            ProgramError: it cannot be used.
        """
        key = parse_program(text).key[:_KEY]
        file = self._file(key)
        if not file.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            temporary = file.with_suffix(".tmp")
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(file)
        return key

    def get(self, key: str) -> Program:
        """A program by its short key, checked again.

        Raises:
            StudyError: there is none, or the file was changed since.
        """
        missing = StudyError(
            f"the study has no program {key!r}", "`hyperllama tell STUDY program FILE.py` adds one"
        )
        if not key.isalnum():
            raise missing
        try:
            program = parse_program(self._file(key).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise missing from error
        except ProgramError as error:
            raise StudyError(f"the program {key}: {error.message}") from error
        if not program.key.startswith(key):
            raise StudyError(f"{self._file(key)} was changed: it is another program now")
        return program

    def trial(self, config: Config) -> tuple[Program, dict[str, Any]]:
        """The program of a configuration, and all of its values.

        Raises:
            StudyError, SpaceError: there is no such program, or it does not take these values.
        """
        program = self.get(str(config.get(CHOICE)))
        given = {k: v for k, v in config.items() if k != CHOICE}
        for name, value in given.items():
            domain = program.space.known(name).domain
            if not domain.contains(value):
                raise SpaceError(f"{name} = {value!r} is outside", f"allowed: {domain.describe()}")
        return program, program.space.complete(given)

    def _file(self, key: str) -> Path:
        return self._folder / f"{key}.py"
