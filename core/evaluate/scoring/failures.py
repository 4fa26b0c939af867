"""Why a configuration could not be scored, in one readable line."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator

from hyperllama.core.errors import HyperLlamaError
from hyperllama.core.programs.sandbox import FitFailed
from hyperllama.core.text import one_line


class TrialFailed(Exception):
    """A configuration could not be scored: one readable line."""


@contextlib.contextmanager
def one_failure(where: str) -> Iterator[None]:
    """Without warnings; whatever is raised becomes a `TrialFailed`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except Exception as error:
            raise TrialFailed(f"{where}: {described(error)}") from error


def described(error: BaseException) -> str:
    """An exception in one readable line."""
    if isinstance(error, FitFailed):
        return one_line(error, 500)
    if isinstance(error, HyperLlamaError):
        return one_line(f"{error.message}: {error.hint}" if error.hint else error.message, 500)
    return f"{type(error).__name__}: {one_line(error)}" if str(error) else type(error).__name__
