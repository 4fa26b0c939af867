"""What an embedded model generated, in plain words: nothing is said that it did not generate."""

from __future__ import annotations

from hyperllama.core.propose.chat.speaker import Spoke
from hyperllama.core.space import Config, Value

_SIZES = {
    "near": "stay near the incumbent",
    "mid": "step away from the incumbent",
    "far": "go far from the incumbent",
}
_MOVES = {"up": "raise", "down": "lower", "switch": "switch", "keep": "keep"}
_SURE = 0.6


def in_words(spoke: Spoke, plan: tuple[str, str, str], config: Config, estimator: str) -> str:
    """The plan, then what the proposal changes and how sure the model is of it, as Markdown."""
    lines = [f"Turn of **{estimator}**."] if estimator else []
    if spoke.incumbent is None:
        lines.append("Opens with what did well on other tables.")
        lines += [f"- {key} = {_show(v)}{_peak(spoke, key)}" for key, v in config.items()]
        return "\n".join(lines)
    size, name, move = plan
    lines.append(f"Plan: {_SIZES.get(size, size)}, above all {_MOVES.get(move, move)} {name}.")
    changed = []
    for key, value in config.items():
        before = spoke.incumbent.get(key)
        if before == value:
            lines.append(f"- keeps {key} = {_show(value)}{_peak(spoke, key)}")
            continue
        word = "sets"
        if isinstance(value, (int, float)) and isinstance(before, (int, float)):
            word = "raises" if value > before else "lowers"
        changed.append(key)
        sure = _certainty(spoke, key, word)
        lines.append(f"- {word} {key} from {_show(before)} to {_show(value)}{sure}")
    if not changed:
        lines.append("Nothing changes.")
    return "\n".join(lines)


def _certainty(spoke: Spoke, name: str, word: str) -> str:
    """How much of the model's belief lies on the side that it went to."""
    share = spoke.shares.get(name)
    if share is None:
        return _peak(spoke, name)
    below, same, above = share
    side = {"raises": above, "lowers": below}.get(word, same)
    if side >= _SURE:
        return f" ({side:.0%} of its belief lies that way)"
    return f" (unsure: {below:.0%} lower, {same:.0%} about the same, {above:.0%} higher)"


def _peak(spoke: Spoke, name: str) -> str:
    """The middle half of the belief, for numbers; the probability of the likeliest, for others."""
    pairs = spoke.beliefs.get(name, [])
    if not pairs:
        return ""
    if not all(isinstance(v, (int, float)) and not isinstance(v, bool) for v, _ in pairs):
        value, p = max(pairs, key=lambda pair: pair[1])
        return f" (prefers {_show(value)}, {p:.0%})"
    ordered = sorted(pairs, key=lambda pair: float(pair[0]))  # type: ignore[arg-type]
    low, high, total = ordered[0][0], ordered[-1][0], 0.0
    found_low = False
    for value, p in ordered:
        total += p
        if total >= 0.25 and not found_low:
            low, found_low = value, True
        if total >= 0.75:
            high = value
            break
    return f" (half of its belief: {_show(low)} to {_show(high)})"


def _show(value: Value) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
