"""What the app offers to its screens: they know this protocol, and only the app knows them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:  # nothing of this is loaded before the first screen is drawn
    from hyperllama.core.errors import HyperLlamaError
    from hyperllama.tui.content.arrange import Order
    from hyperllama.tui.preferences.chosen import ChosenTrials
    from hyperllama.tui.preferences.settings import Settings
    from hyperllama.tui.processes import bridge
    from hyperllama.tui.text.glyphs import Glyphs


class Interface(Protocol):
    """The app as its screens see it.

    Attributes:
        clock: seconds since the epoch.
        keys: the keys that were changed, by action id.
        last_study: name of the study whose screen was shown last.
        picture_widget: draws a picture; None where the terminal shows none.
        orders: how the history of each study was sorted, by the study's name.
        chosen: the trial that a person wants to use, of each study.
    """

    clock: Callable[[], float]
    glyphs: Glyphs
    keys: dict[str, str]
    settings: Settings
    last_study: str
    picture_widget: Any
    orders: dict[str, Order]
    chosen: ChosenTrials

    def report(self, level: str, text: str) -> None:
        """Show a message ("info", "warning" or "error") and keep it for the log."""

    def report_error(self, error: HyperLlamaError) -> None:
        """Show an error with its hint, and keep it for the log."""

    def open_screen(self, name: str, *given: Any) -> None:
        """Show the screen of that name (see `app.SCREENS`), made with the arguments `given`."""

    async def ask_screen(self, name: str, *given: Any) -> Any:
        """Show the screen of that name and return what it is dismissed with."""

    def open_study(self, name: str) -> None:
        """Show a study that is on the disk."""

    def show_study(self, link: bridge.StudyLink) -> None:
        """Show a study that is connected already."""

    def begin_study(self, task: Path, choices: bridge.Choices | None = None) -> None:
        """Start a new study and show it over what is shown, which stays below it."""

    async def resume_study(self, name: str) -> bridge.StudyLink | None:
        """Resume a study that no process owns; None, and reported, where that failed."""

    def write_report(self, name: str) -> Any:
        """Write a study's HTML report while other screens are shown."""

    def write_winner(self, name: str, trial: int | None = None) -> Any:
        """Write the winner of a study, or that trial, while other screens are shown."""

    def go_home(self) -> None:
        """Close every screen but the first."""

    def keep_for_good(self) -> None:
        """Exempt what is loaded now from garbage collection."""

    def use_theme(self, name: str) -> None:
        """Show everything in that theme, at the next start too."""

    def set_up(self, **changes: Any) -> None:
        """Change settings and keep them in the settings file."""

    def read_keys(self) -> list[str]:
        """Take the keys from the settings file; returns what is wrong with them."""
