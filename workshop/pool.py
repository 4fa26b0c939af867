"""Sequences made ahead, in files of a folder, for several trainings that run at the same time.

Making a sequence takes a processor some milliseconds, learning from it takes a graphics card far
less. So processes of their own write files of eight steps each, and every training reads each file
once, then files that it has seen, drawn at random, until there are new ones.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np

from workshop.batches import STEPS, Batch, batches
from workshop.pooled import load_folder
from workshop.sequences import Source
from workshop.surfaces import FittedSurface, load

_NARROW = {"tokens": np.int16, "positions": np.int16, "segments": np.int8, "targets": np.int16,
           "weights": np.float16}
_WAIT_S = 0.2


def gather(
    corpus: Path, survey: Path | None = None, cache: Path | None = None
) -> tuple[list[FittedSurface], list[FittedSurface]]:
    """The surfaces to learn from, and those held out.

    Args:
        corpus: the folder of the first corpus.
        survey: the folder of the second.
        cache: a file to read them from; made if it is missing. Its surfaces give means alone.
    """
    if cache is not None and cache.exists():
        found = pickle.loads(cache.read_bytes())
        return found[0], found[1]
    files = sorted(corpus.glob("*.jsonl.gz"))
    seen, kept = (load(files, held_out=held) for held in (False, True))
    if survey is not None:
        seen += load_folder(survey, held_out=False)
        kept += load_folder(survey, held_out=True)
    if cache is not None:
        for surface in (*seen, *kept):
            none = np.empty((0, 0))
            surface.models = [replace(m, chol=none) for m in surface.models]
            surface.ahead = [replace(m, chol=none) for m in surface.ahead]
        cache.write_bytes(pickle.dumps((seen, kept)))
    return seen, kept


def fill(folder: Path, source: Source, batch: int, worker: int, workers: int) -> Iterator[Path]:
    """Write files without end: every `workers`-th from number `worker` on."""
    made = batches(source, batch, STEPS * worker, workers, 0)
    number = worker
    while True:
        path = folder / f"{number:06}.npz"
        arrays = {f"{name}{i}": getattr(b, name).astype(kind)
                  for i, b in enumerate(islice(made, STEPS)) for name, kind in _NARROW.items()}
        part = folder / f"{number:06}.part"
        with part.open("wb") as out:
            np.savez(out, **arrays)
        part.rename(path)
        yield path
        number += workers


def drawn(folder: Path, seed: int) -> Iterator[Batch]:
    """Steps of a folder's files without end: new files first, else one that was read before."""
    rng = np.random.default_rng([seed, 5])
    read: set[Path] = set()
    while True:
        new = set(folder.glob("*.npz")) - read
        if not new and not read:
            time.sleep(_WAIT_S)
            continue
        path = min(new) if new else sorted(read)[int(rng.integers(len(read)))]
        read.add(path)
        with np.load(path) as arrays:
            steps = [Batch(*(arrays[f"{name}{i}"] for name in _NARROW)) for i in range(STEPS)]
        yield from (steps[int(i)] for i in rng.permutation(STEPS))
