"""How values, names and foreign texts are written in a prompt and in the reply."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from hyperllama.core.space import (
    Categorical,
    Condition,
    Config,
    Float,
    Integer,
    Param,
    SearchSpace,
    Value,
)
from hyperllama.core.text import plain
from hyperllama.core.trials import Observed

CUT = "\ue000"
"""Separates two parts of a prompt while it is built; never sent to a model."""
_STEPS = 25
"""A linear range is written with as many decimals as divide it into so many steps at least, a
logarithmic one with two digits: finer than scores can tell apart, and each digit is a step of
decoding."""
_MARKUP = re.compile(r"<(?=[|/!A-Za-z_\uff5c])|\[(?=/?(?:INST|SYS|THINK)\b)|(?<=\|)>", re.I)
_METRICS = {
    "roc_auc": "area under the ROC curve (0.5 is chance, 1 is perfect)",
    "roc_auc_ovr": "area under the ROC curve, one class against the rest (0.5 is chance)",
    "average_precision": "average precision (1 is perfect)",
    "accuracy": "accuracy (1 is perfect)",
    "balanced_accuracy": "balanced accuracy: mean recall of the classes (1 is perfect)",
    "f1": "F1 (1 is perfect)",
    "f1_macro": "F1, mean over the classes (1 is perfect)",
    "neg_log_loss": "negative log loss (0 is perfect)",
    "neg_brier_score": "negative Brier score (0 is perfect)",
    "matthews_corrcoef": "Matthews correlation (0 is chance, 1 is perfect)",
    "r2": "R² (1 is perfect, 0 is predicting the mean)",
    "neg_root_mean_squared_error": "negative root mean squared error (0 is perfect)",
    "neg_mean_squared_error": "negative mean squared error (0 is perfect)",
    "neg_mean_absolute_error": "negative mean absolute error (0 is perfect)",
}


def untrusted(text: str, most: int = 400) -> str:
    """Foreign text on one line, cut at `most` characters, without anything that a chat template or
    a tokenizer could take for its own markup."""
    line = " ".join(plain(text).replace(CUT, " ").split())
    line = _MARKUP.sub(lambda m: {"<": "‹", "[": "(", ">": "›"}[m.group()], line)
    return line if len(line) <= most else line[: most - 1] + "…"


def untrusted_code(text: str) -> str:
    """Foreign program text without control characters; what could be markup is set apart by
    spaces, which means the same to Python."""
    text = _MARKUP.sub(lambda m: {"<": "< ", "[": "[ ", ">": " >"}[m.group()], plain(text))
    return text.replace(CUT, " ").strip()


def metric_words(metric: str) -> str:
    """A scorer in words; its own name where there are none."""
    known = _METRICS.get(metric)
    return f"{metric}, {known}" if known else untrusted(metric, 80)


def number_text(value: float, digits: int = 4) -> str:
    """A hyperparameter's number, a whole one as it is, another to so many significant digits."""
    if isinstance(value, int) or (float(value).is_integer() and abs(value) < 1e6):
        return str(int(value))
    return str(round(value)) if 10**digits <= abs(value) < 1e6 else f"{value:.{digits}g}"


def decimals_of(domain: Float) -> int | None:
    """Decimals of values in a range, see `_STEPS`; None where two significant digits count."""
    if domain.log and domain.high >= 10 * domain.low:
        return None
    span = domain.high - domain.low
    if not 0 < span < math.inf:
        return None
    return max(math.ceil(math.log10(_STEPS) - math.log10(span)), 0)


def digits_of(domain: Float) -> int:
    """The same as digits of the range's width, as `models.engine.Number` counts them."""
    decimals = decimals_of(domain)
    if decimals is None:
        return 2
    return min(max(decimals + 1 + math.floor(math.log10(domain.high - domain.low)), 1), 3)


def value_text(value: float, domain: Float) -> str:
    """A hyperparameter's number, as finely as its range is divided."""
    decimals = decimals_of(domain)
    if decimals is None or abs(value) < 10.0 ** (1 - decimals):
        return number_text(value, 2)
    return number_text(round(value, decimals), 12)


def score_text(value: float | None, spread: float = 0.0) -> str:
    """A score: five significant digits, or as many as tell a tenth of its `spread` over folds;
    empty for none."""
    if value is None or not math.isfinite(value):
        return ""
    text = f"{value:.5g}"
    if spread > 0 and math.isfinite(spread) and "e" not in text:
        decimals = max(1 - math.floor(math.log10(spread)), 0)
        if decimals < len(text.partition(".")[2]):
            text = f"{value:.{decimals}f}"
    return text


