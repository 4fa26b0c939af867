"""How often claims about contenders and gains are wrong, and how often real differences are found.

Simulated, one core, about two minutes. Scores are normal with standard deviation 1 over seeds
(contenders) or folds (trials), unless another kind is named.

    python benchmarks/claims.py
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from hyperllama.core.experiments.figures.claims import pair_claim, pairs_of
from hyperllama.core.trials.noise import study_noise, t_quantile

Scores = NDArray[np.float64]
SIZES = [(c, t, s) for c in (2, 4, 8) for t in (1, 3, 10) for s in (3, 5, 10)]
KINDS = ("normal", "ties", "unlike tasks")
TIMES = 300


def drawn(kind: str, rng: np.random.Generator, contenders: int, tasks: int, seeds: int) -> Scores:
    """Scores of equal contenders, shape (contenders, tasks, seeds)."""
    scores = rng.standard_normal((contenders, tasks, seeds))
    if kind == "ties":
        scores[rng.random(scores.shape) < 0.5] = 0.0
    if kind == "unlike tasks":
        scores *= np.exp(1.2 * rng.standard_normal((1, tasks, 1)))
    return scores


def claims(scores: Scores) -> int:
    """How many pairs of contenders are said to differ."""
    pairs = pairs_of(len(scores))
    found = (
        pair_claim((scores[a] - scores[b]).tolist(), pairs).verdict
        for a, b in combinations(range(len(scores)), 2)
    )
    return sum(v in ("better", "worse") for v in found)


def best_alone(scores: Scores) -> bool:
    """Whether the best, picked first, is said to be better than any other, uncorrected."""
    best = int(scores.mean((1, 2)).argmax())
    return any(
        pair_claim((scores[best] - s).tolist(), 1).verdict == "better"
        for s in np.delete(scores, best, 0)
    )


def study_claims(rng: np.random.Generator, trials: int, folds: int) -> tuple[float, float]:
    """Shares of studies of equal trials whose best is beyond noise: as told, and uncorrected."""
    told = alone = 0
    for _ in range(TIMES):
        shared = rng.standard_normal((trials, 1)) * (1 / folds) ** 0.5
        scores = shared + rng.standard_normal((trials, folds)) * (1 - 1 / folds) ** 0.5
        noise = study_noise(scores[0].tolist(), scores[1:].tolist(), 1 / folds)
        assert noise is not None
        gain = scores[1:].mean(1).max() - scores[0].mean()
        told += gain > noise.margin
        alone += gain > t_quantile(0.95, folds - 1) * noise.error
    return told / TIMES, alone / TIMES


def main() -> None:
    print("false claims in percent of comparisons, no contender better; largest over the sizes")
    for kind in KINDS:
        rng, shares = np.random.default_rng(0), {}
        for size in SIZES:
            found = [claims(drawn(kind, rng, *size)) > 0 for _ in range(TIMES)]
            shares[size] = 100 * sum(found) / TIMES
        worst = max(shares, key=lambda size: shares[size])
        mean = sum(shares.values()) / len(shares)
        print(f"  {kind:<14} mean {mean:.1f}  largest {shares[worst]:.1f}"
              f" ({worst[0]} contenders, {worst[1]} tasks, {worst[2]} seeds)")  # fmt: skip
    for count in (2, 5, 8):
        rng = np.random.default_rng(0)
        alone = sum(best_alone(drawn("normal", rng, count, 1, 5)) for _ in range(TIMES))
        print(f"  {count} contenders, the best tested alone: {100 * alone / TIMES:.1f}")
    print("a difference of one standard deviation, 5 tasks x 5 seeds: found in percent")
    for count in (2, 3, 5):
        rng, hits = np.random.default_rng(0), 0
        for _ in range(TIMES):
            scores = drawn("normal", rng, count, 5, 5)
            scores[0] += 1.0
            found = pair_claim((scores[0] - scores[1]).tolist(), pairs_of(count))
            hits += found.verdict == "better"
        print(f"  {count} contenders: {100 * hits / TIMES:.0f}")
    print("studies of equal trials whose best is called beyond noise, in percent")
    for trials, folds in ((12, 5), (40, 5), (12, 10)):
        told, alone_share = study_claims(np.random.default_rng(0), trials, folds)
        print(f"  {trials} trials, {folds} folds: {100 * told:.1f}"
              f" (each trial tested alone: {100 * alone_share:.1f})")  # fmt: skip


if __name__ == "__main__":
    main()
