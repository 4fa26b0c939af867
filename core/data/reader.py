"""Files: which format, encoding and separator; then columns, a few at a time, as polars makes them.

A CSV is read as text; `core.data.columns` decides what it means. Nothing is written to disk.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyperllama.core.errors import DataError
from hyperllama.core.text import nearest, plain, shown

if TYPE_CHECKING:
    import polars as pl

_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_CHUNK = 1 << 24
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
        notes: what was found out about the file; plain text.
    """

    path: Path
    format: str
    names: tuple[str, ...]
    frame: pl.LazyFrame
    rows: int
    separator: str = ""
    encoding: str = ""
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
        """The named columns, about so many rows at a time, in order; at least one frame."""
        import polars as pl

        chosen = self.frame.select(pl.col(list(names)))
        try:
            if not self.rows:
                yield chosen.collect()
            yield from chosen.collect_batches(chunk_size=rows, maintain_order=True)
        except pl.exceptions.PolarsError as error:
            raise _unreadable(self.path, error) from error

    def head(self, rows: int) -> pl.DataFrame:
        """All columns, the first rows."""
        return self._collected(self.frame.head(rows))

    def _collected(self, frame: pl.LazyFrame) -> pl.DataFrame:
        import polars as pl

        try:
            return frame.collect(engine="streaming")
        except pl.exceptions.PolarsError as error:
            raise _unreadable(self.path, error) from error


def open_file(path: Path, separator: str | None = None, encoding: str | None = None) -> File:
    """Find out how a table is stored and what columns it has.

    Raises:
        DataError: there is no such file, or it is no table.
    """
    try:
        if path.is_dir():
            raise DataError(f"{plain(str(path))} is a folder", "name the file with the table")
        with path.open("rb") as f:
            magic = f.read(8)
            size = f.seek(0, io.SEEK_END)
    except FileNotFoundError as error:
        raise DataError(f"{plain(str(path))}: there is no such file", _beside(path)) from error
    except OSError as error:
        raise DataError(f"{plain(str(path))}: {error.strerror or error}") from error
    if size == 0:
        raise DataError(f"{plain(str(path))} is empty", "needed: a table with a header row")
    if magic.startswith(b"PAR1"):
        return _typed(path, "parquet")
    if magic.startswith((b"ARROW1", b"\xff\xff\xff\xff")):
        return _typed(path, "arrow")
    _refuse(path, magic)
    return _csv(path, magic, separator, encoding)


def _typed(path: Path, kind: str) -> File:
    """A file that carries its own types."""
    import polars as pl

    try:
        if kind == "parquet":
            frame = pl.scan_parquet(path, glob=False)
        elif path.open("rb").read(6) == b"ARROW1":
            frame = pl.scan_ipc(path, glob=False)
        else:
            frame = pl.read_ipc_stream(path).lazy()
        names = frame.collect_schema().names()
        rows = int(frame.select(pl.len()).collect().item())
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _unreadable(path, error) from error
    if not names:
        raise DataError(f"{plain(str(path))} has no columns")
    return File(path, kind, tuple(names), frame, rows)


def _csv(path: Path, magic: bytes, separator: str | None, encoding: str | None) -> File:
    import polars as pl

    packed = "gzip" if magic.startswith(b"\x1f\x8b") else ""
    packed = "zstd" if magic.startswith(b"\x28\xb5\x2f\xfd") else packed
    notes: list[str] = []
    found, source = _decoded(path, packed, encoding)
    if found != "utf8":
        notes.append(f"read as {found}")
    sample = _first_text(path, source, packed)
    chosen = separator or _separator(sample)
    if separator is None and chosen != ",":
        notes.append(f"the cells are separated by {_NAMES[chosen]}s")
    options: dict[str, Any] = {"glob": False} if isinstance(source, Path) else {}
    old_mac = "\r" in sample and "\n" not in sample
    try:
        frame = pl.scan_csv(
            source, separator=chosen, infer_schema=False, encoding="utf8-lossy",
            raise_if_empty=False, eol_char="\r" if old_mac else "\n", **options,
        )
        raw = frame.collect_schema().names()
        # Reading a few columns passes over rows with too many cells, so all are looked at once.
        every = pl.all().null_count().name.prefix("empty:")
        counts = frame.select(pl.len(), every).collect(engine="streaming")
        rows = int(counts["len"][0])
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _unreadable(path, error) from error
    if not raw:
        raise DataError(f"{plain(str(path))} is empty", "needed: a table with a header row")
    names = _clean_names(raw)
    if len(set(raw)) == len(raw) and names != raw:
        frame = frame.rename(dict(zip(raw, names, strict=True)))
    if len(raw) > 1 and all(map(_is_number, raw)):
        notes.append("the first row is taken as the header, but it holds numbers only")
    return File(path, "csv", tuple(names), frame, rows, chosen, found, tuple(notes))


