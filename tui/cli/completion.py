"""`hyperllama completion SHELL`: a script that lets the shell complete commands, options and names.

The script (argcomplete's) calls this program, which then answers through `complete`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import Any

NAME = "completion"
HELP = "print a completion script for bash, zsh or fish"
EPILOG = """\
bash:  hyperllama completion bash > ~/.local/share/bash-completion/completions/hyperllama
zsh:   hyperllama completion zsh > "${fpath[1]}/_hyperllama"
fish:  hyperllama completion fish > ~/.config/fish/completions/hyperllama.fish"""

Candidates = dict[str, str]
"""What an argument may be -> what that is."""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), metavar="SHELL")


def run(arguments: argparse.Namespace) -> int:
    import argcomplete

    print(argcomplete.shellcode(["hyperllama"], shell=arguments.shell))
    return 0


def complete(parser: argparse.ArgumentParser, **options: Any) -> None:
    """Answer the shell's question, which is in the environment, and leave.

    Args:
        options: passed on to `argcomplete.autocomplete`.
    """
    import argcomplete

    for action in _actions(parser):
        find = _COMPLETERS.get(action.dest)
        if find is not None and not action.choices:
            setattr(action, "completer", _completer(*find))  # noqa: B010 - argcomplete's own way
    argcomplete.autocomplete(parser, always_complete_options=False, **options)


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for sub in action.choices.values():
                yield from _actions(sub)


def _completer(find: Callable[[], Candidates], suffix: str) -> Callable[..., Candidates]:
    """Names that `find` knows, and files and folders where those are allowed, too."""

    def candidates(prefix: str, **given: Any) -> Candidates:
        from argcomplete.completers import FilesCompleter

        found = find()
        if suffix:
            found |= dict.fromkeys(FilesCompleter((suffix,))(prefix), "a file")
        return found

    return candidates


def _studies() -> Candidates:
    from hyperllama.core.storage.folder import all_summaries

    return {
        str(s.get("study")): f"{s.get('state')}, {s.get('metric')}" for s in all_summaries()
    }


def _comparisons() -> Candidates:
    from hyperllama.core.experiments.grid import comparison_names

    return dict.fromkeys(comparison_names(), "a comparison")


def _proposers() -> Candidates:
    from hyperllama.core.propose import proposers

    return {name: info.summary for name, info in proposers().items()}


def _models() -> Candidates:
    from hyperllama.models.gguf import EMBEDDED, named_files, usual_folders

    found = {name: str(path) for name, path in named_files(usual_folders(EMBEDDED))}
    return {"embedded": "the model that ships", **found}


def _models_or_bench() -> Candidates:
    return {"bench": "the speed of a model", **_models()}


def _tasks() -> Candidates:
    from hyperllama.core.task import sample_tasks

    return {path.stem: "a sample task" for path in sample_tasks()}


_COMPLETERS: dict[str, tuple[Callable[[], Candidates], str]] = {
    "study": (_studies, ""),
    "studies": (_studies, ""),
    "name": (_comparisons, ""),
    "proposer": (_proposers, ""),
    "how": (_proposers, ""),
    "model": (_models, ".gguf"),
    "models": (_models, ".gguf"),
    "space_from": (_models, ".gguf"),
    "what": (_models_or_bench, ".gguf"),
    "task": (_tasks, ".toml"),
    "tasks": (_tasks, ".toml"),
}
