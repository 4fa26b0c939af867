"""What a study is run with beyond its task file, and what is chosen where nothing was said."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from hyperllama.core.errors import EngineError, HyperLlamaError, StudyError
from hyperllama.core.events import Noted
from hyperllama.core.text import allowed, one_line, shown

if TYPE_CHECKING:
    from hyperllama.core.task import Task
    from hyperllama.models.engine import EngineSettings

_MOST_JOBS = 4
_LARGE_BYTES = 20_000_000
_UNLIMITED_TRIALS = 100_000  # what a task file's budget in minutes alone means


@dataclass(frozen=True)
class Options:
    """What a study is run with beyond its task file. None: the task's, the study's, or the default.

    Attributes:
        proposer: by name; the default asks the model where there is a usable one.
        model: name or path of a GGUF file; "embedded" is the one that ships.
        trials, minutes: the budget, over all sessions of the study.
        storage: an Optuna storage URL.
        threads: for training and for llama.cpp, which take turns; 0 leaves it to both.
        gpu_layers: "auto", "none", "all", or a number.
        jobs: trials that run side by side.
        cluster: address or scheduler file of the Dask cluster that trains; empty: this machine.
        order: "fixed" or "as-finished": what a proposal knows of those, see `Limits.order`.
        racing: the share of the trials stopped after some of their folds that may have beaten the
            incumbent; 0: none is stopped.
        context_length: tokens; 0 takes the model's own, capped.
        confirm: whether the gain is confirmed on fresh folds at the end.
        prompt: how a chat model is asked, see `core.task.prompt_options`; over what the task says.
        programs: the kind of programs that a new study tries, over what the task says.
        unsandboxed: whether a new study runs programs without a sandbox.
        program_evaluations: how many evaluations a program gets, or "halving"; see
            `core.task.spec.Programs`.
        warm_start: names of earlier studies that a new one begins with.
    """

    proposer: str | None = None
    model: str | None = None
    trials: Annotated[int, Field(ge=1)] | None = None
    minutes: Annotated[float, Field(gt=0, lt=1e9)] | None = None
    seed: int | None = None
    storage: str | None = None
    threads: Annotated[int, Field(ge=0)] | None = None
    gpu_layers: Annotated[str, Field(pattern=r"^(auto|none|all|\d+)$")] | None = None
    jobs: Annotated[int, Field(ge=1, le=256)] | None = None
    cluster: str | None = None
    order: Annotated[str, Field(pattern=r"^(fixed|as-finished)$")] | None = None
    racing: Annotated[float, Field(ge=0, lt=0.5)] | None = None
    context_length: Annotated[int, Field(ge=0)] | None = None
    temperature: Annotated[float, Field(ge=0, le=10)] | None = None
    confirm: bool | None = None
    prompt: Mapping[str, Any] | None = None
    programs: Annotated[str, Field(pattern=r"^(auto|pipeline|bound|free)$")] | None = None
    unsandboxed: bool | None = None
    program_evaluations: Literal["halving"] | Annotated[int, Field(ge=1, le=1000)] | None = None
    warm_start: tuple[str, ...] | None = None

    @property
    def budget_s(self) -> float | None:
        """The time limit in seconds."""
        return None if self.minutes is None else 60 * self.minutes

    def over(self, kept: Mapping[str, Any]) -> Options:
        """These options, and what `kept` says where they say nothing."""
        own = {f.name: getattr(self, f.name) for f in fields(self)}
        found = {k: kept.get(k) if v is None else v for k, v in own.items()}
        found["prompt"] = {**(kept.get("prompt") or {}), **(self.prompt or {})}
        return Options(**found)


DEFAULTS = Options()


def checked_options(given: Mapping[str, Any]) -> Options:
    """Options that a script gives, by name; paths and whole numbers may stand for text.

    Raises:
        StudyError: an option is unknown, or its value cannot be used.
    """
    known = [field.name for field in fields(Options)]
    for name in given:
        if name not in known:
            raise StudyError(f"unknown option {name!r}", allowed(known, name))
    as_text = {
        k: str(v) for k, v in given.items()
        if isinstance(v, Path) or (k == "gpu_layers" and isinstance(v, int))
    }
    try:
        return TypeAdapter(Options).validate_python({**given, **as_text})
    except ValidationError as error:
        first = error.errors()[0]
        option = str(first["loc"][0])
        raise StudyError(
            f"option {option}: {shown(given[option])} cannot be used", one_line(first["msg"])
        ) from error


def choose_proposer(wanted: str | None, model: str | None) -> tuple[str, Noted | None]:
    """Who proposes: the one named, else `hybrid` where a model is usable, else TPE with a note why.

    Raises:
        HyperLlamaError: the proposer or the model that was named does not exist.
    """
    from hyperllama.core.propose import needs_model

    if wanted is not None and not needs_model(wanted):
        return wanted, None
    try:
        _usable(model or "embedded")
    except HyperLlamaError as error:
        if wanted is not None or model is not None:
            raise
        return "tpe", Noted("warning", f"no model, so tpe proposes: {error.message}", error.hint)
    return wanted or "hybrid", None


def settled(options: Options, task: Task) -> tuple[Options, list[Noted]]:
    """The options of a new study with nothing left open, and what people should know of them.

    Raises:
        HyperLlamaError: the proposer, the model or the prompt templates cannot be used.
    """
    trials, minutes = options.trials, options.minutes
    if trials is None and minutes is None:
        trials, minutes = task.budget.trials, task.budget.minutes
        if minutes is not None and trials >= _UNLIMITED_TRIALS:
            trials = None
    wanted = options.proposer
    if wanted is None and options.model and task.programs.kind in ("auto", "bound", "free"):
        wanted = None if _usable(options.model) else "llama"  # a chat model writes the programs
    proposer, note = choose_proposer(wanted, options.model)
    cluster = task.limits.cluster if options.cluster is None else options.cluster
    chosen = replace(
        options,
        trials=trials,
        minutes=minutes,
        proposer=proposer,
        model=lasting_file(options.model or "embedded"),
        seed=task.seed if options.seed is None else options.seed,
        jobs=options.jobs or task.limits.jobs or (None if cluster else default_jobs(task)),
        cluster=lasting_file(cluster),
        order=options.order or task.limits.order,
        racing=task.limits.racing if options.racing is None else options.racing,
        confirm=task.limits.confirm if options.confirm is None else options.confirm,
        prompt={**task.prompt, **(options.prompt or {})},
        program_evaluations=options.program_evaluations or task.programs.evaluations,
    )
    _check_templates(chosen)
    _check_programs(task, proposer, str(chosen.model))
    if task.also and options.racing:
        raise StudyError("--racing has no effect with several objectives",
                         "a trial that loses by the metric may win by another: leave it out")
    if task.measured and proposer == "cmaes":
        raise StudyError("cmaes knows neither further objectives nor constraints",
                         "hybrid, gp, tpe, llama and random do")
    return chosen, [note] if note is not None else []


def with_programs_of(options: Options, text: str, task: Task) -> tuple[str, Task]:
    """A task's text and the task itself, with what the options say of programs."""
    from hyperllama.core.task import with_programs

    asked = {"kind": options.programs, "unsandboxed": options.unsandboxed}
    changes = {name: value for name, value in asked.items() if value}
    return with_programs(text, task, **changes) if changes else (text, task)


