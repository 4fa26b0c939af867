"""Tables as people have them: what is asked, what is said, and what acts on it."""

from __future__ import annotations

import gzip
import os
import socket
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from hyperllama.core.data import csv_text, inspect, load_table
from hyperllama.core.errors import DataError, HyperLlamaError, TaskError
from hyperllama.core.estimators import families
from hyperllama.core.evaluate.scoring.crossval import Evaluator, TrialFailed
from hyperllama.core.predict.known import KnownColumn, read_known
from hyperllama.core.task import DataSpec, Task, Validation, load_task, resolve
from hyperllama.core.task.draft.edit import set_key
from hyperllama.core.task.new import new_task_file

HERE = Path(__file__).parent / "tables"
ROWS = 240
RNG = np.random.default_rng(0)


def task(path: Path, target: str = "y", **fields: Any) -> Task:
    data = {k: fields.pop(k) for k in list(fields) if k in DataSpec.model_fields}
    return Task(name="t", data=DataSpec(path=path, target=target, **data), **fields)


def saved(folder: Path, **columns: Any) -> Path:
    """A CSV of 240 rows: these columns, two numbers, and a target "y" of two classes."""
    x = RNG.normal(size=(ROWS, 2)).round(3)
    usual = {"a": x[:, 0], "b": x[:, 1], "y": np.where(x[:, 0] > 0, "yes", "no")}
    pl.DataFrame({**columns, **{k: v for k, v in usual.items() if k not in columns}}).write_csv(
        folder / "t.csv")
    return folder / "t.csv"


def advice(path: Path, **options: Any) -> dict[str, Any]:
    """Key of the task file -> value, of everything that is said about a table."""
    return {".".join(a["path"]): a["value"] for a in inspect(path, **options)["advice"]}


