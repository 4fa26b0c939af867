"""The looks: our dark and light, one of high contrast, and the terminal's own colours.

Widgets name colours by what they mean ($best, $good, $bad, $voice, $dim, $faint, $part-1..5),
never by hue, and never let colour alone carry a meaning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rich.console import Console
from textual.theme import BUILTIN_THEMES, Theme


def _parts(*colours: str) -> dict[str, str]:
    return {f"part-{i}": colour for i, colour in enumerate(colours, 1)}


def _meanings(best: str, good: str, bad: str, voice: str, dim: str, faint: str) -> dict[str, str]:
    return {"best": best, "good": good, "bad": bad, "voice": voice, "dim": dim, "faint": faint}


DARK = Theme(
    name="hyperllama-dark",
    dark=True,
    primary="#7cb7ff",
    secondary="#b9a3f5",
    accent="#f2b35e",
    success="#84d1a0",
    warning="#e6c07a",
    error="#f28b82",
    foreground="#d9dee8",
    background="#11141a",
    surface="#161a22",
    panel="#1e2430",
    variables={
        **_meanings("#f2b35e", "#84d1a0", "#f28b82", "#b9a3f5", "#8b94a7", "#3a4354"),
        **_parts("#7cb7ff", "#b9a3f5", "#6fc7c0", "#f2b35e", "#84d1a0"),
        "row-cursor": "#26303f",
        "row-cursor-blurred": "#1b212c",
        "border": "#7cb7ff",
        "border-blurred": "#2b3341",
        "footer-background": "#161a22",
        "scrollbar": "#2b3341",
        "scrollbar-background": "#11141a",
        "scrollbar-corner-color": "#11141a",
        "scrollbar-hover": "#46536a",
        "scrollbar-active": "#7cb7ff",
        "scrollbar-background-hover": "#11141a",
        "scrollbar-background-active": "#11141a",
        "input-selection-background": "#7cb7ff 30%",
        "block-cursor-foreground": "#11141a",
        "markdown-h1-color": "#d9dee8",
        "markdown-h2-color": "#d9dee8",
        "markdown-h3-color": "#d9dee8",
    },
)

LIGHT = Theme(
    name="hyperllama-light",
    dark=False,
    primary="#1b64a8",
    secondary="#6747b5",
    accent="#9a5300",
    success="#22703f",
    warning="#7d5700",
    error="#b02a37",
    foreground="#25282f",
    background="#fbf9f5",
    surface="#f4f1ea",
    panel="#eae5da",
    variables={
        **_meanings("#9a5300", "#22703f", "#b02a37", "#6747b5", "#656a76", "#c9c2b4"),
        **_parts("#1b64a8", "#6747b5", "#1c7c78", "#9a5300", "#22703f"),
        "row-cursor": "#dfe7ee",
        "row-cursor-blurred": "#eeebe4",
        "border": "#1b64a8",
        "border-blurred": "#d6d0c3",
        "footer-background": "#f4f1ea",
        "scrollbar": "#d6d0c3",
        "scrollbar-background": "#fbf9f5",
        "scrollbar-corner-color": "#fbf9f5",
        "scrollbar-hover": "#b5ad9c",
        "scrollbar-active": "#1b64a8",
        "scrollbar-background-hover": "#fbf9f5",
        "scrollbar-background-active": "#fbf9f5",
        "input-selection-background": "#1b64a8 25%",
        "block-cursor-foreground": "#fbf9f5",
        "markdown-h1-color": "#25282f",
        "markdown-h2-color": "#25282f",
        "markdown-h3-color": "#25282f",
    },
)

CONTRAST = Theme(
    name="high-contrast",
    dark=True,
    primary="#00d7ff",
    secondary="#ffafff",
    accent="#ffd700",
    success="#5fff87",
    warning="#ffd75f",
    error="#ff8787",
    foreground="#ffffff",
    background="#000000",
    surface="#000000",
    panel="#262626",
    variables={
        **_meanings("#ffd700", "#5fff87", "#ff8787", "#ffafff", "#d0d0d0", "#8a8a8a"),
        **_parts("#00d7ff", "#ffafff", "#ffffff", "#ffd700", "#5fff87"),
        "row-cursor": "#005f87",
        "row-cursor-blurred": "#303030",
        "border": "#ffd700",
        "border-blurred": "#b0b0b0",
        "footer-background": "#262626",
        "scrollbar": "#b0b0b0",
        "scrollbar-background": "#000000",
        "scrollbar-background-hover": "#000000",
        "scrollbar-background-active": "#000000",
        "scrollbar-corner-color": "#000000",
        "block-cursor-foreground": "#000000",
    },
)

TERMINAL = Theme(
    name="terminal",
    ansi=True,
    dark=True,
    primary="ansi_blue",
    secondary="ansi_magenta",
    accent="ansi_yellow",
    success="ansi_green",
    warning="ansi_yellow",
    error="ansi_red",
    foreground="ansi_default",
    background="ansi_default",
    surface="ansi_default",
    panel="ansi_default",
    boost="ansi_default",
    variables={
        **BUILTIN_THEMES["ansi-dark"].variables,
        **_meanings(
            "ansi_yellow",
            "ansi_green",
            "ansi_red",
            "ansi_magenta",
            "ansi_bright_black",
            "ansi_bright_black",
        ),
        **_parts("ansi_blue", "ansi_magenta", "ansi_cyan", "ansi_yellow", "ansi_green"),
        "row-cursor": "ansi_default",  # underlined instead: see the style sheet
        "row-cursor-blurred": "ansi_default",
        "border": "ansi_blue",
        "border-blurred": "ansi_bright_black",
        "scrollbar": "ansi_bright_black",
        "scrollbar-background": "ansi_default",
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
