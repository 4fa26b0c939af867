"""What is asked for beside the predictions, and the options that ask for it."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Wanted:
    """What is written of each row beside the prediction.

    Attributes:
        proba: a column p(label) for each class.
        explain: the columns of the file that matter most.
        score: compare with the target's column, which the file has, in the study's metric.
        keep: columns of the file to write in front.
    """

    proba: bool = False
    explain: bool = False
    score: bool = False
    keep: tuple[str, ...] = ()


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that `hyperllama predict` and an exported `predict.py` share."""
    parser.add_argument("rows", metavar="FILE", type=Path,
                        help="CSV (.gz, .zst), Parquet or Feather with the columns of the training "
                        "table, in any order")
    parser.add_argument("-o", "--output", metavar="OUT", type=Path,
                        help=".csv or .parquet; default: CSV on standard output")
    parser.add_argument("--proba", action="store_true", help="also a column p(label) per class")
    parser.add_argument("--explain", action="store_true",
                        help="also the columns that matter most: per row for boosters, else for "
                        "the whole file")
    parser.add_argument("--score", action="store_true",
                        help="the file has the target: compare with it")
    parser.add_argument("--keep", metavar="COLUMN", action="append", default=[],
                        help="write this column of the file in front (again for more)")
    parser.add_argument("--trust", action="store_true",
                        help="load a pickle where there is nothing else; it can run any code")


def wanted_of(arguments: argparse.Namespace) -> Wanted:
    """The options as they were given."""
    a = arguments
    return Wanted(a.proba, a.explain, a.score, tuple(a.keep))
