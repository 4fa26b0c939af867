"""How good a network is: loss on held-out sequences, and the quality of its proposals."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hyperllama.models.embedded import dialect
from workshop.batches import Batch, pack, soft_targets
from workshop.network import Network
from workshop.sequences import Source
from workshop.surfaces import FittedSurface
from workshop.synthetic import SyntheticTask
from workshop.tasks import RealTask


def loss_of(network: Network, batch: Batch, soft: Tensor, device: str) -> Tensor:
    """Weighted cross entropy; numbers against soft targets, the rest against the token itself."""
    tokens, positions, segments, targets = (
        torch.from_numpy(a).to(device=device, dtype=torch.long)
        for a in (batch.tokens, batch.positions, batch.segments, batch.targets)
    )
    weights = torch.from_numpy(batch.weights).to(device=device, dtype=torch.float32)
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


def held_out_batches(surfaces: list[FittedSurface], count: int = 512) -> list[Batch]:
    source = Source(surfaces, 10**6, 0.2 if surfaces else 1.0)
    drawn = sorted((source.draw(i) for i in range(count)), key=lambda e: len(e.prompt))
    return [pack(drawn[i : i + 64]) for i in range(0, count, 64)]


def measure(network: Network, held_out: list[FittedSurface]) -> dict[str, float]:
    """Held-out loss, in all and by family, and the share of random candidates that beat a proposal.

    The mean share is given for real and synthetic surfaces after 0, 8 and 16 random trials; 0.5 is
    no better than random, and what falls with the number of trials was learned from the history.
    """
    soft = torch.from_numpy(soft_targets())
    result = {"held_out": mean_loss(network, held_out_batches(held_out), soft, "cpu")}
    for family in sorted({s.family for s in held_out}):
        mine = held_out_batches([s for s in held_out if s.family == family], 128)
        result[f"held_out_{family}"] = round(mean_loss(network, mine, soft, "cpu"), 4)
    for kind in ("real", "synthetic"):
        if kind == "synthetic" or held_out:
            for n in (0, 8, 16):
                result[f"{kind}_{n}"] = round(_percentile(network, held_out, kind, n), 4)
    return result


@torch.no_grad()
def mean_loss(network: Network, examples: list[Batch], soft: Tensor, device: str) -> float:
    """Mean of `loss_of` over batches."""
    network.eval()
    found = float(np.mean([float(loss_of(network, b, soft, device)) for b in examples]))
    network.train()
    return found


def _percentile(network: Network, surfaces: list[FittedSurface], kind: str, n: int) -> float:
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
        chosen = propose(network, task.axes, prompt, bool(n), generator)
        coordinates = np.array([[(chosen[a] + 0.5) / (len(x.bins) if x.kind == "choice"
                                                      else dialect.BINS)
                                 for a, x in enumerate(task.axes)]])
        shares.append(float(np.mean(losses < task.score(coordinates)[0])))
    return float(np.mean(shares))


@torch.no_grad()
def propose(
    network: Network, axes: list[dialect.DialectParam], prompt: list[int], has_incumbent: bool,
    generator: torch.Generator | None,
) -> dict[int, int]:
    """A configuration (axis -> value index): sampled, or greedy without a generator."""
    tokens = list(prompt)

    def pick(allowed: list[int]) -> int:
        t = torch.tensor([tokens])
        mask = torch.ones(1, len(tokens), len(tokens), dtype=torch.bool).tril()
        hidden = network(t, torch.arange(len(tokens))[None], mask)[0, -1]
        scores = network.logits(hidden)[allowed].float()
        if generator is None:
            chosen = int(scores.argmax())
        else:
            chosen = int(torch.multinomial(scores.softmax(0), 1, generator=generator))
        tokens.append(allowed[chosen])
        return allowed[chosen]

    for allowed in dialect.plan_tokens(axes, has_incumbent):
        pick(allowed)
    tokens.append(dialect.INDEX["<config>"])
    result = {}
    for a, axis in enumerate(axes):
        tokens.append(axis.token)
        result[a] = axis.index_of(pick(axis.allowed))
    return result
