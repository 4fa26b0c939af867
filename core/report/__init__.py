"""What a study leaves behind for people and programs: configuration, script, pipeline, report.

Made from a study's state and its table; nothing here changes a study. `export` writes the files.
"""

from __future__ import annotations

from hyperllama.core.report.record import ReportedStudy
from hyperllama.core.report.write import export

__all__ = ["ReportedStudy", "export"]
