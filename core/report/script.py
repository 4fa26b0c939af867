"""`train.py`: a script that scores the best configuration as the study did.

It needs NumPy and scikit-learn (for XGBoost also XGBoost) and reads `table.npz`, the table as the
trial runner had it, so that it sees the very same numbers; another table through `predict.py`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hyperllama.core.evaluate import fitting
from hyperllama.core.evaluate.pipeline import imports, source
from hyperllama.core.evaluate.rendered import program_text
from hyperllama.core.evaluate.scoring import splits
from hyperllama.core.evaluate.scoring.crossval import WATCHED_SHARE
from hyperllama.core.evaluate.scoring.programs import (
    PredictedClasses,
    PredictedShares,
    wanted_response,
)
from hyperllama.core.evaluate.steps import FitSetting, trial_recipe
from hyperllama.core.programs.contract import with_values
from hyperllama.core.programs.facts import column_facts, with_names
from hyperllama.core.programs.store import CHOICE, TRIES, ProgramStore
from hyperllama.core.report.record import ReportedStudy
from hyperllama.core.storage.paths import study_dir
from hyperllama.core.study import TrialState
from hyperllama.core.text import plain


def train_script(study: ReportedStudy, best: TrialState) -> str:
    """The text of the script; the model of a program that was written is `program.py` beside it."""
    from jinja2 import StrictUndefined, Template
    from sklearn.metrics import get_scorer

    p, v = study.problem, study.problem.validation
    model = _written(study, best) if CHOICE in best.config else _composed(study, best)
    constants = {
        "METRIC": p.metric, "EXPECTED": best.value, "METHOD": v.method, "FOLDS": v.folds,
        "REPEATS": v.repeats, "SHARE": v.validation_share, "TEST_SHARE": v.test_share,
        "SPLIT_SEED": study.task.seed, "CLASSIFICATION": p.kind == "classification",
        **model.constants,
    }
    weighted = study.task.data.weights is not None
    functions: list[Callable[..., object]] = [
        splits.evenly, splits.alone, splits.hold_out, splits.group_folds,
        splits.folds_once, splits.make_folds, *model.functions,
    ]
    text = Path(__file__).with_name("train.py.j2").read_text(encoding="utf-8")
    template = Template(text, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    text = template.render(
        study=" ".join(plain(study.name).split()).replace("\\", "/").replace('"', "'"),
        needs="".join(f", {n}" for n in sorted(model.libraries - {"sklearn", "types", "numpy"})),
        trial=best.number,
        imports=sorted([*model.imports, "from sklearn.metrics import get_scorer"]),
        constants={k: repr(c) for k, c in constants.items()},
        functions=[inspect.getsource(f).strip() + "\n" for f in functions],
        hold_out=splits.hold_out.__name__,
        make_folds=splits.make_folds.__name__,
        weight_arguments=fitting.weight_arguments.__name__,
        weighs_scores=weighted and fitting.scores_with_weights(get_scorer(p.metric)),
        **model.filled,
    )
    return f"{text}\n"


@dataclass(frozen=True)
class _ScriptModel:
    """What a script says of its model: lines of imports, top-level names of the libraries that it
    needs, constants, functions and classes whose source it holds, and what its template fills in.
    """

    imports: Sequence[str]
    libraries: set[str]
    constants: Mapping[str, object]
    functions: Sequence[Callable[..., object]]
    filled: Mapping[str, object]


_UNUSED = {"written": False, "wants": "", "pipeline": "", "program": "", "kind": "", "columns": [],
           "fit_watched": "", "fit": "", "weighted": False, "model": "Any"}  # fmt: skip


def _composed(study: ReportedStudy, best: TrialState) -> _ScriptModel:
    """The pipeline of a configuration."""
    p = study.problem
    setting, config = FitSetting.of(p, study.seed), dict(best.config)
    chosen, tree, _ = trial_recipe(config, setting)
    lines, program = imports(tree), ""
    stopping, weighted = study.task.early_stopping_rounds, study.task.data.weights is not None
    fit = chosen.fit_watched if stopping else None
    if study.task.programs.kind is not None:
        program = program_text(config, p.space, setting)
        lines.append("from types import SimpleNamespace")
    functions: list[Callable[..., object]] = [fitting.fit_watched, fit] if fit else []
    if weighted and not fit:
        functions.append(fitting.weight_arguments)
    return _ScriptModel(
        lines, _libraries(lines),
        {"ROUNDS": stopping, "WATCHED_SHARE": WATCHED_SHARE} if fit else {}, functions,
        {**_UNUSED, "pipeline": source(tree, "    "), "program": _without_imports(program),
         "kind": repr(p.kind), "columns": [(c.name, c.kind) for c in p.columns] if program else [],
         "fit_watched": fitting.fit_watched.__name__, "fit": fit.__name__ if fit else "",
         "weighted": weighted, "model": "Pipeline"},
    )  # fmt: skip


def _written(study: ReportedStudy, best: TrialState) -> _ScriptModel:
    """A program that was written: `build` of the file, called and scored as the study did."""
    p = study.problem
    in_program = [line for line in incumbent_program(study, best).splitlines()
                  if line.strip().startswith(("import ", "from "))]  # fmt: skip
    lines = ["import random", "import runpy", "from types import SimpleNamespace"]
    task = {"kind": p.kind, "metric": p.metric, "n_classes": len(p.classes)}
    wants = wanted_response(
        p.kind == "classification", FitSetting.of(p, study.seed).response
    )
    classes: list[Callable[..., object]] = []
    if wants == "predict_proba":
        lines.append("from sklearn.base import BaseEstimator, ClassifierMixin")
        classes = [PredictedClasses, PredictedShares]
    return _ScriptModel(
        lines, _libraries(in_program), {"TASK": task}, classes,
        {**_UNUSED, "written": True, "wants": wants,
         "columns": column_facts(p.columns, study.task.programs.neutral_names)},
    )  # fmt: skip


def _libraries(lines: Sequence[str]) -> set[str]:
    return {line.split()[1].split(".")[0] for line in lines}


def incumbent_program(study: ReportedStudy, best: TrialState) -> str:
    """The program of a trial, as `core.programs` takes it."""
    config = dict(best.config)
    if CHOICE in config:
        program, values = ProgramStore(study_dir(study.name)).trial(config)
        neutral = study.task.programs.neutral_names
        return with_names(with_values(program.text, values), study.problem.columns, neutral)
    setting = FitSetting.of(study.problem, study.seed)
    line = str(best.facts.get(TRIES, ""))
    return program_text(config, study.problem.space, setting, line)


def _without_imports(program: str) -> str:
    """SPACE and `build`; the script has the imports at its top, and the docstring of `build`."""
    lines = program.splitlines()
    first = next((i for i, line in enumerate(lines) if line.startswith(("SPACE", "def "))), 0)
    return "\n".join(lines[first:])
