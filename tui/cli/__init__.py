"""The command line: one small file a command, imported cheaply; a command imports what it needs.

A command file has NAME, HELP, `add(parser)` for its arguments and `run(arguments)`, which returns
the exit code. FOR_OTHERS is set where it writes files to hand on: they have the permissions of the
user's other files, and those of the data folder do not.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import ModuleType

from hyperllama.core.errors import HyperLlamaError, StudyError
from hyperllama.tui.cli.wrong_words import WordParser, no_command

_COMMANDS = (
    "new", "inspect", "study.run", "study.resume", "worker", "study.studies", "study.show",
    "study.tell", "export", "predict", "open", "study.repair", "comparing.baselines", "models",
    "comparing.compare", "comparing.bench", "doctor", "completion",
)  # fmt: skip
"""The modules of the commands, in the order of the help."""

EPILOG = """\
without a command: the interface; with the name of a table, a task file or a study instead of a
command, the interface opens on it: hyperllama patients.csv

exit codes:
  0  done                      5  llama.cpp failed
  1  internal error            6  a child process died
  2  wrong arguments or task   7  the study or its storage cannot be used
  3  the table cannot be used  8  every trial failed
  4  no usable model file      130, 143  interrupted (Ctrl-C), terminated; `resume` goes on

environment: HYPERLLAMA_HOME (where everything is kept), HYPERLLAMA_STORAGE (an Optuna storage URL),
HYPERLLAMA_DEBUG=1 (tracebacks), NO_COLOR"""


def _names() -> list[str]:
    return [name.rpartition(".")[2] for name in _COMMANDS]


def commands() -> list[ModuleType]:
    return [import_module(f"hyperllama.tui.cli.{name}") for name in _COMMANDS]


def make_parser() -> argparse.ArgumentParser:
    parser = WordParser(
        prog="hyperllama",
        description="Tunes scikit-learn and XGBoost models on your own tables with a local "
        "language model. Nothing leaves this machine.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="store_true", help="print the version and leave")
    parser.set_defaults(run=_interface, for_others=False, opens=None, command=parser)
    subparsers = parser.add_subparsers(metavar="COMMAND", title="commands")
    for module in commands():
        sub = subparsers.add_parser(
            module.NAME,
            help=module.HELP,
            description=module.HELP[0].upper() + module.HELP[1:] + ".",
            epilog=getattr(module, "EPILOG", None),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add(sub)
        for_others = getattr(module, "FOR_OTHERS", False)
        sub.set_defaults(run=module.run, for_others=for_others, command=sub)
    return parser


def run_command_line(given: Sequence[str] | None = None) -> int:
    """Run one command; every error becomes a message and an exit code."""
    gc.set_threshold(10_000, 10, 10)  # a study of 10,000 trials: passes took a fifth of its resume
    _open_standard_files()
    given = sys.argv[1:] if given is None else list(given)
    arguments = _parsed(given)
    try:
        code = _run(arguments)
        sys.stdout.flush()
        return code
    except HyperLlamaError as error:
        complain(error)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader (`| head`) left; Python would complain once more when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        hint = "check permissions and the space left; finished trials are kept"
        complain(StudyError(f"{where}{error.strerror or error}", hint))
        return StudyError.exit_code
    except Exception as error:
        if os.environ.get("HYPERLLAMA_DEBUG"):
            raise
        print(_internal_error(error), file=sys.stderr)
        return 1


def _parsed(given: Sequence[str]) -> argparse.Namespace:
    """The command and its options; where the interface is wanted, no command is imported."""
    found = opens(given[0]) if len(given) == 1 else None
    if (not given or found) and "_ARGCOMPLETE" not in os.environ:
        return argparse.Namespace(run=_interface, for_others=False, version=False, opens=found)
    if given and not given[0].startswith("-") and given[0] not in _names():
        _refuse(given)
    parser = make_parser()
    if "_ARGCOMPLETE" in os.environ:
        from hyperllama.tui.cli.completion import complete

        complete(parser)
    arguments, unknown = parser.parse_known_args(given)
    if unknown:
        arguments.command.error(f"unrecognized arguments: {' '.join(unknown)}")
    return arguments


def _refuse(given: Sequence[str]) -> None:
    """Leave where the first word is no command."""
    if opens(given[0]):
        told, hint = f"nothing may follow {given[0]}", "it is opened by its name alone"
    else:
        told, hint = no_command(given[0], _names())
    complain(HyperLlamaError(told, hint))
    sys.exit(2)


def _open_standard_files() -> None:
    """Open the null device where input, output or errors are closed: else the next file that is
    opened would be one of them, and a database would receive what is printed."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
            setattr(sys, name, os.fdopen(number, mode, encoding="utf8", closefd=False))


def _run(arguments: argparse.Namespace) -> int:
    from hyperllama.core.storage.paths import close_home, home, keep_private, users_umask

    keep_private()
    if close_home():
        print(f"{home()} was open to other users of this machine; it is yours alone now",
              file=sys.stderr)  # fmt: skip
    if arguments.for_others:
        with users_umask():
            return int(arguments.run(arguments))
    return int(arguments.run(arguments))


def opens(word: str) -> dict[str, str] | None:
    """What a word in place of a command opens in the interface: a table, a task file, a study."""
    if word in _names() or word.startswith("-"):
        return None
    from hyperllama.core.storage.folder import SUMMARY
    from hyperllama.core.storage.paths import study_dir
    from hyperllama.tui.content.paths import TABLES

    name = word.lower()
    if name.endswith((*TABLES, ".toml")) and Path(word).expanduser().is_file():
        kind = "task_file" if name.endswith(".toml") else "table"
        return {kind: str(Path(word).expanduser().absolute())}
    known = "/" not in word and (study_dir(word) / SUMMARY).is_file()
    return {"study": word} if known else None


def complain(error: HyperLlamaError) -> None:
    """What happened, and what to do, on standard error; foreign text in it is made harmless."""
    from hyperllama.core.text import plain

    lines = [f"hyperllama: {plain(error.message)}"]
    lines += [f"  {line.strip()}" for line in plain(error.hint).splitlines()]
    with suppress(OSError):  # where nothing can be written, the exit code tells
        print("\n".join(lines), file=sys.stderr, flush=True)


def _interface(arguments: argparse.Namespace) -> int:
    if arguments.version:
        import hyperllama

        print(f"hyperllama {hyperllama.__version__}")
        return 0
    gc.disable()  # until the first screen stands: passes over what is loaded take long
    from hyperllama.tui.app import run

    return run(**(arguments.opens or {}))


def _internal_error(error: Exception) -> str:
    """What to say about a defect of HyperLlama; the traceback goes to a file."""
    from hyperllama.core.storage.paths import home
    from hyperllama.core.text import plain

    text = f"hyperllama: internal error, {type(error).__name__}: {plain(str(error))}"
    try:
        log = home() / "logs" / f"crash-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("".join(traceback.format_exception(error)), "utf8")
    except OSError:
        return f"{text}\n  HYPERLLAMA_DEBUG=1 shows where it happened"
    return f"{text}\n  please report it, with {log}"
