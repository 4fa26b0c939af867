"""Keys that a person changed: which of them can be used, and which actions would share a key."""

from __future__ import annotations

from collections.abc import Mapping

from hyperllama.tui.actions import ACTIONS, BY_ID, keys_of

_NEVER_BOTH = ({"study.pause", "study.resume"}, {"home.preview", "home.mark"})
"""Actions of one place that may share a key, because never more than one applies."""
_SEEN_TOGETHER = (
    *({place, "list"} for place in ("home", "models", "settings", "compare")),
    {"comparisons", "queue", "list"},
    *({"new", part, "list"} for part in ("files", "columns", "space")),
    {"study", "history", "list"},
    {"study", "reasoning"},
    {"study", "progress"},
)


_FORMER = {f"history.{name}": f"study.{name}" for name in ("sort", "filter", "columns")}
"""Actions by the ids that version 0.2.0 gave them."""


def usable(table: Mapping[str, object]) -> tuple[dict[str, str], list[str]]:
    """The changed keys by action id, and one sentence for every entry that cannot be used."""
    wanted: dict[str, str] = {}
    problems: list[str] = []
    for former, value in _flat(table).items():
        name = _FORMER.get(former, former)
        if name not in BY_ID:
            problems.append(f"keys: there is no action {name!r}")
        elif not isinstance(value, str) or not all(part.strip() for part in value.split(",")):
            problems.append(f'keys: {name} needs a key such as "p" or "ctrl+s"')
        else:
            wanted[name] = ",".join(part.strip() for part in value.split(","))
    for name in list(wanted):
        other = clash(name, wanted)
        if other:
            problems.append(f"keys: {wanted.pop(name)} is already the key of {other}")
    return wanted, problems


def _flat(table: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """`[keys.study] pause = "p"` and `"study.pause" = "p"` mean the same."""
    flat: dict[str, object] = {}
    for name, value in table.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat


def _together(one: str, other: str) -> bool:
    """Actions of these two places can be reached at the same moment."""
    pair = {one, other}
    return one == other or "app" in pair or any(pair <= together for together in _SEEN_TOGETHER)


def clash(name: str, wanted: Mapping[str, str]) -> str:
    """The id of another action that has one of the keys `name` is given; empty if none."""
    keys = set(wanted[name].split(","))
    return next(
        (
            action.id
            for action in ACTIONS
            if action.id != name
            and _together(action.where, BY_ID[name].where)
            and {action.id, name} not in _NEVER_BOTH
            and keys & set(keys_of(action, wanted))
        ),
        "",
    )
