"""What a program may contain: an allow-list over its syntax tree.

The sandbox is what protects the machine; the policy refuses early, with a line and a reason, what
could only fail there or has no place in a model: files, network, processes, evaluation of text, and
the ways around them (private and special attributes, frames, loaders).
"""

from __future__ import annotations

import ast
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
    "breakpoint", "compile", "delattr", "dir", "eval", "exec", "exit", "getattr", "globals", "help",
    "input", "locals", "memoryview", "open", "quit", "setattr", "vars",
}  # fmt: skip
_REFUSED_ATTRIBUTES = {
    "CDLL", "cr_frame", "ctypes", "ctypeslib", "DataIter", "DataSource", "dump", "dumps", "f_back",
    "f_builtins", "f_code", "f_globals", "f_locals", "format", "format_map", "fromfile",
    "genfromtxt",
    "gi_frame", "io", "load", "load_library", "load_model", "loads", "loadtxt", "memmap", "modules",
    "mro", "open_memmap", "os", "popen", "save", "save_model", "savetxt", "savez",
    "savez_compressed", "set_config", "subprocess", "sys", "system", "tb_frame", "tofile",
}  # fmt: skip
_REFUSED_PREFIXES = ("read_", "scan_", "write_", "sink_")
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
            yield from _attribute(alias.name)
    elif isinstance(node, ast.Name):
        if node.id in _REFUSED_NAMES or _special(node.id):
            yield f"{node.id} is not allowed"
    elif isinstance(node, ast.Attribute):
        yield from _attribute(node.attr)
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
    elif any(part.startswith("_") for part in name.split(".")) and name != "__future__":
        yield f"importing {name} is not allowed: it is private"


def _attribute(name: str) -> Iterator[str]:
    if name in _REFUSED_ATTRIBUTES or name.startswith(_REFUSED_PREFIXES) or _special(name):
        yield f"the attribute {name} is not allowed"


def _special(name: str) -> bool:
    return name.startswith("__") and name not in _ALLOWED_SPECIAL