@pytest.mark.parametrize(("name", "target", "message"), [
    ("header_only.csv", None, "has a header and no rows"),
    ("ten_rows.csv", None, "10 rows are too few to tune on"),
    ("ten_rows.csv", "y", "10 rows are too few to tune on"),
    ("json.json", None, "is JSON"),
])
def test_what_is_no_table_to_tune_on_is_said(name: str, target: str | None, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        new_task_file(HERE / name, target=target)
    assert caught.value.hint


@pytest.mark.parametrize(("name", "target"), [
    ("last_of_five.csv", "minutes_to_arrive"), ("first_of_four.csv", "won"),
])
def test_the_target_is_not_taken_by_its_place_alone(name: str, target: str) -> None:
    found = inspect(HERE / name)["target"]
    assert found["name"] == target and "the first column" in found["reason"]
    assert f'target = "{target}"  # a guess: {found["reason"]}' in new_task_file(HERE / name)


def test_columns_that_others_give_away_are_no_target(tmp_path: Path) -> None:
    hours = RNG.uniform(1, 9, ROWS).round(2)
    years = np.array([RNG.permutation([1, 0, 0, 0]) for _ in range(ROWS)])
    path = saved(tmp_path, wage=(3 * hours + RNG.normal(size=ROWS)).round(2), a=hours, b=hours**2,
                 y=RNG.integers(0, 5, ROWS), **{f"in{7 * k + 3}": years[:, k] for k in range(4)})
    pl.read_csv(path).drop("y").write_csv(path)
    assert inspect(path)["target"]["name"] == "wage"
    square = inspect(path, "b")
    assert "drop = [\"a\"]" in " ".join(square["warnings"]) and square["leaks"] == ["a"]
    assert 'drop = ["a"]' in new_task_file(path, target="b")


def test_the_latest_of_several_years_and_no_earlier_price(tmp_path: Path) -> None:
    price = RNG.uniform(1, 9, ROWS).round(2)
    path = saved(tmp_path, price_2021=price, price_2023=price + RNG.normal(size=ROWS).round(2),
                 price_2022=price + RNG.normal(size=ROWS).round(2), size=RNG.integers(0, 99, ROWS))
    pl.read_csv(path).drop("y", "a", "b").write_csv(path)
    assert inspect(path)["target"]["name"] == "price_2023"


def test_close_candidates_are_asked_about(tmp_path: Path) -> None:
    path = saved(tmp_path, income=RNG.normal(size=ROWS).round(2),
                 salary=RNG.normal(size=ROWS).round(2))
    pl.read_csv(path).drop("y").write_csv(path)
    asked: list[list[str]] = []

    def choose(candidates: list[dict[str, str]]) -> str:
        asked.append([c["name"] for c in candidates])
        return asked[-1][1]

    text = new_task_file(path, choose=choose)
    assert f'target = "{asked[0][1]}"\n' in text, "what a person chose is no guess"
    assert f'# or, nearly as likely: target = "{asked[0][1]}"' in new_task_file(path)


def test_counts_are_amounts_and_coarse_copies_leaks(tmp_path: Path) -> None:
    visits = np.minimum(RNG.geometric(0.55, ROWS) - 1, 7)
    visits[:2] = 7
    path = saved(tmp_path, y=visits, a=np.log1p(visits).round(4))
    found = inspect(path, "y")
    assert found["target"]["kind"] == "regression" and found["leaks"] == ["a"]
    assert any("fall off like counts" in w for w in found["warnings"])


def test_a_column_that_only_one_class_has(tmp_path: Path) -> None:
    died = RNG.integers(0, 2, ROWS)
    cause = [f"c{i % 4}" if d else None for i, d in enumerate(died)]
    assert inspect(saved(tmp_path, y=died, cause=cause), "y")["leaks"] == ["cause"]


def test_a_first_row_of_data(tmp_path: Path) -> None:
    assert advice(HERE / "no_header.csv")["data.header"] is False
    text = new_task_file(HERE / "no_header.csv", header=False)
    assert "header = false" in text and 'target = "column_4"' in text
    table = load_table(task(HERE / "no_header.csv", "column_4", header=False))
    assert table.n_rows == 240 and table.classes == ("0", "1")
    years = saved(tmp_path, **{str(2000 + i): RNG.normal(size=ROWS) for i in range(9)})
    assert "data.header" not in advice(years), "years are names"


def test_marks_of_missing_values() -> None:
    path = HERE / "sentinel.csv"
    assert advice(path)["data.missing"] == {"e": [-999]}
    text = new_task_file(path, task_file=path)
    assert "# missing = { e = [-999] }" in text
    table = load_table(task(path, missing={"e": [-999]}))
    assert table.columns[0].missing_share == pytest.approx(0.25, abs=0.01)
    assert np.nanmin(table.x[:, 0]) >= 0


@pytest.mark.parametrize(("values", "marks"), [
    ([*range(18, 85), 99, 99, 99, 99], [99]),
    ([*range(90), *range(90, 100)] * 2, []),
    ([*range(60), -9, -9, -9, -8, -8, -8], [-9, -8]),
    ([-1, 0, 1] * 20 + list(range(2, 30)), []),
    ([*np.linspace(-3, 3, 60), 999.0, 999.0, 999.0], [999]),
])
def test_a_mark_stands_apart_and_is_frequent(values: list[float], marks: list[float]) -> None:
    from hyperllama.core.data.advice import mark_of

    assert mark_of(np.asarray(values, dtype=float))[0] == sorted(marks)


def test_labels_that_differ_in_capitals() -> None:
    path = HERE / "label_spelling.csv"
    found = inspect(path)
    assert "merge them" in found["warnings"][0] and advice(path)["data.ignore_case"] == ["y"]
    table = load_table(task(path, ignore_case=["y"]))
    assert len(table.classes) == 2 and sum(table.class_counts) == 240


def test_a_constant_of_huge_values() -> None:
    columns = {c["name"]: c for c in inspect(HERE / "huge_values.csv")["columns"]}
    assert columns["z"]["note"] == "always 1e+300" and columns["empty"]["note"] == "empty"


def test_percentage_errors_of_zeros_are_refused() -> None:
    wanted = task(HERE / "zeros.csv", "amount", metric="neg_mean_absolute_percentage_error")
    with pytest.raises(TaskError, match="divides by the target, which is 0 in"):
        resolve(wanted, load_table(wanted))


def test_a_class_too_rare_to_measure(tmp_path: Path) -> None:
    y = np.zeros(600, dtype=int)
    y[:3] = 1
    pl.DataFrame({"a": RNG.normal(size=600), "b": RNG.normal(size=600), "y": y}).write_csv(
        tmp_path / "t.csv")
    asked = task(tmp_path / "t.csv", estimators=("decision_tree",))
    table = load_table(asked)
    problem = resolve(asked, table)
    assert any("'1' has 3" in w and "about 50" in w for w in problem.warnings)
    evaluator = Evaluator.of(problem, table)
    evaluator.test_rows = np.flatnonzero(y == 0)[-100:]
    with pytest.raises(TrialFailed, match="roc_auc has no value: of 100 rows the rarest class"):
        evaluator.test_score({}, 0)


def test_digits_with_leading_zeros_are_codes(tmp_path: Path) -> None:
    path = saved(tmp_path, zip=[f"0{i % 7 + 2100}" for i in range(ROWS)])
    table = load_table(task(path))
    column = next(c for c in table.columns if c.name == "zip")
    assert column.kind == "category" and column.categories[0] == "02100"
    assert advice(path)["data.numeric"] == ["zip"]
    amounts = load_table(task(path, numeric=["zip"]))
    assert next(c for c in amounts.columns if c.name == "zip").kind == "number"


@pytest.mark.parametrize(("unit", "factor"), [("seconds", 1), ("milliseconds", 1000)])
def test_moments_that_are_counted_are_asked_about(tmp_path: Path, unit: str, factor: int) -> None:
    moments = (RNG.integers(1_420_070_400, 1_500_000_000, ROWS)) * factor
    path = saved(tmp_path, created_at=moments, visited=moments + 7 * factor)
    assert advice(path)["data.epoch"] == ["created_at", "visited"]
    (told,) = [a["text"] for a in inspect(path)["advice"] if a["path"] == ["data", "epoch"]]
    assert told.startswith(f"'created_at' counts {unit} since 1970, 2015-01-0")
    assert f"'visited' may count {unit} since 1970" in told
    assert "\n# epoch = [\"created_at\", \"visited\"]" in new_task_file(path)
    plain = load_table(task(path))  # nothing is taken for a date that was not said to be one
    assert {c.name: c.kind for c in plain.columns}["created_at"] == "number"
    table = load_table(task(path, epoch=["created_at"]))
    parts = [c for c in table.columns if c.source == "created_at"]
    assert [c.part for c in parts] == ["day", "month", "weekday", "hour"]
    days = table.x[:, list(table.columns).index(parts[0])]
    assert np.allclose(days, moments / factor / 86_400)
    known = [KnownColumn.of(asdict(c)) for c in parts]
    for cells in (pl.Series(moments), pl.Series(moments).cast(pl.String)):  # as new rows have them
        assert np.array_equal(read_known(cells, known)[0], days)
    assert np.isnan(read_known(pl.Series(["soon", "1e300", ""]), known)).all()


def test_what_counts_no_moments_is_left_alone(tmp_path: Path) -> None:
    wide = RNG.integers(0, 4_000_000_000, ROWS)
    path = saved(tmp_path, amount=wide, time=np.arange(ROWS), user_id=RNG.permutation(ROWS) + 10**9)
    assert "data.epoch" not in advice(path)
    with pytest.raises(TaskError, match="'amount' counts no moments") as caught:
        load_table(task(path, epoch=["amount"]))
    assert "milliseconds since 1970" in caught.value.hint


def test_identifiers_by_other_names(tmp_path: Path) -> None:
    path = saved(tmp_path, hospital_number=RNG.permutation(9000)[:ROWS] + 10_000)
    assert next(c for c in inspect(path)["columns"] if c["name"] == "hospital_number")[
        "kind"] == "id"


def test_totals_at_the_bottom(tmp_path: Path) -> None:
    path = saved(tmp_path, town=["Bern", "Chur", "Genf"] * (ROWS // 3))
    with path.open("a") as file:
        file.write("Total,1.0,2.0,\n")
    assert advice(path)["data.skip_last_rows"] == 1
    table = load_table(task(path, skip_last_rows=1))
    assert table.n_rows == ROWS and table.columns[0].categories == ("Bern", "Chur", "Genf")


def test_panels_groups_and_spread_times(tmp_path: Path) -> None:
    path = saved(tmp_path, country=[f"c{i // 12}" for i in range(ROWS)],
                 year=[2000 + i % 12 for i in range(ROWS)])
    found = advice(path)
    assert found["validation.group"] == "country" and found["validation.time"] == "year"
    assert any("(a panel)" in w for w in inspect(path)["warnings"])
    path = saved(tmp_path, year=[2000 + i // 100 for i in range(ROWS)],
                 month=[["Jan", "Mar", "Feb"][i % 3] for i in range(ROWS)],
                 day=[1 + i % 28 for i in range(ROWS)])
    assert advice(path)["validation.time"] == ["year", "month", "day"]
    text = new_task_file(path, task_file=tmp_path / "t.toml")
    (tmp_path / "t.toml").write_text(
        set_key(text, ("validation", "time"), ["year", "month", "day"]))
    asked = load_task(tmp_path / "t.toml")
    table = load_table(asked)
    assert resolve(asked, table).validation.method == "time" and table.times is not None
    assert table.times[0] < table.times[2] < table.times[1], "January, February, March"
    assert "year" not in [c.name for c in table.columns]


def test_weights_reach_the_fit_and_the_score(tmp_path: Path) -> None:
    weights = np.where(np.arange(ROWS) % 2, 3.0, 1.0)
    path = saved(tmp_path, sample_weight=weights + RNG.uniform(0, 0.01, ROWS).round(4))
    assert advice(path)["data.weights"] == "sample_weight"
    scores = {}
    for wanted in (None, "sample_weight"):
        asked = task(path, weights=wanted, drop=() if wanted else ("sample_weight",),
                     estimators=("linear", "knn"), metric="accuracy")
        table = load_table(asked)
        assert [c.name for c in table.columns] == ["a", "b"]
        evaluator = Evaluator.of(resolve(asked, table), table)
        said = " ".join(evaluator.warnings)
        assert ("knn takes no weights" in said) == bool(wanted) and "linear" not in said
        scores[wanted] = [f.score for f in evaluator.evaluate({"estimator": "linear"}, 0)]
        if wanted:
            assert table.weights is not None and table.weights.mean() == pytest.approx(1)
            train, scored = evaluator.folds(0)[0]
            _, pipeline, _ = evaluator._fitted({"estimator": "linear"}, 0, train)
            right = pipeline.predict(table.x[scored]) == table.y[scored]
            by_hand = np.average(right, weights=table.weights[scored])
            assert scores[wanted][0] == pytest.approx(by_hand)
    assert scores[None] != scores["sample_weight"]


@pytest.mark.parametrize("family", families("classification"))
def test_every_family_that_takes_weights_uses_them(family: str) -> None:
    from hyperllama.core.estimators import family as named
    from hyperllama.core.evaluate.scoring.crossval import Data

    if named(family).install_hint:
        pytest.skip("not installed")
    x = np.zeros((120, 2))
    y = (np.arange(120) % 3 == 0).astype(np.int64)
    heavy = Data(x=x, y=y, categorical=[False] * 2, kind="classification", metric="neg_log_loss",
                 estimators=[family], method="kfold", folds=2, test_share=0.0,
                 weights=np.where(y == 1, 2.5, 0.25))
    evaluator = Evaluator(heavy)
    _, pipeline, _ = evaluator._fitted({}, 0, np.arange(120))
    assert ("knn takes no weights" in " ".join(evaluator.warnings)) == (family == "knn")
    if family != "knn":
        assert pipeline.predict(x[:1]) == 1, "a third of the rows, but most of the weight"


def test_weights_that_cannot_be_used(tmp_path: Path) -> None:
    path = saved(tmp_path, w=RNG.normal(size=ROWS))
    with pytest.raises(TaskError, match=r"data\.weights: 'w' holds negative numbers"):
        load_table(task(path, weights="w"))
    with pytest.raises(TaskError, match=r"data\.weights: 'y' is the target"):
        load_table(task(path, weights="y"))
    with pytest.raises(TaskError, match=r"data\.missing: t.csv has no column 'c'"):
        load_table(task(path, missing={"c": [1]}))


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket.csv"))
        (tmp_path / "link.csv").symlink_to(saved(tmp_path))
        for name, what in (("pipe.csv", "a pipe"), ("socket.csv", "a socket"), (".", "a folder"),
                           ("/dev/zero", "a device"), ("a\0b", "NUL")):
            with pytest.raises(DataError, match=what):
                inspect(tmp_path / name)
            if name != ".":
                with pytest.raises(TaskError, match=what):
                    load_task(tmp_path / name)
    assert inspect(tmp_path / "link.csv")["rows"] == ROWS


def test_bombs_end_before_memory_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert csv_text.free_bytes() > 1e8
    monkeypatch.setattr(csv_text, "free_bytes", lambda: 100_000_000)
    monkeypatch.setattr(csv_text, "ALWAYS_BYTES", 0)
    (tmp_path / "bomb.csv.gz").write_bytes(gzip.compress(b"1,2,3\n" * 10_000_000, 1))
    pl.select(pl.repeat(1.0, 20_000_000).alias("a")).write_parquet(tmp_path / "bomb.parquet")
    for name in ("bomb.csv.gz", "bomb.parquet"):
        with pytest.raises(DataError, match=r"need at least 0\.\d GB, the limit is 0.0 GB"):
            inspect(tmp_path / name)


@pytest.mark.parametrize(("options", "message"), [
    ({"separator": ";"}, "a single column with the separator ';'"),
    ({"encoding": "utf-16"}, "is not 'utf-16'"),
    ({"encoding": "klingon"}, "unknown encoding 'klingon'"),
])
def test_wrong_options_are_said(options: dict[str, str], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        inspect(HERE / "label_spelling.csv", **options)
    assert "leave `" in caught.value.hint or "allowed" in caught.value.hint


def test_a_wrong_kind_of_encoding_is_no_silent_damage(tmp_path: Path) -> None:
    lines = "größe,y\n" + "1,ä\n2,ö\n" * 30
    path = tmp_path / "t.csv"
    path.write_bytes(lines.encode("cp1252"))
    with pytest.raises(DataError, match="is not UTF-8") as caught:
        inspect(path, encoding="utf8")
    assert 'encoding = "cp1252"' in caught.value.hint
    path.write_bytes(lines.encode())
    assert any("is valid UTF-8" in w for w in inspect(path, encoding="latin-1")["warnings"])


def test_validation_takes_several_times() -> None:
    assert Validation(time="when").time == ("when",)
    with pytest.raises(ValueError, match="exclude each other"):
        Validation(group="who", time=["year", "month"])


def test_foreign_tables_of_all_fields(shared: Path) -> None:
    folder = shared / "tables"
    if not folder.is_dir():
        pytest.skip("the tables are absent")
    for path in sorted(folder.glob("*.csv.gz"))[::47]:
        try:
            found = inspect(path)
        except HyperLlamaError as error:
            assert error.hint
            continue
        assert found["target"] is None or found["target"]["reason"]
