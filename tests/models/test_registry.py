"""Model files: what they are without loading them, hostile ones refused, names resolved."""

from __future__ import annotations

import json
import os
import struct
import time
from pathlib import Path

import pytest

from hyperllama.models import gguf
from hyperllama.models.errors import ModelFileError
from hyperllama.models.gguf import registry
from hyperllama.models.gguf.hashes import remember_hash
from hyperllama.models.gguf.header import read_header
from tests.models.tiny_gguf import write_tiny


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return write_tiny(tmp_path / "Tiny-Model.gguf", name="Tiny \x1b[31m model")


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No models of this machine's user."""
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "user")
    for name in ("XDG_DATA_HOME", "LLAMA_CACHE", "HF_HOME", "OLLAMA_MODELS", "HYPERLLAMA_MODELS"):
        monkeypatch.delenv(name, raising=False)


def test_metadata_without_loading(tiny: Path) -> None:
    model = gguf.read_metadata(tiny)
    assert (model.architecture, model.quantisation, model.layers) == ("llama", "F32", 2)
    assert model.trained_context == 1024 and model.has_chat_template
    assert model.parameters == sum(t.weights for t in read_header(tiny).tensors) > 10_000
    assert model.size_bytes == tiny.stat().st_size and not model.problem
    assert not model.is_embedded_dialect
    begin = time.process_time()
    for _ in range(100):
        assert gguf.read_metadata(tiny) is model
    assert time.process_time() - begin < 0.1
    assert len(model.sha256()) == 64


def test_memory_grows_with_context_and_shrinks_with_the_cache_type(tiny: Path) -> None:
    model = gguf.read_metadata(tiny)
    small, large = (gguf.estimate_memory_mb(model, n) for n in (512, 65536))
    assert small < large
    assert gguf.estimate_memory_mb(model, 65536, "q4_0") < large
    assert gguf.default_context(model) == 1024 and gguf.default_context(model, 77) == 77


@pytest.mark.parametrize(
    ("facts", "context", "peak_mb"),
    [
        ((98_362_432, 49_152, 576, 11_520), 1024, 207),
        ((98_362_432, 49_152, 576, 11_520), 4096, 276),
        ((253_113_024, 262_144, 640, 9_216), 1024, 422),
        ((253_113_024, 262_144, 640, 9_216), 4096, 479),
    ],
)
def test_estimates_lie_within_a_tenth_above_what_was_measured(
    facts: tuple[int, int, int, int], context: int, peak_mb: float
) -> None:
    """Peaks of SmolLM2-135M and Gemma 3 270M, by benchmarks/memory.py."""
    size, vocabulary, width, kv_values = facts
    model = gguf.ModelFile(
        Path("x"), "x", "llama", 1, "Q4_1", size, vocabulary=vocabulary, width=width,
        kv_values=kv_values,
    )  # fmt: skip
    assert peak_mb <= gguf.estimate_memory_mb(model, context) <= 1.1 * peak_mb


def test_files_of_other_makers(shared: Path) -> None:
    stories = gguf.read_metadata(shared / "gguf" / "stories260K.gguf")
    assert (stories.vocabulary, stories.trained_context, stories.problem) == (512, 2048, "")
    assert not stories.has_chat_template
    assert gguf.read_metadata(shared / "gguf" / "llama-2-tiny-random.gguf").vocabulary == 32000


def header(keys: bytes, *, key_count: int, tensor_count: int = 0, version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, tensor_count, key_count) + keys


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


