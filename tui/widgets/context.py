"""The context gauge: how full the model's window is, with what, and what a proposal costs."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from typing import Any

from textual.content import Content

from hyperllama.core.text import plain
from hyperllama.tui import wording
from hyperllama.tui.widgets.pane import Pane

# Parts of a prompt in their order. A proposer that knows them reports tokens["parts"].
PARTS = ("instructions", "task", "history", "reasoning", "reply")

_RECENT = 100  # trials that the median looks back on

HELP = """\
How the context window of the model was used by the proposal that is looked at. What does not fit \
is summed up in facts, oldest and worst trials first; then descriptions and notes give way.

*in* counts the prompt's tokens, *cached* those of them that were still in memory from the last \
proposal, *out* the generated ones.
"""


class ContextGauge(Pane):
    """Used and free parts of the context window, tokens and speed."""

    NAME = "Context"
    HELP = HELP

    def lines(self, width: int, height: int) -> list[Content]:
        tokens = self._tokens()
        if not any(_number(tokens, k) for k in ("prompt", "context_used", "generated")):
            return self._without_model(width)
        limit = _number(tokens, "context_length")
        used = _number(tokens, "context_used")
        if not used:
            used = (_number(tokens, "prompt") or 0) + (_number(tokens, "generated") or 0)
        out = [self._headline(used, limit, width)]
        parts = _parts(tokens, used)
        if limit:
            out.append(self._bar(parts, limit, width))
            out.extend(self._legend(parts, limit - used, width))
        gave_way = _gave_way(tokens)
        if gave_way and height > len(out) + 3:
            out.extend(self.sentence(gave_way, width))
        if height > len(out) + 3:
            out.append(Content(""))
        out.extend(self._costs(tokens))
        if height > len(out) + 1:
            out.extend(self._model(width))
        return out[:height]

    def _tokens(self) -> Mapping[str, Any]:
        """Of the trial looked at; while it is still being proposed, of the one before."""
        if self.trial is not None and (self.trial.tokens or self.trial.done):
            return self.trial.tokens
        for trial in reversed(self.snapshot.trials):
            if trial.tokens.get("context_length"):
                return trial.tokens
        return {}

    def _headline(self, used: float, limit: float | None, width: int) -> Content:
        left = f"{used:,.0f}"
        if not limit:
            return Content.assemble((left, "bold"), (" tokens", "$dim"))
        share = used / limit
        style = "bold $bad" if share > 0.9 else "bold"
        right = f"{share:.0%} full"
        gap = max(1, width - len(left) - len(f" of {limit:,.0f} tokens") - len(right))
        return Content.assemble(
            (left, style), (f" of {limit:,.0f} tokens", "$dim"), " " * gap, (right, style)
        )

    def _bar(self, parts: list[tuple[str, float]], limit: float, width: int) -> Content:
        fills = self._fills()
        pieces: list[Content] = []
        drawn = 0
        total = 0.0
        for index, (_, amount) in enumerate(parts):
            total += amount
            end = min(width, max(drawn + (1 if amount else 0), round(total / limit * width)))
            fill = fills[index % len(fills)]
            pieces.append(Content.styled(fill * (end - drawn), f"$part-{index % 5 + 1}"))
            drawn = end
        pieces.append(Content.styled(self.glyphs.dot * (width - drawn), "$faint"))
        return Content.assemble(*pieces)

    def _fills(self) -> tuple[str, ...]:
        g = self.glyphs
        return (g.full, "▓", g.shade, "▚", "▤") if g.braille else ("#", "=", "+", "%", "o")

    def _legend(self, parts: list[tuple[str, float]], free: float, width: int) -> list[Content]:
        fills = self._fills()
        entries = [
            Content.assemble(
                (fills[i % len(fills)] + " ", f"$part-{i % 5 + 1}"),
                (name + " ", "$dim"),
                wording.count(amount),
            )
            for i, (name, amount) in enumerate(parts)
        ]
        entries.append(
            Content.assemble(
                (self.glyphs.dot + " ", "$faint"), ("free ", "$dim"), wording.count(max(0.0, free))
            )
        )
        rows: list[Content] = []
        row: Content | None = None
        for entry in entries:
            if row is not None and row.cell_length + 3 + entry.cell_length <= width:
                row = Content.assemble(row, "   ", entry)
            else:
                if row is not None:
                    rows.append(row)
                row = entry
        if row is not None:
            rows.append(row)
        return rows

    def _costs(self, tokens: Mapping[str, Any]) -> list[Content]:
        numbers = [
            (label, wording.count(value))
            for label, key in (("in", "prompt"), ("cached", "cached"), ("out", "generated"))
            if (value := _number(tokens, key)) is not None
        ]
        first = [(label + " ", value) for label, value in numbers]
        second: list[tuple[str, str]] = []
        speed = _number(tokens, "per_s")
        if speed:
            second.append(("tokens/s ", f"{speed:.1f}"))
        seconds = _number(tokens, "seconds")
        if seconds is not None:
            second.append(("proposal ", wording.duration(seconds)))
        every = [s for t in self.snapshot.trials[-_RECENT:] if (s := _number(t.tokens, "seconds"))]
        if len(every) > 2:
            second.append(("median ", wording.duration(median(every))))
        return [_pairs(row) for row in (first, second) if row]

    def _model(self, width: int) -> list[Content]:
        model = self.snapshot.model
        if model is None:
            return []
        facts = model.facts
        name = plain(model.model).rpartition("/")[2].removesuffix(".gguf")
        size = facts.get("parameters")
        size = wording.count(size) if isinstance(size, (int, float)) else size
        known = [plain(str(fact)) for fact in (size, facts.get("quantisation")) if fact]
        words = [word for word in known if word.lower() not in name.lower()]
        if facts.get("threads"):
            words.append(f"{facts['threads']} thread{'' if facts['threads'] == 1 else 's'}")
        if facts.get("gpu_layers"):
            words.append(f"{facts['gpu_layers']} layers on the GPU")
        sep = f" {self.glyphs.dot} "
        text = sep.join([name, *words])
        return [Content.styled(text, "$dim").truncate(width, ellipsis=True)]

    def _without_model(self, width: int) -> list[Content]:
        if self.snapshot.phase == "loading":
            share = self.snapshot.loading
            cells = max(8, width - 6)
            done = round(cells * share)
            return [
                Content.styled("Loading the model", "$dim"),
                Content.assemble(
                    (self.glyphs.full * done, "$primary"),
                    (self.glyphs.dot * (cells - done), "$faint"),
                    f" {share:4.0%}",
                ),
            ]
        trial = self.trial
        if trial is not None and trial.proposer:
            said = (
                f"Trial {trial.number} was proposed by {plain(trial.proposer)}: without a prompt."
            )
        else:
            said = "No model has proposed yet."
        return [*self.sentence(said, width), *self._model(width)]


def _parts(tokens: Mapping[str, Any], used: float) -> list[tuple[str, float]]:
    """(name, tokens) in the prompt's order; prompt and reply where no parts are known."""
    known = tokens.get("parts")
    if isinstance(known, Mapping) and known:
        names = [n for n in PARTS if n in known] + [n for n in known if n not in PARTS]
        return [(plain(str(n)), a) for n in names if (a := _number(known, n))]
    out = _number(tokens, "generated") or 0.0
    cached = _number(tokens, "cached") or 0.0
    amounts = {"cached": cached, "new": max(0.0, used - out - cached), "reply": out}
    return [(name, amount) for name, amount in amounts.items() if amount > 0]


def _gave_way(tokens: Mapping[str, Any]) -> str:
    """What the context had no room for, in words; empty where all is in it."""
    said = []
    short, listed = _number(tokens, "left_out") or 0, _number(tokens, "listed") or 0
    if short:
        facts = _number(tokens, "facts") or 0
        said.append(f"{listed:.0f} trials in full, {short:.0f} in {facts:.0f} facts")
    dropped = tokens.get("dropped")
    if isinstance(dropped, (list, tuple)) and dropped:
        said.append(f"left out: {plain(', '.join(map(str, dropped)))}")
    return "; ".join(said)


def _pairs(pairs: list[tuple[str, str]]) -> Content:
    joined = [Content.assemble((label, "$dim"), value) for label, value in pairs]
    return Content("   ").join(joined)


def _number(table: Mapping[str, Any], key: str) -> float | None:
    value = table.get(key)
    return float(value) if isinstance(value, (int, float)) and value == value else None
