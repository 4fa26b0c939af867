"""One completion of a programme: fixed text is never sampled, the rest stays in its constraint.

A `Cursor` is a generator that asks for the evaluation of tokens and gets the logits after them.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Union

import numpy as np
from numpy.typing import NDArray

from hyperllama.models.decode.loops import looped_at
from hyperllama.models.decode.numbers import number_grammar
from hyperllama.models.decode.sampling import (
    Branch,
    choose,
    choose_free,
    log_sum_exp,
    probabilities,
)
from hyperllama.models.engine.chat import LAYOUT_MARKS
from hyperllama.models.engine.context import Row
from hyperllama.models.engine.generation import (
    Completion,
    Fixed,
    Free,
    Number,
    OneOf,
    SegmentBelief,
    Tokens,
)
from hyperllama.models.engine.plan import RequestPlan

BELIEF_BINS = 64
LOOKED_EVERY = 4
"""Tokens of free text between two looks for a loop."""
NEGLIGIBLE = 1e-4
"""A group of options less likely than this is not divided further."""


@dataclass(frozen=True)
class SideTokens:
    """Tokens that are to be evaluated after those of a cursor, without being kept."""

    tokens: list[int]


Steps = Generator[Union[list[int], SideTokens], Row, None]
Reading = Generator[Union[list[int], SideTokens], Row, Any]


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
            values=self.values,
            text=self.context.vocabulary.detokenize(self.reply),
            beliefs=self.beliefs,
            tokens=tuple(self.reply),
            logprob=self.logprob,
            stop_reason=self.stop_reason,
        )

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
        self.beliefs[name] = SegmentBelief(tuple(values), tuple(round(p, 7) for p in shares))

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

    def _draw(self, logits: NDArray[np.float32]) -> int:
        i, logprob = choose(logits.astype(np.float64), self.request.temperature, self._uniform)
        self.logprob += logprob
        return i

    # -- constrained ---------------------------------------------------------------------------

    def _tokens(self, segment: Tokens) -> Steps:
        allowed = segment.allowed
        if len(allowed) == 1 and not segment.belief:
            taken = 0
        else:
            row = yield from self._logits()
            logits = row[np.array(allowed, np.int32)]
            if segment.belief:
                self._believe(segment.name, allowed, probabilities(logits).tolist())
            taken = self._draw(logits)
        self.values[segment.name] = allowed[taken]
        self._push(allowed[taken])

    def _number(self, i: int, segment: Number) -> Steps:
        grammar = number_grammar(segment.low, segment.high, segment.integer, segment.digits)
        pieces = self.context.vocabulary.pieces
        text, share = "", 1.0  # share: the probability of all that begins with the text
        bins: dict[float, float] = {}
        while True:
            ids, texts, may_stop = grammar.step(pieces, text)
            if len(ids) + may_stop == 1:
                if may_stop:
                    break
                text = texts[0]
                self._push(int(ids[0]))
                continue
            row = yield from self._logits()
            logits = row[ids]
            if may_stop:
                logits = np.append(logits, np.float32(log_sum_exp(row[self.plan.ending_tokens(i)])))
            taken = self._draw(logits)
            if segment.belief:
                p = probabilities(logits)
                for j in np.flatnonzero(p * share >= NEGLIGIBLE):
                    if j != taken:
                        name = grammar.value(text) if j == len(ids) else grammar.example(texts[j])
                        bins[name] = bins.get(name, 0.0) + share * float(p[j])
                share *= float(p[taken])
            if taken == len(ids):
                break
            text = texts[taken]
            self._push(int(ids[taken]))
        value = grammar.value(text)
        self.values[segment.name] = value
        if segment.belief:
            bins[value] = bins.get(value, 0.0) + share
            ranked = sorted(bins.items(), key=lambda item: -item[1])
            self._believe(segment.name, *zip(*ranked[:BELIEF_BINS], strict=True))

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
            logits = self._child_logits(node, row, i)
            taken = self._draw(logits)
            if segment.belief:
                self.row = row.copy()  # evaluating side tokens overwrites it
                p = share * probabilities(logits)
                for j, (token, child) in enumerate(node.children.items()):
                    if j != taken:
                        yield from self._split(i, child, [token], float(p[j]), belief)
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

    def _child_logits(self, node: Branch, row: Row, i: int) -> NDArray[np.float32]:
        """Logits of the children of `node`, and last of ending there if that is possible."""
        logits: NDArray[np.float32] = row[np.array(list(node.children), np.int32)]
        if node.option >= 0:
            logits = np.append(logits, np.float32(log_sum_exp(row[self.plan.ending_tokens(i)])))
        return logits

    def _split(
        self, i: int, node: Branch, tokens: list[int], mass: float, belief: list[float]
    ) -> Steps:
        """Divide `mass` among the options below `node`, which was not taken."""
        if len(node.options_below) == 1 or mass < NEGLIGIBLE:
            for option in node.options_below:
                belief[option] += mass / len(node.options_below)
            return
        children = list(node.children.items())
        if len(children) == 1 and node.option < 0:
            yield from self._split(i, children[0][1], [*tokens, children[0][0]], mass, belief)
            return
        row = yield SideTokens(tokens)
        p = mass * probabilities(self._child_logits(node, row, i))
        if node.option >= 0:
            belief[node.option] += float(p[-1])
        for j, (token, child) in enumerate(children):
            yield from self._split(i, child, [*tokens, token], float(p[j]), belief)

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
