"""What the trial runner's process is asked, and what it answers: each message is one JSON line.

Both ends check with pydantic. While a trial runs, its folds are reported as they finish; the answer
to a request comes last, as "done" or as an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Annotated, Any, Generic, Literal, TypeVar, Union

from pydantic import BeforeValidator, Field, TypeAdapter

from hyperllama.core.data import Table
from hyperllama.core.evaluate.racing import Rival
from hyperllama.core.evaluate.results import FoldResult
from hyperllama.core.space import Categorical, Config, Float, Integer, Param, SearchSpace
from hyperllama.core.task import Problem, Task
from hyperllama.core.task.resolve import Decided

Answer = TypeVar("Answer")


def _with_domain(param: Any) -> Any:
    """The fields of a `Param` with its domain made; its fields say which kind it is."""
    if isinstance(param, Param):
        return param
    domain: dict[str, Any] = param["domain"]
    if "choices" in domain:
        return {**param, "domain": Categorical(tuple(domain["choices"]))}
    kind = Integer if isinstance(domain["step"], int) else Float
    return {**param, "domain": kind(**domain)}


@dataclass(frozen=True)
class OpenedTable(Decided):
    """What the task means for its table, and the rows."""

    params: tuple[Annotated[Param, BeforeValidator(_with_domain)], ...]
    rows: int
    test_rows: int
    folds: int
    other_folds: bool
    chance: tuple[float, ...]
    summary: tuple[str, ...]

    @classmethod
    def of(
        cls, problem: Problem, table: Table, *, test_rows: int, folds: int, other_folds: bool,
        chance: tuple[float, ...],
    ) -> OpenedTable:
        """The message about a problem."""
        return cls(
            **_decided(problem), params=problem.space.params, rows=table.n_rows,
            test_rows=test_rows, folds=folds, other_folds=other_folds,
            chance=chance, summary=tuple(table.summary()),
        )

    def problem(self, task: Task) -> Problem:
        """The problem that this is about."""
        return Problem(task=task, space=SearchSpace(self.params), **_decided(self))


def _decided(it: Decided) -> dict[str, Any]:
    return {f.name: getattr(it, f.name) for f in fields(Decided)}


class RunnerRequest(Generic[Answer]):
    """A request to the trial runner; its answer has the type in the brackets."""


@dataclass(frozen=True)
class Open(RunnerRequest[OpenedTable]):
    """Read the table of a task: from its file, or from one that another runner has `shared`."""

    task: str
    threads: int
    shared: str = ""
    do: Literal["open"] = "open"


@dataclass(frozen=True)
class Evaluate(RunnerRequest[dict[str, Any]]):
    """Score a configuration fold by fold, as long as it may beat the rival; the answer is
    `Result.facts`. Of one fold only: the fields of its `Tally`."""

    config: Config
    seed: int
    fold_seed: int | None
    memory_mb: float
    rival: Rival | None = None
    only_fold: int | None = None
    do: Literal["evaluate"] = "evaluate"


@dataclass(frozen=True)
class ScoreTest(RunnerRequest[Union[float, None]]):
    """Score on the test rows after a fit on all others; None where there are none."""

    config: Config
    seed: int
    memory_mb: float
    do: Literal["score_test"] = "score_test"


@dataclass(frozen=True)
class FitFinal(RunnerRequest[None]):
    """Fit on all rows and write the pipeline, with `facts` beside it."""

    config: Config
    seed: int
    memory_mb: float
    path: str
    facts: Mapping[str, Any]
    do: Literal["fit_final"] = "fit_final"


@dataclass(frozen=True)
class SaveTable(RunnerRequest[None]):
    """Write the table as NumPy arrays."""

    path: str
    do: Literal["save_table"] = "save_table"


@dataclass(frozen=True)
class ShareTable(RunnerRequest[None]):
    """Write the table as it was read, for other runners to map into their memory."""

    path: str
    do: Literal["share_table"] = "share_table"


@dataclass(frozen=True)
class FoldDone:
    """A fold of the trial that is under way."""

    fold: FoldResult
    rss_mb: float


@dataclass(frozen=True)
class Done:
    """The answer to a request."""

    done: Literal[True]
    answer: Any
    rss_mb: float


@dataclass(frozen=True)
class Failed:
    """The request failed; `error` is the class of what was raised."""

    error: str
    message: str
    hint: str = ""
    rss_mb: float = 0.0


Reply = Union[FoldDone, Done, Failed]
_REPLY: TypeAdapter[Reply] = TypeAdapter(Reply)
_OPENED = TypeAdapter(OpenedTable)
_REQUEST: TypeAdapter[Any] = TypeAdapter(Annotated[
    Union[Open, Evaluate, ScoreTest, FitFinal, SaveTable, ShareTable], Field(discriminator="do")
])


def read_request(message: Mapping[str, Any]) -> Any:
    """The request that a line holds, as one of the classes above."""
    return _REQUEST.validate_python(dict(message))


def read_reply(message: Mapping[str, Any]) -> Reply:
    """The reply that a line holds."""
    return _REPLY.validate_python(dict(message))


def read_opened(answer: Any) -> OpenedTable:
    """The answer to `Open`."""
    return _OPENED.validate_python(answer)


def as_message(request: RunnerRequest[Any]) -> dict[str, Any]:
    """The request as plain values."""
    return asdict(request)  # type: ignore[call-overload, no-any-return]
