"""Files: which format, encoding and separator; then columns, a few at a time, as polars makes them.

A CSV is read as text; `core.data.columns` decides what it means. Nothing is written to disk.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyperllama.core.data.csv_text import (
    SEPARATORS,
    check_room,
    decoded,
    first_text,
    packing,
    separator_of,
)
from hyperllama.core.errors import DataError
from hyperllama.core.text import nearest, plain, shown
from hyperllama.models.files import open_regular

if TYPE_CHECKING:
    import polars as pl

FEWEST_ROWS = 20
"""Fewer rows than this are no table to tune on."""
_BATCH_BYTES = 400_000_000
_CELL_BYTES = 40
"""What a text cell takes in polars, roughly."""


@dataclass(frozen=True)
class File:
    """An opened table.

    Attributes:
        path: the file.
        format: "csv", "parquet" or "arrow".
        names: the columns, in order, as the file spells them (blanks around a name removed).
        frame: polars' lazy frame, with these names.
        rows: number of rows.
        separator, encoding: of a CSV; empty otherwise.
        header: whether the first row of a CSV names the columns.
        notes: what was found out about the file; plain text.
    """

    path: Path
    format: str
    names: tuple[str, ...]
    frame: pl.LazyFrame
    rows: int
    separator: str = ""
    encoding: str = ""
    header: bool = True
    notes: tuple[str, ...] = field(default=())

    def batches(self, names: Sequence[str]) -> Iterator[pl.DataFrame]:
        """The named columns, as many at a time as fit a few hundred megabytes."""
        at_once = max(1, _BATCH_BYTES // (max(self.rows, 1) * _CELL_BYTES))
        for start in range(0, len(names), at_once):
            yield self.read(names[start : start + at_once])

    def read(self, names: Sequence[str]) -> pl.DataFrame:
        """The named columns, all rows."""
        import polars as pl

        return self._collected(self.frame.select(pl.col(list(names))))

    def blocks(self, names: Sequence[str], rows: int) -> Iterator[pl.DataFrame]:
        """The named columns, about so many rows at a time, in order."""
        import polars as pl

        try:
            yield from self.frame.select(pl.col(list(names))).collect_batches(
                chunk_size=rows, maintain_order=True
            )
        except pl.exceptions.PolarsError as error:
            raise _unreadable(self.path, error) from error

    def head(self, rows: int) -> pl.DataFrame:
        """All columns, the first rows."""
        return self._collected(self.frame.head(rows))

    def tail(self, rows: int) -> pl.DataFrame:
        """All columns, the last rows."""
        start = max(self.rows - rows, 0)
        return self._collected(self.frame.slice(start, rows))

    def _collected(self, frame: pl.LazyFrame) -> pl.DataFrame:
        import polars as pl

        try:
            return frame.collect(engine="streaming")
        except pl.exceptions.PolarsError as error:
            raise _unreadable(self.path, error) from error


def open_file(
    path: Path,
    separator: str | None = None,
    encoding: str | None = None,
    *,
    header: bool = True,
    skip_last_rows: int = 0,
) -> File:
    """Find out how a table is stored and what columns it has.

    Args:
        path: CSV (also .gz, .zst), Parquet, Feather or Arrow.
        separator, encoding: of a CSV; found out when absent.
        header: whether the first row of a CSV names the columns.
        skip_last_rows: so many rows at the bottom are left out.

    Raises:
        DataError: there is no such file, it is no table, it has no rows, or it is too large.
    """
    try:
        with open_regular(path, DataError) as f:
            magic = f.read(8)
            size = f.seek(0, io.SEEK_END)
        if size == 0:
            raise DataError(f"{plain(str(path))} is empty", "needed: a table with a header row")
        if magic.startswith(b"PAR1"):
            file = _typed(path, "parquet")
        elif magic.startswith((b"ARROW1", b"\xff\xff\xff\xff")):
            file = _typed(path, "arrow", stream=not magic.startswith(b"ARROW1"))
        else:
            _refuse(path, magic)
            file = _csv(path, packing(magic), separator, encoding, header)
    except FileNotFoundError as error:
        raise DataError(f"{plain(str(path))}: there is no such file", _beside(path)) from error
    except (OSError, EOFError) as error:  # gzip reports a damaged file as one of these
        raise _unreadable(path, error) from error
    check_room(path, 8 * file.rows * len(file.names), f"its {file.rows:,} rows")
    return _without_last(file, skip_last_rows)


def too_few_rows(path: Path, rows: int) -> DataError:
    """The error about a table with fewer than `FEWEST_ROWS` rows."""
    return DataError(f"{plain(path.name)}: {rows} rows are too few to tune on",
                     f"needed: at least {FEWEST_ROWS}, better a few hundred")


def _without_last(file: File, skipped: int) -> File:
    """The file without its last rows, say totals."""
    if file.rows == 0:
        raise DataError(f"{plain(str(file.path))} has a header and no rows",
                        "needed: a row for each case below the names of the columns")
    if not skipped:
        return file
    if skipped >= file.rows:
        raise DataError(f"{plain(str(file.path))} has {file.rows} rows, "
                        f"skip_last_rows = {skipped} leaves none", "set a smaller number")
    rows = file.rows - skipped
    return replace(file, rows=rows, frame=file.frame.head(rows))


def _typed(path: Path, kind: str, stream: bool = False) -> File:
    """A file that carries its own types."""
    import polars as pl

    try:
        if kind == "parquet":
            frame = pl.scan_parquet(path, glob=False)
        elif stream:
            frame = pl.read_ipc_stream(path).lazy()
        else:
            frame = pl.scan_ipc(path, glob=False)
        names = frame.collect_schema().names()
        rows = int(frame.select(pl.len()).collect().item())
    except pl.exceptions.PolarsError as error:
        raise _unreadable(path, error) from error
    if not names:
        raise DataError(f"{plain(str(path))} has no columns")
    return File(path, kind, tuple(names), frame, rows)


def _csv(
    path: Path, packed: str, separator: str | None, encoding: str | None, header: bool
) -> File:
    import polars as pl

    try:
        found, source, note = decoded(path, packed, encoding)
        sample = first_text(path, source, packed)
        likely = separator_of(sample)
        chosen = separator or likely
        options: dict[str, Any] = {"glob": False} if isinstance(source, Path) else {}
        old_mac = "\r" in sample and "\n" not in sample
        frame = pl.scan_csv(
            source, separator=chosen, infer_schema=False, encoding="utf8-lossy",
            has_header=header, raise_if_empty=False, eol_char="\r" if old_mac else "\n",
            **options,
        )
        raw = frame.collect_schema().names()
        # Reading a few columns passes over rows with too many cells, so all are looked at once.
        every = pl.all().null_count().name.prefix("empty:")
        counts = frame.select(pl.len(), every).collect(engine="streaming")
        rows = int(counts["len"][0])
    except pl.exceptions.PolarsError as error:
        raise _unreadable(path, error) from error
    if not raw:
        raise DataError(f"{plain(str(path))} is empty", "needed: a table with a header row")
    if len(raw) == 1 and chosen != likely and likely in sample.partition("\n")[0]:
        raise DataError(
            f"{plain(path.name)} has a single column with the separator {shown(chosen)}",
            f"its cells look separated by {SEPARATORS[likely]}s: leave `separator` out")
    # polars' own names of columns without a header differ from version to version
    names = _clean_names(raw if header else [""] * len(raw))
    if len(set(raw)) == len(raw) and names != raw:
        frame = frame.rename(dict(zip(raw, names, strict=True)))
    notes = [note, f"read as {found}" if found != "utf8" else "",
             f"the cells are separated by {SEPARATORS[chosen]}s"
             if separator is None and chosen != "," else ""]
    return File(path, "csv", tuple(names), frame, rows, chosen, found, header,
                tuple(filter(None, notes)))


def _clean_names(raw: Sequence[str]) -> list[str]:
    """Names without blanks around them, where that keeps them different; empty ones numbered.

    polars leaves doubled quotation marks in the header as they are.
    """
    names = [n.strip(" \t").replace('""', '"') or f"column_{i + 1}" for i, n in enumerate(raw)]
    return names if len(set(names)) == len(names) else list(raw)


def _beside(path: Path) -> str:
    """A hint: what is in the folder instead."""
    if not path.parent.is_dir():
        return f"nor is there a folder {plain(str(path.parent))}"
    names = sorted(p.name for p in path.parent.iterdir() if p.is_file())[:500]
    guess = nearest(path.name, names)
    folder = plain(str(path.parent.resolve()))
    return f"did you mean {shown(guess)}?" if guess else f"looked for in {folder}"


def _refuse(path: Path, magic: bytes) -> None:
    """Raises DataError for formats that are known and not read."""
    known = {
        b"PK\x03\x04": "an Excel workbook or a zip archive",
        b"\xd0\xcf\x11\xe0": "an Excel workbook",
        b"FEA1": "Feather version 1",
        b"SQLite f": "an SQLite database",
        b"\x89HDF": "an HDF5 file",
        b"GGUF": "a GGUF model",
        b"BZh": "packed with bzip2",
        b"\xfd7zXZ": "packed with xz",
    }
    for start, what in known.items():
        if magic.startswith(start):
            raise DataError(f"{plain(path.name)} is {what}",
                            "save it as CSV (also .gz, .zst), Parquet, or Feather/Arrow")


def _unreadable(path: Path, error: Exception) -> DataError:
    """polars' message, cut to its first line, with what usually helps."""
    lines = [line.strip() for line in plain(str(error)).splitlines() if line.strip()]
    what = lines[0][:200] if lines else type(error).__name__
    hint = "is it a table? look at the first lines, or set `separator` and `encoding` in [data]"
    if "found more fields" in what:
        what = "a row has more cells than the header"
    elif "not properly escaped" in str(error) or "malformed" in what or "could not parse" in what:
        what = "a quotation mark is not closed"
    return DataError(f"{plain(path.name)} cannot be read: {what}", hint)
