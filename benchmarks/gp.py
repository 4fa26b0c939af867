"""Our Gaussian process beside scikit-learn's, as the model behind expected improvement.

    python benchmarks/gp.py [--seeds 10] [--budget 20] [--json]

The paper's six functions, shifted and rotated; three random trials, then the candidate with the
largest expected improvement among the same random ones and neighbours of the incumbent. The rival:
GaussianProcessRegressor with Matern 5/2, one length scale a coordinate and white noise. Printed is
the share that is left of the first three trials' loss above the optimum (mean over the seeds), and
the milliseconds of a fit.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hyperllama.core.experiments.problems.landscapes import FUNCTIONS, Landscape
from hyperllama.core.propose.gp.surrogate import (
    GaussianProcess,
    compress_tail,
    log_expected_improvement,
)

Floats = NDArray[np.float64]
Predict = Callable[[Floats], tuple[Floats, Floats]]


def ours(x: Floats, y: Floats) -> Predict:
    return GaussianProcess.fit(x, y).predict


def theirs(x: Floats, y: Floats) -> Predict:
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    kernel = ConstantKernel() * Matern(np.full(x.shape[1], 0.5), nu=2.5) + WhiteKernel(1e-3)
    process = GaussianProcessRegressor(kernel, normalize_y=True, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        process.fit(x, y)
    return lambda u: process.predict(u, return_std=True)


def search(problem: Landscape, seed: int, budget: int, fit: Callable[..., Predict]) -> tuple[
    float, float
]:
    """Share of the loss above the optimum left after `budget` trials, and mean seconds of a fit."""
    rng = np.random.default_rng(seed)
    loss = lambda u: float(problem.observe(problem.space.from_unit(u), seed) or 0.0)  # noqa: E731
    x = rng.random((3, 2))
    losses = np.array([loss(u) for u in x])
    spent = 0.0
    while len(x) < budget:
        y = -compress_tail(losses)
        started = time.perf_counter()
        predict = fit(x, y)
        spent += time.perf_counter() - started
        best = x[np.argmax(y)]
        near = best + rng.normal(0, 0.1, (300, 2)) * rng.choice([0.1, 1.0], (300, 1))
        u = np.clip(np.concatenate([rng.random((400, 2)), near]), 0, 1 - 1e-9)
        mean, std = predict(u)
        chosen = u[np.argmax(log_expected_improvement(mean, np.maximum(std, 1e-9), y.max()))]
        x, losses = np.concatenate([x, chosen[None]]), np.append(losses, loss(chosen))
    least = problem.best or 0.0
    return float((losses.min() - least) / (losses[:3].min() - least)), spent / (budget - 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--budget", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    fits = {"ours": ours, "scikit-learn": theirs}
    left: dict[str, list[float]] = {k: [] for k in fits}
    seconds: dict[str, list[float]] = {k: [] for k in fits}
    for name in FUNCTIONS:
        for which, fit in fits.items():
            runs = [search(Landscape(name), s, options.budget, fit) for s in range(options.seeds)]
            left[which].append(float(np.mean([share for share, _ in runs])))
            seconds[which] += [s for _, s in runs]
        print(f"{name:16s} left: {left['ours'][-1]:.4f} ours, "
              f"{left['scikit-learn'][-1]:.4f} scikit-learn's", flush=True)
    result = {
        "left": {k: float(np.mean(v)) for k, v in left.items()},
        "fit_ms": {k: 1000 * float(np.median(v)) for k, v in seconds.items()},
    }
    for which in fits:
        print(f"{which:16s} left: {result['left'][which]:.4f}, "
              f"a fit takes {result['fit_ms'][which]:.1f} ms")
    if options.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
