"""Writes models of random weights behind real tokenizers and chat templates, in any size.

The tokenizer is copied from a GGUF file, one that holds a vocabulary only as a rule (llama.cpp's
source has some, `models/ggml-vocab-*.gguf`); without one a byte-level vocabulary is made up.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from hyperllama.models.gguf import read_metadata
from tests.models.tiny_gguf import vocabulary, written

VOCABULARIES = "HYPERLLAMA_VOCABULARIES"
"""The environment variable that names a folder with `ggml-vocab-*.gguf` files."""
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_NO_TEXT = ("bert",)
_BLOCK = 32  # weights that share a scale in Q8_0


@dataclass(frozen=True)
class Size:
    """The dimensions of a llama."""

    width: int
    layers: int
    heads: int
    kv_heads: int
    feed_forward: int


HALF_BILLION = Size(896, 24, 14, 2, 4864)
"""Qwen2.5-0.5B: 494 million weights with a vocabulary of 151,936."""
SMALL = Size(512, 8, 8, 2, 1408)
TINY = Size(32, 1, 2, 2, 64)


def real_vocabularies(folder: Path | None = None) -> list[Path]:
    """The vocabulary files in a folder, `$HYPERLLAMA_VOCABULARIES` by default; without encoders."""
    named = os.environ.get(VOCABULARIES, "")
    folder = folder or (Path(named) if named else None)
    if folder is None:
        return []
    found = sorted(folder.glob("ggml-vocab-*.gguf"))
    return [p for p in found if not any(word in p.name for word in _NO_TEXT)]


def real_templates() -> list[Path]:
    """Chat templates of real models: files in the folder `templates` of the vocabularies' folder,
    and the vocabularies that have one."""
    named = os.environ.get(VOCABULARIES, "")
    files = sorted((Path(named) / "templates").glob("*.jinja")) if named else []
    return files + [p for p in real_vocabularies() if read_metadata(p).chat_template]


def write_random(
    path: Path,
    tokenizer: Path | None = None,
    size: Size = TINY,
    *,
    quantised: bool = True,
    template: str | None = None,
    context: int = 32768,
    seed: int = 0,
) -> Path:
    """A llama of random weights; its output shares the embedding's weights.

    Args:
        tokenizer: the GGUF file whose tokenizer and chat template it gets; None makes up one of
            151,936 tokens.
        quantised: Q8_0, else F16.
        template: a chat template in place of the file's own.
    """
    rng = np.random.default_rng(seed)
    w = gguf.GGUFWriter(path, "llama")
    w.add_name(f"random {tokenizer.stem if tokenizer else 'bytes'}")
    w.add_context_length(context)
    _add_size(w, size)
    kind = gguf.LlamaFileType.MOSTLY_Q8_0 if quantised else gguf.LlamaFileType.MOSTLY_F16
    w.add_file_type(kind)
    tokens = _made_up(w, template) if tokenizer is None else _copied(w, tokenizer, template)
    w.add_vocab_size(tokens)

    def add(name: str, rows: int, columns: int, scale: float) -> None:
        if not quantised:
            data = rng.standard_normal((rows, columns), np.float32) * np.float32(scale)
            w.add_tensor(name, data.astype(np.float16))
            return
        blocks = np.empty((rows, columns // _BLOCK, _BLOCK + 2), np.uint8)
        # uniform in [-127, 127]: standard deviation 73
        blocks[..., :2] = np.frombuffer(np.float16(scale / 73).tobytes(), np.uint8)
        blocks[..., 2:] = rng.integers(-127, 128, blocks[..., 2:].shape, np.int8).view(np.uint8)
        w.add_tensor(name, blocks.reshape(rows, -1), raw_dtype=gguf.GGMLQuantizationType.Q8_0)

    def norm(name: str) -> None:
        w.add_tensor(name, np.ones(size.width, np.float32))

    kv = size.width // size.heads * size.kv_heads
    # small embeddings, so that what follows a token is not that token again
    add("token_embd.weight", tokens, size.width, 0.02)
    for i in range(size.layers):
        block, scale = f"blk.{i}", 1.5 / np.sqrt(size.width)
        norm(f"{block}.attn_norm.weight")
        add(f"{block}.attn_q.weight", size.width, size.width, scale)
        add(f"{block}.attn_k.weight", kv, size.width, scale)
        add(f"{block}.attn_v.weight", kv, size.width, scale)
        add(f"{block}.attn_output.weight", size.width, size.width, scale)
        norm(f"{block}.ffn_norm.weight")
        add(f"{block}.ffn_gate.weight", size.feed_forward, size.width, scale)
        add(f"{block}.ffn_up.weight", size.feed_forward, size.width, scale)
        add(f"{block}.ffn_down.weight", size.width, size.feed_forward, scale)
    w.add_tensor("output_norm.weight", np.full(size.width, 4.0, np.float32))
    return written(w, path)


def _add_size(w: gguf.GGUFWriter, size: Size) -> None:
    w.add_embedding_length(size.width)
    w.add_block_count(size.layers)
    w.add_feed_forward_length(size.feed_forward)
    w.add_head_count(size.heads)
    w.add_head_count_kv(size.kv_heads)
    w.add_layer_norm_rms_eps(1e-6)
    w.add_rope_dimension_count(size.width // size.heads)
    w.add_rope_freq_base(1e6)


def _copied(w: gguf.GGUFWriter, source: Path, template: str | None) -> int:
    """Copy a file's tokenizer; how many tokens it has."""
    reader = gguf.GGUFReader(source)
    tokens = 0
    for key, field in reader.fields.items():
        if not key.startswith("tokenizer.") or (template and key == "tokenizer.chat_template"):
            continue
        value: Any = field.contents()
        if field.types[0] == gguf.GGUFValueType.ARRAY:
            w.add_array(key, value)
            tokens = len(value) if key == "tokenizer.ggml.tokens" else tokens
        else:
            w.add_key_value(key, value, field.types[0])
    if template:
        w.add_chat_template(template)
    return tokens


def _made_up(w: gguf.GGUFWriter, template: str | None, size: int = 151_936) -> int:
    """Bytes, the words that such prompts hold, and filler up to `size`."""
    said = " ".join(p.read_text("utf8") for p in Path("core/prompt").glob("*.md"))
    words = [f" {word}" for word in dict.fromkeys(said.split()) if word.isalpha()]
    tokens, merges = vocabulary(words)
    special = ["<|im_start|>", "<|im_end|>"]
    filler = [f"[filler {i}]" for i in range(size - len(tokens) - len(special))]
    kinds = [gguf.TokenType.NORMAL] * len(tokens)
    kinds[:2] = [gguf.TokenType.CONTROL] * 2
    kinds += [gguf.TokenType.CONTROL] * len(special) + [gguf.TokenType.UNUSED] * len(filler)
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("qwen2")
    w.add_token_list([*tokens, *special, *filler])
    w.add_token_types(kinds)
    w.add_token_merges(merges)
    w.add_eos_token_id(len(tokens) + 1)
    w.add_bos_token_id(len(tokens) + 1)
    w.add_add_bos_token(False)
    w.add_chat_template(template or CHATML)
    return size