def over_stored(options: Options, attrs: Mapping[str, Any], study: str, more: int) -> Options:
    """The options of a resumed study: those given now over those that it has stored.

    Args:
        attrs: what the storage keeps about the study.
        more: trials to add to the budget.

    Raises:
        HyperLlamaError: another seed is given, or the proposer, the model or the prompt templates
            cannot be used.
    """
    stored_s = attrs.get("budget_s")
    stored = _sound_options({
        **attrs["settings"],
        "trials": attrs.get("budget_trials"),
        "minutes": None if stored_s is None else stored_s / 60,
        "proposer": attrs.get("proposer"),
    })
    if options.seed not in (None, stored.get("seed")):
        raise StudyError(
            f"the study {study!r} was started with seed {stored.get('seed')}",
            "the seed of a study cannot change; start another study",
        )
    if options.programs not in (None, stored.get("programs")):
        raise StudyError(
            f"the study {study!r} was started without programs",
            "its space cannot change; start another study",
        )
    if options.warm_start not in (None, tuple(stored.get("warm_start") or ())):
        raise StudyError(
            f"the study {study!r} has begun without these earlier studies",
            "--warm-start is for a new study",
        )
    options = options.over({"racing": 0.0, **stored})  # up to version 0.3 nothing was raced
    _check_templates(options)
    if more:
        options = replace(options, trials=(options.trials or 0) + more)
    if options.proposer is not None and options.proposer != stored["proposer"]:
        choose_proposer(options.proposer, options.model)
    return options


