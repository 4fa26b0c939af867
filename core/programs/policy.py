"""What a program may contain: an allow-list over its syntax tree.

The sandbox is what protects the machine; the policy refuses early, with a line and a reason, what
could only fail there or has no place in a model: files, network, processes, evaluation of text, and
the ways around them: private and special attributes, attributes named by text, frames, loaders,
and modules that are reached through other modules.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass

ALLOWED_IMPORTS = (
    "__future__", "catboost", "collections", "dataclasses", "functools", "itertools", "lightgbm",
    "math", "numbers", "numpy", "operator", "polars", "scipy", "sklearn", "statistics", "typing",
    "xgboost",
)  # fmt: skip
_REFUSED_MODULES = (
    "numpy.ctypeslib", "numpy.distutils", "numpy.f2py", "numpy.lib.format", "numpy.lib.npyio",
    "numpy.testing", "numpy.core", "numpy._core", "scipy.datasets", "scipy.io", "scipy._lib",
    "sklearn.datasets", "sklearn.externals", "sklearn.utils.fixes", "sklearn.utils._testing",
    "sklearn.utils.parallel", "sklearn.show_versions", "polars.io", "xgboost.collective",
    "xgboost.tracker", "xgboost.spark", "xgboost.dask", "lightgbm.dask",
)  # fmt: skip
_REFUSED_NAMES = {
    "breakpoint", "compile", "copyright", "credits", "delattr", "dir", "eval", "exec", "exit",
    "getattr", "globals", "help", "input", "license", "locals", "memoryview", "open", "quit",
    "setattr", "vars",
}  # fmt: skip
_BY_TEXT = {
    "attrgetter", "methodcaller", "update_wrapper", "wraps", "get_type_hints", "ForwardRef",
    "evaluate_forward_ref", "singledispatch", "singledispatchmethod", "make_dataclass",
    "runstring", "rundocs",
}  # fmt: skip
"""Reach attributes by their names as text, or evaluate text."""
_FILES = {
    "Booster", "DMatrix", "DataIter", "DataSource", "Dataset", "ExtMemQuantileDMatrix", "Pool",
    "QuantileDMatrix", "SQLContext", "deserialize", "dump", "dumps", "fromfile", "fromregex",
    "genfromtxt", "load", "load_library", "load_model", "loads", "loadtxt", "memmap",
    "open_memmap", "plugins", "register_plugin", "register_plugin_function", "save", "save_model",
    "savetxt", "savez", "savez_compressed", "serialize", "sql", "tofile",
}  # fmt: skip
"""Read or write files, some of them where they are given a name in place of rows."""
_INSIDES = {
    "CDLL", "as_strided", "ctypes", "f_back", "f_builtins", "f_code", "f_globals", "f_locals",
    "f_trace", "format", "format_map", "modules", "mro", "popen", "set_config", "system", "test",
}  # fmt: skip
_NAMESAKES = {"abc", "array", "code", "copy", "random", "select", "signal", "string", "struct",
              "trace"}  # fmt: skip
"""Modules of the standard library that are called like functions and modules of libraries."""
_REFUSED_ATTRIBUTES = (
    _BY_TEXT | _FILES | _INSIDES
    | {name.rpartition(".")[2] for name in _REFUSED_MODULES}
    | (set(sys.stdlib_module_names) - set(ALLOWED_IMPORTS) - _NAMESAKES)
)  # fmt: skip
_REFUSED_PREFIXES = (
    "ag_", "co_", "cr_", "func_", "gi_", "read_", "scan_", "sink_", "tb_", "write_",
)  # fmt: skip
_REFUSED_ARGUMENTS = {"memory", "model_file", "snapshot_file", "train_dir", "xgb_model"}
"""Arguments that name files; None may be given."""
_ALLOWED_SPECIAL = {"__init__", "__name__", "__sklearn_tags__", "__call__"}
_REFUSED_NODES = (
    ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith, ast.Await, ast.Global, ast.Nonlocal,
    ast.Yield, ast.YieldFrom,
)  # fmt: skip


@dataclass(frozen=True)
class Violation:
    """One thing that the policy refuses: where, and why in one sentence."""

    line: int
    message: str


def violations(tree: ast.Module) -> list[Violation]:
    """Everything in a program that the policy refuses, by line."""
    found = {(getattr(n, "lineno", 1), why) for n in ast.walk(tree) for why in _refusals(n)}
    asked = {id(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call) and len(n.args) == 1}
    found |= {
        (n.lineno, "type is allowed with one argument only: it makes no classes")
        for n in ast.walk(tree)
        if isinstance(n, ast.Name) and n.id == "type" and id(n) not in asked
    }
    return [Violation(line, why) for line, why in sorted(found)]


def _refusals(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield from _module(alias.name)
    elif isinstance(node, ast.ImportFrom):
        if node.level:
            yield "relative imports are not allowed"
        for alias in node.names:
            yield from _module(f"{node.module}.{alias.name}" if node.module else alias.name)
            if node.module != "__future__":
                yield from _attribute(alias.name)
    elif isinstance(node, ast.Name):
        if node.id in _REFUSED_NAMES or _special(node.id):
            yield f"{node.id} is not allowed"
    elif isinstance(node, ast.Attribute):
        own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
        if node.attr.startswith("_") and not own and not node.attr.startswith("__"):
            yield f"the attribute {node.attr} is not allowed: it is private"
        yield from _attribute(node.attr)
    elif isinstance(node, ast.MatchClass):
        for name in node.kwd_attrs:
            yield from _attribute(name)
    elif isinstance(node, ast.keyword):
        empty = isinstance(node.value, ast.Constant) and node.value.value is None
        if node.arg in _REFUSED_ARGUMENTS and not empty:
            yield f"the argument {node.arg} is not allowed"
    elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        if _special(node.name):
            yield f"defining {node.name} is not allowed"
    elif isinstance(node, _REFUSED_NODES):
        yield f"{type(node).__name__.lower()} is not allowed"


def _module(name: str) -> Iterator[str]:
    if name.partition(".")[0] not in ALLOWED_IMPORTS:
        yield f"importing {name} is not allowed; allowed: {', '.join(ALLOWED_IMPORTS)}"
    elif any(name == refused or name.startswith(f"{refused}.") for refused in _REFUSED_MODULES):
        yield f"importing {name} is not allowed"
    elif any(p.startswith("_") for p in name.removeprefix("__future__").split(".")):
        yield f"importing {name} is not allowed: it is private"


def _attribute(name: str) -> Iterator[str]:
    if name == "*":
        yield "import names one by one, not *"
    elif name in _REFUSED_ATTRIBUTES or name.startswith(_REFUSED_PREFIXES) or _special(name):
        yield f"the attribute {name} is not allowed"


def _special(name: str) -> bool:
    return name.startswith("__") and name not in _ALLOWED_SPECIAL
