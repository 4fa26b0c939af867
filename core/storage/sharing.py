"""Which processes work on a study whose storage several can reach, and which trials each has.

Three tables beside those of Optuna. A process that works on a study has a row with a counter that
it raises every few seconds; one whose counter stands still is gone, and its row is removed. Clocks
are not compared. At most one row of a study is its owner's. A trial is claimed before it is run:
whoever holds the claim, as long as its process has its row, runs it alone. The log of proposals is
here, too, so that a study needs nothing but its storage to go on elsewhere.
"""

from __future__ import annotations

import functools
import hashlib
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from hyperllama.core.errors import StudyError
from hyperllama.core.storage.patience import Patience

BEAT_S = 5.0
SILENT_BEATS = 6
"""So many times in a row a counter was found unchanged: its process is gone."""
_STEP_S = 1.0

_META = sa.MetaData()
_PROCESSES = sa.Table(
    "hyperllama_processes", _META,
    sa.Column("token", sa.String(32), primary_key=True),
    sa.Column("study_id", sa.Integer, nullable=False, index=True),
    sa.Column("owns", sa.Integer, unique=True),  # the study's id in its owner's row, else null
    sa.Column("place", sa.String(400), nullable=False),
    sa.Column("label", sa.String(200), nullable=False),
    sa.Column("beat", sa.Integer, nullable=False),
)  # fmt: skip
_CLAIMS = sa.Table(
    "hyperllama_claims", _META,
    sa.Column("study_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("token", sa.String(32), nullable=False),
    sa.Column("config", sa.String(64)),
    sa.UniqueConstraint("study_id", "config", name="hyperllama_claims_config"),
)  # fmt: skip
_LOGS = sa.Table(
    "hyperllama_logs", _META,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("study_id", sa.Integer, nullable=False, index=True),
    sa.Column("token", sa.String(32), nullable=False),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
)  # fmt: skip
_LIVING = sa.select(_PROCESSES.c.token)
_Method = TypeVar("_Method", bound=Callable[..., Any])


def _patient(method: _Method) -> _Method:
    """Call a method again after an outage; each may be carried out twice."""

    @functools.wraps(method)
    def call(self: StudyProcesses, *args: Any, **named: Any) -> Any:
        return self._patience.call(method, self, *args, **named)

    return cast(_Method, call)


class StudyProcesses:
    """The processes that work on one study, seen by one of them.

    Args:
        engine: of the storage.
        folder: where this process works, its lock taken: rows of others that worked there are
            those of processes that are gone.

    Attributes:
        lost: another process owns the study now, since this one was silent for too long.
    """

    def __init__(
        self, engine: sa.Engine, study_id: int, folder: Path, patience: Patience | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:  # fmt: skip
        self._engine, self._study_id, self._sleep = engine, study_id, sleep
        self._patience = patience or Patience(0.0)
        self.token = uuid.uuid4().hex
        self.label = f"{os.getpid()} on {socket.gethostname()}"
        self._place, self._study = _place(folder), folder.name
        self._owner = False
        self._silent: dict[str, tuple[int, int]] = {}  # token -> its counter, how often unchanged
        self._left = threading.Event()
        self._seen = 0  # the newest row of the log that was read
        self.lost = False
        _make_tables(engine)

    def enter(self, owner: bool, waiting: Callable[[str, float], None]) -> None:
        """Take part in the study from now on, until `leave`.

        Args:
            owner: keep its books, alone; else run trials for it.
            waiting: told once a second whom it is waited for, and how many seconds are left.

        Raises:
            StudyError: another process owns it.
        """
        self._owner = owner
        self._patience.call(self._forget_place)
        while not self._patience.call(self._added):
            self._wait_for_owner(waiting)
        threading.Thread(target=self._keep_beating, daemon=True).start()

    def leave(self) -> None:
        """End the part of this process; its claims are free from then on. Idempotent."""
        self._left.set()
        with suppress(SQLAlchemyError), self._engine.begin() as connection:
            connection.execute(sa.delete(_PROCESSES).where(_PROCESSES.c.token == self.token))

    @_patient
    def claim(self, number: int) -> bool:
        """Have a trial for this process alone; False while a living process has it."""
        mine = sa.or_(_CLAIMS.c.token == self.token, _CLAIMS.c.token.not_in(_LIVING))
        with self._engine.begin() as connection:
            taken = connection.execute(
                sa.update(_CLAIMS).where(self._is(number), mine).values(token=self.token)
            )
            if taken.rowcount:
                return True
        row = {"study_id": self._study_id, "number": number, "token": self.token}
        return self._unique(sa.insert(_CLAIMS).values(row))

    @_patient
    def elsewhere(self) -> set[int]:
        """The trials that other living processes have, or had."""
        with self._engine.begin() as connection:
            found = connection.execute(sa.select(_CLAIMS.c.number).where(
                _CLAIMS.c.study_id == self._study_id, _CLAIMS.c.token != self.token,
                _CLAIMS.c.token.in_(_LIVING)))  # fmt: skip
            return set(found.scalars())

    @_patient
    def only_one(self, number: int, configuration: object) -> bool:
        """Note what a trial of this process will evaluate; False if another one evaluates it."""
        digest = hashlib.sha256(repr(configuration).encode()).hexdigest()
        return self._unique(sa.update(_CLAIMS).where(self._is(number)).values(config=digest))

    @_patient
    def add_to_log(self, name: str, text: str) -> None:
        """Add a text to the log of the study that all its processes share."""
        text = text.encode("utf8", "replace").decode("utf8")
        row = {"study_id": self._study_id, "token": self.token, "name": name, "text": text}
        with self._engine.begin() as connection:
            connection.execute(sa.insert(_LOGS).values(row))

    @_patient
    def new_in_log(self) -> list[tuple[str, str]]:
        """(name, text) of what others added to the log since this was last called."""
        with self._engine.begin() as connection:
            rows = connection.execute(
                sa.select(_LOGS.c.id, _LOGS.c.token, _LOGS.c.name, _LOGS.c.text).where(
                    _LOGS.c.study_id == self._study_id, _LOGS.c.id > self._seen
                ).order_by(_LOGS.c.id)
            ).all()  # fmt: skip
        self._seen = max((row.id for row in rows), default=self._seen)
        return [(row.name, row.text) for row in rows if row.token != self.token]

    def _wait_for_owner(self, waiting: Callable[[str, float], None]) -> None:
        """Return once the study has no owner any more.

        Raises:
            StudyError: it has one that is alive.
        """
        first: tuple[str, int] | None = None
        steps = round(SILENT_BEATS * BEAT_S / _STEP_S)
        for step in range(steps + 1):
            owner = self._patience.call(self._owner_row)
            if owner is None:
                return
            first = first or (owner.token, owner.beat)
            if first != (owner.token, owner.beat):
                raise StudyError(
                    f"the study is being worked on by process {owner.label}",
                    f"`hyperllama resume {self._study} --join` runs trials beside it, "
                    f"`hyperllama show {self._study}` shows it, both with --storage",
                )
            if step < steps:
                waiting(owner.label, (steps - step) * _STEP_S)
                self._sleep(_STEP_S)
        if first is not None:
            self._patience.call(self._remove, *first)

    def _forget_place(self) -> None:
        with self._engine.begin() as connection:
            connection.execute(sa.delete(_PROCESSES).where(
                _PROCESSES.c.study_id == self._study_id, _PROCESSES.c.place == self._place))

    def _owner_row(self) -> sa.Row[Any] | None:
        with self._engine.begin() as connection:
            return connection.execute(
                sa.select(_PROCESSES).where(_PROCESSES.c.owns == self._study_id)
            ).one_or_none()

    def _keep_beating(self) -> None:
        while not self._left.wait(BEAT_S):
            try:
                self.beat()
            except SQLAlchemyError:
                self._silent.clear()  # in an outage nobody can be heard

    def beat(self) -> None:
        """Say that this process lives; remove the row of those that were not heard any more."""
        with self._engine.begin() as connection:
            row = sa.update(_PROCESSES).where(_PROCESSES.c.token == self.token)
            known = connection.execute(row.values(beat=_PROCESSES.c.beat + 1)).rowcount
            others = connection.execute(sa.select(_PROCESSES.c.token, _PROCESSES.c.beat).where(
                _PROCESSES.c.study_id == self._study_id, _PROCESSES.c.token != self.token)).all()
        if not known and not self._left.is_set():  # it was taken for gone
            self.lost = not self._added()
        heard = {}
        for token, beat in others:
            before, times = self._silent.get(token, (-1, 0))
            heard[token] = (beat, times + 1 if beat == before else 0)
            if heard[token][1] >= SILENT_BEATS:
                self._remove(token, beat)
        self._silent = heard

    def _added(self) -> bool:
        """Add the row of this process; False where it cannot own what another one owns."""
        return self._unique(sa.insert(_PROCESSES).values(
            token=self.token, study_id=self._study_id, place=self._place, label=self.label,
            beat=0, owns=self._study_id if self._owner else None,
        ))  # fmt: skip

    def _remove(self, token: str, beat: int) -> None:
        with self._engine.begin() as connection:
            connection.execute(sa.delete(_PROCESSES).where(
                _PROCESSES.c.token == token, _PROCESSES.c.beat == beat))

    def _unique(self, statement: sa.Insert | sa.Update) -> bool:
        """Execute a statement; False where it would break what has to be unique."""
        try:
            with self._engine.begin() as connection:
                connection.execute(statement)
        except IntegrityError:
            return False
        return True

    def _is(self, number: int) -> sa.ColumnElement[bool]:
        return sa.and_(_CLAIMS.c.study_id == self._study_id, _CLAIMS.c.number == number)


def forget_processes(engine: sa.Engine, study_id: int) -> None:
    """Remove what stands of a study that had this number: databases use numbers again."""
    _make_tables(engine)
    with engine.begin() as connection:
        for table in (_PROCESSES, _CLAIMS, _LOGS):
            connection.execute(sa.delete(table).where(table.c.study_id == study_id))


def owner_of(engine: sa.Engine, study_id: int) -> tuple[str, int] | None:
    """The process that owns a study, as "ID on HOST", and its counter, which stands still once the
    process is gone; None where none owns it."""
    try:
        with engine.connect() as connection:
            found = connection.execute(
                sa.select(_PROCESSES.c.label, _PROCESSES.c.beat).where(
                    _PROCESSES.c.owns == study_id)
            ).one_or_none()
    except DBAPIError:  # no process of this version has worked on it
        return None
    return None if found is None else (str(found.label), int(found.beat))


def _make_tables(engine: sa.Engine) -> None:
    try:
        _META.create_all(engine)
    except DBAPIError:
        _META.create_all(engine)  # another process made them at the same moment


def _place(folder: Path) -> str:
    """The same for processes of one machine that work in one folder, of which one can at a time."""
    stat = folder.stat()
    return f"{socket.gethostname()[:100]} {stat.st_dev} {stat.st_ino} {folder}"[:400]
