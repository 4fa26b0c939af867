"""The text of a task file with comments, tables and keys told apart."""

from __future__ import annotations

from textual.content import Content

from hyperllama.core.text import plain


def file_lines(text: str) -> list[Content]:
    """One line a line."""
    lines: list[Content] = []
    for line in plain(text).splitlines():
        bare = line.strip()
        if bare.startswith("#"):
            lines.append(Content.styled(line, "italic $dim"))
        elif bare.startswith("["):
            lines.append(Content.styled(line, "bold $primary"))
        elif "=" in line:
            key, _, value = line.partition("=")
            value, mark, comment = value.partition("  # ")
            lines.append(
                Content.assemble(
                    (key, "$voice"), ("=", "$dim"), value, (mark + comment, "italic $dim")
                )
            )
        else:
            lines.append(Content(line))
    return lines
