"""Numbers, times and configurations as short texts, so that they read alike everywhere."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hyperllama.core.text import plain
from hyperllama.models import paths

UNSANDBOXED = "no sandbox for programs"
"""What is said of a study that runs them like any other process."""


def score(value: float | None, width: int = 0) -> str:
    """A score with four decimals below 10 and fewer above, right-aligned in `width` cells.

    Small ones have three significant digits, and those just below 1 two after the nines.
    """
    if value is None or not math.isfinite(value):
        return "–".rjust(width)
    size = abs(value)
    decimals = 4 if size < 9.99995 else 3 if size < 100 else 2 if size < 1000 else 1
    decimals = decimals if size < 10_000 else 0
    if 0.999 < size < 1:
        decimals = min(6, 1 - math.floor(math.log10(1 - size)))
    text = f"{value:.{decimals}f}" if size < 1e7 else f"{value:.3e}"
    if 0 < size < 0.00995:
        text = f"{value:.5f}" if size >= 0.001 else _exponent(f"{value:.2e}")
    return text.rjust(width)


def spread(value: float) -> str:
    """A standard deviation, to the digits that scores have, in six cells."""
    if value == 0 or 0.00095 <= value < 9.99995:
        return f"{value:.4f}"
    if value < 0.00095:
        return _exponent(f"{value:.1e}")
    return f"{value:.1f}" if value < 1000 else count(value)


def signed(value: float | None) -> str:
    """A difference of scores, with its sign."""
    if value is None or not math.isfinite(value):
        return "–"
    size = abs(value)
    text = score(size) if size >= 0.001 or not size else f"{size:.4f}"
    if size and float(text) == 0.0:
        text = _exponent(f"{size:.0e}")
    return ("+" if value > 0 else "−" if value < 0 else "±") + text


def _exponent(text: str) -> str:
    """A power of ten without the zero in front."""
    return text.replace("e-0", "e-").replace("e+0", "e+")


def gain_style(beyond_noise: bool | None) -> str:
    """The colour of a gain: that of something good only where it is more than luck."""
    return "$good" if beyond_noise else "$dim"


def within_noise(gain: float | None, beyond_noise: bool | None) -> str:
    """What a gain is beside the noise; empty where there is none, or that cannot be told."""
    if not gain or beyond_noise is None:
        return ""
    return "beyond noise" if beyond_noise else "within noise"


def duration(seconds: float | None) -> str:
    """1.2s, 48s, 3m 05s, 2h 10m, 3d 4h."""
    if seconds is None or not math.isfinite(seconds):
        return "–"
    if seconds < 9.95:
        return f"{max(0.0, seconds):.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    if whole < 86_400:
        return f"{whole // 3600}h {whole % 3600 // 60:02d}m"
    return f"{whole // 86_400}d {whole % 86_400 // 3600}h"


def reading(done: int, total: int, seconds: float) -> str:
    """How far a model is with its prompt: `done` of `total` tokens in so many seconds."""
    text = f"reading the prompt, {count(done)} of {count(total)} tokens"
    if not done or seconds <= 0:
        return text
    rate = done / seconds
    return f"{text}, {count(rate)} tokens/s, {duration((total - done) / rate)} left"


def brief(seconds: float | None) -> str:
    """Like `duration`, with milliseconds where it is short: 2ms, 0.4s, 6.3s."""
    if seconds is not None and seconds < 0.0995:
        return f"{1000 * seconds:.0f}ms"
    return duration(seconds)


def ago(seconds: float) -> str:
    """How long ago, coarsely: just now, 5 min, 3 h, 2 d."""
    if seconds < 60:
        return "just now"
    if seconds < 3600:
        return f"{int(seconds // 60)} min ago"
    if seconds < 86_400:
        return f"{int(seconds // 3600)} h ago"
    return f"{int(seconds // 86_400)} d ago"


def count(value: float | None) -> str:
    """A token count or a row count: 950, 4.1k, 1.2M."""
    if value is None:
        return "–"
    if value < 1000:
        return f"{value:.0f}"
    if value < 999_500:
        return f"{value / 1000:.1f}k" if value < 99_950 else f"{value / 1000:.0f}k"
    return f"{value / 1e6:.1f}M"


def size(bytes_: float) -> str:
    """The size of a file or of memory: 812 B, 34 kB, 1.2 MB, 4.7 GB (powers of 1024)."""
    value = float(bytes_)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.5 or unit == "GB":
            break
        value /= 1024
    return f"{value:.0f} {unit}" if value >= 99.5 or unit == "B" else f"{value:.3g} {unit}"


def weights(number: int) -> str:
    """A count of parameters: 1.1M, 1.5B; a dash where it is unknown."""
    for unit, scale in (("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= scale:
            return f"{number / scale:.3g}{unit}"
    return str(number) if number else "–"


def setting(value: Any) -> str:
    """The value of a hyperparameter: four significant digits, no control characters."""
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    if isinstance(value, float):
        if not math.isfinite(value):
            return str(value)
        return _exponent(f"{value:.4g}")
    return plain(str(value)).replace("\n", " ")


def configuration(config: Mapping[str, Any]) -> str:
    """`name=value` pairs in their order."""
    return "  ".join(f"{name}={setting(value)}" for name, value in config.items())


def visible(changes: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The (before, after) pairs that read differently; the rest differ in the fifth digit."""
    return {
        name: (pair[0], pair[1])
        for name, pair in changes.items()
        if isinstance(pair, (list, tuple))
        and len(pair) == 2
        and setting(pair[0]) != setting(pair[1])
    }


def model_name(model: str | Path) -> str:
    """What a model is called, given its name or path: `models.paths.model_name`, made harmless."""
    return plain(paths.model_name(model))


def model_among(path: Path, others: Iterable[Path]) -> str:
    """What a model is called in a list of models: with its folder where the name repeats."""
    name = model_name(path)
    repeated = sum(model_name(other) == name for other in others) > 1
    return f"{name} in {plain(path.parent.name)}" if repeated else name


def on_gpu(facts: Mapping[str, Any]) -> str:
    """"15 of 31 layers on the GPU", of the engine's facts about a model; empty where none is there.

    The output layer counts as one more than `layers`, which llama.cpp does not count.
    """
    on, layers = facts.get("gpu_layers"), facts.get("layers")
    of = f" of {layers + 1}" if isinstance(layers, int) else ""
    return f"{on}{of} layers on the GPU" if on else ""


def short_name(name: str) -> str:
    """A hyperparameter's name for a narrow column: colsample_bytree becomes colsample."""
    known = {
        "learning_rate": "lr",
        "n_estimators": "trees",
        "colsample_bytree": "colsample",
        "min_child_weight": "min_child",
        "min_samples_leaf": "min_leaf",
        "min_samples_split": "min_split",
        "hidden_layer_sizes": "layers",
        "l2_regularization": "l2",
    }
    head, _, tail = name.rpartition(".")
    return (f"{head}." if head else "") + known.get(tail, tail)
