"""New study: a guided form over a task file, in steps; `base` has what the steps share.

The text of the task file is the form's only state (`tui.content.draft`).
"""

from hyperllama.tui.screens.new_study.screen import NewStudy

__all__ = ["NewStudy"]
