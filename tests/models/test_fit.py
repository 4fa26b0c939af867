"""What fits where, how fast it is, what it costs: from metadata, a tiny model, made-up counters."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from hyperllama.models.engine import EngineSettings
from hyperllama.models.engine.speed import measure
from hyperllama.models.gguf import (
    Gpu,
    Machine,
    ModelFile,
    estimate_memory_mb,
    fit,
    memory,
    read_metadata,
)
from hyperllama.models.process.usage import EnergyMeter, peak_memory_mb
from tests.models.tiny_gguf import write_tiny

SEVEN_B = ModelFile(
    Path("seven.gguf"), "seven", "llama", 7_000_000_000, "Q4_K_M", 4_000 << 20,
    trained_context=8192, layers=32, vocabulary=32_000, width=4096, kv_values=2 * 32 * 1024,
)  # fmt: skip


def test_a_model_fits_into_main_memory_or_does_not() -> None:
    needed = estimate_memory_mb(SEVEN_B, 8192)
    placed = fit(SEVEN_B, 8192, Machine(needed + 1))
    assert placed.fits and placed.gpu_layers == 0 and placed.layers == 33
    assert placed.ram_mb == placed.needed_mb == needed
    assert not fit(SEVEN_B, 8192, Machine(needed - 1)).fits
    assert fit(SEVEN_B, 2048, Machine(needed - 1)).fits


@pytest.mark.parametrize(("gpu_mb", "layers"), [(80_000, 33), (3_000, 16), (300, 0)])
def test_layers_go_to_the_gpu_as_far_as_there_is_room(gpu_mb: float, layers: int) -> None:
    here = Machine(32_000, (Gpu("one", gpu_mb, 80_000),), ("CUDA",))
    placed = fit(SEVEN_B, 2048, here)
    assert abs(placed.gpu_layers - layers) <= 1
    assert placed.gpu_mb <= gpu_mb
    beside = here.gpu_program_mb if layers else 0.0
    assert placed.ram_mb + placed.gpu_mb == pytest.approx(placed.needed_mb + beside)


def test_a_gpu_takes_memory_beside_the_layers() -> None:
    """As measured: 1,020 and 916 MB with 31 and 15 layers that take 264 and 128 MB."""
    cuda = Machine(32_000, (Gpu("one", 80_000, 80_000),), ("CUDA",))
    for beside in (1020 - 264, 916 - 128):
        assert beside <= cuda.gpu_program_mb <= beside + 60
    assert replace(cuda, backends=("Vulkan",)).gpu_program_mb < cuda.gpu_program_mb


def test_a_build_for_the_processor_uses_no_gpu() -> None:
    here = Machine(32_000, (Gpu("one", 80_000, 80_000),))
    assert fit(SEVEN_B, 2048, here).gpu_layers == 0
    assert fit(SEVEN_B, 2048, replace(here, backends=("CUDA",))).gpu_layers == 33


def test_gpus_are_read_from_the_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text('#!/bin/sh\necho "NVIDIA H200, 140000, 143771"\necho "odd, [N/A], [N/A]"\n')
    program.chmod(program.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert memory.gpus() == [Gpu("NVIDIA H200", 140_000.0, 143_771.0)]
    card = tmp_path / "card0" / "device"
    card.mkdir(parents=True)
    (card / "mem_info_vram_total").write_text(str(8 << 30))
    (card / "mem_info_vram_used").write_text(str(2 << 30))
    (tmp_path / "card1").mkdir()
    assert memory._amd(tmp_path) == [Gpu("AMD card0", 6144.0, 8192.0)]


def test_speed_is_measured_through_the_engine(tmp_path: Path) -> None:
    model = write_tiny(tmp_path / "tiny.gguf")
    steps: list[str] = []
    speed = measure(
        model, EngineSettings(threads=1), prompt=64, generate=16, repetitions=2,
        log=tmp_path / "log", on_step=lambda test, rate: steps.append(test),
    )  # fmt: skip
    assert steps == ["pp64", "pp64", "tg16", "tg16"]
    assert [r.name for r in speed.rates] == ["pp64", "tg16"]
    assert all(len(r.values) == 2 and r.mean > 0 and r.sd >= 0 for r in speed.rates)
    assert speed.info.parameters == read_metadata(model).parameters and speed.peak_mb > 10


def test_peak_memory_of_this_process_and_of_none() -> None:
    assert peak_memory_mb(os.getpid()) > 10
    assert peak_memory_mb(None) == 0.0


def test_energy_from_counters_that_wrap(tmp_path: Path) -> None:
    assert EnergyMeter(tmp_path).joules() is None
    for name in ("intel-rapl:0", "intel-rapl:1", "intel-rapl:0:0"):
        zone = tmp_path / name
        zone.mkdir()
        (zone / "energy_uj").write_text("9000000")
        (zone / "max_energy_range_uj").write_text("10000000")
    meter = EnergyMeter(tmp_path)
    (tmp_path / "intel-rapl:0" / "energy_uj").write_text("9500000")
    (tmp_path / "intel-rapl:1" / "energy_uj").write_text("1000000")
    (tmp_path / "intel-rapl:0:0" / "energy_uj").write_text("9400000")
    assert meter.joules() == pytest.approx(0.5 + 2.0)
