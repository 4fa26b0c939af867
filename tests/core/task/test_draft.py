"""A task file in the making: single keys of its text, and the child that looks and checks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hyperllama.core.task.draft.edit import changes, line_of, set_key, values
from hyperllama.core.task.draft.server import DraftServer
from tests.small import write_task

TEXT = """\
# about the file
name = "x"  # a name

[space]
# max_depth = { low = 1, high = 9 }  # how deep
# C = { low = 0.1, high = 9.0 }

[budget]
trials = 20
# minutes = 30
"""


def ask(do: str, desk: DraftServer | None = None, **fields: object) -> dict[str, Any]:
    (answer,) = (desk or DraftServer()).handle({"do": do, **fields})  # type: ignore[arg-type]
    return answer


def test_a_key_that_stands_there_keeps_its_comment() -> None:
    assert 'name = "y"  # a name' in set_key(TEXT, ("name",), "y")
    assert set_key(TEXT, ("name",), "x") == TEXT


def test_a_commented_line_is_the_place_of_its_key() -> None:
    text = set_key(TEXT, ("space", "max_depth"), {"high": 5})
    assert "max_depth = {high = 5}  # how deep\n# C" in text and "# max_depth" not in text
    back = set_key(text, ("space", "max_depth"), None, TEXT.splitlines()[4])
    assert back == TEXT
    assert "\nminutes = 10" in set_key(TEXT, ("budget", "minutes"), 10)


def test_missing_keys_and_tables_are_added() -> None:
    text = set_key(set_key(TEXT, ("budget", "x y"), 1), ("limits", "threads"), 2)
    assert values(text)["budget"]["x y"] == 1 and values(text)["limits"] == {"threads": 2}  # type: ignore[index]
    assert set_key(TEXT, ("limits", "threads"), None) == TEXT


def test_what_is_no_toml_is_refused() -> None:
    with pytest.raises(ValueError):
        set_key("a = ", ("b",), 1)
    with pytest.raises(ValueError):
        set_key('space = "x"', ("space", "a"), 1)


def test_changes_count_a_hyperparameter_as_one() -> None:
    base = {"a": 1, "space": {"svm": {"C": 1}}, "data": {"drop": []}}
    now = {"space": {"svm": {"C": {"low": 1, "high": 2}}}, "data": {"drop": ["x"]}}
    assert dict(changes(base, now)) == {
        ("a",): None, ("data", "drop"): ["x"], ("space", "svm", "C"): {"low": 1, "high": 2},
    }  # fmt: skip


def test_lines_of_keys() -> None:
    assert line_of(TEXT, "budget.trials") == 8 and line_of(TEXT, "budget.minutes") == 7
    assert line_of(TEXT, "limits.threads") == -1 and line_of(TEXT, "name") == 1


def test_a_text_is_written_checked_and_written_anew_with_what_was_changed(tmp_path: Path) -> None:
    table = write_task(tmp_path).with_suffix(".csv")
    file, desk = tmp_path / "new.toml", DraftServer()
    look = ask("look", desk, table=str(table))["look"]
    assert look["target"]["name"] == "y" and len(look["columns"]) == 4

    first = ask("write", desk, table=str(table), file=str(file), estimators=["svm"])
    text = set_key(first["text"], ("space", "C"), {"high": 10.0})
    text = set_key(text, ("validation", "folds"), 3)
    task = ask("check", desk, text=text, file=str(file))["task"]
    row = next(r for r in task["space"] if r["name"] == "C")
    assert task["folds"] == 3 and row["changed"] and row["now"]["high"] == 10.0
    assert row["usual"]["high"] > 10 and dict(task["metrics"])["accuracy"]

    again = ask("write", desk, table=str(table), file=str(file), base=first["base"], text=text,
                estimators=["svm", "linear"])  # fmt: skip
    assert values(again["text"])["space"]["svm"] == {"C": {"high": 10.0}}  # type: ignore[index]
    assert values(again["text"])["validation"]["folds"] == 3 and not again["lost"]  # type: ignore[index]
    assert not ask("check", desk, text=again["text"], file=str(file))["faults"]


@pytest.mark.parametrize(
    ("before", "after", "key", "said"),
    [
        ("folds = 2", "folds = 1", "validation.folds", "not allowed"),
        ("trials = 4", "trials =", "", "TOML"),
        ('target = "y"', 'target = "z"', "data.target", "z"),
        ('path = "quick.csv"', 'path = "gone.csv"', "data.path", "gone.csv"),
        ("trials = 4", "trails = 4", "budget.trails", "unknown key"),
    ],
)
def test_faults_name_key_and_line(
    tmp_path: Path, before: str, after: str, key: str, said: str
) -> None:
    file = write_task(tmp_path)
    text = file.read_text().replace(before, after)
    (fault, *_) = ask("check", text=text, file=str(file))["faults"]
    assert fault["key"] == key and said in fault["problem"] + fault["hint"]
    assert fault["line"] == text.splitlines().index(after)


def test_a_table_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (fault,) = ask("look", table=str(tmp_path / "none.csv"))["faults"]
    assert "none.csv" in fault["problem"]
