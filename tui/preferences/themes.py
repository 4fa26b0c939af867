"""The looks: our dark and light, one of high contrast, and the terminal's own colours.

Widgets name colours by what they mean ($best, $good, $bad, $voice, $dim, $faint, $part-1..5),
never by hue, and never let colour alone carry a meaning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rich.console import Console
from textual.theme import BUILTIN_THEMES, Theme


def _theme(name: str, colours: str, grounds: str, tones: str, **more: Any) -> Theme:
    """A theme from its colours.

    Args:
        colours: primary, secondary, accent, success, warning, error, and a seventh one for parts.
        grounds: foreground, background, surface, panel.
        tones: dim, faint, row cursor, row cursor without focus, border without focus.
        more: arguments of `Theme`; `variables` are added to the ones made here.
    """
    primary, secondary, accent, success, warning, error, seventh = colours.split()
    foreground, background, surface, panel = grounds.split()
    dim, faint, cursor, cursor_blurred, blurred = tones.split()
    variables = {
        "best": accent, "good": success, "bad": error, "voice": secondary,
        "dim": dim, "faint": faint, "row-cursor": cursor, "row-cursor-blurred": cursor_blurred,
        "part-1": primary, "part-2": secondary, "part-3": seventh, "part-4": accent,
        "part-5": success, "border": primary, "border-blurred": blurred,
        "scrollbar": blurred, "scrollbar-background": background,
    }  # fmt: skip
    return Theme(
        name=name, primary=primary, secondary=secondary, accent=accent, success=success,
        warning=warning, error=error, foreground=foreground, background=background,
        surface=surface, panel=panel, **{**more, "variables": variables | more["variables"]},
    )  # fmt: skip


def _background(colour: str, footer: str) -> dict[str, str]:
    """What has the background's colour, and the footer's."""
    names = ("corner-color", "background-hover", "background-active")
    same = {f"scrollbar-{name}": colour for name in names}
    return {**same, "block-cursor-foreground": colour, "footer-background": footer}


def _accents(primary: str, selection: str, hover: str, heading: str) -> dict[str, str]:
    """Colours of what is selected or pointed at, and of headings in a help text."""
    return {
        "scrollbar-hover": hover,
        "scrollbar-active": primary,
        "input-selection-background": selection,
        **{f"markdown-h{level}-color": heading for level in (1, 2, 3)},
    }


DARK = _theme(
    "hyperllama-dark",
    "#7cb7ff #b9a3f5 #f2b35e #84d1a0 #e6c07a #f28b82 #6fc7c0",
    "#d9dee8 #11141a #161a22 #1e2430",
    "#8b94a7 #3a4354 #26303f #1b212c #2b3341",
    variables=_background("#11141a", "#161a22")
    | _accents("#7cb7ff", "#7cb7ff 30%", "#46536a", "#d9dee8"),
)
LIGHT = _theme(
    "hyperllama-light",
    "#1b64a8 #6747b5 #9a5300 #22703f #7d5700 #b02a37 #1c7c78",
    "#25282f #fbf9f5 #f4f1ea #eae5da",
    "#656a76 #c9c2b4 #dfe7ee #eeebe4 #d6d0c3",
    dark=False,
    variables=_background("#fbf9f5", "#f4f1ea")
    | _accents("#1b64a8", "#1b64a8 25%", "#b5ad9c", "#25282f"),
)
CONTRAST = _theme(
    "high-contrast",
    "#00d7ff #ffafff #ffd700 #5fff87 #ffd75f #ff8787 #ffffff",
    "#ffffff #000000 #000000 #262626",
    "#d0d0d0 #8a8a8a #005f87 #303030 #b0b0b0",
    variables=_background("#000000", "#262626") | {"border": "#ffd700"},
)
_GREY = "ansi_bright_black"
TERMINAL = _theme(
    "terminal",
    "ansi_blue ansi_magenta ansi_yellow ansi_green ansi_yellow ansi_red ansi_cyan",
    "ansi_default ansi_default ansi_default ansi_default",
    f"{_GREY} {_GREY} ansi_default ansi_default {_GREY}",  # a marked row is underlined
    ansi=True,
    boost="ansi_default",
    variables={
        name: value
        for name, value in BUILTIN_THEMES["ansi-dark"].variables.items()
        if not name.startswith(("border", "scrollbar"))
    },
)

THEMES = (DARK, LIGHT, CONTRAST, TERMINAL)

_NEARLY_GREY = 48  # of 255, between the strongest and the weakest of red, green and blue


def colours(environment: Mapping[str, str]) -> str:
    """What a terminal that names itself so can show: "standard" (16), "256" or "truecolor"."""
    return Console(force_terminal=True, _environ=environment).color_system or "standard"


def usual(system: str) -> str:
    """The name of the look for a terminal that nobody chose one for."""
    return TERMINAL.name if system == "standard" else DARK.name


def fitted(theme: Theme, system: str) -> Theme:
    """The theme for so many colours.

    A terminal of 256 has few dark and few pale colours: tinted backgrounds and borders would become
    teal or brown. Its 24 greys are close to them.
    """
    if system != "256" or theme.ansi:
        return theme
    return replace(
        theme,
        foreground=_grey(theme.foreground or ""),
        background=_grey(theme.background or ""),
        surface=_grey(theme.surface or ""),
        panel=_grey(theme.panel or ""),
        variables={name: _grey(value) for name, value in theme.variables.items()},
    )


def _grey(colour: str) -> str:
    """The nearest of the terminal's greys for a colour that is nearly grey; else the colour."""
    if len(colour) != 7 or not colour.startswith("#"):
        return colour
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    if max(red, green, blue) - min(red, green, blue) > _NEARLY_GREY:
        return colour
    light = 0.299 * red + 0.587 * green + 0.114 * blue
    if light > 243:
        return "#ffffff"
    level = 8 + 10 * min(23, max(0, round((light - 8) / 10)))
    return f"#{level:02x}{level:02x}{level:02x}"
