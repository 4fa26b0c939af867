"""From a trained network to a GGUF file that llama.cpp runs.

Tokenizer: byte-level "gpt2" with the 256 byte characters as normal tokens, one dummy merge, and the
dialect's own tokens as user-defined ones, so that text and tokens round-trip exactly. The dialect's
tokens come first: a token's id is its place in `dialect.VOCABULARY`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import gguf
import numpy as np
import torch

from hyperllama.models.embedded import dialect
from workshop.network import NORM_EPS, ROPE_BASE, Network

_OWN = len(dialect.VOCABULARY) + 256
VOCABULARY_SIZE = -(-_OWN // 64) * 64  # kernels for quantised matrices want whole blocks of rows

def export(
    network: Network, path: Path, *, name: str, kind: str, summary: str,
    extra: Mapping[str, str] | None = None,
) -> None:
    """Write `network` to `path`.

    Args:
        kind: "f16", "q8_0" or "f32": how matrices are stored; norms stay in F32.
        summary: how it was trained, in a line; stands in the metadata.
        extra: further `hyperllama.*` string metadata.
    """
    s = network.shape
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name(name)
    writer.add_license("Apache-2.0")
    writer.add_description(summary)
    writer.add_uint32("hyperllama.dialect_version", dialect.VERSION)
    for key, value in (extra or {}).items():
        writer.add_string(f"hyperllama.{key}", value)
    writer.add_vocab_size(s.vocabulary)
    writer.add_context_length(s.context)
    writer.add_embedding_length(s.width)
    writer.add_block_count(s.layers)
    writer.add_feed_forward_length(s.feed_forward)
    writer.add_head_count(s.heads)
    writer.add_head_count_kv(s.heads)
    writer.add_rope_dimension_count(s.width // s.heads)
    writer.add_rope_freq_base(ROPE_BASE)
    writer.add_layer_norm_rms_eps(NORM_EPS)
    file_type = {"f16": gguf.LlamaFileType.MOSTLY_F16, "q8_0": gguf.LlamaFileType.MOSTLY_Q8_0,
                 "f32": gguf.LlamaFileType.ALL_F32}[kind]
    writer.add_file_type(file_type)
    _tokenizer(writer)
    for key, tensor in network.state_dict().items():
        array = tensor.detach().float().cpu().numpy()
        if array.ndim < 2 or kind == "f32":
            writer.add_tensor(key, array)
        elif kind == "f16":
            writer.add_tensor(key, array.astype(np.float16))
        else:
            q8 = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(key, gguf.quants.quantize(array, q8), raw_dtype=q8)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _tokenizer(writer: gguf.GGUFWriter) -> None:
    padding, tokens = VOCABULARY_SIZE - _OWN, _tokens()
    own = len(dialect.VOCABULARY)
    types = [gguf.TokenType.USER_DEFINED] * own + [gguf.TokenType.NORMAL] * 256
    types += [gguf.TokenType.UNUSED] * padding
    end = dialect.INDEX["<end>"]
    types[end] = gguf.TokenType.CONTROL
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(["Ġ Ġ"])
    writer.add_bos_token_id(end)
    writer.add_eos_token_id(end)
    writer.add_add_bos_token(False)


def _tokens() -> list[str]:
    padding = (f"<unused:{i}>" for i in range(VOCABULARY_SIZE - _OWN))
    return [*dialect.VOCABULARY, *_byte_characters(), *padding]


def _byte_characters() -> list[str]:
    """The printable stand-ins for bytes 0..255 of GPT-2's byte-level tokenizers."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printable]
    table = {b: chr(b) for b in printable} | {b: chr(256 + i) for i, b in enumerate(others)}
    return [table[b] for b in range(256)]


def weights_of(path: Path) -> dict[str, torch.Tensor]:
    """The weights in a GGUF file that `export` wrote, to go on training from.

    Rows of the embedding follow the tokens' texts: those that the file has not are random.
    """
    reader = gguf.GGUFReader(path)
    found = {
        t.name: torch.from_numpy(
            gguf.quants.dequantize(t.data, t.tensor_type).astype(np.float32).reshape(
                tuple(reversed([int(n) for n in t.shape])))
        )
        for t in reader.tensors
    }
    before = reader.fields["tokenizer.ggml.tokens"].contents()
    row = {text: i for i, text in enumerate(before)}
    known = found["token_embd.weight"]
    if before[: len(dialect.VOCABULARY)] != list(dialect.VOCABULARY):
        torch.manual_seed(0)
        rows = 0.04 * torch.randn(VOCABULARY_SIZE, known.shape[1])
        for i, text in enumerate(_tokens()):
            if text in row:
                rows[i] = known[row[text]]
        found["token_embd.weight"] = rows
    return found
