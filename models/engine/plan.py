"""What all samples of a request share: its tokens, where they are cut, how many may follow."""

from __future__ import annotations

from hyperllama.models.decode.numbers import NumberGrammar, number_grammar
from hyperllama.models.decode.sampling import Branch, Ids, option_trie
from hyperllama.models.engine.context import Context
from hyperllama.models.engine.generation import Fixed, Free, Generation, Number, OneOf, Tokens
from hyperllama.models.errors import EngineError


def grammar_of(segment: Number) -> NumberGrammar:
    """The grammar of a number."""
    return number_grammar(segment.low, segment.high, segment.integer, segment.digits, segment.log)


class RequestPlan:
    """What all samples of a request share: segments, their fixed tokens, how much they may take."""

    def __init__(self, context: Context, request: Generation) -> None:
        self.context = context
        self.request = request
        v = context.vocabulary
        self.fixed: dict[int, list[int]] = {}
        self.max_tokens: list[int] = []  # tokens that a segment takes at most; 0 for free text
        self.tries: dict[int, tuple[Branch, list[list[int]]]] = {}
        for i, s in enumerate(request.segments):
            most = 0
            if isinstance(s, Fixed):
                self.fixed[i] = v.continuation(s.text, special=s.special)
                most = len(self.fixed[i])
            elif isinstance(s, OneOf):
                self.tries[i] = option_trie(s.options, v.continuation, v.pieces)
                most = max(map(len, self.tries[i][1]))
            elif isinstance(s, Number):
                grammar = grammar_of(s)
                grammar.check_vocabulary(v.pieces)
                most = grammar.longest
            elif isinstance(s, Tokens):
                if not all(0 <= t < v.size for t in s.allowed):
                    raise EngineError(f"{s.name}: the vocabulary has {v.size} tokens only")
                most = 1
            self.max_tokens.append(most)
        self.stops: dict[int, Ids] = {}
        self.tokens: list[int] = []  # prompt and leading fixed text

    @property
    def leading(self) -> list[int]:
        """The tokens of the segments that are fixed before anything is sampled."""
        tokens: list[int] = []
        for i in range(len(self.request.segments)):
            if i not in self.fixed:
                break
            tokens += self.fixed[i]
        return tokens

    def ending_tokens(self, i: int) -> Ids:
        """Tokens after which segment `i` is complete: what follows it, or the end of the reply."""
        if i not in self.stops:
            segments = self.request.segments
            following = segments[i + 1] if i + 1 < len(segments) else None
            text = following.text if isinstance(following, Fixed) else ""
            self.stops[i] = self.context.vocabulary.ends_before(text[:1])
        return self.stops[i]

    def prompt(self) -> tuple[list[int], list[int], int]:
        """All tokens that are known beforehand, where their pieces end, how many are the prompt."""
        v, given = self.context.vocabulary, self.request.prompt
        settings = self.context.settings
        marks: list[int] = []
        tokens: list[int] = []
        step = self.context.chunk
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
        tokens += self.leading
        self.tokens = tokens
        begins = sorted({m for m in (0, *marks) if m < length})
        ends: list[int] = []
        for begin, end in zip(begins, [*begins[1:], len(tokens)], strict=True):
            ends += [*range(begin + step, end, step), end]
        needed = len(tokens) + self.request.samples * (sum(self.max_tokens) - len(self.leading))
        needed += sum(isinstance(s, Free) for s in self.request.segments)
        if needed > self.context.length:
            raise EngineError(
                f"the prompt has {length} tokens and its reply up to {needed - length}; "
                f"the context holds {self.context.length}",
                "a larger context length, a shorter history, or fewer samples",
            )
        return tokens, ends, length

    def free_text_limit(self, i: int, used: int, prompt: int) -> int:
        """Tokens that the free text in segment `i` may take when `used` are in the context."""
        share = prompt + (self.context.length - prompt) // self.request.samples
        later = self.request.segments[i + 1 :]
        kept = sum(self.max_tokens[i + 1 :]) + sum(isinstance(s, Free) for s in later)
        return max(share - used - kept, 0)
