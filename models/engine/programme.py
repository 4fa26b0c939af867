"""Runs a programme of segments over a context: what is fixed is never sampled, the rest never
leaves its constraint.

Every sample is a `Cursor`: a generator that asks for the evaluation of tokens and gets the logits
after them. `run` feeds all cursors of a request, one llama_decode a step for all of them together.
"""

from __future__ import annotations

import codecs
import math
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Union

import numpy as np
from numpy.typing import NDArray

from models.decode import (
    Branch,
    Ids,
    choose,
    choose_free,
    log_sum_exp,
    number_grammar,
    option_trie,
    probabilities,
)
from models.engine.context import OUTPUTS, SCRATCH, Cancelled, Context, Row
from models.engine.protocol import (
    Belief,
    Choice,
    Completion,
    Fixed,
    Free,
    Generated,
    Generation,
    Number,
    Tokens,
)
from models.errors import EngineError

BELIEF_BINS = 64
NEGLIGIBLE = 1e-4
"""A group of options less likely than this is not told apart."""


@dataclass(frozen=True)
class Aside:
    """Tokens that a cursor wants evaluated after its own, without keeping them."""

    tokens: list[int]


Steps = Generator[Union[list[int], Aside], Row, None]
Got = Generator[Union[list[int], Aside], Row, Any]


class Plan:
    """What all samples of a request share: segments, their fixed tokens, how much they may take."""

    def __init__(self, context: Context, request: Generation) -> None:
        self.context = context
        self.request = request
        v = context.vocabulary
        self.fixed: dict[int, list[int]] = {}
        self.most: list[int] = []  # tokens that a segment takes at most; 0 for free text
        self.tries: dict[int, tuple[Branch, list[list[int]]]] = {}
        for i, s in enumerate(request.segments):
            most = 0
            if isinstance(s, Fixed):
                self.fixed[i] = v.continuation(s.text, special=s.special)
                most = len(self.fixed[i])
            elif isinstance(s, Choice):
                self.tries[i] = option_trie(s.options, v.continuation, v.pieces)
                most = max(map(len, self.tries[i][1]))
            elif isinstance(s, Number):
                grammar = number_grammar(s.low, s.high, s.integer, s.digits)
                grammar.check_vocabulary(v.pieces)
                most = grammar.longest
            elif isinstance(s, Tokens):
                if not all(0 <= t < v.size for t in s.allowed):
                    raise EngineError(f"{s.name}: the vocabulary has {v.size} tokens only")
                most = 1
            self.most.append(most)
        self.stops: dict[int, Ids] = {}
        self.tokens: list[int] = []  # prompt and lead

    @property
    def lead(self) -> list[int]:
        """The tokens of the segments that are fixed before anything is sampled."""
        tokens: list[int] = []
        for i in range(len(self.request.segments)):
            if i not in self.fixed:
                break
            tokens += self.fixed[i]
        return tokens

    def enders(self, i: int) -> Ids:
        """Tokens by which the model says that segment `i` is complete."""
        if i not in self.stops:
            v, segments = self.context.vocabulary, self.request.segments
            following = segments[i + 1] if i + 1 < len(segments) else None
            if isinstance(following, Fixed) and following.text:
                first = following.text.encode("utf-8", "replace")[:1]
                ids = v.pieces.starting_with(first)
            else:
                ids = v.pieces.closing()
            self.stops[i] = np.union1d(ids, np.array(v.end_of_reply, np.int32)).astype(np.int32)
        return self.stops[i]

    def prompt(self) -> tuple[list[int], list[int], int]:
        """All tokens that are known beforehand, where their pieces end, how many are the prompt."""
        v, given = self.context.vocabulary, self.request.prompt
        settings = self.context.settings
        marks: list[int] = []
        tokens: list[int] = []
        step = settings.chunk
        if isinstance(given, str):
            tokens = v.tokenize(given, begin=True, special=True)
        elif given and isinstance(given[0], str):
            step = settings.batch
            for part in given:
                marks.append(len(tokens))
                text = str(part)
                tokens += (
                    v.continuation(text, special=True)
                    if tokens
                    else v.tokenize(text, begin=True, special=True)
                )
        else:
            tokens = [int(t) for t in given]
            if not all(0 <= t < v.size for t in tokens):
                raise EngineError(f"the vocabulary has {v.size} tokens; the prompt has others")
        if not tokens:
            tokens = [max(v.bos, 0)]
        length = len(tokens)
        tokens += self.lead
        self.tokens = tokens
        begins = sorted({m for m in (0, *marks) if m < length})
        ends: list[int] = []
        for begin, end in zip(begins, [*begins[1:], len(tokens)], strict=True):
            ends += [*range(begin + step, end, step), end]
        needed = len(tokens) + self.request.samples * (sum(self.most) - len(self.lead))
        needed += sum(isinstance(s, Free) for s in self.request.segments)
        if needed > self.context.length:
            raise EngineError(
                f"the prompt has {length} tokens and its reply up to {needed - length}; "
                f"the context holds {self.context.length}",
                "a larger context length, a shorter history, or fewer samples",
            )
        return tokens, ends, length

    def room(self, i: int, used: int, prompt: int) -> int:
        """Tokens that the free text in segment `i` may take when `used` are in the context."""
        share = prompt + (self.context.length - prompt) // self.request.samples
        later = self.request.segments[i + 1 :]
        kept = sum(self.most[i + 1 :]) + sum(isinstance(s, Free) for s in later)
        return max(share - used - kept, 0)


