"""What README.md, CONTRIBUTING.md and docs/ show exists: commands, keys, names and links."""

from __future__ import annotations

import ast
import functools
import re
import shlex
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

import hyperllama
from hyperllama.core.prompt.layout import read_layout
from hyperllama.core.task.load import parse_task
from hyperllama.tui.preferences import settings
from tests.test_hints import Refused, parsed

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


@functools.cache
def blocks() -> tuple[tuple[str, str, str], ...]:
    """(where, language or "", text) of every code block of the pages."""
    found = []
    for page in PAGES:
        text = page.read_text("utf8")
        for block in re.finditer(_BLOCK, text):
            line = text.count("\n", 0, block.start()) + 1
            code = block["fenced"] or textwrap.dedent(block["indented"] or "")
            found.append((f"{page.name}:{line}", block["language"] or "", code))
    return tuple(found)


_BLOCK = re.compile(
    r"(?m)^```(?P<language>\w*)\n(?P<fenced>(?s:.*?))^```$"
    r"|(?<=\n\n)(?P<indented>( {4}.*\n|\n(?= {4}))+)"
)


def commands() -> Iterator[tuple[str, list[str]]]:
    """(where, words) of every command in a block or between backticks, without its comment."""
    for where, language, text in blocks():
        if language in ("", "bash", "sh"):
            for line in text.replace("\\\n", " ").splitlines():
                if line.startswith(PROGRAMS):
                    yield where, shlex.split(line.rstrip("& "), comments=True)
    for page in PAGES:
        prose = re.sub(_BLOCK, "", page.read_text("utf8"))
        for quoted in re.findall(r"`([^`]+)`", prose):
            words = shlex.split(quoted) if quoted.startswith(PROGRAMS) else []
            if len(words) > 2 or words[:1] == ["make"]:  # else the name of a command
                yield page.name, words


PROGRAMS = (
    "hyperllama ", ".venv/bin/hyperllama ", "make ", "python -m workshop ", "python benchmarks/",
    "python scripts/",
)  # fmt: skip


def test_commands_parse() -> None:
    wrong, seen = [], 0
    for where, words in commands():
        seen += 1
        try:
            tried(words)
        except (Refused, SystemExit, OSError) as error:
            wrong.append(f"{where}: {shlex.join(words)}: {error}")
    assert wrong == []
    assert seen > 150


def tried(words: list[str]) -> None:
    """Parse a command of ours as the program does, of others look for their options.

    Raises:
        Refused: the program would refuse it.
    """
    words = [_FILLED.get(word, word) for word in words if word != "..."]
    if words[0].endswith("hyperllama"):
        parsed(shlex.join(words))
    elif words[0] == "make":
        targets = [word for word in words[1:] if "=" not in word]
        known = re.findall(r"(?m)^([a-z]+):", (ROOT / "Makefile").read_text("utf8"))
        if unknown := set(targets) - set(known):
            raise Refused(f"no target {unknown}")
    else:
        path = ROOT / ("workshop/options.py" if words[1] == "-m" else words[1])
        options = {word.split("=")[0] for word in words[2:] if re.match(r"--?[a-z]", word)}
        if unknown := options - _options(path) - {"-m", "--help"}:
            raise Refused(f"no option {unknown}")


def _options(path: Path) -> set[str]:
    """The options that a script adds to its parser."""
    calls = [n for n in ast.walk(ast.parse(path.read_text("utf8"))) if isinstance(n, ast.Call)]
    return {
        word.value for call in calls for word in call.args
        if getattr(call.func, "attr", "") == "add_argument"
        and isinstance(word, ast.Constant) and isinstance(word.value, str)
    }  # fmt: skip


_FILLED = {"N": "3", "TRIAL": "3", "LOW": "1", "HIGH": "2", "$C": "linear"}


def test_toml_is_read_without_a_complaint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = 0
    for where, language, text in blocks():
        if language not in ("", "toml") or not (table := _toml(text)):
            continue
        seen += 1
        if where.startswith("prompts.md"):
            read_layout(text)
        elif "theme" in table:
            monkeypatch.setenv("HYPERLLAMA_SETTINGS", str(tmp_path / "settings.toml"))
            (tmp_path / "settings.toml").write_text(text, "utf8")
            assert not settings.read().problems, where
        else:
            missing = "" if "data" in table else '\n[data]\npath = "a.csv"\ntarget = "y"\n'
            parse_task(text + missing, tmp_path / f"{where}.toml")
    assert seen > 5


def _toml(text: str) -> dict[str, object]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return {}


def test_python_compiles_and_names_exist() -> None:
    seen = 0
    for where, language, text in blocks():
        if language == "python":
            seen += 1
            compile(text, where, "exec")
            for name in re.findall(r"\bhyperllama\.(\w+)", text):
                assert name in hyperllama.__all__, (where, name)
    assert seen > 3


def test_links_lead_somewhere() -> None:
    seen = 0
    for page in PAGES:
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf8")):
            if target.startswith("http"):
                continue
            seen += 1
            name, _, anchor = target.partition("#")
            other = page.parent / name if name else page
            assert other.exists(), (page.name, target)
            assert not anchor or anchor in _anchors(other), (page.name, target)
    assert seen > 40


def _anchors(page: Path) -> set[str]:
    titles = re.findall(r"(?m)^#+ (.+)$", page.read_text("utf8"))
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_files_named_in_prose_exist() -> None:
    """`core/x/y.py` between backticks is a file, `core.x.y.name` a module and a name in it."""
    seen = 0
    for page in PAGES:
        for quoted in re.findall(r"`([^`\s]+)`", page.read_text("utf8")):
            if re.match(rf"({_FOLDERS})/[\w./-]*$", quoted):
                seen += 1
                assert any((ROOT / place / quoted).exists() for place in ("", "core")), quoted
    assert seen > 40


_FOLDERS = "tui|core|models|workshop|benchmarks|docs|scripts|tests|sample_tasks|hyperllama|report"


def test_extras_and_environment_variables_exist() -> None:
    said = "".join(page.read_text("utf8") for page in PAGES)
    with (ROOT / "pyproject.toml").open("rb") as file:
        extras = set(tomllib.load(file)["project"]["optional-dependencies"])
    named = set(re.findall(r"(?:hyperllama|'\.)\[(\w+)\]", said))
    assert len(named) > 3 and named <= extras
    folders = ("core", "models", "tui", "tests", "benchmarks")
    code = "".join(p.read_text("utf8") for f in folders for p in sorted((ROOT / f).rglob("*.py")))
    variables = set(re.findall(r"HYPERLLAMA_[A-Z]+(?:_[A-Z]+)*", said))
    assert len(variables) > 5 and [v for v in sorted(variables) if v not in code] == []
