"""The context pane: how full the model's context is, with what, and what a proposal costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from statistics import median
from typing import Any

from textual.content import Content

from hyperllama.core.text import counted, plain
from hyperllama.tui.text import wording
from hyperllama.tui.widgets.sheet import Lines, packed, words
from hyperllama.tui.widgets.study.pane import Pane

PARTS = ("instructions", "task", "history", "reasoning", "reply")
"""Parts of a prompt in their order; a proposer that counts them reports tokens["parts"]."""
_RECENT = 100  # trials that the median looks back on

HELP = """\
How much of the model's context the selected trial's proposal used. What does not fit is summed \
up in facts, oldest and worst trials first; then descriptions and notes are left out.

*in* counts the prompt's tokens, *cached* those of them that were still in memory from the last \
proposal, *out* the generated ones.
"""


class ContextGauge(Pane):
    """Used and free parts of the context, tokens and speed."""

    NAME = "Context"
    HELP = HELP

    def lines(self, width: int, height: int) -> Lines:
        tokens = self._tokens()
        used = _number(tokens, "context_used")
        used = used or _number(tokens, "prompt") + _number(tokens, "generated")
        if not used:
            return self._without_prompt(width)
        limit = _number(tokens, "context_length")
        out = [self._headline(used, limit, width)]
        if limit:
            parts = _parts(tokens, used)
            out.append(self._bar(parts, limit, width))
            out += packed(self._legend(parts, limit - used), width)
        left_out = _left_out(tokens)
        if left_out and height > len(out) + 3:
            out += words(left_out, width, "$dim")
        if height > len(out) + 3:
            out.append(Content(""))
        out += self._costs(tokens)
        if height > len(out) + 1:
            out += self._model(width)
        return out[:height]

    def _tokens(self) -> Mapping[str, Any]:
        """Of the selected trial; while it is still being proposed, of the one before."""
        if self.trial is not None and (self.trial.tokens or self.trial.done):
            return self.trial.tokens
        known = (t.tokens for t in reversed(self.state.trials))
        return next((tokens for tokens in known if tokens.get("context_length")), {})

    def _headline(self, used: float, limit: float, width: int) -> Content:
        left = f"{used:,.0f}"
        if not limit:
            return Content.assemble((left, "bold"), (" tokens", "$dim"))
        share, of = used / limit, f" of {limit:,.0f} tokens"
        style = "bold $bad" if share > 0.9 else "bold"
        right = f"{share:.0%} full"
        gap = " " * max(1, width - len(left + of + right))
        return Content.assemble((left, style), (of, "$dim"), gap, (right, style))

    def _looks(self) -> Iterator[tuple[str, str]]:
        """(fill, style) of the parts, one after the other."""
        g, index = self.glyphs, 0
        fills = (g.full, "▓", g.shade, "▚", "▤") if g.braille else "#=+%o"
        while True:
            yield fills[index % 5], f"$part-{index % 5 + 1}"
            index += 1

    def _bar(self, parts: Mapping[str, float], limit: float, width: int) -> Content:
        pieces: list[tuple[str, str]] = []
        drawn, total = 0, 0.0
        for amount, (fill, style) in zip(parts.values(), self._looks(), strict=False):
            total += amount
            end = min(width, max(drawn + 1, round(total / limit * width)))
            pieces.append((fill * (end - drawn), style))
            drawn = end
        return Content.assemble(*pieces, (self.glyphs.dot * (width - drawn), "$faint"))

    def _legend(self, parts: Mapping[str, float], free: float) -> Iterator[Content]:
        for (name, amount), (fill, style) in zip(parts.items(), self._looks(), strict=False):
            yield Content.assemble((fill + " ", style), (name + " ", "$dim"), wording.count(amount))
        count = wording.count(max(0.0, free))
        yield Content.assemble((self.glyphs.dot + " ", "$faint"), ("free ", "$dim"), count)

    def _costs(self, tokens: Mapping[str, Any]) -> Lines:
        labels = {"in ": "prompt", "cached ": "cached", "out ": "generated"}
        counts = [(n, wording.count(_number(tokens, k))) for n, k in labels.items() if k in tokens]
        costs: list[tuple[str, str]] = []
        if speed := _number(tokens, "per_s"):
            costs.append(("tokens/s ", f"{speed:.1f}"))
        if seconds := _number(tokens, "seconds"):
            costs.append(("proposal ", wording.duration(seconds)))
        recent = [s for t in self.state.trials[-_RECENT:] if (s := t.proposal_s)]
        if len(recent) > 2:
            costs.append(("median ", wording.duration(median(recent))))
        return [
            Content("   ").join(Content.assemble((label, "$dim"), value) for label, value in row)
            for row in (counts, costs)
            if row
        ]

    def _model(self, width: int) -> Lines:
        model = self.state.model
        if model is None:
            return []
        facts, name = model.facts, wording.model_name(model.model)
        size, threads = facts.get("parameters"), facts.get("threads")
        size = wording.count(size) if isinstance(size, (int, float)) else size
        known = [plain(str(fact)) for fact in (size, facts.get("quantisation")) if fact]
        parts = [name, *(part for part in known if part.lower() not in name.lower())]
        if threads:
            parts.append(counted(threads, "thread"))
        if on_gpu := wording.on_gpu(facts):
            parts.append(on_gpu)
        text = f" {self.glyphs.dot} ".join(parts)
        return [Content.styled(text, "$dim").truncate(width, ellipsis=True)]

    def _without_prompt(self, width: int) -> Lines:
        if self.state.phase == "loading":
            share, cells = self.state.loading, max(8, width - 6)
            done = round(cells * share)
            bar = (self.glyphs.full * done, "$primary")
            rest = (self.glyphs.dot * (cells - done), "$faint")
            loaded = Content.assemble(bar, rest, f" {share:4.0%}")
            return [Content.styled("Loading the model", "$dim"), loaded]
        trial, text = self.trial, "No model has proposed yet."
        if trial is not None and trial.state == "proposing":
            text = "The model is still working on its proposal."
        elif trial is not None and trial.proposer:
            text = f"Trial {trial.number} was proposed by {trial.proposer}, without a prompt."
        return [*words(text, width, "$dim"), *self._model(width)]


def _parts(tokens: Mapping[str, Any], used: float) -> dict[str, float]:
    """Tokens by part, in the prompt's order; prompt and reply where no parts are known."""
    known = tokens.get("parts")
    if isinstance(known, Mapping) and known:
        order = dict.fromkeys((*(n for n in PARTS if n in known), *known))
        amounts = {plain(str(n)): _number(known, n) for n in order}
    else:
        out, cached = _number(tokens, "generated"), _number(tokens, "cached")
        amounts = {"cached": cached, "new": used - out - cached, "reply": out}
    return {name: amount for name, amount in amounts.items() if amount > 0}


def _left_out(tokens: Mapping[str, Any]) -> str:
    """What the context had no room for, in words; empty where all is in it."""
    parts = []
    short, listed = _number(tokens, "left_out"), _number(tokens, "listed")
    if short:
        facts = _number(tokens, "facts")
        rest = f"{short:.0f} in {facts:.0f} facts" if facts else f"{short:.0f} not shown"
        parts.append(f"{listed:.0f} trials in full, {rest}")
    dropped = tokens.get("dropped")
    if isinstance(dropped, (list, tuple)) and dropped:
        parts.append(f"left out: {', '.join(map(str, dropped))}")
    return "; ".join(parts)


def _number(table: Mapping[str, Any], key: str) -> float:
    """A number of a stored table; 0.0 where there is none."""
    value = table.get(key)
    return float(value) if isinstance(value, (int, float)) and value == value else 0.0
