"""`train.py`: a script that scores the best configuration as the study did.

It needs NumPy and scikit-learn (for XGBoost also XGBoost) and reads `table.npz`, the table as the
trial runner had it, so that it sees the very same numbers; another table through `predict.py`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path

from hyperllama.core.estimators import family, split
from hyperllama.core.evaluate import fitting, splits
from hyperllama.core.evaluate.crossval import WATCHED_SHARE
from hyperllama.core.evaluate.pipeline import imports, recipe, source
from hyperllama.core.report.record import ReportedStudy
from hyperllama.core.study import TrialState
from hyperllama.core.text import plain


def train_script(study: ReportedStudy, best: TrialState) -> str:
    """The text of the script."""
    from jinja2 import StrictUndefined, Template

    p, v = study.problem, study.problem.validation
    name, params = split(dict(best.config), p.estimators)
    categorical = [c.kind == "category" for c in p.columns]
    tree = recipe(name, p.kind, params, categorical, study.seed, response=response_of(p.metric))
    lines = imports(tree)
    stopping = study.task.early_stopping_rounds
    fit = family(name).fit_watched if stopping else None
    functions: list[Callable[..., object]] = [
        splits.evenly, splits.alone, splits.hold_out, splits.group_folds,
        splits.folds_once, splits.make_folds,
    ]
    constants = {
        "METRIC": p.metric, "EXPECTED": best.value, "METHOD": v.method, "FOLDS": v.folds,
        "REPEATS": v.repeats, "SHARE": v.validation_share, "TEST_SHARE": v.test_share,
        "SPLIT_SEED": study.task.seed, "CLASSIFICATION": p.kind == "classification",
    }
    if fit:
        constants |= {"ROUNDS": stopping, "WATCHED_SHARE": WATCHED_SHARE}
        functions += [fitting.fit_watched, fit]
    text = Path(__file__).with_name("train.py.j2").read_text(encoding="utf-8")
    template = Template(text, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    text = template.render(
        study=" ".join(plain(study.name).split()).replace("\\", "/").replace('"', "'"),
        needs="".join(f", {n}" for n in sorted({line.split()[1].split(".")[0] for line in lines}
                                                - {"sklearn"})),
        trial=best.number,
        imports=sorted([*lines, "from sklearn.metrics import get_scorer"]),
        pipeline=source(tree, "    "),
        constants={k: repr(c) for k, c in constants.items()},
        functions=[inspect.getsource(f).strip() + "\n" for f in functions],
        hold_out=splits.hold_out.__name__,
        make_folds=splits.make_folds.__name__,
        fit_watched=fitting.fit_watched.__name__,
        fit=fit.__name__ if fit else "",
    )
    return f"{text}\n"


def response_of(metric: str) -> str:
    """What a scorer asks an estimator for, in scikit-learn's words."""
    from sklearn.metrics import get_scorer

    return str(get_scorer(metric)._response_method)