class Names:
    """What hyperparameters and their categories are called in prompts and replies.

    With `neutral` they are x1, x2, ... and "v1", "v2", ..., to find out whether a model does well
    with their real names only.
    """

    levels = 0
    """Parts of a range that values are written as; 0 for the values themselves."""

    def __init__(self, space: SearchSpace, neutral: bool = False) -> None:
        self._space = space
        self.neutral = neutral
        self._names = {
            p.name: f"x{i + 1}" if neutral else untrusted(p.name, 80)
            for i, p in enumerate(space.params)
        }
        if len(set(self._names.values())) < len(self._names):
            self._names = {n: f"{shown} {i}" for i, (n, shown) in enumerate(self._names.items())}
        self._literals = {
            p.name: self._literals_of(p.domain)
            for p in space.params
            if isinstance(p.domain, Categorical)
        }
        self._cells = {name: _cells(literals) for name, literals in self._literals.items()}

    def name(self, param: str) -> str:
        return self._names[param]

    def key(self, param: str) -> str:
        """The name as a JSON string."""
        return json.dumps(self._names[param], ensure_ascii=False)

    def choices(self, param: str) -> list[str]:
        """The categories as JSON literals, all different, in the domain's order."""
        return self._literals[param]

    def literal(self, param: str, value: Any) -> str:
        """A value as a JSON literal."""
        domain = self._space[param].domain if param in self._space else None
        if isinstance(domain, Categorical):
            index = domain.index(value)
            if index is not None:
                return self._literals[param][index]
        if isinstance(value, float):
            return value_text(value, domain) if isinstance(domain, Float) else number_text(value, 3)
        return json.dumps(untrusted(value, 80) if isinstance(value, str) else value,
                          ensure_ascii=False, default=str)

    def config(self, config: Config) -> str:
        """A configuration as the JSON object that a reply would hold, in the space's order."""
        inner = ", ".join(
            f"{self.key(n)}: {self.literal(n, config[n])}" for n in self._space.names if n in config
        )
        return "{" + inner + "}"

    def cells(self, param: str) -> list[str]:
        """The categories as they are in a table, all different, in the domain's order."""
        return self._cells[param]

    def bare(self, param: str, value: Any) -> str:
        """A value in a table: strings without quotes where they hold nothing odd."""
        literal = self.literal(param, value)
        literals = self._literals.get(param, [])
        if literal in literals:
            return self._cells[param][literals.index(literal)]
        return _bare(literal)

    def _literals_of(self, domain: Categorical) -> list[str]:
        found: list[str] = []
        for i, choice in enumerate(domain.choices):
            shown: Value = choice
            if isinstance(choice, str):
                shown = f"v{i + 1}" if self.neutral else untrusted(choice, 80)
            literal = json.dumps(shown, ensure_ascii=False)
            if literal in found:
                literal = json.dumps(f"{shown} #{i}", ensure_ascii=False)
            found.append(literal)
        return found


def _bare(literal: str) -> str:
    word = literal[1:-1]
    return word if literal.startswith('"') and re.fullmatch(r"[\w.+-]+", word) else literal


def _cells(literals: list[str]) -> list[str]:
    """JSON literals without quotes, unless two would be the same then ("1" and 1)."""
    bare = [_bare(literal) for literal in literals]
    return bare if len(set(bare)) == len(bare) else literals


def space_lines(space: SearchSpace, names: Names, descriptions: bool) -> str:
    """One line a hyperparameter: range, scale, default, what it does, when it counts."""
    return "\n".join(_space_line(p, names, descriptions and not names.neutral) for p in space)


def _space_line(p: Param, names: Names, description: bool) -> str:
    name = names.name(p.name)
    if p.frozen:
        return f"- {name}: fixed at {names.literal(p.name, p.start)}{_when(p.when, names)}"
    text = f"- {name}: {_domain(p, names)}"
    text += f", default {names.literal(p.name, p.start)}{_when(p.when, names)}"
    return f"{text}; {untrusted(p.description, 160)}" if description and p.description else text


def _domain(p: Param, names: Names) -> str:
    domain = p.domain
    if isinstance(domain, Categorical):
        return "one of " + ", ".join(names.choices(p.name))
    kind = "integer" if isinstance(domain, Integer) else "number"
    text = f"{kind} from {number_text(domain.low)} to {number_text(domain.high)}"
    if domain.log:
        text += ", log scale"
    step = domain.step if isinstance(domain, Float) else domain.step if domain.step > 1 else None
    return f"{text} in steps of {number_text(step)}" if step else text


def _when(when: Condition | None, names: Names) -> str:
    if when is None:
        return ""
    values = " or ".join(names.literal(when.parent, v) for v in when.values)
    return f", only if {names.name(when.parent)} is {values}"


def failure_text(trial: Observed, most: int = 80) -> str:
    """Why a trial has no usable score, in one line; "failed" where there is no reason."""
    if trial.value is not None:
        return "the score was not a finite number"
    return untrusted(trial.reason, most) or "failed"
