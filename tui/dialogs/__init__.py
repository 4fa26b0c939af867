"""Dialogs over a screen: one of a few answers, a line, a list, a configuration, a text to read.

Each returns a value to the screen that pushed it, None where it was cancelled; a dialog knows no
screen and sends no request. `help` is imported from its module: it loads the Markdown parser.
"""

from hyperllama.tui.dialogs.answer import AnswerDialog
from hyperllama.tui.dialogs.configuration import ConfigurationDialog
from hyperllama.tui.dialogs.pick import PickDialog
from hyperllama.tui.dialogs.prompt import PromptDialog
from hyperllama.tui.dialogs.text import TextDialog

__all__ = ["AnswerDialog", "ConfigurationDialog", "PickDialog", "PromptDialog", "TextDialog"]