def _clean_names(raw: Sequence[str]) -> list[str]:
    """Names without blanks around them, where that keeps them different; empty ones numbered.

    polars leaves doubled quotation marks in the header as they are.
    """
    names = [n.strip(" \t").replace('""', '"') or f"column_{i + 1}" for i, n in enumerate(raw)]
    return names if len(set(names)) == len(names) else list(raw)


def _decoded(path: Path, packed: str, encoding: str | None) -> tuple[str, Path | io.BytesIO]:
    """The encoding's name, and what polars is to read: the file itself where it is UTF-8."""
    if encoding is not None:
        try:
            codec = codecs.lookup(encoding).name
        except LookupError as error:
            raise DataError(f"unknown encoding {shown(encoding)}",
                            "allowed: utf8, latin-1, cp1252, utf-16, ...") from error
        found = "utf8" if codec in ("utf-8", "ascii", "utf-8-sig") else codec
    elif packed == "zstd":
        found = "utf8"
    else:
        found = _encoding(path, packed)
    if found == "utf8":
        return found, path
    if packed == "zstd":
        raise DataError(f"{plain(path.name)}: a zst file has to be UTF-8", "unpack it first")
    try:
        with _stream(path, packed) as f:
            text = io.TextIOWrapper(f, encoding=found, newline="")
            out = io.BytesIO()
            while part := text.read(_CHUNK):
                out.write(part.encode("utf-8", "replace"))
    except UnicodeError as error:
        raise DataError(f"{plain(path.name)} is not {shown(found)}: {plain(str(error))}",
                        "leave `encoding` out and it is found out") from error
    except (OSError, EOFError) as error:
        raise _unreadable(path, error) from error
    out.seek(0)
    return found, out


def _stream(path: Path, packed: str) -> Any:
    return gzip.open(path, "rb") if packed == "gzip" else path.open("rb")


def _encoding(path: Path, packed: str) -> str:
    """utf8; utf-16 by its mark or its zero bytes; else cp1252, or latin-1 where cp1252 has gaps."""
    try:
        with _stream(path, packed) as f:
            head = f.read(4096)
            if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                return "utf-16"
            if head.count(0) > len(head) // 4:
                return "utf-16-le" if head[1::2].count(0) > head[::2].count(0) else "utf-16-be"
            decoder = codecs.getincrementaldecoder("utf-8")()
            utf8, undefined, part = True, False, head
            while part:
                try:
                    if utf8:
                        decoder.decode(part)
                except UnicodeDecodeError:
                    utf8 = False
                undefined = undefined or any(b in part for b in b"\x81\x8d\x8f\x90\x9d")
                part = f.read(_CHUNK)
    except (OSError, EOFError, gzip.BadGzipFile) as error:
        raise _unreadable(path, error) from error
    return "utf8" if utf8 else "latin-1" if undefined else "cp1252"


def _first_text(path: Path, source: Path | io.BytesIO, packed: str) -> str:
    """The first part of the table as text, for finding the separator."""
    if isinstance(source, io.BytesIO):
        head = source.read(65536)
        source.seek(0)
    elif packed == "zstd":
        import polars as pl

        try:
            lines = pl.scan_csv(path, has_header=False, separator="\x01", quote_char=None,
                                n_rows=60, infer_schema=False, encoding="utf8-lossy", glob=False,
                                truncate_ragged_lines=True).collect()
        except (pl.exceptions.PolarsError, OSError) as error:
            raise _unreadable(path, error) from error
        return "\n".join(str(v or "") for v in lines.to_series(0).to_list())
    else:
        with _stream(path, packed) as f:
            head = f.read(65536)
    return head.decode("utf-8-sig", "replace")


def _separator(sample: str) -> str:
    """The character that splits the most first lines into the same number (> 1) of cells."""
    lines = sample.splitlines()
    text = "\n".join(lines[: max(1, min(60, len(lines) - 1))])

    def evenness(candidate: str) -> tuple[float, int]:
        try:
            rows = [r for r in csv.reader(io.StringIO(text), delimiter=candidate) if r]
        except csv.Error:
            rows = []
        width = len(rows[0]) if rows else 0
        if width < 2:
            return 0.0, 0
        return round(sum(len(r) == width for r in rows) / len(rows), 2), width

    return max((",", "\t", ";", "|"), key=evenness)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _beside(path: Path) -> str:
    """A hint: what is in the folder instead."""
    if not path.parent.is_dir():
        return f"nor is there a folder {plain(str(path.parent))}"
    names = sorted(p.name for p in path.parent.iterdir() if p.is_file())[:500]
    guess = nearest(path.name, names)
    return f"did you mean {shown(guess)}?" if guess else "paths in a task count from the task file"


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