class Cursor:
    """One completion in the making.

    Args:
        sequence: the sequence of the context that it writes to.
        prompt: tokens that are in the context already, the reply's fixed beginning included.
        on_text: gets free text as it comes.
    """

    def __init__(
        self, plan: Plan, sequence: int, prompt: int, seed: int, on_text: Callable[[str], None]
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
            elif isinstance(segment, Choice):
                yield from self._choice(i, segment)
            else:
                yield from self._free(i, segment)

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
                p = probabilities(logits)
                self.beliefs[segment.name] = tuple(zip(allowed, p.tolist(), strict=True))
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
            self.beliefs[segment.name] = tuple(ranked[:BELIEF_BINS])

    def _choice(self, i: int, segment: Choice) -> Steps:
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
            self.beliefs[segment.name] = tuple(zip(segment.options, belief, strict=True))

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
            token, logprob = choose_free(row, r.temperature, r.top_p, r.top_k, self.draw)
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


def run(
    context: Context,
    request: Generation,
    seed: int,
    cancelled: Callable[[], bool],
    on_text: Callable[[str], None],
) -> Generated:
    """Run the programme of `request`.

    Raises:
        EngineError: prompt and reply do not fit, the vocabulary cannot write a value, or llama.cpp
            fails.
    """
    begin = time.perf_counter()
    native_s, evaluated = context.native_s, context.evaluated
    plan = Plan(context, request)
    tokens, ends, prompt_tokens = plan.prompt()
    cursors: list[Cursor] = []
    cached, prompt_s, decode_begin = 0, 0.0, begin
    try:
        row, cached = context.start(tokens, ends, cancelled)
        prompt_s, decode_begin = context.native_s - native_s, time.perf_counter()
        if request.samples > 1:
            row = row.copy()
        for n in range(request.samples):
            if n:
                context.fork(0, n)
            cursor = Cursor(plan, n, len(tokens), seed, on_text if n == 0 else _ignore)
            cursor.row = row
            cursors.append(cursor)
        _feed(context, cursors, cancelled)
        used = max(len(tokens), *(c.length + len(c.pending) for c in cursors))
    except Cancelled:
        if not cursors:
            cursors = [Cursor(plan, 0, len(tokens), seed, on_text)]
        for cursor in cursors:
            cursor.stop_reason = "cancelled"
        used = len(context.tokens)
    except BaseException:
        context.forget()
        raise
    now = time.perf_counter()
    replies = sum(len(c.reply) for c in cursors)
    return Generated(
        completions=tuple(c.completion() for c in cursors),
        prompt_tokens=prompt_tokens,
        cached_tokens=cached,
        evaluated_tokens=context.evaluated - evaluated,
        generated_tokens=replies,
        seconds=now - begin,
        prompt_s=prompt_s,
        decode_s=context.native_s - native_s - prompt_s,
        tokens_per_s=replies / max(now - decode_begin, 1e-9),
        context_used=used,
        context_length=context.length,
    )


def _feed(context: Context, cursors: Sequence[Cursor], cancelled: Callable[[], bool]) -> None:
    """Advance all cursors together until they are done."""
    several = len(cursors) > 1
    waiting: list[tuple[Cursor, list[int]]] = []

    def advance(cursor: Cursor, row: Row | None) -> None:
        try:
            wish = next(cursor.steps) if row is None else cursor.steps.send(row)
            while isinstance(wish, Aside):
                context.fork(cursor.sequence, SCRATCH)
                (aside,) = context.evaluate([(SCRATCH, cursor.length, wish.tokens)])
                context.drop(SCRATCH)
                wish = cursor.steps.send(aside)
            waiting.append((cursor, wish))
        except StopIteration:
            pass

    for cursor in cursors:
        advance(cursor, None)
    while waiting:
        if cancelled():
            raise Cancelled
        asked, waiting = waiting, []
        batch: list[tuple[Cursor, list[int]]] = []
        groups = [batch]
        size = 0
        for cursor, tokens in asked:
            tokens = _all_but_last_batch(context, cursor, tokens)
            if size + len(tokens) > context.settings.batch or len(batch) == OUTPUTS:
                batch, size = [], 0
                groups.append(batch)
            batch.append((cursor, tokens))
            size += len(tokens)
        for group in groups:
            rows = context.evaluate([(c.sequence, c.length, t) for c, t in group])
            if several:
                rows = [row.copy() for row in rows]
            for (cursor, tokens), row in zip(group, rows, strict=True):
                cursor.length += len(tokens)
                advance(cursor, row)


def _all_but_last_batch(context: Context, cursor: Cursor, tokens: list[int]) -> list[int]:
    """Evaluate what does not fit into one batch; the rest of `tokens`."""
    size = context.settings.batch
    while len(tokens) > size:
        context.evaluate([(cursor.sequence, cursor.length, tokens[:size])])
        cursor.length += size
        tokens = tokens[size:]
    return tokens


def score(
    context: Context,
    prompt: Any,
    continuations: Sequence[str | Sequence[int]],
    cancelled: Callable[[], bool],
) -> list[list[float]]:
    """Natural logs of the probabilities of each continuation's tokens after `prompt`.

    Raises:
        EngineError: prompt and continuation do not fit.
        Cancelled: `cancelled` became true.
    """
    plan = Plan(context, Generation(prompt, ()))
    tokens, ends, _ = plan.prompt()
    v = context.vocabulary
    first, _ = context.start(tokens, ends, cancelled)
    first = first.copy()
    total = log_sum_exp(first)
    results: list[list[float]] = []
    for continuation in continuations:
        if cancelled():
            raise Cancelled
        ids = (
            v.continuation(continuation)
            if isinstance(continuation, str)
            else [int(t) for t in continuation]
        )
        if len(tokens) + len(ids) > context.length:
            raise EngineError(f"prompt and continuation have {len(tokens) + len(ids)} tokens")
        logs = [float(first[ids[0]]) - total] if ids else []
        context.fork(0, SCRATCH)
        for at in range(0, len(ids) - 1, OUTPUTS):
            block = ids[at : min(at + OUTPUTS, len(ids) - 1)]
            rows = context.evaluate([(SCRATCH, len(tokens) + at, block)], every=True)
            following = ids[at + 1 : at + 1 + len(block)]
            logs += [float(r[t]) - log_sum_exp(r) for r, t in zip(rows, following, strict=True)]
        context.drop(SCRATCH)
        results.append([x if math.isfinite(x) else -1e30 for x in logs])
    return results


def _ignore(_text: str) -> None:
    pass
