"""GGUF files: where they are, what they hold, and whether they fit into memory.

Every file is untrusted; its header is checked before llama.cpp sees it. Loads no model.
"""

from hyperllama.models.gguf.folders import named_files, usual_folders
from hyperllama.models.gguf.hashes import file_sha256
from hyperllama.models.gguf.memory import (
    Fit,
    Gpu,
    Machine,
    build_backends,
    default_context,
    estimate_memory_mb,
    fit,
    gpus,
    machine,
    memory_parts_mb,
)
from hyperllama.models.gguf.metadata import ModelFile, check_model, read_metadata
from hyperllama.models.gguf.registry import find_models, resolve_model
from hyperllama.models.paths import EMBEDDED

__all__ = [
    "EMBEDDED",
    "Fit",
    "Gpu",
    "Machine",
    "ModelFile",
    "build_backends",
    "check_model",
    "default_context",
    "estimate_memory_mb",
    "file_sha256",
    "find_models",
    "fit",
    "gpus",
    "machine",
    "memory_parts_mb",
    "named_files",
    "read_metadata",
    "resolve_model",
    "usual_folders",
]
