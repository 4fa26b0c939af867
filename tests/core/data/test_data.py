"""Tables: formats, encodings, what columns are recognised as, leaks, hostile content."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hyperllama.core.data import Table, inspect, load_table
from hyperllama.core.errors import DataError, HyperLlamaError, TaskError
from hyperllama.core.task import DataSpec, Task, Validation

ROWS = 60


def task(path: Path, target: str = "y", *, kind: Any = None, seed: int = 0,
         validation: Validation | None = None, **data: Any) -> Task:
    return Task(name="t", data=DataSpec(path=path, target=target, **data), kind=kind, seed=seed,
                validation=validation or Validation())


def table_of(tmp_path: Path, columns: dict[str, list[Any]], **more: Any) -> Table:
    """The table of a CSV with these columns and a target "y" of two classes."""
    n = len(next(iter(columns.values())))
    columns = {**columns, "y": columns.get("y") or (["no", "no", "yes"] * n)[:n]}
    path = tmp_path / "t.csv"
    with path.open("w", newline="", encoding="utf-8") as f:
        out = csv.writer(f)
        out.writerow(columns)
        out.writerows(zip(*columns.values(), strict=True))
    return load_table(task(path, **more))


def column(table: Table, name: str) -> Any:
    return next(c for c in table.source_columns if c.name == name)


def numbers(rng: np.random.Generator) -> list[float]:
    return [float(v) for v in rng.normal(size=ROWS).round(3)]


def text(separator: str = ",", decimal: str = ".", special: str = "Zürich") -> str:
    rng = np.random.default_rng(0)
    lines = [separator.join(["größe", "stadt", "y"])]
    for i in range(ROWS):
        size = f"{rng.normal():.3f}".replace(".", decimal)
        lines.append(separator.join([size, special if i % 2 else "Bern", str(i % 3 == 0)]))
    return "\n".join(lines) + "\n"


def same(a: Table, b: Table) -> bool:
    return a.fingerprint == b.fingerprint


@pytest.fixture
def reference(tmp_path: Path) -> Table:
    path = tmp_path / "reference.csv"
    path.write_text(text(), encoding="utf-8")
    return load_table(task(path))


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_separators_are_found(tmp_path: Path, reference: Table, separator: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text(separator), encoding="utf-8")
    table = load_table(task(path))
    assert same(table, reference)
    assert (separator == ",") == (not any("separated" in w for w in table.warnings))


def test_decimal_commas(tmp_path: Path, reference: Table) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text(";", ","), encoding="utf-8")
    table = load_table(task(path))
    assert same(table, reference)
    assert "decimal comma" in table.columns[0].note


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "latin-1", "cp1252", "utf-16", "utf-16-le"]
)
def test_encodings_are_found(tmp_path: Path, reference: Table, encoding: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(text().encode(encoding))
    table = load_table(task(path))
    assert same(table, reference)
    assert encoding.startswith("utf-8") or any("read as" in w for w in table.warnings)


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_line_ends(tmp_path: Path, reference: Table, line_end: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(text().replace("\n", line_end).encode())
    assert same(load_table(task(path)), reference)


def test_gzip_also_in_another_encoding(tmp_path: Path, reference: Table) -> None:
    for encoding in ("utf-8", "latin-1"):
        path = tmp_path / f"{encoding}.csv.gz"
        path.write_bytes(gzip.compress(text().encode(encoding)))
        assert same(load_table(task(path)), reference)


def test_zstandard(tmp_path: Path, reference: Table) -> None:
    path = tmp_path / "a.csv.zst"
    raw = text(";").encode()
    # One raw block in a zstd frame: magic, descriptor (single segment, 2-byte size), size, block.
    block = (len(raw) << 3 | 1).to_bytes(3, "little")
    size = (len(raw) - 256).to_bytes(2, "little")
    path.write_bytes(b"\x28\xb5\x2f\xfd\x60" + size + block + raw)
    assert same(load_table(task(path)), reference)


def test_typed_files_give_the_same_table(tmp_path: Path) -> None:
    frame = pl.DataFrame({
        "a": [0.5 * i for i in range(ROWS)],
        "b": ["x" if i % 3 else "z" for i in range(ROWS)],
        "y": [i % 2 == 0 for i in range(ROWS)],
    }).with_columns(pl.when(pl.col("a") > 25).then(None).otherwise(pl.col("a")).alias("a"))
    frame.write_csv(tmp_path / "a.csv")
    frame.write_parquet(tmp_path / "a.parquet")
    frame.write_ipc(tmp_path / "a.feather", compression="zstd")
    frame.write_ipc_stream(tmp_path / "a.arrow")
    prints = {load_table(task(tmp_path / n)).fingerprint
              for n in ("a.csv", "a.parquet", "a.feather", "a.arrow")}
    assert len(prints) == 1


def test_types_of_parquet(tmp_path: Path) -> None:
    import datetime as dt

    days = [dt.date(2024, 1, 1) + dt.timedelta(days=11 * i) for i in range(ROWS)]
    pl.DataFrame({
        "flag": [i % 5 == 0 for i in range(ROWS)],
        "when": days,
        "kind": pl.Series(["a", "b"] * (ROWS // 2), dtype=pl.Categorical),
        "list": [[1, 2]] * ROWS,
        "small": pl.Series([i % 7 for i in range(ROWS)], dtype=pl.UInt8),
        "y": [i % 3 for i in range(ROWS)],
    }).write_parquet(tmp_path / "a.parquet")
    table = load_table(task(tmp_path / "a.parquet"))
    assert [column(table, n).kind for n in ("flag", "when", "kind", "list", "small")] == [
        "boolean", "date", "category", "text", "number"]
    assert [c.name for c in table.columns] == [
        "flag", "when (day)", "when (month)", "when (weekday)", "kind", "small"]
    assert table.x[0, 1] == (dt.date(2024, 1, 1) - dt.date(1970, 1, 1)).days
    assert table.classes == ("0", "1", "2")


def test_kinds_of_columns(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = table_of(tmp_path, {
        "row": list(range(7, 7 + ROWS)),
        "uuid": [f"{rng.integers(1 << 60):x}" for _ in range(ROWS)],
        "always": ["x"] * ROWS,
        "nothing": [""] * ROWS,
        "number": numbers(rng),
        "count": [int(v) for v in rng.integers(0, 4, ROWS)],
        "town": [["Bern", "Chur", "Genf"][i % 3] for i in range(ROWS)],
        "smoker": ["Yes" if i % 4 else "No" for i in range(ROWS)],
        "zip": [[8000, 3000, 1200][i % 3] for i in range(ROWS)],
        "price": [f"${1000 + 17 * (i * 7 % 11):,}" for i in range(ROWS)],
        "rate": [f"{i * 7 % 13}%" for i in range(ROWS)],
        "comment": [f"note number {i % 58} about it" for i in range(ROWS)],
    }, categorical="zip")
    kinds = {c.name: c.kind for c in table.source_columns}
    assert kinds == {
        "row": "id", "uuid": "id", "always": "constant", "nothing": "constant", "number": "number",
        "count": "number", "town": "category", "smoker": "boolean", "zip": "category",
        "price": "number", "rate": "number", "comment": "text", "y": "category"}
    assert {c.name for c in table.dropped} == {"row", "uuid", "always", "nothing", "comment"}
    assert all(c.note for c in table.dropped)
    assert column(table, "zip").categories == ("1200", "3000", "8000")
    assert table.x.shape == (ROWS, len(table.columns)) and table.x.dtype == np.float64
    town = [c.name for c in table.columns].index("town")
    assert table.x[:3, town].tolist() == [0.0, 1.0, 2.0]


def test_keep_and_drop(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    columns = {"row": list(range(ROWS)), "a": numbers(rng), "b": numbers(rng),
               "words": [f"w{i}" for i in range(ROWS)]}
    table = table_of(tmp_path, columns, keep=["row", "words"], drop=["b"])
    assert [c.name for c in table.columns] == ["row", "a", "words"]
    assert len(column(table, "words").categories) == ROWS


@pytest.mark.parametrize("empty", ["", "NA", "NaN", "null", "?", " ", "N/A", "#N/A"])
def test_empty_cells(tmp_path: Path, empty: str) -> None:
    rng = np.random.default_rng(0)
    values: list[Any] = list(numbers(rng))
    values[3] = empty
    towns = ["Bern", "Chur", empty] * (ROWS // 3)
    table = table_of(tmp_path, {"v": values, "town": towns})
    assert np.isnan(table.x[3, 0]) and np.isnan(table.x[:, 0]).sum() == 1
    assert table.columns[1].categories == ("Bern", "Chur")
    assert table.columns[1].missing_share == pytest.approx(1 / 3)


def test_none_is_a_category_but_an_empty_cell_among_numbers(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    values: list[Any] = list(numbers(rng))
    values[5] = values[6] = "none"
    table = table_of(tmp_path, {"v": values, "alley": ["none", "gravel", "paved"] * (ROWS // 3)})
    assert np.isnan(table.x[:, 0]).sum() == 2
    assert table.columns[1].categories == ("gravel", "none", "paved")


def test_junk_among_numbers_counts_as_empty_with_a_warning(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    values: list[Any] = list(numbers(rng))
    values[7] = "sensor broken"
    table = table_of(tmp_path, {"v": values, "w": numbers(rng)})
    assert table.columns[0].kind == "number" and np.isnan(table.x[7, 0])
    assert any("sensor broken" in w for w in table.warnings)


def test_infinite_and_huge_numbers_count_as_empty(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    values: list[Any] = list(numbers(rng))
    values[1], values[2], values[3] = "inf", "-inf", "1e300"
    table = table_of(tmp_path, {"v": values})
    assert np.isnan(table.x[1:4, 0]).all() and np.isnan(table.x[:, 0]).sum() == 3
    assert any("huge" in w for w in table.warnings)


@pytest.mark.parametrize(("pattern", "timed"), [
    ("%Y-%m-%d", False), ("%d.%m.%Y", False), ("%d/%m/%Y", False), ("%m/%d/%Y", False),
    ("%Y/%m/%d", False), ("%d-%b-%Y", False), ("%b %d, %Y", False), ("%b-%Y", False),
    ("%Y-%m-%d %H:%M:%S", True), ("%Y-%m-%dT%H:%M:%SZ", True), ("%d.%m.%Y %H:%M", True),
    ("%Y-%m-%dT%H:%M:%S.000+02:00", True),
])
def test_dates(tmp_path: Path, pattern: str, timed: bool) -> None:
    import datetime as dt

    moments = [dt.datetime(2020, 1, 30, 5, 30) + dt.timedelta(days=17 * i, hours=i)
               for i in range(ROWS)]
    table = table_of(tmp_path, {"when": [m.strftime(pattern) for m in moments]})
    assert column(table, "when").kind == "date"
    names = [c.name for c in table.columns]
    assert ("when (hour)" in names) == timed
    if "+02:00" in pattern:  # moved to UTC
        moments = [m - dt.timedelta(hours=2) for m in moments]
    month = table.x[:, names.index("when (month)")].tolist()
    assert month == [m.month for m in moments]
    assert np.all(np.diff(table.x[:, 0]) >= 0)


def test_strings_that_only_look_like_dates_stay_categories(tmp_path: Path) -> None:
    table = table_of(tmp_path, {
        "size": ["10-19", "20-29", "30-39"] * (ROWS // 3),
        "version": ["1.2.3", "1.2.4", "2.0.0"] * (ROWS // 3),
    })
    assert [c.kind for c in table.columns] == ["category", "category"]


def test_a_column_that_is_nearly_dates_says_what_is_none(tmp_path: Path) -> None:
    days = [f"{1 + i % 28}-Mar-{1900 + i}" for i in range(ROWS)]
    days[3] = "12-14 Mar 1950"
    table = table_of(tmp_path, {"caught": days, "code": [f"a{i}" for i in range(ROWS)]})
    note = f"would be dates as %d-%b-%Y, but 1 of {ROWS} cells are not, like '12-14 Mar 1950'"
    assert note == column(table, "caught").note and note not in column(table, "code").note
    assert note in " ".join(table.summary())


def test_rows_without_a_target_are_left_out(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    y = ["no", "no", "yes", ""] * (ROWS // 4)
    table = table_of(tmp_path, {"v": numbers(rng), "y": y})
    assert table.n_rows == ROWS * 3 // 4
    assert any("15 rows without a value of 'y'" in w for w in table.warnings)


@pytest.mark.parametrize(("values", "kind", "classes"), [
    (["a", "b", "c"], "classification", ("a", "b", "c")),
    ([0, 1, 0], "classification", ("0", "1")),
    ([-1, 1, 1], "classification", ("-1", "1")),
    (["True", "False", "False"], "classification", ("False", "True")),
    ([1, 2, 3], "classification", ("1", "2", "3")),
    ([0, 1, 3], "classification", ("0", "1", "3")),
    ([3, 4, 5], "regression", ()),
    ([1.5, 2.5, 4.0], "regression", ()),
])
def test_kind_of_the_target(tmp_path: Path, values: list[Any], kind: str, classes: Any) -> None:
    rng = np.random.default_rng(0)
    table = table_of(tmp_path, {"v": numbers(rng), "y": values * (ROWS // 3)})
    assert (table.kind, table.classes) == (kind, classes)
    assert table.y.dtype == (np.int64 if kind == "classification" else np.float64)


def test_the_positive_class_is_code_one(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    y = ["bad", "good", "good"] * (ROWS // 3)
    assert table_of(tmp_path, {"v": numbers(rng), "y": y}).classes == ("good", "bad")
    turned = table_of(tmp_path, {"v": numbers(rng), "y": y}, positive="good")
    assert turned.classes == ("bad", "good")
    table = table_of(tmp_path, {"v": numbers(rng), "y": ["m", "b", "b"] * (ROWS // 3)})
    assert table.classes == ("b", "m") and table.y.sum() == ROWS // 3
    with pytest.raises(TaskError, match="no class 'ill'"):
        table_of(tmp_path, {"v": numbers(rng), "y": y}, positive="ill")


def test_classes_of_one_or_two_rows_are_left_out(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    y = ["a", "b"] * (ROWS // 2 - 1) + ["odd", "odd"]
    table = table_of(tmp_path, {"v": numbers(rng), "y": y})
    assert table.classes == ("a", "b") and table.n_rows == ROWS - 2
    assert any("'odd'" in w for w in table.warnings)


@pytest.mark.parametrize(("y", "message"), [
    (["a"] * ROWS, "nothing to learn"),
    (["5"] * ROWS, "nothing to learn"),
    ([""] * ROWS, "no values at all"),
    ([f"name {i}" for i in range(ROWS)], "different values"),
])
def test_targets_that_cannot_be_used(tmp_path: Path, y: list[str], message: str) -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(TaskError, match=message) as caught:
        table_of(tmp_path, {"v": numbers(rng), "y": y})
    assert "data.target" in caught.value.message


def test_leaks_are_pointed_out(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    y = [f"{v:.3f}" for v in rng.normal(size=ROWS)]
    table = table_of(tmp_path, {
        "copy": y, "scaled": [f"{3 + 2 * float(v):.4f}" for v in y], "fair": numbers(rng), "y": y})
    told = [w for w in table.warnings if "known beforehand" in w]
    assert len(told) == 2 and "'copy' is equal to" in told[0] and "'scaled' is in step" in told[1]
    assert table.n_features == 3, "kept unless the task drops them"
    labels = ["sick", "well", "unclear"] * (ROWS // 3)
    table = table_of(tmp_path, {
        "code": [{"sick": "S", "well": "W", "unclear": "U"}[v] for v in labels],
        "ward": [{"sick": "4", "well": "1", "unclear": "2"}[v] for v in labels],
        "fair": ["a", "b"] * (ROWS // 2), "y": labels})
    told = [w for w in table.warnings if "one-to-one" in w]
    assert len(told) == 1 and 'drop = ["code", "ward"]' in told[0]
    two = ["a" if i < 20 else "b" for i in range(ROWS)]
    table = table_of(tmp_path, {"days": [i + rng.random() for i in range(ROWS)], "y": two,
                                "fair": numbers(rng)})
    assert sum("alone separates" in w for w in table.warnings) <= 1
    assert not any("'fair'" in w for w in table.warnings)


def test_columns_of_which_the_target_is_a_function_are_pointed_out(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    base, after = rng.normal(50, 9, (2, 300)), rng.normal(50, 9, 300)
    size = rng.uniform(1, 3, 300)

    def told(**columns: Any) -> list[str]:
        texts = {n: [f"{v:.6f}" for v in values] for n, values in columns.items()}
        table = table_of(tmp_path, {**texts, "noise": [f"{v:.4f}" for v in rng.normal(size=300)]})
        return [w for w in table.warnings if "known beforehand" in w]

    assert told(before=base[0], after=after, y=after - base[0])[0].count("together with") == 1
    assert "'size' together with 'weight' gives" in told(
        size=size, weight=base[0], y=base[0] / size**2)[0]
    hump = told(angle=base[0], y=np.cos(base[0] / 10))
    assert len(hump) == 1 and 'drop = ["angle"]' in hump[0] and "alone gives more than" in hump[0]
    assert told(before=base[0], y=base[0] + 0.2 * base[1]) == []


def test_groups_and_times(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    columns = {"who": [f"p{i % 9}" for i in range(ROWS)], "v": numbers(rng),
               "when": [f"{1 + i % 28:02}.0{1 + i % 9}.2023" for i in range(ROWS)]}
    table = table_of(tmp_path, columns, validation=Validation(group="who"))
    assert table.groups is not None and len(set(table.groups.tolist())) == 9
    assert "who" not in [c.name for c in table.columns]
    table = table_of(tmp_path, columns, validation=Validation(time="when"))
    assert table.times is not None and table.times.shape == (ROWS,)
    assert "when (month)" in [c.name for c in table.columns]
    assert "when (day)" not in [c.name for c in table.columns], "later days are never seen"
    with pytest.raises(TaskError, match=r"validation\.time: 'who' holds neither dates nor numbers"):
        table_of(tmp_path, columns, validation=Validation(time="who"))


def test_subsample_keeps_shares_and_is_seeded(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    n = 600
    columns = {"v": list(range(n)), "w": [float(v) for v in rng.normal(size=n)],
               "y": ["rare" if i % 20 == 0 else "usual" for i in range(n)]}
    small = table_of(tmp_path, columns, subsample_rows=100, keep=["v"])
    again = table_of(tmp_path, columns, subsample_rows=100, keep=["v"])
    other = table_of(tmp_path, columns, subsample_rows=100, keep=["v"], seed=1)
    assert small.class_counts == (95, 5)
    assert same(small, again) and not same(small, other)
    assert np.all(np.diff(small.x[:, 0]) > 0), "rows stay in the order of the file"
    everything = load_table(task(tmp_path / "t.csv", subsample_rows=100), subsample=False)
    assert everything.n_rows == n


def test_fingerprint_notices_a_changed_cell(tmp_path: Path, reference: Table) -> None:
    lines = text().splitlines()
    lines[5] = lines[5].replace("Bern", "Zürich") if "Bern" in lines[5] else lines[5].replace(
        "Zürich", "Bern")
    path = tmp_path / "b.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    assert not same(load_table(task(path)), reference)


@pytest.mark.parametrize(("name", "content", "message"), [
    ("a.csv", b"", "is empty"),
    ("a.csv", b"\n\n", "empty"),
    ("a.csv", b"a,y\n1,2\n1,3\n1,2,3\n" + b"1,3\n2,2\n" * 9, "more cells than the header"),
    ("a.csv", b'a,y\n"1,2\n3,4\n', "quotation mark"),
    ("a.csv", b"y\n1\n2\n", "single column"),
    ("a.xlsx", b"PK\x03\x04" + b"0" * 50, "Excel"),
    ("a.parquet", b"PAR1" + b"\x00\x01" * 50, "cannot be read"),
    ("a.feather", b"ARROW1" + b"\x00\x01" * 50, "cannot be read"),
    ("a.feather", b"FEA1" + b"0" * 50, "Feather version 1"),
    ("a.csv.gz", b"\x1f\x8b" + b"broken" * 5, "cannot be read"),
    ("a.csv.zst", b"\x28\xb5\x2f\xfd" + b"broken" * 5, "cannot be read"),
])
def test_files_that_are_no_tables(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(HyperLlamaError, match=message):
        load_table(task(path))


def test_missing_file_and_folder(tmp_path: Path) -> None:
    (tmp_path / "customers.csv").write_text("a,y\n1,2\n")
    with pytest.raises(DataError, match="no such file") as caught:
        load_table(task(tmp_path / "custmers.csv"))
    assert "customers.csv" in caught.value.hint
    with pytest.raises(DataError, match="is a folder"):
        load_table(task(tmp_path))


def test_column_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("age,Status\n" + "1,a\n2,b\n" * 20)
    with pytest.raises(TaskError, match=r"data\.target: a\.csv has no column 'status'") as caught:
        load_table(task(path, "status"))
    assert "did you mean 'Status'?" in caught.value.hint
    with pytest.raises(TaskError, match=r"data\.drop"):
        load_table(task(path, "Status", drop=["agee"]))
    with pytest.raises(TaskError, match="is the target"):
        load_table(task(path, "Status", drop=["Status"]))


def test_hostile_names_and_cells(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    evil = "\x1b[31mred\x1b[0m\nnew line [bold]"
    table = table_of(tmp_path, {
        evil: numbers(rng),
        "x" * 5000: numbers(rng),
        "cells": [f"\x1b]0;title\x07{'z' * (4000 if i % 2 else 3)}" for i in range(ROWS)],
        "": numbers(rng),
        "\u202egnp.exe": ["\x00a", "\x9bb", "c,d"] * (ROWS // 3),
    })
    assert table.columns[0].name == evil and table.n_features == 5
    lines = table.summary() + list(table.warnings)
    with pytest.raises(TaskError) as caught:
        load_table(task(tmp_path / "t.csv", "nope"))
    for line in [*lines, caught.value.message, caught.value.hint]:
        assert "\x1b" not in line and "\u202e" not in line and "\n" not in line
    assert json.dumps(inspect(tmp_path / "t.csv"))


def test_repeated_and_blank_names(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rows = [f"{i % 5},{i % 3},{i % 4},{i % 2}\n" for i in range(ROWS)]
    path.write_text(" a ,a,b,y\n" + "".join(rows))
    table = load_table(task(path))
    assert table.n_features == 3 and len({c.name for c in table.columns}) == 3


def test_inspect_is_json_and_tells_what_matters(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table_of(tmp_path, {
        "customer_id": [1000 + i // 3 for i in range(ROWS)], "v": numbers(rng),
        "town": ["Bern", "", "Genf"] * (ROWS // 3),
        "day": [f"2023-{1 + i // 28:02}-{1 + i % 28:02}" for i in range(ROWS)]})
    found = json.loads(json.dumps(inspect(tmp_path / "t.csv")))
    assert found["target"]["name"] == "y" and found["target"]["guessed"]
    yes = {"label": "yes", "rows": 20, "share": pytest.approx(1 / 3)}
    assert found["target"]["classes"][1] == yes
    by_name = {c["name"]: c for c in found["columns"]}
    assert list(by_name) == ["customer_id", "v", "town", "day", "y"]
    assert by_name["town"]["top"] == [["Bern", 20], ["Genf", 20]]
    assert by_name["town"]["missing_share"] == pytest.approx(1 / 3, abs=1e-5)
    assert by_name["day"]["range"] == ["2023-01-01", "2023-03-04"]
    assert any("'customer_id' repeats" in w for w in found["warnings"])
    assert any("order of 'day'" in w for w in found["warnings"])
    with pytest.raises(TaskError, match="no column 'z'"):
        inspect(tmp_path / "t.csv", "z")


def test_inspect_without_a_possible_target(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b\n" + "".join(f"name {i},text {i}\n" for i in range(ROWS)))
    found = inspect(path)
    assert found["target"] is None and [c["kind"] for c in found["columns"]] == ["id", "id"]


FIXTURE = [HealthCheck.function_scoped_fixture]


@settings(max_examples=60, deadline=None, suppress_health_check=FIXTURE)
@given(st.lists(st.lists(st.text(max_size=8), min_size=3, max_size=3), min_size=2, max_size=12),
       st.booleans())
def test_any_text_gives_a_table_or_a_message(
    tmp_path: Path, rows: list[list[str]], quoted: bool
) -> None:
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL)
    writer.writerows(rows)
    path = tmp_path / "any.csv"
    path.write_bytes(out.getvalue().encode("utf-8", "replace"))
    try:
        found = inspect(path)
        json.dumps(found)
    except HyperLlamaError as error:
        assert error.message and "\n" not in error.message


@settings(max_examples=40, deadline=None, suppress_health_check=FIXTURE)
@given(st.binary(max_size=300))
def test_any_bytes_give_a_table_or_a_message(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "any.csv"
    path.write_bytes(content)
    try:
        inspect(path)
    except HyperLlamaError as error:
        assert error.message


def test_foreign_tables_load(shared: Path) -> None:
    manifest = shared / "data" / "manifest.csv"
    if not manifest.is_file():
        pytest.skip("the foreign tables are absent")
    with manifest.open() as f:
        listed = list(csv.DictReader(f))
    assert len(listed) >= 8
    for row in listed:
        table = load_table(task(shared / "data" / row["file"], row["target"]))
        assert table.kind == row["task"], row["file"]
        assert table.n_rows == int(row["rows"]), row["file"]
        if table.kind == "classification":
            assert len(table.classes) == int(float(row["n_classes"]))
        wanted = {c for c in row["categorical_columns"].split(";") if c}
        found = {c.name for c in table.source_columns if c.kind in ("category", "boolean", "date")}
        assert wanted <= found, row["file"]
        assert not table.warnings or all("known beforehand" not in w for w in table.warnings)
