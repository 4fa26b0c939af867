"""Runs a programme of segments over a context: all its samples side by side, one llama_decode a
step.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from hyperllama.models.engine.context import SCRATCH, Context, RequestCancelled, Row
from hyperllama.models.engine.cursor import Cursor
from hyperllama.models.engine.division import SideTokens
from hyperllama.models.engine.generation import Generated, Generation
from hyperllama.models.engine.plan import RequestPlan


def run(
    context: Context,
    request: Generation,
    seed: int,
    cancelled: Callable[[], bool],
    on_text: Callable[[str], None],
    on_reading: Callable[[int, int], None] = lambda done, total: None,
) -> Generated:
    """Run the programme of `request`; for the callbacks see `Context.start` and `Cursor`.

    Raises:
        EngineError: prompt and reply do not fit, the vocabulary cannot write a value, or llama.cpp
            fails.
    """
    begin = time.perf_counter()
    native_s, evaluated = context.native_s, context.evaluated
    plan = RequestPlan(context, request)
    tokens, ends, prompt_tokens = plan.prompt()
    cursors: list[Cursor] = []
    cached, prompt_s, decode_begin = 0, 0.0, begin
    try:
        row, cached = context.start(tokens, ends, cancelled, on_reading)
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
    except RequestCancelled:
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


def read(context: Context, parts: Sequence[str], cancelled: Callable[[], bool]) -> None:
    """Evaluate the front of a prompt that is not complete yet.

    Raises:
        EngineError: it does not fit, or llama.cpp fails.
    """
    tokens, ends, _ = RequestPlan(context, Generation(list(parts), ())).prompt()
    try:
        context.start(tokens, ends, cancelled)
    except RequestCancelled:
        return
    except BaseException:
        context.forget()
        raise


def _feed(context: Context, cursors: Sequence[Cursor], cancelled: Callable[[], bool]) -> None:
    """Advance all cursors together until they are done."""
    several = len(cursors) > 1
    waiting: list[tuple[Cursor, list[int]]] = []

    def advance(cursor: Cursor, row: Row | None) -> None:
        try:
            wanted = next(cursor.steps) if row is None else cursor.steps.send(row)
            while isinstance(wanted, SideTokens):
                context.fork(cursor.sequence, SCRATCH)
                (side_row,) = context.evaluate([(SCRATCH, cursor.length, wanted.tokens)])
                context.drop(SCRATCH)
                wanted = cursor.steps.send(side_row)
            waiting.append((cursor, wanted))
        except StopIteration:
            pass

    for cursor in cursors:
        advance(cursor, None)
    while waiting:
        if cancelled():
            raise RequestCancelled
        asked, waiting = waiting, []
        batch: list[tuple[Cursor, list[int]]] = []
        groups = [batch]
        size = 0
        for cursor, tokens in asked:
            tokens = _all_but_last_batch(context, cursor, tokens)
            if size + len(tokens) > context.settings.batch:
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


def _ignore(_text: str) -> None:
    pass
