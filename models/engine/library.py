"""llama.cpp itself: imported without the parts of llama-cpp-python that are not needed, logged.

Only the engine's child process imports this.
"""

from __future__ import annotations

import collections
import importlib.util
import os
import sys
import types
from typing import Any

from hyperllama.models.errors import EngineError, pip_install

last_errors: collections.deque[str] = collections.deque(maxlen=8)
"""What llama.cpp logged last as an error, oldest first."""

_WARN, _ERROR, _CONTINUED = 3, 4, 5
_keep: list[Any] = []
_severe = [False]


def load_library() -> Any:
    """The module `llama_cpp.llama_cpp`, its backend initialised, its log on descriptor 2.

    Raises:
        EngineError: llama-cpp-python is not installed, or its library does not load.
    """
    loaded = sys.modules.get("llama_cpp.llama_cpp")
    if loaded is not None:
        return loaded
    spec = importlib.util.find_spec("llama_cpp")
    if spec is None:
        raise EngineError(
            "llama-cpp-python is not installed",
            f"install it with `{pip_install('hyperllama[llama]')}` (it is compiled, which takes "
            "about 12 minutes), or use --proposer tpe",
        )
    # The package's own __init__ imports its server-side parts as well: 0.4 s for nothing.
    package = types.ModuleType("llama_cpp")
    package.__path__ = list(spec.submodule_search_locations or [])
    sys.modules["llama_cpp"] = package
    try:
        import llama_cpp.llama_cpp as library
    except (OSError, ImportError, RuntimeError, AttributeError, FileNotFoundError) as e:
        del sys.modules["llama_cpp"]
        raise EngineError(
            f"llama.cpp's library does not load: {' '.join(str(e).split())}",
            "install llama-cpp-python again on this machine",
        ) from e
    callback = library.llama_log_callback(_log)
    _keep.append(callback)
    library.llama_log_set(callback, None)
    library.llama_backend_init()
    return library


def _log(level: int, text: bytes, _data: object) -> None:
    if level != _CONTINUED:
        _severe[0] = level in (_WARN, _ERROR)
    if _severe[0] and text:
        os.write(2, text)
        line = " ".join(text.decode("utf-8", "replace").split())
        if line and level == _ERROR:
            last_errors.append(line)


def last_error() -> str:
    """The last two errors that llama.cpp logged, in one line."""
    return "; ".join(list(last_errors)[-2:]) or "it gave no reason"


def out_of_memory() -> bool:
    """Whether what llama.cpp logged as errors is about memory that it could not get."""
    return any("out of memory" in e or "llocate" in e for e in last_errors)
