"""What a program is: a text with `build`, a line on what it tries, and the numbers it exposes.

    \"\"\"Boosted trees on ranks.\"\"\"
    SPACE = {"depth": {"low": 2, "high": 10, "default": 6}}

    def build(columns, task, depth):
        return XGBClassifier(max_depth=depth)

`columns` are the facts of each column of X (name, kind, missing_share, distinct, position), never
rows; `task` has kind, metric, n_classes and n_rows. `build` returns a scikit-learn estimator.
"""

from __future__ import annotations

import ast
import hashlib
import keyword
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from hyperllama.core.errors import HyperLlamaError, SpaceError
from hyperllama.core.programs.policy import violations
from hyperllama.core.space import Categorical, Domain, Float, Integer, Param, SearchSpace
from hyperllama.core.text import one_line

MOST_CHARACTERS = 20_000
MOST_HYPERPARAMETERS = 12
MOST_CHOICES = 50
_DEEPEST = 120  # of nested syntax: what reads a tree afterwards takes four calls for each level
_LARGEST, _LARGEST_WHOLE = 1e100, 2**53  # beyond, ranges overflow and whole numbers are not exact
_UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Characters with which a text would read otherwise than it runs: control characters, those that
change the direction, and line ends that are none to Python."""
_CODING = re.compile(r"[ \t]*#.*?coding[:=][ \t]*([-\w.]+)")  # as Python has it (PEP 263)
_TAKEN = ("program", "columns", "task")  # what configurations and `build` use themselves
_KEYS = {"low", "high", "log", "default", "choices"}


class ProgramError(HyperLlamaError):
    """A program's text cannot be used; nothing of it was run.

    Attributes:
        line: of the program, where known; from 1.
        parses: whether it is Python at all.
    """

    exit_code = 2

    def __init__(self, message: str, line: int | None = None, parses: bool = True) -> None:
        where = f"line {line}: " if line else ""
        super().__init__(f"the program cannot be used: {where}{message}")
        self.line, self.parses = line, parses


@dataclass(frozen=True)
class Program:
    """A program that keeps the contract and the policy.

    Attributes:
        text: as it was written.
        summary: the first line of its docstring; foreign text.
        space: the numbers and choices that it exposes, with their defaults.
    """

    text: str
    summary: str
    space: SearchSpace

    @cached_property
    def key(self) -> str:
        """Equal for programs that differ in comments, blank space and docstrings only."""
        tree = ast.parse(self.text)
        for node in ast.walk(tree):
            body = getattr(node, "body", None)
            if isinstance(body, list) and body and _is_text(body[0]):
                body[:] = body[1:] or [ast.Pass()]
        return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def parse_program(text: str) -> Program:
    """Check a program's text without running any of it.

    Raises:
        ProgramError: it does not parse, breaks the policy, or does not keep the contract.
    """
    if len(text) > MOST_CHARACTERS:
        raise ProgramError(f"it has {len(text)} characters; at most {MOST_CHARACTERS} are allowed")
    _check_characters(text)
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        raise ProgramError(one_line(getattr(error, "msg", error)), line, parses=False) from error
    _check_depth(tree)
    found = violations(tree)
    if found:
        raise ProgramError(found[0].message, found[0].line)
    builds = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "build"]
    if not builds:
        raise ProgramError("there is no function build(columns, task)")
    build = builds[0]
    if len(builds) > 1:
        raise ProgramError("build is defined twice", builds[1].lineno)
    space = _space(tree)
    _check_arguments(build, space)
    summary = one_line(ast.get_docstring(tree) or ast.get_docstring(build) or "")
    return Program(text, summary, space)


def with_values(text: str, values: Mapping[str, Any]) -> str:
    """A program with these values as the defaults of SPACE and of `build`; the rest stays."""
    tree = ast.parse(text)
    replaced: list[tuple[ast.expr, str]] = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == "build":
            a = node.args
            names = [*a.posonlyargs, *a.args]
            pairs = [*zip(names[len(names) - len(a.defaults) :], a.defaults, strict=True),
                     *zip(a.kwonlyargs, a.kw_defaults, strict=True)]  # fmt: skip
            replaced += [(d, repr(values[n.arg])) for n, d in pairs if d and n.arg in values]
        elif isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value and _is_space(node):
            space = ast.literal_eval(node.value)
            for name, value in values.items():
                space[name]["default"] = value
            rows = [f"    {n!r}: {facts!r},\n" for n, facts in space.items()]
            replaced.append((node.value, "{\n" + "".join(rows) + "}"))
    lines = [line.encode() for line in text.splitlines(keepends=True)]
    starts = [sum(map(len, lines[:i])) for i in range(len(lines))]
    whole = b"".join(lines)
    replaced.sort(key=lambda pair: (pair[0].lineno, pair[0].col_offset))
    for old, new in reversed(replaced):  # from the end, so that earlier places stay
        first = starts[old.lineno - 1] + old.col_offset
        last = starts[(old.end_lineno or 1) - 1] + (old.end_col_offset or 0)
        whole = whole[:first] + new.encode() + whole[last:]
    return whole.decode()


def _check_characters(text: str) -> None:
    """Raises ProgramError where a text would be read otherwise than it is run."""
    if unseen := _UNSEEN.search(text):
        line = text.count("\n", 0, unseen.start()) + 1
        raise ProgramError(f"the character U+{ord(unseen[0]):04X} is not allowed", line)
    for number, line_text in enumerate(text.splitlines()[:2], 1):
        coding = _CODING.match(line_text)
        if coding and coding[1].lower().replace("_", "-") not in ("utf-8", "utf8"):
            raise ProgramError("another encoding than UTF-8 is not allowed", number)


def _check_depth(tree: ast.Module) -> None:
    """Raises ProgramError where syntax is nested too deeply."""
    level: list[ast.AST] = [tree]
    for _ in range(_DEEPEST):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            return
    raise ProgramError("it is nested too deeply", getattr(level[0], "lineno", None))


def _is_space(node: ast.stmt) -> bool:
    """Whether a statement sets SPACE."""
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return any(isinstance(t, ast.Name) and t.id == "SPACE" for t in targets)


def _is_text(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _check_arguments(build: ast.FunctionDef, space: SearchSpace) -> None:
    arguments = build.args
    names = [a.arg for a in (*arguments.posonlyargs, *arguments.args)]
    if len(names) < 2:
        raise ProgramError("build takes columns and task first", build.lineno)
    accepted = {*names[2:], *(a.arg for a in arguments.kwonlyargs)}
    if arguments.kwarg is None:
        for name in space.names:
            if name not in accepted:
                raise ProgramError(f"build does not take {name!r} of SPACE", build.lineno)
    without = names[2 : len(names) - len(arguments.defaults)]
    without += [
        a.arg for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if d is None
    ]
    for name in without:
        if name not in space:
            raise ProgramError(f"SPACE says nothing about {name!r} of build", build.lineno)


def _space(tree: ast.Module) -> SearchSpace:
    """The literal SPACE of a program; empty where there is none."""
    found = [node for node in tree.body if _is_space(node)]
    if not found:
        return SearchSpace(())
    if len(found) > 1 or not isinstance(found[0], (ast.Assign, ast.AnnAssign)):
        raise ProgramError("SPACE is set once, to a literal", found[-1].lineno)
    node = found[0]
    try:
        value = ast.literal_eval(node.value or ast.Constant(None))
    except (ValueError, TypeError, RecursionError, MemoryError) as error:
        raise ProgramError("SPACE is not a literal", node.lineno) from error
    return _read_space(value, node.lineno)


def _read_space(value: object, line: int) -> SearchSpace:
    if not isinstance(value, dict) or len(value) > MOST_HYPERPARAMETERS:
        raise ProgramError(f"SPACE is a dict of at most {MOST_HYPERPARAMETERS} entries", line)
    params = []
    for name, facts in value.items():
        if not (isinstance(name, str) and name.isidentifier() and isinstance(facts, dict)):
            raise ProgramError("SPACE maps names to dicts", line)
        if name in _TAKEN or keyword.iskeyword(name):
            raise ProgramError(f"SPACE: {name!r} cannot be the name of a number", line)
        if unknown := sorted(set(map(str, facts)) - _KEYS):
            raise ProgramError(f"SPACE[{name!r}] has unknown keys: {', '.join(unknown)}", line)
        try:
            params.append(Param(name, _domain(facts), default=facts.get("default")))
        except (SpaceError, TypeError, ValueError, KeyError, OverflowError) as error:
            raise ProgramError(f"SPACE[{name!r}]: {one_line(error)}", line) from error
    try:
        return SearchSpace(params)
    except SpaceError as error:
        raise ProgramError(f"SPACE: {error.message}", line) from error


def _domain(facts: Mapping[str, Any]) -> Domain:
    if "choices" in facts:
        choices = tuple(facts["choices"])
        if len(choices) > MOST_CHOICES:
            raise ValueError(f"{len(choices)} choices; at most {MOST_CHOICES} are allowed")
        for choice in choices:
            _check_choice(choice)
        return Categorical(choices)
    low, high, log = facts["low"], facts["high"], bool(facts.get("log", False))
    for bound in (low, high):
        if isinstance(bound, bool) or not isinstance(bound, (int, float)):
            raise TypeError(f"{bound!r} is no number")
        _check_size(bound)
    if isinstance(low, int) and isinstance(high, int):
        return Integer(low, high, log=log)
    if log and low < 1 / _LARGEST:
        raise ValueError(f"a log scale needs low >= {1 / _LARGEST:g}, not {low!r}")
    return Float(float(low), float(high), log=log)


def _check_choice(choice: object) -> None:
    if isinstance(choice, (int, float)):
        _check_size(choice)
    elif isinstance(choice, str):
        if one_line(choice) != choice:
            raise ValueError(f"the choice {one_line(choice, 40)!r} is not one plain line")
    elif choice is not None:
        raise TypeError(f"the choice {one_line(choice, 40)} is no text and no number")


def _check_size(number: float) -> None:
    """Raises ValueError for a number that ranges cannot be made of."""
    most = _LARGEST_WHOLE if isinstance(number, int) else _LARGEST
    if not abs(number) <= most:
        raise ValueError(f"{one_line(number, 30)} is not between -{most:g} and {most:g}")
