"""Training: AdamW, cosine schedule, bf16, checkpoints, a log of held-out loss and quality.

Resumes from its checkpoint and then sees the same sequences as a run that never stopped.
"""

from __future__ import annotations

import json
import math
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from workshop.batches import Batch, batches, soft_targets
from workshop.network import Network, Shape
from workshop.pool import drawn
from workshop.quality import held_out_batches, loss_of, mean_loss
from workshop.sequences import Source, Study
from workshop.surfaces import FittedSurface

_WARM_UP = 150
_PRINT_EVERY, _LOG_EVERY = 50, 200


@dataclass(frozen=True)
class TrainOptions:
    """How to train.

    Attributes:
        steps: of the whole training, earlier runs counted.
        batch: sequences a step.
        peak_rate: learning rate after the warm-up.
        synthetic: share of sequences from nameless functions.
        seed: of weights and sequences.
        device: as PyTorch calls it.
        workers: processes that make sequences; 0 makes them in this one.
        pool: a folder of sequences that `python -m workshop sequences` fills, in their place.
        minutes: stop earlier than `steps`, with the schedule bent so that it still ends at zero.
        fuse: compile the blocks; after half a minute a step takes half the time.
    """

    steps: int
    batch: int = 256
    peak_rate: float = 2e-3
    synthetic: float = 0.25
    seed: int = 0
    device: str = "cpu"
    workers: int = 1
    pool: Path | None = None
    minutes: float | None = None
    fuse: bool = True


class _Stream(torch.utils.data.IterableDataset[Batch]):
    def __init__(self, source: Source, batch: int, start: int) -> None:
        self.source, self.batch, self.start = source, batch, start

    def __iter__(self):  # type: ignore[no-untyped-def]
        info = torch.utils.data.get_worker_info()
        stride, offset = (info.num_workers, info.id) if info else (1, 0)
        yield from batches(self.source, self.batch, self.start, stride, offset)


def train(
    surfaces: list[FittedSurface],
    held_out: list[FittedSurface],
    shape: Shape,
    folder: Path,
    options: TrainOptions,
    start: Mapping[str, Tensor] | None = None,
    played: Sequence[Study] = (),
) -> Network:
    """Train a network, or go on from `folder`'s checkpoint, to `options.steps` steps.

    Args:
        start: weights to begin with instead of random ones, where there is no checkpoint.
        played: studies whose beginnings are histories, too.

    Returns:
        the trained network, also saved as `folder/final.pt`, as it is each time the log grows.
    """
    folder.mkdir(parents=True, exist_ok=True)
    trainer = _Trainer(shape, folder / "checkpoint.pt", options, start)
    examples = held_out_batches(held_out)
    source = Source(surfaces, options.seed, options.synthetic, played)
    stream = (drawn(options.pool, options.seed) if options.pool else
              _loader(source, trainer.step, options))
    with (folder / "log.jsonl").open("a", encoding="utf8") as log:
        done = trainer.step / options.steps
        while done < 1.0:
            done = trainer.share_done()
            trainer.learn(next(stream), done)
            if trainer.step % _LOG_EVERY == 0 or done >= 1.0:
                held = mean_loss(trainer.network, examples, trainer.soft, options.device)
                entry = {**trainer.entry(), "held_out": held}
                print(json.dumps(entry), file=log, flush=True)
                print(entry, flush=True)
                trainer.save()
                _save(folder / "final.pt", {"network": trainer.network.state_dict(),
                                            "shape": asdict(shape), "step": trainer.step,
                                            "seed": options.seed})
    return trainer.network


class _Trainer:
    """A network with its optimiser and clock, resumed from a checkpoint where there is one."""

    def __init__(self, shape: Shape, checkpoint: Path, options: TrainOptions,
                 start: Mapping[str, Tensor] | None) -> None:
        self.options, self.checkpoint = options, checkpoint
        torch.manual_seed(options.seed)
        torch.backends.cuda.enable_cudnn_sdp(False)  # it plans anew for every length
        self.network = Network(shape).to(options.device)
        if start is not None:
            self.network.load_state_dict(dict(start))
        if options.fuse:
            for block in self.network.blk:
                block.compile(dynamic=True)
        decayed = [p for p in self.network.parameters() if p.ndim == 2]
        others = [p for p in self.network.parameters() if p.ndim < 2]
        self.optimiser = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}],
            lr=options.peak_rate,
            betas=(0.9, 0.98), fused=options.device != "cpu",
        )
        self.soft = torch.from_numpy(soft_targets()).to(options.device)
        self.losses: deque[Tensor] = deque(maxlen=_LOG_EVERY)
        self.step, before_s = 0, 0.0
        if checkpoint.exists():
            state = torch.load(checkpoint, map_location=options.device, weights_only=True)
            self.network.load_state_dict(state["network"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.step, before_s = state["step"], state["elapsed_s"]
        self.elapsed_s = before_s
        self._began = time.perf_counter() - before_s

    def share_done(self) -> float:
        """Share of the training that is done, by steps or minutes, whichever is further."""
        self.elapsed_s = time.perf_counter() - self._began
        minutes = self.options.minutes
        by_time = self.elapsed_s / (60 * minutes) if minutes else 0.0
        return max(self.step / self.options.steps, by_time)

    def learn(self, batch: Batch, done: float) -> None:
        """One step, with the learning rate of the share that is done."""
        options = self.options
        rate = options.peak_rate * min(1.0, (self.step + 1) / _WARM_UP) * _cosine(done)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        with torch.autocast(device_type=options.device.split(":")[0], dtype=torch.bfloat16):
            loss = loss_of(self.network, batch, self.soft, options.device)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        self.losses.append(loss.detach())
        self.step += 1
        if self.step % _PRINT_EVERY == 0:
            print(f"step {self.step} loss {self._mean_loss(_PRINT_EVERY):.4f} "
                  f"rate {rate:.2e} {self.elapsed_s / 60:.1f} min", flush=True)

    def entry(self) -> dict[str, Any]:
        """A line of the log, without what is measured."""
        return {"step": self.step, "minutes": round(self.elapsed_s / 60, 2),
                "loss": self._mean_loss(_LOG_EVERY)}

    def _mean_loss(self, steps: int) -> float:
        """Of the last steps; what waits for the device, so it is not asked every step."""
        return float(torch.stack(list(self.losses)[-steps:]).mean())

    def save(self) -> None:
        """Write the checkpoint."""
        _save(self.checkpoint, {"network": self.network.state_dict(), "step": self.step,
                                "optimiser": self.optimiser.state_dict(),
                                "elapsed_s": self.elapsed_s})


def _loader(source: Source, start: int, options: TrainOptions) -> Iterator[Batch]:
    """Batches from step `start` on, made by worker processes."""
    workers = options.workers
    return iter(
        torch.utils.data.DataLoader(
            _Stream(source, options.batch, start),
            batch_size=None,
            num_workers=workers,
            multiprocessing_context="spawn" if workers else None,
            prefetch_factor=16 if workers else None,
        )
    )


def load(path: Path) -> Network:
    """The network saved by `train`."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    network = Network(Shape(**state["shape"]))
    network.load_state_dict(state["network"])
    return network.eval()


def _cosine(done: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))


def _save(path: Path, state: dict[str, object]) -> None:
    torch.save(state, path.with_suffix(".tmp"))
    path.with_suffix(".tmp").replace(path)
