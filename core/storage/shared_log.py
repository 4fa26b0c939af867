"""The log of proposals of a study that several processes work on: in the storage, copied here."""

from __future__ import annotations

from pathlib import Path

from hyperllama.core.storage.database import storage_errors
from hyperllama.core.storage.folder import write_atomically
from hyperllama.core.storage.proposal_log import ProposalLog
from hyperllama.core.storage.sharing import StudyProcesses

_PROPOSALS = "proposals"
_PROGRAMS = "programs"


class SharedLog(ProposalLog):
    """As `ProposalLog`; what is written goes into the storage first, the programs of the study's
    folder with it, and `fetch` writes here what other processes added."""

    def __init__(self, path: Path, processes: StudyProcesses) -> None:
        super().__init__(path)
        self._processes = processes
        self._programs: set[str] = set()  # file names that the storage has
        self._begin()

    def fetch(self) -> None:
        with storage_errors():
            found = self._processes.new_in_log()
        for name, text in found:
            if name == _PROPOSALS:
                self.write(text)
            else:
                self._keep_program(name, text)

    def write(self, text: str, new: bool = False) -> None:
        if new:
            with storage_errors():
                self._send_programs()
                self._processes.add_to_log(_PROPOSALS, text)
        super().write(text)

    def _begin(self) -> None:
        """Make the file whole, and the log in the storage, if it is of an earlier version."""
        here = self.path.read_text("utf8", "replace").splitlines() if self.path.exists() else []
        lines = set(map(hash, here))
        with storage_errors():
            found = self._processes.new_in_log()
            for name, text in found:
                if name != _PROPOSALS:
                    self._keep_program(name, text)
                elif hash(text) not in lines:
                    super().write(text)
            if not any(name == _PROPOSALS for name, _ in found):
                for text in here:
                    self._processes.add_to_log(_PROPOSALS, text)
            self._send_programs()

    def _keep_program(self, name: str, text: str) -> None:
        file = self.path.parent / _PROGRAMS / Path(name).name
        self._programs.add(file.name)
        if not file.exists():
            file.parent.mkdir(exist_ok=True, mode=0o700)
            write_atomically(file, text)

    def _send_programs(self) -> None:
        for file in sorted((self.path.parent / _PROGRAMS).glob("*.py")):
            if file.name not in self._programs:
                self._processes.add_to_log(file.name, file.read_text("utf8"))
                self._programs.add(file.name)
