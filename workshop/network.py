"""The network: a small Llama decoder, laid out as llama.cpp's architecture "llama" expects it.

RMS norm, SwiGLU, rotary positions in interleaved pairs, input and output embeddings shared. Shapes:
B sequences, T tokens, H heads, C = width.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ROPE_BASE = 10_000.0
NORM_EPS = 1e-5


@dataclass(frozen=True)
class Shape:
    """Sizes of a network."""

    width: int
    layers: int
    heads: int
    feed_forward: int
    vocabulary: int
    context: int = 1024


SIZES = {
    "tiny": (32, 1, 1, 64),
    "1m": (128, 5, 4, 352),
    "2m": (192, 5, 6, 512),
    "4m": (224, 7, 7, 608),
    "12m": (352, 9, 11, 960),
    "4m-deep": (128, 18, 4, 352),
}
"""Width, layers, heads, feed-forward; "4m-deep" can go on from a "1m", see `grown`."""


def shape_of(size: str, vocabulary: int) -> Shape:
    """The shape with a name of `SIZES`; "tiny" is for tests."""
    width, layers, heads, feed_forward = SIZES[size]
    return Shape(width, layers, heads, feed_forward, vocabulary)


def grown(weights: Mapping[str, Tensor], shape: Shape) -> dict[str, Tensor]:
    """Weights of a network with as many or more layers that computes the same: the new ones, spread
    between the old, add nothing at first.

    Args:
        weights: of a network with the same sizes but for its layers.
    """
    layers = 1 + max(int(key.split(".")[1]) for key in weights if key.startswith("blk."))
    if layers == shape.layers:
        return dict(weights)
    places = [round(i * (shape.layers - 1) / max(layers - 1, 1)) for i in range(layers)]
    result = dict(Network(shape).state_dict())
    for key in result:
        _, _, rest = key.partition("blk.")
        number, _, name = rest.partition(".")
        if not rest:
            result[key] = weights[key]
        elif int(number) in places:
            result[key] = weights[f"blk.{places.index(int(number))}.{name}"]
        elif name in ("attn_output.weight", "ffn_down.weight"):
            result[key] = torch.zeros_like(result[key])
    return result


class Block(nn.Module):
    """Attention and feed-forward, each after a norm and added to the stream."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        c, f = shape.width, shape.feed_forward
        self.heads = shape.heads
        self.attn_norm = nn.RMSNorm(c, eps=NORM_EPS)
        self.attn_q, self.attn_k, self.attn_v, self.attn_output = (
            nn.Linear(c, c, bias=False) for _ in range(4)
        )
        self.ffn_norm = nn.RMSNorm(c, eps=NORM_EPS)
        self.ffn_gate, self.ffn_up = nn.Linear(c, f, bias=False), nn.Linear(c, f, bias=False)
        self.ffn_down = nn.Linear(f, c, bias=False)
        for out in (self.attn_output, self.ffn_down):
            nn.init.normal_(out.weight, std=0.02 / math.sqrt(2 * shape.layers) * 2)

    def forward(self, x: Tensor, mask: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        b, t, c = x.shape
        h = self.attn_norm(x)
        q, k, v = (
            proj(h).view(b, t, self.heads, c // self.heads).transpose(1, 2)
            for proj in (self.attn_q, self.attn_k, self.attn_v)
        )
        q, k = _rotate(q, cos, sin), _rotate(k, cos, sin)
        if x.is_cuda:
            whole = mask.to(q.dtype).expand(b, self.heads, t, t)
            a = F.scaled_dot_product_attention(q, k, v, whole)
        else:  # written out: the backward pass of PyTorch's fused attention takes twice as long
            scores = (q @ k.transpose(2, 3)) * (c // self.heads) ** -0.5 + mask
            a = scores.softmax(dim=-1).to(v.dtype) @ v
        x = x + self.attn_output(a.transpose(1, 2).reshape(b, t, c))
        h = self.ffn_norm(x)
        out: Tensor = x + self.ffn_down(F.silu(self.ffn_gate(h)) * self.ffn_up(h))
        return out


class Network(nn.Module):
    """The decoder."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.token_embd = nn.Embedding(shape.vocabulary, shape.width)
        nn.init.normal_(self.token_embd.weight, std=0.04)
        self.blk = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.output_norm = nn.RMSNorm(shape.width, eps=NORM_EPS)

    def forward(self, tokens: Tensor, positions: Tensor, mask: Tensor) -> Tensor:
        """Hidden states, shape (B, T, C), for `tokens` and `positions`, shape (B, T).

        `mask`: shape (B, T, T), True where row may look at column.
        """
        head = self.shape.width // self.shape.heads
        frequency = ROPE_BASE ** (-torch.arange(0, head, 2, device=tokens.device) / head)
        angle = positions[:, None, :, None].float() * frequency
        cos, sin = angle.cos(), angle.sin()
        x = self.token_embd(tokens)
        bias = torch.zeros_like(mask, dtype=x.dtype).masked_fill_(~mask, -1e4)[:, None]
        for block in self.blk:
            x = block(x, bias, cos, sin)
        out: Tensor = self.output_norm(x)
        return out

    def logits(self, hidden: Tensor) -> Tensor:
        """Scores of every token, shape (..., vocabulary)."""
        return F.linear(hidden, self.token_embd.weight)


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    even, odd = x[..., 0::2], x[..., 1::2]
    turned = torch.stack((even * cos - odd * sin, even * sin + odd * cos), dim=-1)
    return turned.flatten(-2).to(x.dtype)
