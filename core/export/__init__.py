"""What a study leaves behind for people and programs: configuration, script, pipeline, report."""

from __future__ import annotations

from core.export.record import StudyRecord, TrialRecord
from core.export.write import export

__all__ = ["StudyRecord", "TrialRecord", "export"]
