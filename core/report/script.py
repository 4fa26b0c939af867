"""`train.py`: a script that reads the table and scores the best configuration as the study did.

Only NumPy, scikit-learn and (for XGBoost) XGBoost are imported. A CSV is read with the standard
library; where that would not give the very same numbers, the table lies beside as `table.npz`.
"""

from __future__ import annotations

import inspect
import pprint
from collections.abc import Callable, Sequence
from typing import Any

from hyperllama.core.data.table import spread
from hyperllama.core.estimators import family, split
from hyperllama.core.evaluate import fitting, splits
from hyperllama.core.evaluate.crossval import WATCHED_SHARE
from hyperllama.core.evaluate.pipeline import imports, recipe, source
from hyperllama.core.report import reading
from hyperllama.core.report.layout import layout
from hyperllama.core.report.record import StudyRecord, TrialRecord
from hyperllama.core.text import plain

_READING = (
    reading.read_table, reading.read_cells, reading.numbers, reading.codes, reading.made,
    reading.moments, reading.microseconds, reading.date_part, spread,
)
_SPLITTING = (splits.evenly, splits.alone, splits.part_off, splits.make_folds)


def train_script(study: StudyRecord, best: TrialRecord, *, bundled: bool = False) -> str:
    """The text of the script.

    Args:
        bundled: read `table.npz` beside the script instead of the CSV.

    Raises:
        DataError: the CSV of the study is no longer there.
    """
    p = study.problem
    name, params = split(best.config, p.estimators)
    categorical = [c.kind == "category" for c in p.columns]
    tree = recipe(name, p.kind, params, categorical, best.seed, response=response_of(p.metric))
    stopping = study.task.early_stopping_rounds if family(name).early_stopping else None
    v = p.validation
    constants = {
        "METRIC": p.metric, "EXPECTED": best.value, "METHOD": v.method, "FOLDS": v.folds,
        "REPEATS": v.repeats, "SHARE": v.validation_share, "TEST_SHARE": v.test_share,
        "SPLIT_SEED": study.task.seed, "CLASSIFICATION": p.kind == "classification",
    }
    if stopping:
        constants |= {"ROUNDS": stopping, "WATCHED_SHARE": WATCHED_SHARE}
    functions: Sequence[Callable[..., Any]]
    if bundled:
        table, read, functions = "_HERE", _READ_BUNDLE, _SPLITTING
    else:
        table, read, functions = repr(str(study.task.data.path)), _READ_CSV, _READING + _SPLITTING
    lines = [
        f'"""{_header(study, name, bundled)}"""',
        "",
        "from __future__ import annotations",
        "",
        "import csv",
        "import gzip",
        "import math",
        "import sys",
        "from collections.abc import Mapping, Sequence",
        "from datetime import datetime, timezone",
        "from pathlib import Path",
        "from typing import Any",
        "",
        "import numpy as np",
        *imports(tree),
        "from sklearn.metrics import get_scorer",
        "",
        f"TABLE = {table}".replace("_HERE", 'str(Path(__file__).with_name("table.npz"))'),
        *(f"{k} = {value!r}" for k, value in constants.items()),
        "" if bundled else f"LAYOUT = {pprint.pformat(layout(study), width=96, compact=True)}",
        "",
        "",
        "def make_pipeline() -> Pipeline:",
        f'    """The configuration of trial {best.number}."""',
        f"    return {source(tree, '    ')}",
        "",
        read,
        _sources([*functions, *([fitting.fit_watched] if stopping else [])]),
        _FIT_WATCHED if stopping else _FIT,
        _MAIN,
    ]
    return "\n".join(lines)


def response_of(metric: str) -> str:
    """What a scorer asks an estimator for, in scikit-learn's words."""
    from sklearn.metrics import get_scorer

    return str(get_scorer(metric)._response_method)


def _header(study: StudyRecord, name: str, bundled: bool) -> str:
    def safe(text: str) -> str:
        return " ".join(plain(text).split()).replace("\\", "/").replace('"', "'")

    needs = "NumPy, scikit-learn" + (" and XGBoost" if name == "xgboost" else "")
    table = "table.npz, which lies beside it" if bundled else "the study's table, or the one named"
    return (
        f"Score the best model of the study '{safe(study.name)}' as the study did.\n\n"
        f"    python train.py{'' if bundled else ' [TABLE]'}\n\n"
        f"Reads {table}. Needs {needs}. Written by HyperLlama.\n"
    )


def _sources(functions: Sequence[Callable[..., Any]]) -> str:
    """The text of functions, with the names of array types that need no imports."""
    text = "\n\n".join(inspect.getsource(f) for f in functions)
    for name in ("NDArray[Any]", "NDArray[np.float64]", "NDArray[np.intp]", "NDArray[np.bool_]",
                 "Floats", "Rows"):
        text = text.replace(name, "np.ndarray")
    return text


_READ_CSV = """
def read() -> tuple[Any, Any, Any, Any]:
    \"\"\"x, y, groups and times of the table.\"\"\"
    return read_table(sys.argv[1] if len(sys.argv) > 1 else TABLE, LAYOUT, SPLIT_SEED)

"""

_READ_BUNDLE = """
def read() -> tuple[Any, Any, Any, Any]:
    \"\"\"x, y, groups and times of the table.\"\"\"
    with np.load(TABLE, allow_pickle=False) as table:
        return tuple(table[k] if k in table else None for k in ("x", "y", "groups", "times"))

"""

_FIT = '''
def fitted(x: Any, y: Any, groups: Any, times: Any, rows: Any) -> Pipeline:
    """The pipeline fitted on some rows."""
    return make_pipeline().fit(x[rows], y[rows])

'''

_FIT_WATCHED = '''
def fitted(x: Any, y: Any, groups: Any, times: Any, rows: Any) -> Pipeline:
    """The pipeline fitted on some rows, a part of which says when to stop."""
    rest, apart = part_off(
        METHOD, y[rows], None if groups is None else groups[rows],
        None if times is None else times[rows], WATCHED_SHARE, SPLIT_SEED, CLASSIFICATION,
    )
    pipeline = make_pipeline()
    train, watched = rows[rest], rows[apart]
    fit_watched(pipeline, x[train], y[train], x[watched], y[watched], ROUNDS)
    return pipeline

'''

_MAIN = '''
def main() -> None:
    """Score the configuration by cross-validation, then on the rows kept for the end."""
    x, y, groups, times = read()
    tune, test = part_off(METHOD, y, groups, times, TEST_SHARE, SPLIT_SEED, CLASSIFICATION)
    scorer = get_scorer(METRIC)
    pairs = make_folds(
        METHOD, y[tune], None if groups is None else groups[tune],
        None if times is None else times[tune],
        FOLDS, REPEATS, SHARE, SPLIT_SEED, CLASSIFICATION,
    )
    scores = []
    for train, scored in pairs:
        pipeline = fitted(x, y, groups, times, tune[train])
        scores.append(float(scorer(pipeline, x[tune[scored]], y[tune[scored]])))
        print(f"fold {len(scores)} of {len(pairs)}: {METRIC} {scores[-1]:.6f}")
    print(f"cross-validation {METRIC}: {sum(scores) / len(scores)!r}  (in the study: {EXPECTED!r})")
    if len(test):
        pipeline = fitted(x, y, groups, times, tune)
        print(f"untouched test part {METRIC}: {float(scorer(pipeline, x[test], y[test]))!r}")


if __name__ == "__main__":
    main()
'''
