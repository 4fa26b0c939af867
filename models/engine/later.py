"""The prompt that will be needed in some turns: read in shares, while another one has the context.

What was read of it lies in a file between two shares, and the other one does while it has the
context, so that it takes no memory beside the context's, and each lies in the context as if it were
alone: no reply depends on what was read when.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

from hyperllama.models.engine.cache import restore_cache, save_cache
from hyperllama.models.engine.context import Context, RequestCancelled, in_common
from hyperllama.models.engine.generation import Generation, Prompt
from hyperllama.models.engine.plan import RequestPlan

MOST_BYTES = 512 << 20
"""Of the prompt in the context. What is larger takes too long to write and read every turn."""
LEAST_TOKENS = 64
"""Fewer are left for another turn: changing the prompts takes as long as reading 15 tokens."""


class LaterPrompt:
    """Reads the parts that later prompts begin with, a share in each of the turns until then.

    Args:
        path: this file and those beside it hold what is not in the context.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._parts: Sequence[str] = ()
        self._turns = 1
        self._wanted = 0  # tokens that are to be read at the end of this turn; 0: not known yet
        self._tokens: list[int] = []  # what the file holds, and where its pieces end
        self._ends: list[int] = []
        self._inside = False  # whether it has the context

    def due(self, parts: Sequence[str], turns: int) -> None:
        """A turn begins: the prompt as far as it is known, and in how many turns it is needed."""
        self._parts, self._turns, self._wanted = parts, max(turns, 1), 0

    def read(
        self,
        context: Context,
        stop: Callable[[], bool],
        only_share: bool = False,
        on_reading: Callable[[int, int], None] = lambda done, total: None,
    ) -> None:
        """Read until `stop`, or with `only_share` until this turn's share is read.

        The context is given back where all is read, else by `leave`.

        Raises:
            EngineError: it does not fit, or llama.cpp fails.
        """
        if not self._parts:
            return
        tokens, ends = _planned(context, self._parts)
        if not self._inside and not self._enter(context, tokens, ends):
            return
        kept = in_common(tokens, ends, context.tokens, context.ends)
        share = max(math.ceil((len(tokens) - kept) / self._turns), LEAST_TOKENS)
        if not self._wanted:  # whole pieces, one at least
            self._wanted = max(e for i, e in enumerate(ends)
                               if e <= kept + share or not i or ends[i - 1] <= kept)  # fmt: skip
        left = max(self._wanted - kept, 0)

        def enough() -> bool:
            return stop() or (only_share and len(context.tokens) >= self._wanted)

        try:
            context.start(tokens, ends, enough, lambda done, _: on_reading(min(done, left), left))
        except RequestCancelled:
            return
        self.leave(context)

    def leave(self, context: Context) -> None:
        """Give the context back to the prompt that had it before. Idempotent."""
        if not self._inside:
            return
        self._inside = False
        self._tokens, self._ends = list(context.tokens), list(context.ends)
        if save_cache(context, self.path, MOST_BYTES, checked=False) < len(self._tokens):
            self._tokens, self._ends = [], []
        restore_cache(context, self._now, checked=False)

    def take(self, context: Context, prompt: Prompt) -> None:
        """Let the context hold this prompt, where it has more in common with the one given."""
        if not self._tokens:
            return
        tokens, ends = _planned(context, prompt)
        if self._ahead_of(context, tokens, ends):
            restore_cache(context, self.path, checked=False)
            self._tokens, self._ends, self._parts = [], [], ()

    def _ahead_of(self, context: Context, tokens: list[int], ends: list[int]) -> bool:
        """Whether the file has more of `tokens` than the context."""
        held = in_common(tokens, ends, self._tokens, self._ends)
        return held > in_common(tokens, ends, context.tokens, context.ends)

    @property
    def _now(self) -> Path:
        return self.path.with_name(f"{self.path.name}.now")

    def _enter(self, context: Context, tokens: list[int], ends: list[int]) -> bool:
        """Let the context hold what was read; False where there is nothing to do, or no room."""
        held = in_common(tokens, ends, self._tokens, self._ends)
        if len(tokens) - held < LEAST_TOKENS:
            return False
        if save_cache(context, self._now, MOST_BYTES, checked=False) < max(len(context.tokens), 1):
            return False
        self._inside = True
        if self._ahead_of(context, tokens, ends):
            restore_cache(context, self.path, checked=False)
        return True


def _planned(context: Context, prompt: Prompt) -> tuple[list[int], list[int]]:
    tokens, ends, _ = RequestPlan(context, Generation(prompt, ())).prompt()
    return tokens, ends
