"""`hyperllama completion SHELL`: a script for the shell, which asks this program what may follow.

`hyperllama completion words WORD...` answers it: a candidate a line, a tab, what it is. Where there
is none, the shell goes on with file names.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

NAME = "completion"
HELP = "print a completion script for bash, zsh or fish"
EPILOG = """\
bash:  hyperllama completion bash > ~/.local/share/bash-completion/completions/hyperllama
zsh:   hyperllama completion zsh > "${fpath[1]}/_hyperllama"
fish:  hyperllama completion fish > ~/.config/fish/completions/hyperllama.fish"""

Candidate = tuple[str, str]

_BASH = """\
# bash completion of hyperllama
_hyperllama() {
  local IFS=$'\\n'
  COMPREPLY=($(hyperllama completion words -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null \\
    | cut -f1))
}
complete -o default -F _hyperllama hyperllama
"""
_ZSH = """\
#compdef hyperllama
_hyperllama() {
  local -a found
  local line
  for line in "${(@f)$(hyperllama completion words -- "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    [[ -n "$line" ]] && found+=("${${line%%$'\\t'*}//:/\\\\:}:${line#*$'\\t'}")
  done
  if (( $#found )); then _describe hyperllama found; else _files; fi
}
[[ "$funcstack[1]" == _hyperllama ]] && _hyperllama "$@" || compdef _hyperllama hyperllama
"""
_FISH = """\
# fish completion of hyperllama
function __hyperllama_words
  set -l given (commandline -opc) (commandline -ct)
  set -l found (hyperllama completion words -- $given[2..-1] 2>/dev/null)
  if test (count $found) -gt 0
    printf '%s\\n' $found
  else
    __fish_complete_path (commandline -ct)
  end
end
complete -c hyperllama -f -a '(__hyperllama_words)'
"""
_SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=(*_SCRIPTS, "words"), metavar="SHELL")
    parser.add_argument("words", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)


def run(arguments: argparse.Namespace) -> int:
    if arguments.shell != "words":
        print(_SCRIPTS[arguments.shell], end="")
        return 0
    given = [w for i, w in enumerate(arguments.words) if i or w != "--"]
    for word, about in candidates(given or [""]):
        print(f"{word}\t{about}")
    return 0


def candidates(words: Sequence[str]) -> list[Candidate]:
    """What the last of `words`, begun or empty, may become; (word, what it is).

    Args:
        words: of the command line after the program's name.
    """
    from hyperllama.tui.cli import make_parser

    parser, current = make_parser(), words[-1]
    position = 0
    waiting: argparse.Action | None = None  # an option whose value comes next
    for word in words[:-1]:
        if waiting is not None and not word.startswith("-"):
            waiting = waiting if waiting.nargs in ("+", "*") else None
        elif word.startswith("-"):
            action = parser._option_string_actions.get(word)
            waiting = action if action is not None and action.nargs != 0 else None
        else:
            branch = _branch(parser)
            if branch is None:
                position += 1
            elif word in branch.choices:
                parser, position = branch.choices[word], 0
            else:
                return []
    found: Iterable[Candidate]
    if waiting is not None and not current.startswith("-"):
        found = _values(waiting)
    elif current.startswith("-"):
        found = ((f, _plain(a.help)) for a in parser._actions for f in a.option_strings
                 if f.startswith("--") and a.help != argparse.SUPPRESS)  # fmt: skip
    else:
        found = _of_position(parser, position)
    return [(word, about) for word, about in found if word.startswith(current)]


def _branch(
    parser: argparse.ArgumentParser,
) -> argparse._SubParsersAction[argparse.ArgumentParser] | None:
    return next((a for a in parser._actions if isinstance(a, argparse._SubParsersAction)), None)


def _of_position(parser: argparse.ArgumentParser, position: int) -> Iterable[Candidate]:
    branch = _branch(parser)
    if branch is not None:
        return [(c.dest, _plain(c.help)) for c in branch._choices_actions]
    places = [a for a in parser._actions if not a.option_strings]
    if not places:
        return ()
    place = places[min(position, len(places) - 1)]
    return () if position >= len(places) and place.nargs is None else _values(place)


def _values(action: argparse.Action) -> Iterator[Candidate]:
    """What an argument may be; nothing where that is a file, or anything."""
    if action.choices:
        yield from ((str(c), "") for c in action.choices)
    elif action.dest in ("study", "studies"):
        from hyperllama.core.storage.folder import all_summaries

        for s in all_summaries():
            yield str(s.get("study")), f"{s.get('state')}, {s.get('metric')}"
    elif action.dest == "name":
        from hyperllama.core.experiments.compare.grid import comparison_names

        yield from ((name, "a comparison") for name in comparison_names())
    elif action.dest in ("proposer", "how"):
        from hyperllama.core.propose import proposers, summary

        yield from ((name, summary(name)) for name in proposers())
    elif action.dest in ("model", "models", "what", "space_from"):
        from hyperllama.models.gguf.folders import named_files, usual_folders
        from hyperllama.models.gguf.registry import EMBEDDED

        if action.dest == "what":
            yield "bench", "the speed of a model"
        yield "embedded", "the model that ships"
        yield from ((n, str(p)) for n, p in named_files(usual_folders(EMBEDDED)))
        yield from _files(".gguf")
    elif action.dest in ("task", "tasks"):
        from hyperllama.core.task import sample_tasks

        yield from ((p.stem, "a sample task") for p in sample_tasks())
        yield from _files(".toml")


def _files(ending: str) -> Iterator[Candidate]:
    """Files of this folder, and its folders, which the shell would not offer beside other words."""
    try:
        for path in sorted(Path().iterdir()):
            if path.name.startswith("."):
                continue
            if path.suffix == ending:
                yield path.name, "a file"
            elif path.is_dir():
                yield f"{path.name}/", "a folder"
    except OSError:
        return  # a folder that cannot be read offers nothing


def _plain(text: str | None) -> str:
    return "" if text is None or text == argparse.SUPPRESS else " ".join(text.split())
