"""What an exported `predict.py` does when it is run."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from hyperllama.core.errors import DataError
from hyperllama.core.predict.files import predict_file
from hyperllama.core.predict.model import load
from hyperllama.core.predict.options import add_options, wanted_of
from hyperllama.core.text import plain


def main(folder: Path, given: Sequence[str] | None = None) -> int:
    """Predict the rows of a file with the model that lies in `folder`; the exit code."""
    parser = argparse.ArgumentParser(description="Predict the rows of a file.")
    add_options(parser)
    arguments = parser.parse_args(given)
    try:
        model = load(folder, trusted=arguments.trust)
        lines = predict_file(model, arguments.rows, arguments.output, wanted_of(arguments))
        sys.stdout.flush()
    except DataError as error:
        print(plain(str(error)), file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:  # the reader (`| head`) left; Python would complain once more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    for line in lines:
        print(f"! {plain(line)}", file=sys.stderr)
    return 0
