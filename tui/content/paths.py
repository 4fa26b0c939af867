"""Paths of tables as they are typed."""

from __future__ import annotations

from pathlib import Path

TABLES = (".csv", ".tsv", ".txt", ".parquet", ".feather", ".arrow", ".gz", ".zst")


def complete(text: str) -> tuple[Path, list[Path]]:
    """(folder, what in it begins as typed): folders first, then tables; hidden ones on demand.

    `text` is what was typed: "", "da", "data/", "~/x".
    """
    typed = Path(text).expanduser() if text else Path()
    whole = text.endswith("/") or not text or text.rpartition("/")[2] in (".", "..")
    folder = Path.cwd() / (typed if whole else typed.parent)
    start = "" if whole else typed.name.casefold()
    try:
        found = [p for p in folder.iterdir() if p.name.casefold().startswith(start)]
    except OSError:
        return folder, []
    if not start.startswith("."):
        found = [p for p in found if not p.name.startswith(".")]
    shown = [p for p in found if p.is_dir() or p.name.lower().endswith(TABLES)]
    return folder, sorted(shown, key=lambda p: (not p.is_dir(), p.name.casefold()))
