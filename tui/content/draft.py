"""The task file that the form edits: text, table, faults. No widgets.

Heavy work is done in a child process (`core.task.draft.server`); this side waits for it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hyperllama.core.storage.paths import home
from hyperllama.core.task.draft.edit import set_key, value_at, values
from hyperllama.core.text import table_stem
from hyperllama.models.process import python_argv
from hyperllama.tui.processes.child import JsonChild
from hyperllama.tui.text import bounds


class Draft:
    """The text of a task file and what is known of it.

    Attributes:
        file: where the text will be saved; paths in it count from there.
        table: the table that was looked at last; look: what it contains, see `core.data.inspect`.
        header: whether the table's first row names its columns.
        text: the task file's text; base: the text as it was written at first.
        task: the checked task (`core.task.draft.server.summary`); None while nothing was right yet.
        faults: what is wrong, each with key, problem, hint, line.
    """

    def __init__(self, file: Path | None = None) -> None:
        self.file = file or Path.cwd() / "task.toml"
        self.table: Path | None = None
        self.header = True
        self.look: dict[str, Any] = {}
        self.base = ""
        self.text = ""
        self.task: dict[str, Any] | None = None
        self.faults: list[dict[str, Any]] = []
        log = home() / "logs" / "form.log"
        argv = python_argv("hyperllama.core.task.draft.server")
        self.child = JsonChild(argv, "the table's reader", log)

    @property
    def columns(self) -> list[dict[str, Any]]:
        """The table's columns; empty while no table was looked at."""
        return list(self.look.get("columns", ()))

    def said(self, path: Sequence[str]) -> Any:
        """What the text says at a dotted path; None where it says nothing or is no TOML."""
        return value_at(values(self.text) or {}, tuple(path))

    def estimators(self) -> list[str]:
        """The families the text names."""
        named = self.said(("estimators",)) or self.said(("estimator",)) or []
        return [named] if isinstance(named, str) else [str(n) for n in named]

    def fault_of(self, key: str) -> str:
        """What is wrong with a key of the file; empty if nothing is."""
        for fault in self.faults:
            if fault["key"] == key or fault["key"].startswith(key + "."):
                hint = f" ({fault['hint']})" if fault["hint"] else ""
                return f"{fault['problem']}{hint}"
        return ""

    def set(self, path: Sequence[str], value: Any, instead: str = "") -> None:
        """Change one key of the text. Raises ValueError where the text is no TOML."""
        self.text = set_key(self.text, tuple(path), value, instead)

    async def look_at(self, table: Path, header: bool = True) -> None:
        """Look at a table and write a first text for it. Raises ChildDied."""
        self.header = header
        answer = await self.child.ask("look", {"table": str(table), "header": header})
        self.faults = answer.get("faults", [])
        if self.faults:
            self.look, self.task = {}, None
            return
        self.table, self.look = table, answer["look"]
        target = self.look.get("target")
        if target is None:
            warnings = self.look.get("warnings") or [""]
            self.faults = [
                {"key": "data.target", "problem": warnings[-1], "hint": "choose one", "line": -1}
            ]
            return
        self.base = self.text = ""
        self.file = free_file(Path.cwd(), table)
        await self.write(str(target["name"]))

    async def open(self, file: Path) -> None:
        """Take up a task file that is there. Raises ChildDied; OSError where it cannot be read."""
        self.text = file.read_text("utf8")
        path = self.said(("data", "path"))
        if isinstance(path, str) and path:
            self.table = (file.parent / Path(path).expanduser()).resolve()
        self.file = file
        if not _own(file):
            self.file = free_file(Path.cwd(), file)
            if self.table is not None:
                self.set(("data", "path"), str(self.table))
        if self.table is not None:
            self.header = self.said(("data", "header")) is not False
            wanted = {"table": str(self.table), "target": self.said(("data", "target")),
                      "header": self.header}  # fmt: skip
            self.look = (await self.child.ask("look", wanted)).get("look", {})
            known = {**wanted, "file": str(self.file), "estimators": self.estimators()}
            self.base = (await self.child.ask("write", known)).get("base", "")
        await self.check()

    async def write(
        self, target: str = "", kind: str = "", estimators: Sequence[str] = ()
    ) -> list[str]:
        """Write the text anew for another target, kind or estimators; changes are carried over.

        Returns the keys that could not be. Raises ChildDied.
        """
        text = None
        while text != self.text:  # what was changed meanwhile is carried over too
            text = self.text
            answer = await self.child.ask(
                "write",
                {
                    "table": str(self.table),
                    "file": str(self.file),
                    "target": target or self.said(("data", "target")),
                    "kind": kind,
                    "estimators": list(estimators) or self.estimators(),
                    "header": self.header,
                    "base": self.base,
                    "text": text,
                },
            )
        if answer.get("faults"):
            self.faults = answer["faults"]
            return []
        self.base, self.text = answer["base"], answer["text"]
        await self._look_for(target)
        await self.check()
        return list(answer["lost"])

    async def _look_for(self, target: str) -> None:
        """Look at the table again where another column is the target now."""
        if target and target != (self.look.get("target") or {}).get("name"):
            wanted = {"table": str(self.table), "target": target, "header": self.header}
            self.look = (await self.child.ask("look", wanted)).get("look") or self.look

    async def check(self) -> None:
        """Find out what the text comes to. Raises ChildDied."""
        text = self.text
        answer = await self.child.ask("check", {"text": text, "file": str(self.file)})
        if text != self.text:
            return  # an older text's answer
        self.faults = answer["faults"]
        self.task = answer.get("task") if not self.faults else self.task

    def save(self) -> None:
        """Write the file. Raises OSError."""
        from hyperllama.core.storage.folder import write_atomically
        from hyperllama.core.storage.paths import users_umask

        with users_umask():
            self.file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self.file, self.text)


