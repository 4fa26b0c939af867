"""What a task file may say: one pydantic model for each of its tables, a docstring under each key.

Nothing is guessed here: what a file leaves out stays None and is filled by `core.task.resolve`
with the table at hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Union

from pydantic import BeforeValidator, Field, PrivateAttr, model_validator

from hyperllama.core.data.source import DataSpec, Kind, Names, TableSource, TomlTable, wrong
from hyperllama.core.errors import TaskError

Method = Literal["kfold", "stratified", "group", "time", "split"]
Scalar = Union[bool, int, float, str]
Scalars = Annotated[
    tuple[Scalar, ...],
    BeforeValidator(lambda v: tuple(v) if isinstance(v, list) else v),
]


class Validation(TomlTable):
    """How a configuration is scored, and which rows are kept for the end."""

    method: Method | None = None
    """kfold, stratified (classes in equal shares), group (whole groups), time (past to future),
    split (one part is scored). Absent: stratified or kfold, or what `group`/`time` ask for."""
    folds: int = Field(default=5, ge=2, le=50)
    repeats: int = Field(default=1, ge=1, le=20)
    """How often the folds are drawn anew."""
    group: str | None = None
    """The column whose equal values stay together, e.g. a patient."""
    time: Names | None = Field(default=None, min_length=1)
    """The column that orders the rows, or several: ["year", "month", "day"]."""
    test_share: float = Field(default=0.2, ge=0.0, le=0.8)
    """Share of the rows that are set aside as test rows until the end; 0 for none."""
    validation_share: float = Field(default=0.25, gt=0.0, le=0.8)
    """With the method "split": share of the other rows that is scored."""

    @property
    def scored_share(self) -> float:
        """Share of the rows of a fold, trained on or scored, that is scored; of folds by time,
        which train on ever more, over all of them."""
        if self.method == "split":
            return self.validation_share
        return 2 / (self.folds + 3) if self.method == "time" else 1 / self.folds

    @model_validator(mode="after")
    def _agree(self) -> Validation:
        if self.method == "group" and self.group is None:
            raise ValueError('method "group" needs the key `group`: which column names the group')
        if self.method == "time" and self.time is None:
            raise ValueError('method "time" needs the key `time`: the column that orders the rows')
        if self.group is not None and self.time is not None:
            raise ValueError("`group` and `time` exclude each other")
        if self.method is not None and self.group is not None and self.method != "group":
            raise ValueError(f'`group` has no effect with method "{self.method}"')
        if self.method is not None and self.time is not None and self.method != "time":
            raise ValueError(f'`time` has no effect with method "{self.method}"')
        return self


class Budget(TomlTable):
    """When the study ends: after so many trials or minutes, whichever comes first."""

    trials: int = Field(default=20, ge=1, le=100_000)
    minutes: float | None = Field(default=None, gt=0)

    @model_validator(mode="before")
    @classmethod
    def _only_minutes(cls, given: Any) -> Any:
        """Minutes without trials: as many trials as the time allows."""
        if isinstance(given, Mapping) and "minutes" in given and "trials" not in given:
            return {**given, "trials": 100_000}
        return given


class Limits(TomlTable):
    """What one trial may use, and what is left out at the end."""

    trial_seconds: float = Field(default=300.0, gt=0)
    trial_memory_mb: float | None = Field(default=None, ge=64)
    threads: int | None = Field(default=None, ge=1, le=1024)
    jobs: int | None = Field(default=None, ge=1, le=256)
    """Trials that run side by side."""
    cluster: str = ""
    """A Dask cluster that trains: the scheduler's address, "tcp://host:8786", or its file."""
    order: Literal["fixed", "as-finished"] = "fixed"
    """With several jobs, what a proposal knows: "fixed": all trials but the `jobs - 1 + jobs // 2`
    begun last, so that the same seed gives the same study; "as-finished": whatever has ended."""
    racing: float | None = Field(default=None, ge=0, lt=0.5)
    """Trials that hardly can beat the incumbent are stopped after some of their folds; so large a
    share of these may have beaten it. 0: none is stopped. Where nothing is said, 0.05 with five
    folds or more."""
    confirm: bool = True
    """At the end the default and the best trials are scored on fresh folds; false: they are not."""


