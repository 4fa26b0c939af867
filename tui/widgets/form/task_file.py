"""The text of a task file with comments, tables and keys told apart."""

from __future__ import annotations

from textual.content import Content

from hyperllama.core.text import plain

_STYLES = {"comment": "italic $dim", "table": "bold $primary", "key": "$voice"}


def parts(line: str) -> list[tuple[int, int, str]]:
    """(start, end, "comment", "table" or "key") of a line, in characters."""
    bare = line.strip()
    if bare.startswith(("#", "[")):
        return [(0, len(line), "comment" if bare[0] == "#" else "table")]
    if "=" not in line:
        return []
    found = [(0, line.index("="), "key")]
    comment = line.find("  # ", line.index("="))
    return found if comment < 0 else [*found, (comment, len(line), "comment")]


def file_lines(text: str) -> list[Content]:
    """The styled lines of a file."""
    lines: list[Content] = []
    for line in plain(text).splitlines():
        content = Content(line)
        for start, end, what in parts(line):
            content = content.stylize(_STYLES[what], start, end)
        lines.append(content)
    return lines
