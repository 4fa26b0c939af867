"""The probability of what a model might have said instead, divided as finely as is worth it."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Union

import numpy as np
from numpy.typing import NDArray

from hyperllama.models.decode.numbers import NextTokens, NumberGrammar
from hyperllama.models.decode.sampling import Branch, Ids, drawn_from
from hyperllama.models.engine.context import Row
from hyperllama.models.engine.plan import RequestPlan

NEGLIGIBLE = 1e-4
"""A group of options less likely than this is not divided further."""
_DIVIDED = (0.1, 0.2)
"""Numbers with a common beginning are divided further if they are so likely together, and so large
a share of the range; else their probability is spread over them evenly."""


@dataclass(frozen=True)
class SideTokens:
    """Tokens that are to be evaluated after those of a cursor, without being kept."""

    tokens: list[int]


@dataclass(frozen=True)
class Beginning:
    """The beginning of a number: its text, where its tokens begin in it, and the tokens."""

    text: str = ""
    begins: tuple[int, ...] = ()
    tokens: tuple[int, ...] = ()

    def with_token(self, found: NextTokens, j: int) -> Beginning:
        """The same with one of the tokens that may come next."""
        begins = (*self.begins, len(self.text))
        return Beginning(found.texts[j], begins, (*self.tokens, int(found.ids[j])))


Steps = Generator[Union[list[int], SideTokens], Row, None]
Reading = Generator[Union[list[int], SideTokens], Row, Any]


class Division:
    """What is possible at each place of a reply, and how likely.

    Args:
        plan: of the request that is answered.
    """

    def __init__(self, plan: RequestPlan) -> None:
        self._plan = plan
        self._temperature = plan.request.temperature

    def next_tokens(self, grammar: NumberGrammar, at: Beginning) -> NextTokens:
        """What may come after the beginning of a number."""
        return grammar.step(self._plan.context.vocabulary.pieces, at.text, at.begins)

    def child_logits(self, node: Branch, row: Row, i: int) -> NDArray[np.float32]:
        """Logits of the children of `node`, and last of ending there if that is possible."""
        ids = np.array(list(node.children), np.int32)
        return self.logits_of(row, ids, i if node.option >= 0 else -1)

    def logits_of(self, row: Row, ids: Ids, ending: int) -> NDArray[np.float32]:
        """Logits of some tokens, and last of what ends segment `ending`, if that is not -1.

        Ending is as likely as its likeliest token: of those that may stand there only one is what
        the reply goes on with, and a model without preferences ends no likelier than it goes on.
        """
        logits: NDArray[np.float32] = row[ids]
        if ending >= 0:
            logits = np.append(logits, row[self._plan.ending_tokens(ending)].max())
        return logits

    def spread(
        self, i: int, grammar: NumberGrammar, at: Beginning, mass: float,
        belief: NDArray[np.float64],
    ) -> Steps:  # fmt: skip
        """Spread `mass` over the numbers that begin so, which were not taken."""
        likely, wide = _DIVIDED
        if mass < likely or grammar.share(at.text) < wide:
            belief += mass * grammar.spread(at.text)
            return
        found = self.next_tokens(grammar, at)
        if not found.texts:
            belief += mass * grammar.spread(at.text, alone=True)
            return
        if len(found.texts) == 1 and not found.may_end:
            yield from self.spread(i, grammar, at.with_token(found, 0), mass, belief)
            return
        row = yield SideTokens(list(at.tokens))
        logits = self.logits_of(row, found.ids, i if found.may_end else -1)
        p = mass * drawn_from(logits.astype(np.float64), self._temperature, found.log_shares)
        if found.may_end:
            belief += float(p[-1]) * grammar.spread(at.text, alone=True)
        for j in range(len(found.texts)):
            yield from self.spread(i, grammar, at.with_token(found, j), float(p[j]), belief)

    def split(
        self, i: int, node: Branch, tokens: list[int], mass: float, belief: list[float]
    ) -> Steps:
        """Divide `mass` among the options below `node`, which was not taken."""
        if len(node.options_below) == 1 or mass < NEGLIGIBLE:
            for option in node.options_below:
                belief[option] += mass / len(node.options_below)
            return
        children = list(node.children.items())
        if len(children) == 1 and node.option < 0:
            yield from self.split(i, children[0][1], [*tokens, children[0][0]], mass, belief)
            return
        row = yield SideTokens(tokens)
        logits = self.child_logits(node, row, i).astype(np.float64)
        p = mass * drawn_from(logits, self._temperature, node.log_shares)
        if node.option >= 0:
            belief[node.option] += float(p[-1])
        for j, (token, child) in enumerate(children):
            yield from self.split(i, child, [*tokens, token], float(p[j]), belief)
