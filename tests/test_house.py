"""The house itself: what importing loads, what tracked files may not name, versions that agree."""

from __future__ import annotations

import ast
import collections
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
HEAVY = {"textual", "llama_cpp", "sklearn", "xgboost", "optuna", "polars", "scipy", "joblib"}


def loaded_by(statement: str) -> set[str]:
    """Top-level modules that a fresh Python has loaded after `statement`."""
    probe = f"{statement}\nimport sys\nprint(*sorted({{n.split('.')[0] for n in sys.modules}}))"
    command = [sys.executable, "-c", probe]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        ("import hyperllama.core", set()),
        ("import hyperllama", set()),
        ("import hyperllama.core.space, hyperllama.core.events", set()),
        ("import hyperllama.core.propose", set()),
        ("import hyperllama.models.gguf, hyperllama.models.engine", set()),
        ("import hyperllama.core.experiments.grid", set()),
        ("import hyperllama.core.experiments.panel", set()),
        ("import hyperllama.models.gguf.memory", set()),
        ("import hyperllama.core.study", {"optuna", "polars", "scipy"}),
        ("import hyperllama.core.storage.store", {"optuna", "polars", "scipy"}),
        ("import hyperllama.tui.app", {"textual"}),
    ],
)
def test_importing_loads_nothing_heavy(statement: str, allowed: set[str]) -> None:
    """The interface opens at once, and native code lives in the child processes only."""
    assert not loaded_by(statement) & (HEAVY - allowed)


@pytest.fixture(scope="module")
def tracked() -> dict[str, str]:
    """Every text file that git knows, by its path; this one names what it looks for."""
    try:
        command = ["git", "ls-files", "-z"]
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git clone")
    texts = {}
    for name in listed.decode().split("\0"):
        path = ROOT / name
        if name and path.is_file() and path != Path(__file__):
            data = path.read_bytes()
            if b"\0" not in data[:8192]:
                texts[name] = data.decode("utf-8", errors="replace")
    return texts


def test_no_file_names_a_package_index(tracked: dict[str, str]) -> None:
    """Where packages come from is the user's pip configuration, never ours."""
    hosts = re.compile(r"pypi\.org|pythonhosted\.org|anaconda\.org|-index-url|--trusted-host")
    assert [name for name, text in tracked.items() if hosts.search(text)] == []


def test_no_file_names_a_folder_of_somebody_s_machine(tracked: dict[str, str]) -> None:
    """Neither this clone's own place, nor anybody's home folder."""
    places = {ROOT.parent, Path.home()} - {Path(tempfile.gettempdir())}
    own = "|".join(re.escape(f"{folder}/") for folder in places)
    folders = re.compile(rf"(?<![\w.~}}])({own}|/home/\w+/|/Users/\w+/)")
    assert [name for name, text in tracked.items() if folders.search(text)] == []


def test_constraints_are_exact_and_name_no_place() -> None:
    """Each line is name==version, perhaps with a marker."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    exact = re.compile(r'[a-z0-9-]+==[\w.]+( ; python_version (<|>=) "3\.11")?')
    assert [line for line in pins if not exact.fullmatch(line)] == []


def project() -> dict:
    with (ROOT / "pyproject.toml").open("rb") as file:
        return tomllib.load(file)["project"]


def test_every_requirement_is_pinned() -> None:
    """What pyproject.toml asks for, constraints.txt answers."""
    extras = project()["optional-dependencies"]
    asked = [*project()["dependencies"], *extras["llama"], *extras["dev"]]
    names = {re.match(r"[\w-]+", line)[0].lower() for line in asked}
    text = (ROOT / "constraints.txt").read_text()
    assert names <= set(re.findall(r"^([\w-]+)==", text, re.MULTILINE))


def test_the_changelog_knows_this_version() -> None:
    """A version is released with a few words for its users."""
    assert f"\n## {project()['version']}\n" in (ROOT / "CHANGELOG.md").read_text()


def sources(*more: str) -> dict[Path, str]:
    """Every module of the package, and of other folders, by its path."""
    folders = ("core", "models", "tui", *more)
    return {p: p.read_text("utf8") for f in folders for p in sorted((ROOT / f).rglob("*.py"))}


def test_modules_classes_and_functions_stay_small() -> None:
    """400, 250 and 60 lines: where one grows beyond that, it does two things."""
    limits = {ast.ClassDef: 250, ast.FunctionDef: 60, ast.AsyncFunctionDef: 60}
    too_long = []
    for path, text in sources("benchmarks").items():
        if text.count("\n") > 400:
            too_long.append(path.name)
        for node in ast.walk(ast.parse(text)):
            limit = limits.get(type(node))
            if limit and node.end_lineno - node.lineno + 1 > limit:
                too_long.append(f"{path.name}: {node.name}")
    assert too_long == []


MANY_ARGUMENTS = {
    "LlamaSearchCV": "scikit-learn reads an estimator's parameters off the names of __init__'s "
    "arguments (get_params, clone), and a user of its searches knows them as keywords",
}


def test_what_is_made_of_many_arguments_takes_them_as_values() -> None:
    """Eight at most; MANY_ARGUMENTS says why a class has more."""
    many = set()
    for text in sources("benchmarks").values():
        for node in ast.walk(ast.parse(text)):
            for made in node.body if isinstance(node, ast.ClassDef) else ():
                if isinstance(made, ast.FunctionDef) and made.name == "__init__":
                    given = [*made.args.posonlyargs, *made.args.args, *made.args.kwonlyargs]
                    if len(given) - 1 > 8:
                        many.add(node.name)
    assert many == set(MANY_ARGUMENTS)


def test_one_class_one_name() -> None:
    found = collections.Counter(
        node.name
        for text in sources().values()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ClassDef)
    )
    assert [name for name, count in found.items() if count > 1] == []
