"""What a study was started with has fingerprints, which are compared whenever it is opened again.

Other rows end the opening: old and new scores could not be compared. Another task file, model file
or library version is said; the study goes on with what it has.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from hyperllama.core.errors import HyperLlamaError, StudyError
from hyperllama.core.events import Noted
from hyperllama.core.storage.folder import PROPOSALS, TASK, write_atomically
from hyperllama.core.storage.proposal_log import read_proposals

_LIBRARIES = ("scikit-learn", "xgboost", "lightgbm", "catboost", "numpy")


def library_versions() -> dict[str, str]:
    """The installed versions of the libraries that scores depend on."""
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def check_rows(study: str, attrs: Mapping[str, Any], path: Path, sha256: str, rows: int) -> None:
    """Refuse a table with other content than the one the study was started with.

    Args:
        attrs: what the storage keeps about the study; versions before 0.3 kept no fingerprint.
        path, sha256, rows: of the table as it is now.

    Raises:
        StudyError: the content differs.
    """
    known = attrs.get("data_sha256")
    if not known or known == sha256:
        return
    before = attrs.get("opened", {}).get("rows")
    then = "" if before in (None, rows) else f": it had {before} rows, now {rows}"
    raise StudyError(
        f"{path} is not the table that the study {study!r} was started with{then}; scores on "
        "other rows cannot be compared with those it has",
        f"with the old table: `hyperllama resume {study} --data FILE`; with the new one: "
        f"`hyperllama run TASK --warm-start {study}`, a new study that begins with its best trials",
    )


def changed_inputs(
    folder: Path, attrs: Mapping[str, Any], model: Path | None
) -> Iterator[Noted]:
    """What differs from the start of the study, beside the rows.

    Args:
        attrs: what the storage keeps about the study.
        model: the model file that will propose; None where none does.
    """
    source = attrs.get("task_file")
    if isinstance(source, str) and attrs.get("task"):
        settings = attrs.get("settings") or {}
        asked = {"kind": settings.get("programs"), "unsandboxed": settings.get("unsandboxed")}
        said = {name: value for name, value in asked.items() if value}
        yield from _task_file(folder.name, Path(source), str(attrs["task"]), said)
    then, now = attrs.get("versions"), library_versions()
    for name, old in then.items() if isinstance(then, dict) else ():
        if now.get(name) != old:
            text = f"{name} was {old} when this study began, and is {now.get(name, 'missing')} now"
            yield Noted("warning", text, "scores may differ a little from those before")
    if model is not None:
        yield from _model(folder, model)


def restore_task(folder: Path, attrs: Mapping[str, Any]) -> Iterator[Noted]:
    """Put the study's copy of its task file back where it is missing or was edited."""
    file, kept = folder / TASK, attrs.get("task")
    if not isinstance(kept, str) or not kept:
        return
    found = file.read_text("utf8", "replace") if file.exists() else None
    if found != kept:
        if found is not None:
            edited = file.with_name("task.edited.toml")
            file.replace(edited)
            yield Noted(
                "warning", f"{file} was edited; the study keeps what it was started with",
                f"the edited file is {edited}; a new study can be run from it",
            )
        write_atomically(file, kept)


@contextmanager
def table_at(file: Path, data: Path | None) -> Iterator[Path]:
    """Where the table of a study lies; its task file says so from then on, if the block succeeds.

    Args:
        file: the study's task file.
        data: where the table was moved; None where the file says.
    """
    from hyperllama.core.task import load_task, with_table

    kept = file.read_text("utf8")
    if data is not None:
        write_atomically(file, with_table(kept, data.expanduser().absolute()))
    try:
        yield load_task(file).data.path
    except BaseException:
        write_atomically(file, kept)
        raise


def _task_file(
    study: str, source: Path, kept: str, programs: Mapping[str, Any]
) -> Iterator[Noted]:
    """Whether the task's file is another; `programs`: what options said over its [programs]."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    from hyperllama.core.task import standalone_text

    if not source.is_file():
        return
    try:
        old, new = (tomlkit.parse(text).unwrap() for text in (kept, standalone_text(source)))
    except (HyperLlamaError, TOMLKitError, OSError) as error:
        why = error.message if isinstance(error, HyperLlamaError) else str(error)
        yield Noted("warning", f"{source.name} was changed and cannot be read now: {why}",
                    "the study keeps its copy")  # fmt: skip
        return
    if programs:
        new["programs"] = {**new.get("programs", {}), **programs}
    changed = sorted(set(_different(old, new)) - {"data.path"})
    if changed:
        yield Noted(
            "warning",
            f"{source.name} was changed since this study began ({', '.join(changed[:6])}); the "
            "study keeps its copy",
            f"`hyperllama tell {study} range NAME LOW HIGH` changes a range of this study; "
            f"`hyperllama run {shlex.quote(source.name)}` starts another with the changed file",
        )


def _different(old: Mapping[str, Any], new: Mapping[str, Any], under: str = "") -> Iterator[str]:
    """The dotted names of keys whose values differ."""
    for name in {**old, **new}:
        one, other = old.get(name), new.get(name)
        if isinstance(one, dict) and isinstance(other, dict):
            yield from _different(one, other, f"{under}{name}.")
        elif one != other:
            yield f"{under}{name}"


def _model(folder: Path, model: Path) -> Iterator[Noted]:
    from hyperllama.models.gguf import file_sha256

    last = ("", "")
    for record in read_proposals(folder / PROPOSALS):
        if isinstance(record.get("sha256"), str) and record["sha256"]:
            last = (str(record.get("model", "")), record["sha256"])
    if last[1] and Path(last[0]).name == model.name and file_sha256(model) != last[1]:
        yield Noted(
            "warning", f"{model.name} is another file than the one that proposed before",
            "its hash differs; what it proposes from here on cannot be compared with before",
        )
