"""The app: opens screens by their names, starts studies, reports, and keeps the look.

It alone knows the screens; they know it as `tui.interface.Interface`. Starts fast, loads nothing
heavy.
"""

from hyperllama.tui.app.main import SCREENS, HyperLlama, run

__all__ = ["SCREENS", "HyperLlama", "run"]
