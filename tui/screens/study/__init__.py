"""The study screen: watching one study and steering it.

It draws the study's state and sends requests to the study process; it derives nothing itself.
`base` holds the study, `review` and `steering` send requests, `panes` arranges, `screen` draws.
"""

from hyperllama.tui.screens.study.screen import StudyScreen

__all__ = ["StudyScreen"]
