"""How far knowledge of like tables goes: every score of the other tables known beforehand.

    python benchmarks/lists_from_other_tables.py FOLDER

FOLDER holds exhaustive tables of one space, as `hyperllama bench tables` reads them. For each table
two lists are made from the others, all configurations of which are known: a greedy one, in which
each configuration lowers the mean loss of the list's best most, and the configurations with the
best mean loss. The third method looks at scores, too: expected improvement by the project's
Gaussian process, whose prior mean is that of the others' losses and which knows the new table's
scale. Printed is the loss relative to random search's, mean over the tables, all from the default,
and the share of what could be reached that is closed. No method can know as much of tables that it
has not seen.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from hyperllama.core.experiments.problems.tables import Floats, TableProblem, table_problems
from hyperllama.core.propose.gp.surrogate import GaussianProcess, log_expected_improvement
from workshop.portfolio import greedy

AT = (5, 10, 20, 30)


def informed(losses: Floats, at: int, first: int, shape: tuple[int, ...], length: int) -> list[int]:
    """Configurations that the Gaussian process tries on table `at`, `first` among them."""
    logs = np.log(np.maximum(losses, 1e-4))
    good = np.minimum(logs, np.median(logs, axis=1, keepdims=True))
    scores = -(good - good.mean(axis=1, keepdims=True)) / good.std(axis=1, keepdims=True)
    mean = np.delete(scores, at, axis=0).mean(axis=0)
    left = float(np.delete(scores - mean, at, axis=0).std())
    sizes = np.array(shape)
    grid = (np.stack(np.unravel_index(np.arange(len(mean)), shape), axis=1) + 0.5) / sizes

    def trend(u: Floats) -> Floats:
        return np.asarray(mean[np.ravel_multi_index(tuple((u * sizes).astype(int).T), shape)])

    tried = [first]
    while len(tried) < length:
        y = scores[at, tried]
        gp = GaussianProcess.fit(grid[tried], y, np.zeros(len(shape), bool), trend, left=left)
        gain = log_expected_improvement(*gp.predict(grid), float(y.max()))
        gain[tried] = -np.inf
        tried.append(int(gain.argmax()))
    return tried


def main() -> int:
    """Print the figures of the three."""
    problems: list[TableProblem] = list(table_problems(sys.argv[1]))
    searches = [p.random_search(0) for p in problems]
    random = np.array([s.curve(max(AT), "default") for s in searches])
    losses = np.array([p.losses for p in problems])
    start = np.array([p.judge(p.space.default(), 0) for p in problems])
    names = ("greedy list", "best mean", "informed GP")
    curves = {name: np.empty((len(problems), max(AT))) for name in names}
    for i in range(len(problems)):
        others = np.arange(len(problems)) != i
        lists = {
            "greedy list": greedy(losses[others] / random[others, 4:5],
                                  start[others] / random[others, 4], max(AT) - 1),
            "best mean": np.argsort((losses[others] / random[others, 9:10]).mean(axis=0)),
        }
        shape = tuple(len(a.values) for a in problems[i].layout.axes)
        first = int(np.argmin(abs(losses[i] - start[i])))
        lists["informed GP"] = np.array(informed(losses, i, first, shape, max(AT))[1:])
        for name, chosen in lists.items():
            tried = [start[i], *losses[i, chosen[: max(AT) - 1]]]
            curves[name][i] = np.minimum.accumulate(tried)
    reach = np.array([100 * (losses.min(axis=1) / random[:, n - 1] - 1).mean() for n in AT])
    print(f"{'after':12}" + "".join(f"{n:>16}" for n in AT))
    for name, curve in curves.items():
        gains = [100 * (curve[:, n - 1] / random[:, n - 1] - 1).mean() for n in AT]
        row = [f"{g:.1f} % ({100 * g / r:.0f} %)" for g, r in zip(gains, reach, strict=True)]
        print(f"{name:12}" + "".join(f"{cell:>16}" for cell in row))
    print(f"{'the optimum':12}" + "".join(f"{r:>14.1f} %" for r in reach))
    return 0


if __name__ == "__main__":
    sys.exit(main())
