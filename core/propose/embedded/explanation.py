"""What an embedded model generated, in plain sentences that say nothing it did not generate."""

from __future__ import annotations

from hyperllama.core.estimators import CHOICE
from hyperllama.core.propose.embedded.model import Draws
from hyperllama.core.space import Value

_SIZES = {
    "near": "stay near the incumbent",
    "mid": "step away from the incumbent",
    "far": "go far from the incumbent",
}
_MOVES = {"up": "raise", "down": "lower", "switch": "switch", "keep": "keep"}
_SURE = 0.6


def explained(draws: Draws, i: int) -> str:
    """Completion `i` as Markdown: its plan, what it changes, the belief in each value."""
    lines = [f"For **{draws.family}**."] if draws.family else []
    config, incumbent, plan = dict(draws.configs[i]), draws.incumbent, draws.plans[i]
    if draws.family:
        del config[CHOICE]
    if incumbent is None:
        lines.append("Opens with what did well on other tables.")
        lines += [f"- {name} = {_show(v)}{_belief(draws, name)}" for name, v in config.items()]
        return "\n".join(lines)
    move = _MOVES.get(plan.move, plan.move)
    lines.append(f"Plan: {_SIZES.get(plan.size, plan.size)}, above all {move} {plan.name}.")
    for name, value in config.items():
        before = incumbent.get(name)
        if before == value:
            lines.append(f"- keeps {name} = {_show(value)}{_belief(draws, name)}")
            continue
        verb = "sets"
        if isinstance(value, (int, float)) and isinstance(before, (int, float)):
            verb = "raises" if value > before else "lowers"
        sure = _certainty(draws, name, verb)
        lines.append(f"- {verb} {name} from {_show(before)} to {_show(value)}{sure}")
    if all(incumbent.get(name) == value for name, value in config.items()):
        lines.append("Nothing changes.")
    return "\n".join(lines)


def _certainty(draws: Draws, name: str, verb: str) -> str:
    """How much of the belief lies on the side of the incumbent that the value is on."""
    if name not in draws.shares:
        return _belief(draws, name)
    below, same, above = draws.shares[name]
    side = {"raises": above, "lowers": below}.get(verb, same)
    if side >= _SURE:
        return f" ({side:.0%} of the belief is on that side)"
    return f" (unsure: {below:.0%} lower, {same:.0%} about the same, {above:.0%} higher)"


def _belief(draws: Draws, name: str) -> str:
    """The 50 % interval of a number's belief; the likeliest of other values."""
    pairs = draws.beliefs.get(name, ())
    if not pairs:
        return ""
    numbers = [(float(v), v, p) for v, p in pairs
               if isinstance(v, (int, float)) and not isinstance(v, bool)]  # fmt: skip
    if len(numbers) < len(pairs):
        value, p = max(pairs, key=lambda pair: pair[1])
        return f" (prefers {_show(value)}, {p:.0%})"
    numbers.sort(key=lambda n: n[0])
    low, high, total = None, numbers[-1][1], 0.0
    for _, value, p in numbers:
        total += p
        if total >= 0.25 and low is None:
            low = value
        if total >= 0.75:
            high = value
            break
    low = numbers[0][1] if low is None else low
    to = " to " if numbers[0][0] < 0 else "–"
    return f" (50 % interval {_show(low)}{to}{_show(high)})"


def _show(value: Value) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
