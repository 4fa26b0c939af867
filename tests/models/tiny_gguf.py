"""Writes tiny GGUF models with random weights: real files that llama.cpp loads in milliseconds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import gguf
import numpy as np

CHAT_TEMPLATE = (
    "{% for m in messages %}<|start|>{{ m['role'] }}\n{{ m['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
)
SPECIAL = ("<|end|>", "<|start|>")
WORDS = ("rbf", "linear", "poly", "balanced", "th", "the", "10", "100", "0.", ".0", "e-", ", ")


def byte_characters() -> list[str]:
    """The printable stand-ins of the 256 bytes in GPT-2's byte-level vocabulary, by byte."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table = {b: chr(b) for b in printable}
    free = 256
    for b in range(256):
        if b not in table:
            table[b] = chr(free)
            free += 1
    return [table[b] for b in range(256)]


def vocabulary(words: Sequence[str] = WORDS) -> tuple[list[str], list[str]]:
    """Tokens (specials first, then bytes, then merged words) and the merges that make the words."""
    of = byte_characters()
    tokens = [*SPECIAL, *of]
    merges: list[str] = []
    for word in words:
        parts = [of[b] for b in word.encode()]
        while len(parts) > 1:
            left, right = parts[0], parts[1]
            parts[:2] = [left + right]
            if left + right not in tokens:
                tokens.append(left + right)
                merges.append(f"{left} {right}")
    return tokens, merges


def write_tiny(
    path: Path,
    *,
    words: Sequence[str] = WORDS,
    tokens: Sequence[str] | None = None,
    template: str | None = CHAT_TEMPLATE,
    width: int = 64,
    layers: int = 2,
    heads: int = 2,
    context: int = 1024,
    quantised: bool = False,
    tensors: bool = True,
    seed: int = 0,
    name: str = "tiny",
    scale: float = 0.5,
) -> Path:
    """A llama of random weights.

    Args:
        tokens: a whole vocabulary of user-defined tokens without merges, instead of bytes + words.
        tensors: False writes a vocabulary-only file.
        scale: standard deviation of the weights; great ones make peaked distributions.
    """
    rng, q8 = np.random.default_rng(seed), gguf.GGMLQuantizationType.Q8_0
    w = gguf.GGUFWriter(path, "llama")
    w.add_name(name)
    w.add_context_length(context)
    w.add_embedding_length(width)
    w.add_block_count(layers)
    w.add_feed_forward_length(2 * width)
    w.add_head_count(heads)
    w.add_head_count_kv(heads)
    w.add_layer_norm_rms_eps(1e-5)
    w.add_rope_dimension_count(width // heads)
    size = _add_tokenizer(w, words, tokens)
    if template is not None:
        w.add_chat_template(template)
    w.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0 if quantised else gguf.LlamaFileType.ALL_F32)

    def add(tensor: str, *shape: int) -> None:
        data = rng.normal(0, scale / np.sqrt(width / 32), shape).astype(np.float32)
        if len(shape) == 1 or not quantised:
            w.add_tensor(tensor, data if len(shape) > 1 else np.ones_like(data))
        else:
            w.add_tensor(tensor, gguf.quants.quantize(data, q8), raw_dtype=q8)

    if tensors:
        add("token_embd.weight", size, width)
        for i in range(layers):
            add(f"blk.{i}.attn_norm.weight", width)
            for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
                add(f"blk.{i}.{part}.weight", width, width)
            add(f"blk.{i}.ffn_norm.weight", width)
            for part in ("ffn_gate", "ffn_up"):
                add(f"blk.{i}.{part}.weight", 2 * width, width)
            add(f"blk.{i}.ffn_down.weight", width, 2 * width)
        add("output_norm.weight", width)
        add("output.weight", size, width)
    return written(w, path)


def written(w: gguf.GGUFWriter, path: Path) -> Path:
    """Write what was added, and close the file."""
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    return path


def _add_tokenizer(
    w: gguf.GGUFWriter, words: Sequence[str], tokens: Sequence[str] | None
) -> int:
    """The tokenizer of `write_tiny`; how many tokens it has."""
    merges: list[str] = []
    if tokens is None:
        vocab, merges = vocabulary(words)
    else:
        vocab = [*SPECIAL, *tokens]
    normal = gguf.TokenType.NORMAL if tokens is None else gguf.TokenType.USER_DEFINED
    others = len(vocab) - len(SPECIAL)
    w.add_vocab_size(len(vocab))
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("gpt-2")
    w.add_token_list(vocab)
    w.add_token_types([gguf.TokenType.CONTROL] * len(SPECIAL) + [normal] * others)
    w.add_token_merges(merges)
    w.add_eos_token_id(0)
    w.add_bos_token_id(1)
    w.add_add_bos_token(False)
    return len(vocab)
