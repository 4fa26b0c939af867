"""`predict.py`: the files of `core.predict` and what they need, in one file without HyperLlama."""

from __future__ import annotations

import ast
import inspect
import textwrap
from importlib import import_module
from types import ModuleType

from hyperllama.core import text
from hyperllama.core.errors import DataError, HyperLlamaError
from hyperllama.models import files

PARTS = (
    "data.cells", "data.csv_text", "data.reader", "predict.known", "predict.rows",
    "predict.safety", "predict.refitted", "predict.formats", "predict.model", "predict.reasons",
    "predict.score", "predict.options", "predict.files", "predict.training", "predict.script",
)
HEAD = '''"""Predict the rows of a file with the model beside this script.

    python predict.py new.csv -o predictions.csv      (--help lists the options)

Raw rows, as in the training table; columns are matched by name. Written by HyperLlama, which is not
needed to run it. Needs NumPy, scikit-learn, polars and what reads the model (pipeline.json names it
with its version): XGBoost, LightGBM, CatBoost or skops.
"""

from __future__ import annotations
'''
TAIL = '''

if __name__ == "__main__":
    sys.exit(main(Path(__file__).resolve().parent))
'''


def predict_script() -> str:
    """The text of the script; it is the same for every study."""
    modules = [text, files, *(import_module(f"hyperllama.core.{name}") for name in PARTS)]
    imports: dict[str, set[str]] = {"typing": {"TYPE_CHECKING"}}
    bodies = [inspect.getsource(HyperLlamaError), inspect.getsource(DataError)]
    bodies += [_parted(module, imports) for module in modules]
    whole = sorted(imports.pop("", set()))
    parts = [f"from {m} import {', '.join(sorted(n))}" for m, n in sorted(imports.items())]
    checking = "if TYPE_CHECKING:\n    import polars as pl"
    top = "\n".join([*whole, *parts])
    blocks = [HEAD, top, checking, *bodies]
    return "\n\n\n".join(block.strip() for block in blocks) + "\n" + TAIL


def _parted(module: ModuleType, imports: dict[str, set[str]]) -> str:
    """The text of a module without imports; adds those that are not ours to `imports`, by origin.

    Whole modules ("import json") have the origin "".
    """
    source = inspect.getsource(module)
    kept: list[str] = []
    lines, before = source.splitlines(), 0
    for at, node in enumerate(ast.parse(source).body):
        if isinstance(node, ast.ImportFrom):
            origin = str(node.module)
            if origin != "__future__" and not origin.startswith("hyperllama"):
                imports.setdefault(origin, set()).update(ast.unparse(n) for n in node.names)
        elif isinstance(node, ast.Import):
            imports.setdefault("", set()).add(ast.unparse(node))
        elif at and not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            first = _first_line(node)
            gap = [""] * min(first - 1 - before, 2) if kept else []
            kept += [*gap, *lines[first - 1 : node.end_lineno]]
        before = int(node.end_lineno or 0)
    title = " ".join(str(module.__doc__).split("\n\n")[0].split())
    comment = textwrap.fill(title, 96, initial_indent="# ", subsequent_indent="# ")
    return f"{comment}\n\n" + "\n".join(kept)


def _first_line(node: ast.stmt) -> int:
    """Where a statement begins, its decorators included."""
    decorators = getattr(node, "decorator_list", [])
    return min(node.lineno, *(int(d.lineno) for d in decorators), node.lineno)
