"""The proposer `llama`: the model's file decides whether its dialect is used, or chat."""

from __future__ import annotations

from typing import Union

from hyperllama.core.propose.chat import ChatProposer
from hyperllama.core.propose.chat.programs import ProgramProposer
from hyperllama.core.propose.embedded import EmbeddedProposer
from hyperllama.core.trials import ProposerSetting
from hyperllama.models.gguf import read_metadata, resolve_model

ModelProposer = Union[EmbeddedProposer, ChatProposer]


def open_model(setting: ProposerSetting) -> ModelProposer:
    """The proposer for the setting's model.

    Raises:
        ModelFileError: the file is missing or no language model.
        PromptError: a prompt template of the user's own is malformed.
    """
    if read_metadata(resolve_model(setting.model)).is_embedded_dialect:
        return EmbeddedProposer(setting)
    return ChatProposer(setting) if setting.programs is None else ProgramProposer(setting)
