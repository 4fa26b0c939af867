"""Dialogs over a screen: one of a few answers, a line, a list, a configuration, a text to read.

Each returns a value to the screen that pushed it, None where it was cancelled; a dialog knows no
screen and sends no request. `help` and `configuration` are imported from their modules: they load
the Markdown parser and the requests, which the first screen does without.
"""

from hyperllama.tui.dialogs.answer import AnswerDialog
from hyperllama.tui.dialogs.pick import PickDialog
from hyperllama.tui.dialogs.prompt import PromptDialog
from hyperllama.tui.dialogs.text import TextDialog

__all__ = ["AnswerDialog", "PickDialog", "PromptDialog", "TextDialog"]
