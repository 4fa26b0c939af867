"""Training: AdamW, cosine schedule, bf16, checkpoints, a log of held-out loss and quality.

Resumes from its checkpoint and then sees the same sequences as a run that never stopped.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hyperllama.models.embedded import dialect
from workshop.batches import Batch, batches, pack, soft_targets
from workshop.network import Network, Shape
from workshop.tasks import FittedSurface, RealTask, Source, SyntheticTask

_WARM_UP = 150


class _Stream(torch.utils.data.IterableDataset[Batch]):
    def __init__(self, source: Source, batch: int, start: int) -> None:
        self.source, self.batch, self.start = source, batch, start

    def __iter__(self):  # type: ignore[no-untyped-def]
        info = torch.utils.data.get_worker_info()
        stride, offset = (info.num_workers, info.id) if info else (1, 0)
        yield from batches(self.source, self.batch, self.start, stride, offset)


def loss_of(network: Network, batch: Batch, soft: Tensor, device: str) -> Tensor:
    """Weighted cross entropy; numbers against soft targets, the rest against the token itself."""
    tokens, positions, segments, targets = (
        torch.from_numpy(a).to(device)
        for a in (batch.tokens, batch.positions, batch.segments, batch.targets)
    )
    weights = torch.from_numpy(batch.weights).to(device)
    t = tokens.shape[1]
    causal = torch.ones(t, t, dtype=torch.bool, device=device).tril()
    seen, looking = segments[:, None, :], segments[:, :, None]
    mask = causal & ((seen == 0) | (seen == looking))
    hidden = network(tokens, positions, mask)
    counted = weights > 0
    logits = network.logits(hidden[counted]).float()
    goal, weight = targets[counted], weights[counted]
    log_p = F.log_softmax(logits, dim=-1)
    plain = -log_p.gather(1, goal[:, None])[:, 0]
    number = (goal >= dialect.VALUE_0) & (goal < dialect.CHOICE_0)
    bins = (goal - dialect.VALUE_0).clamp(0, dialect.BINS - 1)
    values = log_p[:, dialect.VALUE_0 : dialect.VALUE_0 + dialect.BINS]
    soft_loss = -(soft[bins] * values).sum(1)
    return (torch.where(number, soft_loss, plain) * weight).sum() / weight.sum()


def train(
    surfaces: list[FittedSurface],
    held_out: list[FittedSurface],
    shape: Shape,
    folder: Path,
    *,
    steps: int,
    batch: int = 256,
    peak_rate: float = 2e-3,
    synthetic: float = 0.25,
    seed: int = 0,
    device: str = "cpu",
    workers: int = 1,
    minutes: float | None = None,
    fuse: bool = True,
    start: Mapping[str, Tensor] | None = None,
) -> Network:
    """Train a network, or go on from `folder`'s checkpoint, to `steps` steps.

    Args:
        start: weights to begin with instead of random ones, where there is no checkpoint.
        minutes: stop earlier than `steps`, with the schedule bent so that it still ends at zero.
        fuse: compile the blocks; after half a minute a step takes half the time.

    Returns:
        the trained network, also saved as `folder/final.pt`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    network = Network(shape).to(device)
    if start is not None:
        network.load_state_dict(dict(start))
    if fuse:
        for block in network.blk:
            block.compile(dynamic=True)
    decayed = [p for p in network.parameters() if p.ndim == 2]
    kept = [p for p in network.parameters() if p.ndim < 2]
    optimiser = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.05}, {"params": kept, "weight_decay": 0.0}],
        lr=peak_rate,
        betas=(0.9, 0.98),
    )
    step, elapsed_s = 0, 0.0
    checkpoint = folder / "checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=device, weights_only=True)
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        step, elapsed_s = state["step"], state["elapsed_s"]
    soft = torch.from_numpy(soft_targets()).to(device)
    examples = _held_out_batches(held_out)
    loader = iter(
        torch.utils.data.DataLoader(
            _Stream(Source(surfaces, seed, synthetic), batch, step),
            batch_size=None,
            num_workers=workers,
            multiprocessing_context="spawn" if workers else None,
            prefetch_factor=16 if workers else None,
        )
    )
    started = time.perf_counter()
    losses: list[float] = []
    log = (folder / "log.jsonl").open("a", encoding="utf8")
    done = step / steps
    while done < 1.0:
        spent_s = elapsed_s + time.perf_counter() - started
        done = max(step / steps, spent_s / (60 * minutes) if minutes else 0.0)
        rate = peak_rate * min(1.0, (step + 1) / _WARM_UP) * _cosine(done)
        for group in optimiser.param_groups:
            group["lr"] = rate
        with torch.autocast(device_type=device.split(":")[0], dtype=torch.bfloat16):
            loss = loss_of(network, next(loader), soft, device)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        losses.append(float(loss.detach()))
        step += 1
        if step % 50 == 0:
            print(f"step {step} loss {np.mean(losses[-50:]):.4f} rate {rate:.2e} "
                  f"{spent_s / 60:.1f} min", flush=True)
        if step % 200 == 0 or done >= 1.0:
            entry = {"step": step, "minutes": round(spent_s / 60, 2),
                     "loss": float(np.mean(losses[-200:])),
                     **_measure(network, examples, soft, held_out, device)}
            log.write(json.dumps(entry) + "\n")
            log.flush()
            print(entry, flush=True)
            _save(checkpoint, {"network": network.state_dict(), "step": step,
                               "optimiser": optimiser.state_dict(), "elapsed_s": spent_s})
    _save(folder / "final.pt", {"network": network.state_dict(), "shape": asdict(shape),
                                "step": step, "seed": seed})
    return network


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


