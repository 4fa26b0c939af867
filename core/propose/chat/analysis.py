"""Whether a model reasons before it proposes: the user decides, else its size and one short try."""

from __future__ import annotations

from collections.abc import Callable

from hyperllama.core.events import Noted
from hyperllama.core.prompt.layout import SMALL
from hyperllama.core.prompt.thinking import Marks
from hyperllama.core.propose.chat.probe import REASONS, probed, why_no_analysis
from hyperllama.core.propose.engine_session import EngineSession
from hyperllama.core.task.prompt_options import PromptOptions
from hyperllama.core.trials import Observed

LEFT_OUT = "The model's analysis was left out: "
"""Begins the reasoning of a proposal whose analysis was not coherent; a study that has such a trial
does without from then on."""


class AnalysisChoice:
    """Decides once a study whether its model reasons, and drops that where it goes wrong.

    Args:
        options: `reasoning` is the user's word; None leaves it to the model.
        continues: whether the model continues a plain text, and so follows no instruction.
        report: told what is decided, where the user did not.
    """

    def __init__(
        self, options: PromptOptions, continues: bool, report: Callable[[Noted], None]
    ) -> None:
        self._options, self._continues, self._report = options, continues, report
        self._decided: bool | None = None
        self._dropped = False

    def wanted(
        self, session: EngineSession, marks: Marks | None, should_stop: Callable[[], bool]
    ) -> bool:
        """Whether the next reply begins with reasoning; may try the model out.

        Raises:
            Cancelled: `should_stop` became true.
        """
        if self._dropped:
            return False
        if self._decided is None:
            self._decided = self._decide(session, marks, should_stop)
        return self._decided

    def heard(self, trial: Observed) -> None:
        """Take in a trial; one whose analysis was left out decides for the rest of the study."""
        self._dropped = self._dropped or trial.reasoning.startswith(LEFT_OUT)

    def drop(self, why: str) -> str:
        """Do without from now on; what stands in the place of the reasoning."""
        self._dropped = True
        self._report(Noted("warning", f"{LEFT_OUT}{why}; this study goes on without",
                           "--prompt reasoning=no saves the try"))  # fmt: skip
        return f"{LEFT_OUT}{why}."

    def _decide(
        self, session: EngineSession, marks: Marks | None, should_stop: Callable[[], bool]
    ) -> bool:
        if self._continues:
            wanted = bool(self._options.reasoning)
            self._report(
                Noted("warning" if wanted else "info", f"{session.path.stem} continues a plain "
                      "text that ends in the trials; it is asked for no reasoning",
                      "a model with a chat template follows instructions" if wanted else "")
            )  # fmt: skip
            return False
        if self._options.reasoning is not None:
            return self._options.reasoning
        if session.info.parameters < SMALL:
            return False
        why = why_no_analysis(probed(session, REASONS, marks, self._report, should_stop))
        if why:
            self._report(Noted("info", f"without reasoning: in a short try of the model {why}",
                               "--prompt reasoning=yes asks for it all the same"))  # fmt: skip
        return not why


def incoherent(text: str, looped: bool, prompt: str) -> str:
    """Why an analysis is not worth keeping; empty if it is.

    Args:
        looped: whether it was ended because it repeated itself.
        prompt: what the model was told.
    """
    if looped:
        return "it repeats itself"
    if len(text.split()) < 2:
        return "it says nothing"
    lines = [line for line in map(str.strip, text.splitlines()) if len(line) >= 20]
    if len(lines) >= 2 and sum(line in prompt for line in lines) > len(lines) / 2:
        return "it copies what the model was told"
    return ""
