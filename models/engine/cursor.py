"""One completion of a programme: what is fixed is never sampled, the rest never leaves its
constraint.

A `Cursor` is a generator that asks for the evaluation of tokens and gets the logits after them.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Union

import numpy as np
from numpy.typing import NDArray

from hyperllama.models.decode.numbers import number_grammar
from hyperllama.models.decode.sampling import (
    Branch,
    choose,
    choose_free,
    log_sum_exp,
    probabilities,
)
from hyperllama.models.engine.context import Row
from hyperllama.models.engine.generation import (
    Belief,
    Completion,
    Fixed,
    Free,
    Number,
    OneOf,
    Tokens,
)
from hyperllama.models.engine.plan import RequestPlan

BELIEF_BINS = 64
NEGLIGIBLE = 1e-4
"""A group of options less likely than this is not told apart."""


@dataclass(frozen=True)
class Aside:
    """Tokens that a cursor wants evaluated after its own, without keeping them."""

    tokens: list[int]


Steps = Generator[Union[list[int], Aside], Row, None]
Got = Generator[Union[list[int], Aside], Row, Any]


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
        self.draw = np.random.Generator(np.random.PCG64([abs(seed), sequence])).random
        self.on_text = on_text
        self.length = prompt  # tokens of the sequence that are evaluated
        self.pending: list[int] = []
        self.reply: list[int] = list(plan.lead)
        self.values: dict[str, Any] = {}
        self.beliefs: dict[str, Belief] = {}
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
        self.beliefs[name] = Belief(tuple(values), tuple(round(p, 7) for p in shares))

    def _push(self, *tokens: int) -> None:
        self.pending += tokens
        self.reply += tokens

    def _logits(self) -> Got:
        """The logits after everything so far."""
        if self.row is None and not self.pending:  # cut back to here: evaluate the last one again
            self.length -= 1
            self.context.cut(self.sequence, self.length)
            reply = self.reply[len(self.plan.lead) :]
            self.pending = [[*self.plan.tokens, *reply][self.length]]
        if self.pending:
            tokens, self.pending = self.pending, []
            self.row = yield tokens
        assert self.row is not None
        return self.row

    def _take(self, logits: NDArray[np.float32]) -> int:
        i, logprob = choose(logits.astype(np.float64), self.request.temperature, self.draw)
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
            taken = self._take(logits)
        self.values[segment.name] = allowed[taken]
        self._push(allowed[taken])

    def _number(self, i: int, segment: Number) -> Steps:
        grammar = number_grammar(segment.low, segment.high, segment.integer, segment.digits)
        pieces = self.context.vocabulary.pieces
        text, reach = "", 1.0
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
                logits = np.append(logits, np.float32(log_sum_exp(row[self.plan.enders(i)])))
            taken = self._take(logits)
            if segment.belief:
                p = probabilities(logits)
                for j in np.flatnonzero(p * reach >= NEGLIGIBLE):
                    if j != taken:
                        name = grammar.value(text) if j == len(ids) else grammar.example(texts[j])
                        bins[name] = bins.get(name, 0.0) + reach * float(p[j])
                reach *= float(p[taken])
            if taken == len(ids):
                break
            text = texts[taken]
            self._push(int(ids[taken]))
        value = grammar.value(text)
        self.values[segment.name] = value
        if segment.belief:
            bins[value] = bins.get(value, 0.0) + reach
            ranked = sorted(bins.items(), key=lambda item: -item[1])
            self._believe(segment.name, *zip(*ranked[:BELIEF_BINS], strict=True))

    def _choice(self, i: int, segment: OneOf) -> Steps:
        node, _ = self.plan.tries[i]
        reach = 1.0
        belief = [0.0] * len(segment.options)
        while node.ways:
            if len(node.ways) == 1 and node.option < 0:
                ((token, node),) = node.ways.items()
                self._push(token)
                continue
            row = yield from self._logits()
            logits = self._ways(node, row, i)
            taken = self._take(logits)
            if segment.belief:
                self.row = row.copy()  # what is evaluated aside overwrites it
                p = reach * probabilities(logits)
                for j, (token, child) in enumerate(node.ways.items()):
                    if j != taken:
                        yield from self._split(i, child, [token], float(p[j]), belief)
                if node.option >= 0 and taken < len(node.ways):
                    belief[node.option] += float(p[-1])
                reach = float(p[taken])
            if taken == len(node.ways):
                break
            token, node = list(node.ways.items())[taken]
            self._push(token)
        belief[node.option] += reach
        self.values[segment.name] = segment.options[node.option]
        if segment.belief:
            self._believe(segment.name, segment.options, belief)

    def _ways(self, node: Branch, row: Row, i: int) -> NDArray[np.float32]:
        """Logits of the ways on from `node`, and last of ending there if that is possible."""
        logits: NDArray[np.float32] = row[np.array(list(node.ways), np.int32)]
        if node.option >= 0:
            logits = np.append(logits, np.float32(log_sum_exp(row[self.plan.enders(i)])))
        return logits

    def _split(
        self, i: int, node: Branch, tokens: list[int], mass: float, belief: list[float]
    ) -> Steps:
        """Divide `mass` among the options below `node`, which was not taken."""
        if len(node.under) == 1 or mass < NEGLIGIBLE:
            for option in node.under:
                belief[option] += mass / len(node.under)
            return
        ways = list(node.ways.items())
        if len(ways) == 1 and node.option < 0:
            yield from self._split(i, ways[0][1], [*tokens, ways[0][0]], mass, belief)
            return
        row = yield Aside(tokens)
        p = mass * probabilities(self._ways(node, row, i))
        if node.option >= 0:
            belief[node.option] += float(p[-1])
        for j, (token, child) in enumerate(ways):
            yield from self._split(i, child, [*tokens, token], float(p[j]), belief)

    # -- free text -----------------------------------------------------------------------------

    def _free(self, i: int, segment: Free) -> Steps:
        v, r = self.context.vocabulary, self.request
        stops = [s.encode("utf-8", "replace") for s in segment.stop if s]
        held = max(map(len, stops), default=1) - 1  # bytes that a stop string may yet begin with
        ended = set(v.end_of_reply)
        begin = len(self.reply)
        room = self.plan.room(i, self.length + len(self.pending), self.prompt)
        text, told = b"", 0
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        cut = -1
        for count in range(segment.max_tokens):
            if count == room:
                self.stop_reason = "context"
                break
            row = yield from self._logits()
            token, logprob = choose_free(row, r.temperature, r.top_p, self.draw)
            self.logprob += logprob
            if token in ended:
                break
            piece = v.piece(token)
            before = max(len(text) - held, 0)
            text += piece
            self._push(token)
            cut = min((at for at in (text.find(s, before) for s in stops) if at >= 0), default=-1)
            if cut >= 0:
                break
            if len(text) - held > told:
                self.on_text(decoder.decode(text[told : len(text) - held]))
                told = len(text) - held
        if cut >= 0:
            self._rewind(begin, cut)
            text = text[:cut]
        self.on_text(decoder.decode(text[told:], final=True))
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