def free_file(folder: Path, like: Path) -> Path:
    """A task file's path in `folder`, named after `like`, that is not taken."""
    stem = table_stem(like.name) or "task"
    path, number = folder / f"{stem}.toml", 2
    while path.exists():
        path, number = folder / f"{stem}-{number}.toml", number + 1
    return path


def _own(file: Path) -> bool:
    """Whether the file is the user's own, not one that ships."""
    return Path(__file__).resolve().parents[2] / "sample_tasks" != file.resolve().parent


def place(value: float, low: float, high: float, log: bool) -> float:
    """Where a value lies in a range, 0 to 1."""
    if not high > low:
        return 0.5
    if log and low > 0 and value > 0:
        return (math.log(value) - math.log(low)) / (math.log(high) - math.log(low))
    return (value - low) / (high - low)


def range_value(text: str, row: Mapping[str, Any]) -> Any:
    """What was typed about a hyperparameter, as the task file says it.

    "6" freezes it; "2 .. 8", "0.01..0.3 log" change the range; "a, b" names choices; "" is None:
    the default range.

    Raises:
        ValueError: with what is wrong, in words.
    """
    text = text.strip()
    if not text:
        return None
    usual = row.get("usual") or row.get("now") or {}
    choices = usual.get("choices")
    if choices is not None:
        shown = ["none" if one is None else one for one in bounds.chosen(text, choices)]
        return shown[0] if len(shown) == 1 else {"choices": shown}
    log: bool | None = None
    words = text.split()
    if words[-1] in ("log", "linear"):
        log = words.pop() == "log"
    ends = bounds.numbers(" ".join(words))
    if len(ends) == 1:
        if log is not None:
            raise ValueError("a scale needs a range: low .. high log")
        return ends[0]
    change: dict[str, Any] = {}
    for name, end in zip(("low", "high"), ends, strict=True):
        if end != usual.get(name):
            change[name] = end
    if log is not None and log != bool(usual.get("log")):
        change["log"] = log
    return change or None