def _held_out_batches(surfaces: list[FittedSurface]) -> list[Batch]:
    source = Source(surfaces, 10**6, 0.2 if surfaces else 1.0)
    drawn = sorted((source.draw(i) for i in range(512)), key=lambda e: len(e.prompt))
    return [pack(drawn[i : i + 64]) for i in range(0, 512, 64)]


def measure(network: Network, held_out: list[FittedSurface]) -> dict[str, float]:
    """Held-out loss, and the mean share of random candidates that beat a proposal.

    The share is given for real and synthetic surfaces after 0, 8 and 16 random trials; 0.5 is no
    better than random, and what falls with the number of trials was learned from the history.
    """
    soft = torch.from_numpy(soft_targets())
    return _measure(network, _held_out_batches(held_out), soft, held_out, "cpu")


@torch.no_grad()
def _measure(
    network: Network, examples: list[Batch], soft: Tensor, surfaces: list[FittedSurface],
    device: str,
) -> dict[str, float]:
    network.eval()
    result = {"held_out": float(np.mean([float(loss_of(network, b, soft, device))
                                         for b in examples]))}
    for kind in ("real", "synthetic"):
        if kind == "synthetic" or surfaces:
            for n in (0, 8, 16):
                result[f"{kind}_{n}"] = round(_percentile(network, surfaces, kind, n, device), 4)
    network.train()
    return result


def _percentile(
    network: Network, surfaces: list[FittedSurface], kind: str, n: int, device: str
) -> float:
    """Mean share of random candidates that beat a sampled proposal after n random trials."""
    shares = []
    for i in range(96):
        rng = np.random.default_rng([i, n, 99])
        task = (RealTask(rng, surfaces[int(rng.integers(len(surfaces)))]) if kind == "real"
                else SyntheticTask(rng))
        u = rng.random((300, len(task.axes)))
        losses = task.score(u)
        points = [task.point(row) for row in task.bins(u[:n])]
        prompt = dialect.header(task.estimator, task.facts, task.axes)
        if n:
            prompt += dialect.history(task.axes, points, list(losses[:n]))
        prompt.append(dialect.INDEX["<propose>"])
        generator = torch.Generator().manual_seed(i)
        chosen = propose(network, task.axes, prompt, bool(n), generator, device)
        coordinates = np.array([[(chosen[a] + 0.5) / (len(x.bins) if x.kind == "choice"
                                                      else dialect.BINS)
                                 for a, x in enumerate(task.axes)]])
        shares.append(float(np.mean(losses < task.score(coordinates)[0])))
    return float(np.mean(shares))


@torch.no_grad()
def propose(
    network: Network, axes: list[dialect.DialectParam], prompt: list[int], told: bool,
    generator: torch.Generator | None, device: str = "cpu",
) -> dict[int, int]:
    """A configuration (axis -> value index): sampled, or greedy without a generator."""
    tokens = list(prompt)

    def pick(allowed: list[int]) -> int:
        t = torch.tensor([tokens], device=device)
        mask = torch.ones(1, len(tokens), len(tokens), dtype=torch.bool, device=device).tril()
        hidden = network(t, torch.arange(len(tokens), device=device)[None], mask)[0, -1]
        scores = network.logits(hidden)[allowed].float().cpu()
        if generator is None:
            chosen = int(scores.argmax())
        else:
            chosen = int(torch.multinomial(scores.softmax(0), 1, generator=generator))
        tokens.append(allowed[chosen])
        return allowed[chosen]

    for allowed in dialect.plan_tokens(axes, told):
        pick(allowed)
    tokens.append(dialect.INDEX["<config>"])
    result = {}
    for a, axis in enumerate(axes):
        tokens.append(axis.token)
        result[a] = axis.index_of(pick(axis.allowed))
    return result
