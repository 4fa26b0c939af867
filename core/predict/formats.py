"""A fitted pipeline on disk, in its library's own format where that runs no code when it is read.

XGBoost has UBJSON, LightGBM text, CatBoost cbm; scikit-learn's pipelines are written by skops. A
pickle (joblib) stands beside it for whoever wants the pipeline itself: reading a pickle can run any
code that somebody put into it.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hyperllama.core.errors import DataError
from hyperllama.core.predict.refitted import ROWS, RunProgram, read_program
from hyperllama.core.predict.safety import SAFE_TYPES, checked
from hyperllama.core.text import one_line, shown

BOOSTERS = {"xgboost": "pipeline.ubj", "lightgbm": "pipeline.txt", "catboost": "pipeline.cbm"}
SKOPS, PICKLE = "pipeline.skops", "pipeline.joblib"
def model_files(pipeline: Any, folder: Path) -> list[dict[str, Any]]:
    """Write a fitted pipeline in every format that can hold it.

    Returns:
        For each file "name", "format", "runs_code" and "sha256"; the first is the one to use.
    """
    import joblib

    written = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, form in ((_booster_file(pipeline, folder), "booster"),
                           (_skops_file(pipeline, folder), "skops")):
            if name:
                written.append(file_facts(folder / name, _library(pipeline) or form, False))
                break
    joblib.dump(pipeline, folder / PICKLE, compress=3)
    return [*written, file_facts(folder / PICKLE, "joblib", True)]


def _library(pipeline: Any) -> str:
    """The booster's library, where the pipeline is nothing but a booster."""
    model = pipeline.steps[-1][1]
    root = type(model).__module__.split(".")[0]
    return root if len(pipeline.steps) == 1 and root in BOOSTERS else ""


def _booster_file(pipeline: Any, folder: Path) -> str:
    library = _library(pipeline)
    if not library:
        return ""
    model, path = pipeline.steps[-1][1], folder / BOOSTERS[library]
    (model.booster_ if library == "lightgbm" else model).save_model(str(path))
    return path.name


def _skops_file(pipeline: Any, folder: Path) -> str:
    """A file that holds nothing but what is known to run no code; empty where that is impossible.
    """
    if _library(pipeline):
        return ""
    path = folder / SKOPS
    try:
        from skops import io

        io.dump(pipeline, path, compression=8)
        if set(io.get_untrusted_types(file=path)) <= set(SAFE_TYPES):
            return SKOPS
    except Exception:  # skops is missing, or the estimator is one that it cannot write
        pass
    path.unlink(missing_ok=True)
    return ""


def file_facts(path: Path, form: str, runs_code: bool) -> dict[str, Any]:
    """What `pipeline.json` says of a model file."""
    return {"name": path.name, "format": form, "runs_code": runs_code, "sha256": sha256(path)}


def sha256(path: Path) -> str:
    """Of a file, as hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(1 << 20):
            digest.update(part)
    return digest.hexdigest()


def read_model(
    folder: Path, facts: Mapping[str, Any], trusted: bool, run: RunProgram | None = None,
    needs: str = "",
) -> Any:  # fmt: skip
    """The fitted estimator or booster of an export folder.

    Args:
        facts: `pipeline.json`; names the files with their SHA-256.
        trusted: whether a pickle may be read, or a program run, which can run code.
        run: what runs a program whoever wrote it; None where there is no such thing.
        needs: why there is none.

    Raises:
        DataError: no file can be used; the error says why and what would help.
    """
    reasons, hint, lacking = [], "export the study again", ""
    for entry in facts.get("files", ()):
        name = Path(str(entry["name"])).name
        path, form = folder / name, entry["format"]
        if form in ("onnx", "rows"):  # for other programs; read with what stands beside it
            continue
        if not path.is_file():
            reasons.append(f"{name} is missing")
        elif sha256(path) != entry["sha256"]:
            reasons.append(f"{name} is not the file that pipeline.json describes")
            hint = "the folder was changed or damaged after the export: get it again"
        elif form == "joblib" and not trusted:
            reasons.append(f"{name} is a pickle, which can run code when it is read")
            hint = "where you trust whoever made the folder: --trust, in Python trusted=True"
        elif form == "program" and run is None and (needs or not trusted):
            reasons.append(f"{name} {needs or 'is a program, which runs when it predicts'}")
            hint = "where you trust whoever wrote it: --trust, in Python trusted=True"
        elif form == "program" and not _as_stated(folder / ROWS, facts):
            reasons.append(f"{ROWS} is not the file that pipeline.json describes")
        else:
            try:
                if form == "program":
                    return read_program(path, facts["program"], run)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    return _read(path, form, str(facts.get("kind")))
            except ImportError as error:
                reasons.append(f"{name} needs {error.name}, which is not installed")
                lacking = lacking or _install(str(error.name), facts)
            except Exception as error:
                reasons.append(f"{name} cannot be read: {type(error).__name__}: {one_line(error)}")
    listed = "; ".join(reasons) or "pipeline.json names no model file"
    raise DataError(f"{shown(str(folder))}: the model cannot be loaded: {listed}",
                    lacking or hint)


def _install(module: str, facts: Mapping[str, Any]) -> str:
    """What installs a package that is not there, in the version that the model was made with."""
    package = {"sklearn": "scikit-learn"}.get(module, module)
    version = str(facts.get("versions", {}).get(package, ""))
    return f"pip install {package}" + f"=={version}" * version.replace(".", "").isalnum()


def _as_stated(path: Path, facts: Mapping[str, Any]) -> bool:
    """Whether a file is there as `pipeline.json` describes it."""
    known = {str(entry["name"]): entry["sha256"] for entry in facts["files"]}
    return path.is_file() and known.get(path.name) == sha256(path)


def _read(path: Path, form: str, kind: str) -> Any:
    classifies = kind == "classification"
    if form == "xgboost":
        import xgboost

        model = xgboost.XGBClassifier() if classifies else xgboost.XGBRegressor()
        model.load_model(str(path))
        return model
    if form == "lightgbm":
        import lightgbm

        return lightgbm.Booster(model_file=str(path))
    if form == "catboost":
        import catboost

        model = catboost.CatBoostClassifier() if classifies else catboost.CatBoostRegressor()
        model.load_model(str(path))
        return model
    if form == "skops":
        from skops import io

        return checked(io.load(path, trusted=list(SAFE_TYPES)))
    if form == "joblib":
        import joblib

        return joblib.load(path)
    raise ValueError(f"unknown format {form!r}")
