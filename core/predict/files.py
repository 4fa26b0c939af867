"""Predicting a file: read, predicted and written block by block, so its size does not matter."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from numpy.typing import NDArray

from hyperllama.core.data.cells import Floats
from hyperllama.core.data.reader import File
from hyperllama.core.errors import DataError
from hyperllama.core.predict.model import FittedModel
from hyperllama.core.predict.options import Wanted
from hyperllama.core.predict.reasons import contributions, shuffled, strongest
from hyperllama.core.predict.rows import open_rows
from hyperllama.core.predict.score import Score
from hyperllama.core.text import allowed, nearest, plain, shown

if TYPE_CHECKING:
    import polars as pl

BLOCK_CELLS = 2_000_000
"""Cells read at once; 16 MB as numbers, some 100 MB as text."""


def predict_file(
    model: FittedModel, path: Path, output: Path | None, wanted: Wanted,
    say: Callable[[str], object] = lambda text: None,
) -> list[str]:
    """Predict every row of a file, in its order.

    Args:
        output: .csv or .parquet, replaced in one step; None for CSV on standard output.
        say: told in a line how many rows are done.

    Returns:
        Lines for people: how the rows differ from the training rows, what was asked for.

    Raises:
        DataError: the file cannot be read, has none of the model's columns or lacks one that is
            asked for; the output cannot be written.
    """
    file = open_rows(path, model.facts)
    _check(model, file, output, wanted)
    rows = model.rows(file.names)
    score = Score(model) if wanted.score else None
    names = list(dict.fromkeys([*wanted.keep, *(s for s in rows.sources if s in file.names),
                                *([model.target] if score else [])]))
    done, about = 0, [f"{plain(path.name)}: {note}" for note in file.notes]
    sample: Floats | None = None
    with _writer(output) as write:
        for block in file.blocks(names, max(1000, BLOCK_CELLS // len(names))):
            x = rows.read(block)
            sample = x if sample is None else sample
            outputs = model.outputs(x)
            proba = model.outputs(x, proba=True) if wanted.proba else None
            write(_columns(model, block, wanted, x, outputs, proba))
            if score is not None:
                score.add(block[model.target], x, outputs)
            done += len(block)
            say(f"{done:,} of {file.rows:,} rows")
    about += rows.report()
    if wanted.explain and sample is not None and len(sample):
        about += _explained(model, sample)
    return about + (score.report() if score is not None else [])


def _check(model: FittedModel, file: File, output: Path | None, wanted: Wanted) -> None:
    """Raises DataError for what cannot be done, before anything is read."""
    if wanted.proba:
        model.need_probabilities()
    for name in wanted.keep:
        if name not in file.names:
            raise DataError(f"{plain(file.path.name)} has no column {shown(name)}",
                            allowed(file.names, name))
    if wanted.score and model.target not in file.names:
        guess = nearest(model.target, file.names)
        raise DataError(f"{plain(file.path.name)} has no column {shown(model.target)} to score",
                        f"it has {shown(guess)}" if guess else "leave --score out")
    if output is not None and output.suffix.lower() not in (".csv", ".parquet"):
        raise DataError(f"{plain(str(output))}: predictions are written as .csv or .parquet")
    if output is not None and output.exists() and output.samefile(file.path):
        raise DataError(f"{plain(str(output))} is the file with the rows", "name another output")


def _columns(
    model: FittedModel, block: pl.DataFrame, wanted: Wanted, x: Floats, outputs: NDArray[Any],
    proba: Floats | None,
) -> pl.DataFrame:
    """What is written of a block."""
    import polars as pl

    columns = [block[name] for name in wanted.keep]

    def add(name: str, values: Any, dtype: Any) -> None:
        while name in wanted.keep:
            name += "_"
        columns.append(pl.Series(name, values, dtype=dtype))

    said = model.labels(outputs).tolist()
    add("prediction", said, pl.String if model.classes else pl.Float64)
    for k, label in enumerate(model.classes if proba is not None else ()):
        assert proba is not None
        add(f"p({label})", proba[:, k], pl.Float64)
    if wanted.explain and len(x):
        shares = contributions(model, x, outputs)
        for k, lines in enumerate([] if shares is None else strongest(model, shares), 1):
            add(f"reason {k}", lines, pl.String)
    return pl.DataFrame(columns)


def _explained(model: FittedModel, x: Floats) -> list[str]:
    """What the reasons mean, or which columns matter for this file."""
    if contributions(model, x[:1], model.outputs(x[:1])) is not None:
        unit = {0: f"units of {shown(model.target)}", 2: f"log-odds of {shown(model.classes[-1])}"
                if model.classes else ""}.get(len(model.classes), "the predicted class's raw score")
        return [f"reasons: what the columns add to each prediction in the trees, in {unit}"]
    lines = ["what matters (mean change of the prediction when a column is shuffled):"]
    found = shuffled(model, x)[:10]
    return lines + [f"  {shown(name, 40)}  {change:.3g}" for name, change in found]


@contextmanager
def _writer(output: Path | None) -> Iterator[Callable[[pl.DataFrame], None]]:
    """A function that writes one block after the other; a file appears when all are written."""
    import polars as pl

    parquet: list[pl.DataFrame] = []
    first = True

    def append(block: pl.DataFrame, to: IO[bytes]) -> None:
        nonlocal first
        if output is not None and output.suffix.lower() == ".parquet":
            parquet.append(block)
        else:
            block.write_csv(to, include_header=first)
            first = False

    if output is None:
        yield lambda block: append(block, sys.stdout.buffer)
        return
    temporary = output.with_name(output.name + ".tmp")
    try:
        with temporary.open("wb") as file:
            yield lambda block: append(block, file)
            if parquet:
                pl.concat(parquet).write_parquet(file)
        temporary.replace(output)
    except OSError as error:
        raise DataError(f"{plain(str(output))}: {error.strerror or error}",
                        "name another file with -o") from error
    finally:
        temporary.unlink(missing_ok=True)
