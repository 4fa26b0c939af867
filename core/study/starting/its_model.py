"""The model of a study that goes on, also where its file is gone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from hyperllama.core.errors import ModelFileError
from hyperllama.core.events.requests import SwitchProposer
from hyperllama.core.study.starting.options import Options


def with_its_model(
    study: str, options: Options, waiting: Iterable[object]
) -> tuple[Options, Path | None]:
    """The options and the file of the study's model; None where its proposer needs none.

    Where the file is gone, what the waiting requests ask for takes its place: they are carried out
    only once the study is open.

    Args:
        study: its name, for the hint.
        waiting: requests that were made while no process owned the study, oldest first.

    Raises:
        ModelFileError: there is no such file, and no request names another model.
    """
    from hyperllama.core.propose import needs_model
    from hyperllama.models.gguf import resolve_model

    if not needs_model(str(options.proposer)):
        return options, None
    try:
        return options, resolve_model(str(options.model))
    except ModelFileError as error:
        asked = [r for r in waiting if isinstance(r, SwitchProposer)]
        model = next((r.model for r in reversed(asked) if r.model), "")
        proposer = next((r.proposer for r in reversed(asked) if r.proposer), str(options.proposer))
        if not needs_model(proposer):
            return replace(options, proposer=proposer), None
        if not model:
            again = f"`hyperllama resume {study} --model NAME`, or M in the interface,"
            hint = f"{again} goes on with another; {error.hint}"
            raise ModelFileError(error.message, hint) from None
    return replace(options, proposer=proposer, model=model), resolve_model(model)