def _sound_options(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Stored options without those whose value cannot be used."""
    try:
        TypeAdapter(Options).validate_python(stored)
    except ValidationError as error:
        wrong = {part["loc"][0] if part["loc"] else "" for part in error.errors()}
        return {k: v for k, v in stored.items() if k not in wrong}
    return dict(stored)


def too_many_threads(options: Options) -> list[Noted]:
    """A note where more threads are asked for than there are processors."""
    from hyperllama.models.process.processors import usable_processors

    usable = usable_processors()
    if (options.threads or 0) <= usable:
        return []
    return [Noted("warning", f"--threads {options.threads}: there are {usable} processors, more "
                  "threads make training slower", f"--threads {usable}, or none: it is chosen")]


def _check_templates(options: Options) -> None:
    """A study does not begin with prompt templates that cannot be used."""
    from hyperllama.core.prompt.templates import load_templates
    from hyperllama.core.task.prompt_options import PromptOptions

    folder = PromptOptions.of(options.prompt or {}).templates
    if folder:
        load_templates(Path(folder))


def _check_programs(task: Task, proposer: str, model: str) -> None:
    """Programs that a model writes need a chat model, and a sandbox where it writes freely.

    Raises:
        StudyError: there is none.
    """
    from hyperllama.core.propose import needs_model

    programs = task.programs
    if programs.kind not in ("bound", "free"):
        return
    if not needs_model(proposer) or _usable(model):
        raise StudyError(
            f"{programs.kind} programs are written by a chat model",
            "--proposer llama --model FILE.gguf names one; --programs pipeline needs none",
        )
    if programs.kind == "free" and not programs.unsandboxed:
        from hyperllama.core.programs.boxes import sandbox_hint, sandbox_problem

        if problem := sandbox_problem():
            raise StudyError(f"programs that a model writes need a sandbox, and {problem}",
                             sandbox_hint(problem))


def lasting_file(given: str) -> str:
    """The path of a file as it holds in every folder; what names no file (a model of ours, an
    address) as it is."""
    path = Path(given).expanduser()
    return str(path.resolve()) if path.is_file() else given


def stored_cluster(
    options: Options, attrs: Mapping[str, Any], own: bool
) -> tuple[Options, list[Noted]]:
    """The options of a study that is resumed, with the cluster that it has trained on.

    Args:
        attrs: what the storage keeps about the study.
        own: whether the storage is a file in the study's folder; what another one says may come
            from other people, so data go to no cluster that it names.
    """
    kept = str((attrs.get("settings") or {}).get("cluster") or "")
    if options.cluster is not None or own or not kept:
        return options, []
    return replace(options, cluster=""), [Noted(
        "warning", f"this study has trained on the cluster {kept}, and trains here now: what a "
        "shared storage says is not followed", f"--cluster {kept} uses it again",
    )]  # fmt: skip


def _usable(model: str) -> bool:
    """Whether the model is one of our own; an error says why it cannot be used at all."""
    from hyperllama.models.gguf import check_model, resolve_model

    if importlib.util.find_spec("llama_cpp") is None:
        raise EngineError(
            "llama-cpp-python is not installed",
            "install it as the README says, or choose --proposer tpe, gp or random",
        )
    return check_model(resolve_model(model)).is_embedded_dialect


def default_jobs(task: Task) -> int:
    """Trials that run side by side where nothing was said.

    At most `_MOST_JOBS`: with few trials, each should know of those before it. A large table has
    one trial at a time; estimators that train in parallel have two processors each.
    """
    from hyperllama.core.estimators import family
    from hyperllama.models.process.processors import default_threads

    try:
        size = task.data.path.stat().st_size
    except OSError:
        return 1  # what is wrong with it is said when it is read
    each = 2 if any(family(name).trains_in_parallel for name in task.estimators) else 1
    return 1 if size > _LARGE_BYTES else max(1, min(_MOST_JOBS, default_threads() // each))


def racing_of(options: Options, folds: int, several: bool) -> float:
    """The error rate of racing with that many folds; 0: no trial is stopped.

    With `several` objectives none is: one that loses by the metric may win by another.
    """
    from hyperllama.core.evaluate.racing import ERROR, FEWEST_FOLDS

    if several:
        return 0.0
    if options.racing is not None:
        return options.racing
    return ERROR if folds >= FEWEST_FOLDS else 0.0


def without_storage(options: Options) -> dict[str, Any]:
    """What is kept; the storage's address may hold a password."""
    return {k: v for k, v in asdict(options).items() if k != "storage"}


def engine_settings(options: Options) -> EngineSettings:
    """The options as llama.cpp's process wants them."""
    from hyperllama.models.engine import EngineSettings
    from hyperllama.models.process.processors import usable_processors

    threads, jobs = options.threads or 0, options.jobs or 1
    if jobs > 1 and not threads and not options.cluster:  # trials train while the model is asked
        threads = max(1, usable_processors() - jobs)
    return EngineSettings(
        context_length=options.context_length or 0,
        gpu_layers=gpu_layers(options.gpu_layers or "auto"),
        threads=threads,
        seed=int(options.seed or 0),
    )


def gpu_layers(text: str) -> str | int:
    """"auto", "none" or "all" as they are, else a number of layers.

    Raises:
        ValueError: it is none of these.
    """
    return text if text in ("auto", "none", "all") else int(text)


def absolute_storage(url: str) -> str:
    """The URL, a relative path to a SQLite file made absolute: it has to hold in every folder."""
    path = url.removeprefix("sqlite:///")
    if path == url or path.startswith(("/", ":memory:")) or not path:
        return url
    return f"sqlite:///{Path(path).absolute()}"
