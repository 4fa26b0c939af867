"""The process that runs the engine, and typed requests to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hyperllama.models.engine.messages import (
    Answer,
    EngineEvent,
    EngineRequest,
    answer_of,
    event_of,
)
from hyperllama.models.errors import ChildDied, EngineError, HyperLlamaError, ModelFileError
from hyperllama.models.process import ChildError, RestartableChild

_ENVIRONMENT = {"GGML_NO_BACKTRACE": "1", "OPENBLAS_NUM_THREADS": "1"}


class EngineDied(EngineError):
    """The engine's process ended while an answer was expected."""


class Connection(RestartableChild):
    """Starts the engine's process and asks it.

    Args:
        log: file that the process's stderr is appended to.
        silence_s: without a sign of life for so long the process hangs and is killed.
    """

    def __init__(self, log: Path, silence_s: float) -> None:
        super().__init__("hyperllama.models.engine.server", "the engine", log, _ENVIRONMENT)
        self.silence_s = silence_s

    def ask(
        self,
        request: EngineRequest[Answer],
        on_event: Callable[[EngineEvent], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Answer:
        """The answer to a request, from a new process if none lives.

        Raises:
            ModelFileError, EngineError: what the engine raised.
            EngineDied: the process ended, hung, or had to be killed to stop it.
        """
        try:
            message = self.living().call(
                type(request).__name__,
                vars(request),
                on_event=on_event and (lambda message: on_event(event_of(message))),
                should_stop=should_stop,
                silence_s=self.silence_s,
            )
            return answer_of(request, message)
        except ChildError as error:
            kind = ModelFileError if error.kind == "ModelFileError" else EngineError
            raise kind(error.message, error.hint) from None
        except ChildDied as death:
            self.kill()
            raise EngineDied(death.message, death.hint) from death
        except HyperLlamaError:
            raise
        except BaseException:
            self.kill()  # an answer may be under way: the next request would read it
            raise
