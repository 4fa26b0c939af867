"""`hyperllama completion SHELL`: a completion script made from the parser itself."""

from __future__ import annotations

import argparse

NAME = "completion"
HELP = "print a completion script for bash, zsh or fish"
EPILOG = """\
bash:  hyperllama completion bash > ~/.local/share/bash-completion/completions/hyperllama
zsh:   hyperllama completion zsh > "${fpath[1]}/_hyperllama"
fish:  hyperllama completion fish > ~/.config/fish/completions/hyperllama.fish"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "fish"))


def run(arguments: argparse.Namespace) -> int:
    print({"bash": _bash, "zsh": _zsh, "fish": _fish}[arguments.shell](), end="")
    return 0


def _commands() -> dict[str, tuple[str, list[tuple[str, str]], list[str]]]:
    """name -> (help, [(flag, help)], what its first argument is)."""
    from tui.commands import make_parser

    found = {}
    for action in make_parser()._actions:
        if not isinstance(action, argparse._SubParsersAction):
            continue
        helps = {c.dest: c.help or "" for c in action._choices_actions}
        for name, parser in action.choices.items():
            flags = [
                (flag, (a.help or "").replace("'", ""))
                for a in parser._actions
                for flag in a.option_strings
                if flag.startswith("--")
            ]
            first = next((a for a in parser._actions if not a.option_strings), None)
            wanted = list(first.choices) if first is not None and first.choices else []
            if first is not None and not wanted:
                wanted = [f"<{first.dest}>"]
            found[name] = (helps.get(name, "").replace("'", ""), flags, wanted)
    return found


def _bash() -> str:
    cases = []
    for name, (_, flags, wanted) in _commands().items():
        words = " ".join(flag for flag, _ in flags)
        first = ""
        if wanted == ["<study>"]:
            first = "$(hyperllama studies --names 2>/dev/null)"
        elif wanted and not wanted[0].startswith("<"):
            first = " ".join(wanted)
        cases.append(f"    {name}) words=\"{words}\"; first=\"{first}\" ;;")
    names = " ".join(_commands())
    body = "\n".join(cases)
    return f"""\
# bash completion of hyperllama
_hyperllama() {{
  local cur="${{COMP_WORDS[COMP_CWORD]}}" words="" first=""
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "{names} --help --version" -- "$cur")); return
  fi
  case "${{COMP_WORDS[1]}}" in
{body}
  esac
  case "$cur" in
    -*) COMPREPLY=($(compgen -W "$words" -- "$cur")) ;;
    *) if [ -n "$first" ]; then COMPREPLY=($(compgen -W "$first" -- "$cur"))
       else COMPREPLY=($(compgen -f -- "$cur")); fi ;;
  esac
}}
complete -o filenames -F _hyperllama hyperllama
"""


def _zsh() -> str:
    described = "\n".join(f"    '{n}:{h}'" for n, (h, _, _) in _commands().items())
    cases = []
    for name, (_, flags, wanted) in _commands().items():
        specs = [f"'{flag}[{_no_brackets(text)}]'" for flag, text in flags]
        if wanted == ["<study>"]:
            specs.append("'1:study:($(hyperllama studies --names 2>/dev/null))'")
        elif wanted and not wanted[0].startswith("<"):
            specs.append(f"'1:{name}:({' '.join(wanted)})'")
        else:
            specs.append("'*:file:_files'")
        cases.append(f"    {name}) _arguments {' '.join(specs)} ;;")
    body = "\n".join(cases)
    return f"""\
#compdef hyperllama
_hyperllama() {{
  local -a commands
  commands=(
{described}
  )
  if (( CURRENT == 2 )); then _describe command commands; return; fi
  local command="$words[2]"
  shift words; (( CURRENT-- ))
  case "$command" in
{body}
  esac
}}
_hyperllama "$@"
"""


def _fish() -> str:
    lines = ["# fish completion of hyperllama"]
    for name, (text, flags, wanted) in _commands().items():
        here = f"__fish_seen_subcommand_from {name}"
        lines.append(
            f"complete -c hyperllama -f -n __fish_use_subcommand -a {name} -d '{text}'"
        )
        if wanted == ["<study>"]:
            lines.append(
                f"complete -c hyperllama -f -n '{here}' -a '(hyperllama studies --names)'"
            )
        elif wanted and not wanted[0].startswith("<"):
            lines.append(f"complete -c hyperllama -f -n '{here}' -a '{' '.join(wanted)}'")
        lines += [
            f"complete -c hyperllama -n '{here}' -l {flag[2:]} -d '{text}'" for flag, text in flags
        ]
    return "\n".join(lines) + "\n"


def _no_brackets(text: str) -> str:
    return text.replace("[", "(").replace("]", ")").replace(":", " ")