HUGE = 1 << 62
HOSTILE = {
    "empty": (b"", "is empty"),
    "magic only": (b"GGUF", "ends inside"),
    "no gguf": (b"PK\x03\x04" + b"\0" * 99, "PyTorch or zip"),
    "text": (b"once upon a time" * 9, "no GGUF file"),
    "old version": (header(b"", key_count=0, version=1), "version 1"),
    "big endian": (header(b"", key_count=0, version=3 << 24), "not supported"),
    "many keys": (header(b"\0" * 99, key_count=HUGE), "metadata entries"),
    "many tensors": (header(b"\0" * 99, key_count=0, tensor_count=HUGE), "tensors in"),
    "long key": (header(struct.pack("<Q", HUGE) + b"\0" * 99, key_count=1), "claims"),
    "long text": (
        header(text("a") + struct.pack("<IQ", 8, HUGE) + b"\0" * 99, key_count=1),
        "claims",
    ),
    "huge array": (
        header(text("a") + struct.pack("<IIQ", 9, 5, HUGE) + b"\0" * 99, key_count=1),
        "elements",
    ),
    "huge string array": (
        header(text("a") + struct.pack("<IIQ", 9, 8, HUGE) + b"\0" * 99, key_count=1),
        "elements",
    ),
    "nested array": (
        header(text("a") + struct.pack("<IIQ", 9, 9, 1) + b"\0" * 99, key_count=1),
        "unknown type 9",
    ),
    "key twice": (
        header((text("a") + struct.pack("<IB", 0, 1)) * 2 + b"\0" * 99, key_count=2),
        "repeats",
    ),
    "alignment": (
        header(text("general.alignment") + struct.pack("<II", 4, 3) + b"\0" * 99, key_count=1),
        "alignment",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_headers_are_refused(name: str, tmp_path: Path) -> None:
    content, complaint = HOSTILE[name]
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=complaint) as refusal:
        gguf.read_metadata(path)
    assert refusal.value.hint


def test_a_file_that_is_cut_short_is_refused_anywhere(tiny: Path) -> None:
    whole = tiny.read_bytes()
    for size in (*range(0, len(whole), len(whole) // 60), len(whole) - 1):
        tiny.write_bytes(whole[:size])
        with pytest.raises(ModelFileError):
            gguf.read_metadata(tiny)


def test_whole_files_that_cannot_generate_say_why(tmp_path: Path) -> None:
    path = write_tiny(tmp_path / "vocabulary.gguf", tensors=False)
    assert "no weights" in gguf.read_metadata(path).problem
    with pytest.raises(ModelFileError, match="no weights"):
        gguf.check_model(path)
    with pytest.raises(ModelFileError, match="is a folder"):
        gguf.check_model(tmp_path)
    with pytest.raises(ModelFileError, match="does not exist"):
        gguf.check_model(tmp_path / "none.gguf")
    os.mkfifo(tmp_path / "pipe.gguf")
    with pytest.raises(ModelFileError, match="is a pipe"):
        gguf.check_model(tmp_path / "pipe.gguf")


def test_models_are_found_where_other_programs_keep_them(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = tmp_path / "user"
    for folder in (
        home / "models",
        user / ".lmstudio" / "models" / "someone" / "a model",
        tmp_path / "cache" / "llama.cpp",
    ):
        folder.mkdir(parents=True)
    write_tiny(home / "models" / "mine.gguf")
    write_tiny(user / ".lmstudio" / "models" / "someone" / "a model" / "Qwen-x.Q8_0.gguf")
    (tmp_path / "cache" / "llama.cpp" / "broken.gguf").write_bytes(b"GGUF")
    manifests = user / ".ollama" / "models" / "manifests" / "registry" / "library" / "llama3.2"
    manifests.mkdir(parents=True)
    (user / ".ollama" / "models" / "blobs").mkdir()
    write_tiny(user / ".ollama" / "models" / "blobs" / "sha256-abc", name="llama")
    layer = {"mediaType": "application/vnd.ollama.image.model", "digest": "sha256:abc"}
    (manifests / "3b").write_text(json.dumps({"layers": [layer]}))
    (manifests / "odd").write_text("[" * 100_000)

    found = {m.path.name: m for m in gguf.find_models()}
    assert {"mine.gguf", "Qwen-x.Q8_0.gguf", "broken.gguf", "sha256-abc"} <= set(found)
    assert found["broken.gguf"].problem and not found["mine.gguf"].problem

    assert gguf.resolve_model("mine").name == "mine.gguf"
    assert gguf.resolve_model("qwen-X.q8_0").name == "Qwen-x.Q8_0.gguf"
    assert gguf.resolve_model("llama3.2:3b").name == "sha256-abc"
    with pytest.raises(ModelFileError, match="no model is called") as miss:
        gguf.resolve_model("qwenx")
    assert "Qwen-x.Q8_0" in miss.value.hint
    with pytest.raises(ModelFileError, match="does not exist"):
        gguf.resolve_model(tmp_path / "none.gguf")
    assert gguf.find_models([tmp_path / "nowhere"]) == []


def test_embedded_models_have_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "EMBEDDED", tmp_path)
    with pytest.raises(ModelFileError, match="no embedded model"):
        gguf.resolve_model("embedded")
    small = write_tiny(tmp_path / "hyperllama-1m.gguf")
    assert gguf.resolve_model("embedded") == small
    middle = write_tiny(tmp_path / "hyperllama-4m.gguf")
    assert gguf.resolve_model("embedded") == middle
    assert gguf.resolve_model("embedded-1m") == small
    with pytest.raises(ModelFileError, match="embedded-9m") as miss:
        gguf.resolve_model("embedded-9m")
    assert "embedded-4m" in miss.value.hint


def test_missing_parts_of_a_split_model_are_reported(tmp_path: Path, tiny: Path) -> None:
    from gguf import GGUFWriter

    path = tmp_path / "big-00001-of-00002.gguf"
    writer = GGUFWriter(path, "llama")
    writer.add_uint16("split.count", 2)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(ModelFileError, match="parts are missing"):
        gguf.read_metadata(path)
    tiny.rename(tmp_path / "big-00002-of-00002.gguf")
    assert gguf.read_metadata(path).parameters > 10_000
    assert [m.path for m in gguf.find_models([tmp_path])] == [path]


def test_hashes_of_large_files_are_remembered(
    tiny: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = gguf.file_sha256(tiny)
    remember_hash(home / "model-hashes.json", f"{tiny}|1|2", "x")
    assert json.loads((home / "model-hashes.json").read_text()) == {f"{tiny}|1|2": "x"}
    tiny.write_bytes(tiny.read_bytes() + b"\0")
    assert gguf.file_sha256(tiny) != first
