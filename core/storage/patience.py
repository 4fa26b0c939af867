"""Waits while the server of a storage does not answer: it restarts, or the network is down."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any, TypeVar, cast

from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, PendingRollbackError

OUTAGE_S = 60.0
"""How long an outage is waited out."""
_EVERY_S = 1.0
_T = TypeVar("_T")


class Patience:
    """Repeats what the server did not carry out until it answers, `limit_s` seconds at most.

    Every operation on a study may be repeated: where the answer alone was lost, the second time
    changes nothing, or the store sees that the first has done it.

    Args:
        limit_s: how long it waits at most, in seconds.
        outage: whether an error is one to wait for; None: `is_outage`.

    Attributes:
        waiting: told once a second how many seconds are left; 0.0 once the server has answered.
        interrupted: True ends the waiting.
    """

    def __init__(
        self, limit_s: float = OUTAGE_S, clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        outage: Callable[[BaseException], bool] | None = None,
    ) -> None:  # fmt: skip
        self._limit_s, self._clock, self._sleep = limit_s, clock, sleep
        self._is_outage = outage or is_outage
        self._ended = False  # nothing is waited for any more: the study ends
        self.waiting: Callable[[float], None] = lambda left_s: None
        self.interrupted: Callable[[], bool] = lambda: False

    def call(self, function: Callable[..., _T], *args: Any, **named: Any) -> _T:
        """The result of `function`.

        Raises:
            Exception: whatever it raised, if that was no outage, or the outage lasts.
        """
        until_s: float | None = None
        while True:
            try:
                found = function(*args, **named)
            except Exception as error:
                if self._ended or not self._is_outage(error):
                    raise
                if until_s is None:
                    until_s = self._clock() + self._limit_s
                left_s = until_s - self._clock()
                if left_s <= 0 or self.interrupted():
                    self._ended = True
                    raise
                self.waiting(left_s)
                self._sleep(min(_EVERY_S, left_s))
            else:
                if until_s is not None:
                    self.waiting(0.0)
                return found


class _PatientStorage:
    """An Optuna storage whose every method is called with patience."""

    def __init__(self, storage: BaseStorage, patience: Patience) -> None:
        self._storage, self.patience = storage, patience

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._storage, name)
        return functools.partial(self.patience.call, found) if callable(found) else found


def patient(storage: BaseStorage) -> BaseStorage:
    """The storage, its outages waited out."""
    return cast(BaseStorage, _PatientStorage(storage, Patience()))


def patience_of(storage: BaseStorage) -> Patience:
    """How outages of a storage are waited out: not at all where it is a file."""
    found = getattr(storage, "patience", None)
    return found if isinstance(found, Patience) else Patience(0.0)


def is_outage(error: BaseException) -> bool:
    """Whether the server did not answer, or ended the connection."""
    cause = error.__cause__ if isinstance(error, StorageInternalError) else error
    if isinstance(cause, DBAPIError) and cause.connection_invalidated:
        return True
    return isinstance(cause, (OperationalError, InterfaceError, PendingRollbackError))


def is_unreachable(error: BaseException) -> bool:
    """Whether no server answers at its address, or it says that it restarts; False where one
    answers and refuses."""
    refused = "FATAL" in str(error.__cause__ or error)
    return is_restart(error) or (is_outage(error) and not refused)


def is_restart(error: BaseException) -> bool:
    """Whether the server said that it ends or starts: its address is right, and it will answer."""
    text = str(error.__cause__ or error)
    return any(said in text for said in ("administrator command", "the database system is"))
