"""One completion of a programme: fixed text is never sampled, the rest stays in its constraint.

A `Cursor` is a generator that asks for the evaluation of tokens and gets the logits after them.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperllama.models.decode.loops import looped_at
from hyperllama.models.decode.sampling import choose, choose_free, drawn_from
from hyperllama.models.engine.chat import LAYOUT_MARKS
from hyperllama.models.engine.context import Row
from hyperllama.models.engine.division import Beginning, Division, Reading, Steps
from hyperllama.models.engine.generation import (
    Completion,
    Fixed,
    Free,
    Number,
    OneOf,
    SegmentBelief,
    Tokens,
)
from hyperllama.models.engine.plan import RequestPlan, grammar_of

LOOKED_EVERY = 4
"""Tokens of free text between two looks for a loop."""


class Cursor:
    """One completion in the making.

    Args:
        sequence: the sequence of the context that it writes to.
        prompt: tokens that are in the context already, the reply's fixed beginning included.
        on_text: gets free text as it comes.
    """

    def __init__(
        self,
        plan: RequestPlan,
        sequence: int,
        prompt: int,
        seed: int,
        on_text: Callable[[str], None],
    ) -> None:
        self.plan, self.sequence, self.prompt = plan, sequence, prompt
        self.context, self.request = plan.context, plan.request
        self.division = Division(plan)
        self._uniform = np.random.Generator(np.random.PCG64([abs(seed), sequence])).random
        self.on_text = on_text
        self.length = prompt  # tokens of the sequence that are evaluated
        self.pending: list[int] = []
        self.reply: list[int] = list(plan.leading)
        self.values: dict[str, Any] = {}
        self.beliefs: dict[str, SegmentBelief] = {}
        self.logprob = 0.0
        self.stop_reason = "done"
        self.row: Row | None = None
        self.steps = self._run()

    def completion(self) -> Completion:
        return Completion(
            self.values, self.context.vocabulary.detokenize(self.reply), self.beliefs,
            tuple(self.reply), self.logprob, self.stop_reason,
        )  # fmt: skip

    def _run(self) -> Steps:
        leading = True
        for i, segment in enumerate(self.request.segments):
            if isinstance(segment, Fixed):
                if not leading:
                    self._push(*self.plan.fixed[i])
                continue
            leading = False
            if isinstance(segment, Tokens):
                yield from self._tokens(segment)
            elif isinstance(segment, Number):
                yield from self._number(i, segment)
            elif isinstance(segment, OneOf):
                yield from self._choice(i, segment)
            else:
                yield from self._free(i, segment)

    def _believe(self, name: str, values: Sequence[Any], shares: Sequence[float]) -> None:
        self.beliefs[name] = SegmentBelief(tuple(values), tuple(round(p, 8) for p in shares))

    def _push(self, *tokens: int) -> None:
        self.pending += tokens
        self.reply += tokens

    def _logits(self) -> Reading:
        """The logits after everything so far."""
        if self.row is None and not self.pending:  # cut back to here: evaluate the last one again
            self.length -= 1
            self.context.cut(self.sequence, self.length)
            reply = self.reply[len(self.plan.leading) :]
            self.pending = [[*self.plan.tokens, *reply][self.length]]
        if self.pending:
            tokens, self.pending = self.pending, []
            self.row = yield tokens
        assert self.row is not None
        return self.row

    def _draw(
        self, logits: NDArray[np.float32], log_shares: NDArray[np.float64] | float = 0.0
    ) -> tuple[int, NDArray[np.float64]]:
        """What is taken of some options, and the probabilities it is drawn from."""
        given, temperature = logits.astype(np.float64), self.request.temperature
        i, logprob = choose(given, temperature, self._uniform, log_shares)
        self.logprob += logprob
        return i, drawn_from(given, temperature, log_shares)

    # -- constrained ---------------------------------------------------------------------------

    def _tokens(self, segment: Tokens) -> Steps:
        allowed = segment.allowed
        if len(allowed) == 1 and not segment.belief:
            taken = 0
        else:
            row = yield from self._logits()
            taken, p = self._draw(row[np.array(allowed, np.int32)])
            if segment.belief and self.sequence == 0:
                self._believe(segment.name, allowed, p.tolist())
        self.values[segment.name] = allowed[taken]
        self._push(allowed[taken])

    def _number(self, i: int, segment: Number) -> Steps:
        grammar = grammar_of(segment)
        belief = np.zeros(len(grammar.bins))
        share = 1.0  # the probability of all that begins with the text
        at = Beginning()
        while True:
            found = self.division.next_tokens(grammar, at)
            if len(found.texts) + found.may_end == 1:
                if found.may_end:
                    break
                at = at.with_token(found, 0)
                self._push(at.tokens[-1])
                continue
            row = yield from self._logits()
            logits = self.division.logits_of(row, found.ids, i if found.may_end else -1)
            taken, p = self._draw(logits, found.log_shares)
            ends = taken == len(found.texts)
            if segment.belief:
                if ends:
                    self.row = row.copy()  # evaluating side tokens overwrites it
                p = share * p
                for j in range(len(found.texts)):
                    if j != taken:
                        other = replace(at, tokens=()).with_token(found, j)
                        yield from self.division.spread(i, grammar, other, float(p[j]), belief)
                if found.may_end and not ends:
                    belief += p[-1] * grammar.spread(at.text, alone=True)
                share = float(p[taken])
            if ends:
                break
            at = at.with_token(found, taken)
            self._push(at.tokens[-1])
        self.values[segment.name] = grammar.value(at.text)
        if segment.belief:
            belief += share * grammar.spread(at.text, alone=True)
            self._believe(segment.name, grammar.bins, belief.tolist())

    def _choice(self, i: int, segment: OneOf) -> Steps:
        node, _ = self.plan.tries[i]
        share = 1.0
        belief = [0.0] * len(segment.options)
        while node.children:
            if len(node.children) == 1 and node.option < 0:
                ((token, node),) = node.children.items()
                self._push(token)
                continue
            row = yield from self._logits()
            logits = self.division.child_logits(node, row, i)
            taken, p = self._draw(logits, node.log_shares)
            if segment.belief:
                self.row = row.copy()  # evaluating side tokens overwrites it
                p = share * p
                for j, (token, child) in enumerate(node.children.items()):
                    if j != taken:
                        yield from self.division.split(i, child, [token], float(p[j]), belief)
                if node.option >= 0 and taken < len(node.children):
                    belief[node.option] += float(p[-1])
                share = float(p[taken])
            if taken == len(node.children):
                break
            token, node = list(node.children.items())[taken]
            self._push(token)
        belief[node.option] += share
        self.values[segment.name] = segment.options[node.option]
        if segment.belief:
            self._believe(segment.name, segment.options, belief)

    # -- free text -----------------------------------------------------------------------------

    def _free(self, i: int, segment: Free) -> Steps:
        v, r = self.context.vocabulary, self.request
        stops = [s.encode("utf-8", "replace") for s in (*segment.stop, *LAYOUT_MARKS) if s]
        kept_back = max(map(len, stops), default=1) - 1  # bytes that may begin a stop string
        ended = set(v.end_of_reply)
        begin = len(self.reply)
        limit = self.plan.free_text_limit(i, self.length + len(self.pending), self.prompt)
        text, sent = b"", 0
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        cut = -1
        for count in range(segment.max_tokens):
            if count == limit:
                self.stop_reason = "context"
                break
            row = yield from self._logits()
            token, logprob = choose_free(row, r.temperature, r.top_p, self._uniform)
            self.logprob += logprob
            if token in ended:
                break
            piece = v.piece(token)
            before = max(len(text) - kept_back, 0)
            text += piece
            self._push(token)
            cut = min((at for at in (text.find(s, before) for s in stops) if at >= 0), default=-1)
            if cut < 0 and count % LOOKED_EVERY == 0 and (cut := looped_at(text)) >= 0:
                self.stop_reason = "loop"
            if cut >= 0:
                break
            if len(text) - kept_back > sent:
                self.on_text(decoder.decode(text[sent : len(text) - kept_back]))
                sent = len(text) - kept_back
        else:
            if i == len(self.request.segments) - 1:
                self.stop_reason = "length"
        if cut >= 0:
            self._rewind(begin, cut)
            text = text[:cut]
            sent = min(sent, cut)
        self.on_text(decoder.decode(text[sent:], final=True))
        self.values[segment.name] = text.decode("utf-8", "replace")

    def _rewind(self, begin: int, size: int) -> None:
        """Leave exactly `size` bytes of the text that the tokens from `begin` on make up."""
        v = self.context.vocabulary
        keep, at = begin, 0
        while keep < len(self.reply) and at + len(v.piece(self.reply[keep])) <= size:
            at += len(v.piece(self.reply[keep]))
            keep += 1
        rest = b"".join(map(v.piece, self.reply[keep:]))[: size - at]
        drop = len(self.reply) - keep
        evaluated = drop - len(self.pending)
        if evaluated > 0:
            if not self.context.cut(self.sequence, self.length - evaluated):
                return  # a recurrent model cannot go back: the stop string stays in its context
            self.length -= evaluated
            self.pending = []
            self.row = None
        else:
            del self.pending[len(self.pending) - drop :]
        del self.reply[keep:]
        if rest:
            self._push(*(v.pieces.spell(rest) or []))
