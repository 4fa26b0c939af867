"""Whether the terminal shows pictures: Kitty's protocol, Sixel, iTerm's, through textual-image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_KNOWN = ("kitty", "ghostty", "wezterm", "iterm", "foot", "mlterm", "contour")
"""Parts of TERM or TERM_PROGRAM of terminals that show pictures."""


def wanted(setting: str, environment: Mapping[str, str]) -> bool:
    """Whether to draw pictures; `setting`: "auto", "on" or "off".

    Over SSH they take as long as the line is slow, so only "on" allows them there.
    """
    if setting != "auto":
        return setting == "on"
    if environment.get("SSH_CONNECTION") or environment.get("SSH_TTY"):
        return False
    names = f"{environment.get('TERM', '')} {environment.get('TERM_PROGRAM', '')}".lower()
    return any(known in names for known in _KNOWN)


def picture_widget(setting: str, environment: Mapping[str, str]) -> Any:
    """The class of the widget that draws a picture; None where there is to be none.

    Call it before the app runs: its import asks the terminal what it can do, and reads the answer.
    A terminal that would only show coloured half cells is told as one that shows none.
    """
    if not wanted(setting, environment):
        return None
    try:
        from textual_image import renderable
        from textual_image.widget import Image
    except ImportError:
        return None
    return Image if renderable.Image in (renderable.SixelImage, renderable.TGPImage) else None
