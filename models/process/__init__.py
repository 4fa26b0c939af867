"""Child processes of ours: starting them, talking to them in JSON lines, their priority and use.

The child's end is imported from `serve`, what they cost from `usage`: both load psutil.
"""

from hyperllama.models.process.child import Child, ChildError
from hyperllama.models.process.command import program_argv, python_argv
from hyperllama.models.process.priority import STUDY_NICENESS, hand_on_niceness, set_niceness
from hyperllama.models.process.restartable import RestartableChild

__all__ = [
    "STUDY_NICENESS",
    "Child",
    "ChildError",
    "RestartableChild",
    "hand_on_niceness",
    "program_argv",
    "python_argv",
    "set_niceness",
]
