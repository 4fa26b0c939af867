"""How the text of a CSV is stored: packed or not, encoding, separator, and how much it is.

Nothing is written to disk, and nothing is unpacked beyond what memory has room for.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import os
import re
from pathlib import Path
from typing import Any

from hyperllama.core.errors import DataError
from hyperllama.core.text import plain, shown
from hyperllama.models.files import open_regular

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_CHUNK = 1 << 24
_ROOM_SHARE = 0.4
"""Share of the free memory that a table's text, or its numbers, may take."""
ALWAYS_BYTES = 1 << 28
"""So much is always read: how much memory is free changes from moment to moment."""
_MEMORY = (("/proc/meminfo", r"MemAvailable:\s*(\d+) kB", 1024),
           ("/sys/fs/cgroup/memory.max", r"(\d+)", 1))
_OTHERS = (
    (re.compile(rb"\s*(\{\s*[\"}]|\[\s*[\[{\"\d-])"), "JSON"),
    (re.compile(rb"\s*<(!doctype html|html|\?xml)", re.IGNORECASE), "HTML or XML"),
)


def packing(magic: bytes) -> str:
    """How a file that begins like this is packed: "gzip", "zstd" or ""."""
    if magic.startswith(b"\x1f\x8b"):
        return "gzip"
    return "zstd" if magic.startswith(b"\x28\xb5\x2f\xfd") else ""


def free_bytes() -> int:
    """Memory that is available: of the machine, and of its control group where one has a limit.

    Where the system does not say what is available (macOS), all that it has.
    """
    found = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for file, pattern, unit in _MEMORY:
        try:
            told = re.search(pattern, Path(file).read_text("ascii"))
        except (OSError, ValueError):
            continue
        if told:
            found = min(found, int(told[1]) * unit)
    return found


def check_room(path: Path, wanted_bytes: int, what: str) -> None:
    """Raises DataError where a table needs more memory than there is."""
    room = max(int(free_bytes() * _ROOM_SHARE), ALWAYS_BYTES)
    if wanted_bytes > room:
        raise DataError(
            f"{plain(path.name)}: {what} need at least {wanted_bytes / 1e9:.1f} GB, the limit is "
            f"{room / 1e9:.1f} GB here",
            "save fewer rows or columns, or use a machine with more memory",
        )


def decoded(path: Path, packed: str, encoding: str | None) -> tuple[str, Path | io.BytesIO, str]:
    """The encoding's name, what polars is to read (the file itself where it is UTF-8), a note.

    Raises:
        DataError: the encoding is unknown or does not fit, or the text does not fit into memory.
    """
    if packed == "zstd":
        _check_zstd(path)
    seen = "utf8" if packed == "zstd" else _encoding(path, packed)
    found, note = seen, ""
    if encoding is not None:
        try:
            codec = codecs.lookup(encoding).name
        except LookupError as error:
            raise DataError(f"unknown encoding {shown(encoding)}",
                            "allowed: utf8, latin-1, cp1252, utf-16, ...") from error
        found = "utf8" if codec in ("utf-8", "ascii", "utf-8-sig") else codec
        if found == "utf8" != seen:
            raise DataError(f"{plain(path.name)} is not UTF-8",
                            f'leave `encoding` out, or set encoding = "{seen}"')
        if seen == "utf8" != found and not _ascii(path, packed):
            note = "is valid UTF-8: letters may come out wrong; leave `encoding` out"
    if found == "utf8":
        return found, path, note
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
                        f'leave `encoding` out, or set encoding = "{seen}"') from error
    out.seek(0)
    return found, out, note


def first_text(path: Path, source: Path | io.BytesIO, packed: str) -> str:
    """The first part of the table as text, for finding the separator.

    Raises:
        DataError: it is text of another kind: JSON, HTML, XML.
    """
    if isinstance(source, io.BytesIO):
        head = source.read(65536)
        source.seek(0)
    elif packed == "zstd":
        import polars as pl

        lines = pl.scan_csv(path, has_header=False, separator="\x01", quote_char=None,
                            n_rows=60, infer_schema=False, encoding="utf8-lossy", glob=False,
                            truncate_ragged_lines=True).collect()
        return "\n".join(str(v or "") for v in lines.to_series(0).to_list())
    else:
        with _stream(path, packed) as f:
            head = f.read(65536)
    for start, kind in _OTHERS:
        if start.match(head.removeprefix(codecs.BOM_UTF8)):
            raise DataError(f"{plain(path.name)} is {kind}, which is not read as a table",
                            "save it as CSV (also .gz, .zst), Parquet, or Feather/Arrow")
    return head.decode("utf-8-sig", "replace")


def separator_of(sample: str) -> str:
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

    return max(SEPARATORS, key=evenness)


def _stream(path: Path, packed: str) -> Any:
    return gzip.open(path, "rb") if packed == "gzip" else open_regular(path, DataError)


def _ascii(path: Path, packed: str) -> bool:
    with _stream(path, packed) as f:
        return all(part.isascii() for part in iter(lambda: f.read(_CHUNK), b""))


def _encoding(path: Path, packed: str) -> str:
    """utf8; utf-16 by its mark or its zero bytes; else cp1252, or latin-1 where cp1252 has gaps.

    Passes over the whole text, and so finds out how much there is of it.
    """
    with _stream(path, packed) as f:
        head = f.read(4096)
        wide = ""
        if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            wide = "utf-16"
        elif head.count(0) > len(head) // 4:
            wide = "utf-16-le" if head[1::2].count(0) > head[::2].count(0) else "utf-16-be"
        decoder = codecs.getincrementaldecoder("utf-8")()
        utf8, undefined, part, total = True, False, head, 0
        while part:
            total += len(part)
            if packed:
                check_room(path, 2 * total, "its unpacked cells")
            try:
                if utf8 and not wide:
                    decoder.decode(part)
            except UnicodeDecodeError:
                utf8 = False
            undefined = undefined or any(b in part for b in b"\x81\x8d\x8f\x90\x9d")
            part = f.read(_CHUNK)
    return wide or ("utf8" if utf8 else "latin-1" if undefined else "cp1252")


def _check_zstd(path: Path) -> None:
    """The size that the frame's header declares (RFC 8878, 3.1.1.1), where it does."""
    with open_regular(path, DataError) as f:
        head = f.read(18)
    if len(head) < 18:
        return
    flags = head[4]
    single, size_code, dictionary = flags >> 5 & 1, flags >> 6, (0, 1, 2, 4)[flags & 3]
    width = (1 if single else 0, 2, 4, 8)[size_code]
    start = 5 + (0 if single else 1) + dictionary
    declared = int.from_bytes(head[start : start + width], "little")
    check_room(path, 2 * declared, "its unpacked cells")