class Programs(TomlTable):
    """Whether whole pipelines are tried, and who may write them."""

    kind: Literal["auto", "pipeline", "bound", "free"] | None = None
    """pipeline: choices of preparation, voting and targets beside the estimator's own. bound: a
    chat model makes these choices, and says in a line what it tries. free: a chat model writes
    Python. auto: free where the chat model can, else bound; pipeline without a chat model."""
    unsandboxed: bool = False
    """Run programs that people or models wrote without a sandbox: they can read your files and the
    network. Only for programs that you have read."""
    neutral_names: bool = False
    """Columns are called x1, x2, ... wherever a model or a program sees them."""
    evaluations: Literal["halving"] | Annotated[int, Field(ge=1, le=1000)] = "halving"
    """How many evaluations a program that was written gets: "halving" decides by its scores among
    the others, see `core.propose.program_turns`; a number: each that does not fail gets so many."""


class Override(TomlTable):
    """What a task says about one hyperparameter: freeze it, change its bounds, or add it.

    In strings, "none" means Python's None.
    """

    value: Scalar | None = None
    """Freeze it here. In the file a bare value does the same: `max_depth = 6`."""
    low: int | float | None = None
    high: int | float | None = None
    log: bool | None = None
    step: int | float | None = None
    choices: Scalars | None = Field(default=None, min_length=1)
    type: Literal["float", "integer"] | None = None
    default: Scalar | None = None
    """Where the first trial starts."""
    when: Annotated[dict[str, Scalars], Field(min_length=1, max_length=1)] | None = None
    """Counts only while another hyperparameter has one of these values."""
    description: str = ""
    """What it does, in one line, for people and for the model."""

    @model_validator(mode="after")
    def _agree(self) -> Override:
        ranged = [k for k in ("low", "high", "log", "step", "type") if getattr(self, k) is not None]
        if self.choices is not None and ranged:
            raise ValueError(f"`choices` excludes `{ranged[0]}`")
        if self.value is not None and (ranged or self.choices is not None):
            other = ranged[0] if ranged else "choices"
            raise ValueError(f"`value` freezes it, so `{other}` has no effect")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"low = {self.low!r} is above high = {self.high!r}")
        if self.log and self.low is not None and self.low <= 0:
            raise ValueError(f"a log scale needs low above 0, not {self.low!r}")
        return self


class Task(TomlTable):
    """A task file, checked. `load_task` makes one; `resolve` fills what it leaves open."""

    name: str = Field(min_length=1, max_length=100)
    """How the study is called unless the command line says otherwise; default: the file's name."""
    data: DataSpec
    kind: Kind | None = None
    """Inferred from the target when absent."""
    metric: str | None = None
    """Any scikit-learn scorer (greater is better); chosen to fit the target when absent."""
    also: Names = ()
    """Further objectives: scorers, or predict_seconds, predict_ms_per_row, fit_seconds and
    model_bytes, of which less is better. The metric stays the first objective."""
    constraints: dict[str, Union[str, list[str]]] = Field(default_factory=dict)
    """Bounds that a trial has to keep, by the names that `also` takes: model_bytes = "< 1 MB"."""
    estimators: Names = ("xgboost",)
    """One family, or several to choose among (`estimator = "..."` is the same for one)."""
    space: dict[str, Override] = Field(default_factory=dict)
    """Changes to the default space, by the names of the joint space ("svm.C" with several)."""
    validation: Validation = Field(default_factory=Validation)
    budget: Budget = Field(default_factory=Budget)
    limits: Limits = Field(default_factory=Limits)
    programs: Programs = Field(default_factory=Programs)
    early_stopping_rounds: int | None = Field(default=None, ge=1)
    """Boosters stop when so many rounds brought nothing on a part of the training rows."""
    prompt: dict[str, Scalar] = Field(default_factory=dict)
    """How a chat model is asked, by the names of `core.prompt.options.PromptOptions`."""
    seed: int = Field(default=0, ge=0, le=2**32 - 1)
    notes: str = ""
    """Free text for the model: what the rows are, what matters, what is known."""

    _file: Path | None = PrivateAttr(default=None)

    @property
    def file(self) -> Path | None:
        """The task file; None for a task made in Python."""
        return self._file

    @property
    def measured(self) -> tuple[str, ...]:
        """What is measured beside the metric: further objectives, and what is bounded."""
        return tuple(dict.fromkeys([*self.also, *self.constraints]))

    @property
    def source(self) -> TableSource:
        """What `load_table` has to know."""
        v = self.validation
        return TableSource(self.data, self.kind, v.group, v.time or (), self.seed, self._file)

    def wrong(self, key: str, problem: str, allowed: str = "") -> TaskError:
        """The error to raise about one key of this task."""
        return wrong(self._file, key, problem, allowed)
