"""All actions of the interface: one table for footer, command palette, help and key bindings.

An action `study.pause` calls `action_pause` of the study screen; those of "app" belong to the app.
Its key can be changed in the settings file, see `tui.preferences.keymap`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from textual.binding import Binding
from textual.keys import format_key


@dataclass(frozen=True)
class Action:
    """One thing that can be done.

    Attributes:
        id: "where.name"; the name is also the method's (`action_<name>`), but for arguments.
        key: Textual's key names, separated by commas; the first is the one that is shown.
        label: a word or two for the footer.
        help: a sentence for the help screen and the command palette.
        footer: place in the footer, 1 first; 0: not shown there.
        call: the Textual action when it is not the name itself.
    """

    id: str
    key: str
    label: str
    help: str
    footer: int = 0
    call: str = ""

    @property
    def where(self) -> str:
        return self.id.split(".")[0]

    @property
    def name(self) -> str:
        return self.id.split(".", 1)[1]

    @property
    def action(self) -> str:
        return self.call or self.name


_PANES = (
    ("history", "Go to the history"),
    ("reasoning", "Go to the text"),
    ("progress", "Go to the plot"),
    ("context", "Go to the context gauge"),
    ("belief", "Go to the model's belief"),
    ("talk", "Ask the model about the study"),
)
_TABLE: dict[tuple[str, str], tuple[tuple[Any, ...], ...]] = {
    ("app", "Everywhere"): (
        ("help", "f1", "help", "Help for the focused pane, with the keys that apply"),
        ("keys", "question_mark", "help", "All keys, those that apply here first", 9),
        ("palette", "ctrl+p,colon", "commands", "Find and run any action by its name"),
        ("theme", "f2", "theme", "Switch to the next theme"),
        ("settings", "f3,comma", "settings", "Settings: theme, and the key of every action"),
        ("dismiss", "f9,ctrl+d", "close messages", "Close the shown messages"),
        ("screenshot", "f5", "save picture", "Save the screen as an SVG picture"),
        ("log", "f12", "log", "Show all messages: notes, warnings, errors"),
        ("quit", "q,ctrl+q", "quit", "Quit; asks what to do with a running study", 10),
    ),
    ("home", "Home"): (
        ("open", "enter", "open", "Open the study, or run the sample task", 1),
        ("preview", "space", "show task", "The task file; choose model and budget", 2),
        ("resume", "r", "resume", "Resume a study that no process owns", 3),
        ("new", "n", "new study", "A new study: a form over a table of yours", 3),
        ("edit", "e", "edit a copy", "Open the marked task in the form", 5),
        ("section", "tab,shift+tab", "lists", "Go to the next list", 7),
        ("about", "i", "about", "Show or hide the page about the marked line", 6),
        ("models", "m", "models", "Models: memory, speed, settings, the default one", 6),
        ("compare", "c", "compare", "Compare the marked studies, or all comparisons", 4),
        ("sort", "o", "sort", "Sort the studies by time, name, gain, state or task in turn"),
        ("filter", "slash", "filter", "Show only the studies that contain the words", 8),
        ("mark", "space", "mark", "Mark the study for a comparison"),
        ("rename", "R", "rename", "Give the study another title"),
        ("archive", "A", "archive", "Take the study out of the list, or put it back"),
        ("archived", "full_stop", "archived", "Show or hide archived studies"),
        ("delete", "d,delete", "delete", "Delete the study; u undoes it", 5),
        ("undo", "u", "undo", "Undo the last renaming, archiving or deleting", 3),
    ),
    ("preview", "Task"): (
        ("run", "ctrl+r,f10", "run", "Start a study of this task as set here", 1),
        ("back", "escape", "back", "Return without starting anything", 2),
    ),
    ("new", "New study"): (
        ("start", "ctrl+r,f10", "save and start", "Save the task file and start a study", 4),
        ("save", "ctrl+s", "save only", "Save the task file without starting a study", 5),
        ("next", "ctrl+n,f6", "next step", "The next step of the form", 1),
        ("previous", "shift+f6,ctrl+o", "previous step", "The previous step of the form"),
        ("toml", "f4", "file", "Go to the task file, or back to the form", 6),
        ("back", "escape", "back", "Leave the form; asks when changes would be lost", 8),
    ),
    ("files", "Files"): (
        ("open", "enter", "open", "Open the folder, or read the table", 1),
        ("parent", "backspace,left,h", "parent folder", "Go to the parent folder", 2),
    ),
    ("columns", "Columns of a table"): (
        ("target", "t", "predict this", "Make the marked column the target", 2),
        ("drop", "d", "leave out", "Leave the marked column out, or use it again", 3),
        ("kind", "c,enter", "type", "Category, left out, or as it was read: the next of these", 4),
        ("advice", "a", "act on a note", "Write the line of the file that a note below names", 4),
    ),
    ("space", "Search space"): (
        ("edit", "enter", "change", "Change the range or the choices, or freeze a value", 2),
        ("hold", "v", "freeze", "Freeze it at the default, or let it vary again", 3),
        ("reset", "backspace,delete", "default", "Back to the default range", 4),
    ),
    ("settings", "Settings"): (
        ("change", "enter", "change", "Change the marked setting, or assign a new key", 1),
        ("usual", "backspace,delete", "default", "Back to the default value or key", 2),
        ("filter", "slash", "filter", "Show only the settings that contain the words", 3),
        ("back", "escape", "back", "Return", 8),
    ),
    ("compare", "Side by side"): (
        ("next", "right,l", "next task", "The next task of the comparison", 1),
        ("previous", "left,h", "previous task", "The previous task of the comparison"),
        ("axis", "x", "over seconds", "Draw the curves over seconds, or over trials", 3),
        ("section", "tab", "panes", "Go to the next pane", 2),
        ("back", "escape", "back", "Return", 8),
    ),
    ("comparisons", "Comparisons"): (
        ("open", "enter", "figures", "Show the figures of the comparison", 1),
        ("start", "s", "start", "Run the queue, or stop after this trial", 2),
        ("new", "n", "new", "Models, tasks and seeds for a new comparison", 3),
        ("section", "tab", "queue", "Go to the queue, or back to the list", 4),
        ("back", "escape", "back", "Return", 8),
    ),
    ("queue", "Queue of a comparison"): (
        ("later", "J", "later", "Move the cell down the queue", 1),
        ("earlier", "K", "earlier", "Move the cell up the queue", 2),
        ("top", "f", "first", "Put the cell first", 3),
        ("skip", "x", "leave out", "Leave the cell out, or include it again", 4),
    ),
    ("new_comparison", "New comparison"): (
        ("start", "ctrl+r,f10", "start", "Save the queue and run it", 1),
        ("save", "ctrl+s", "save only", "Save the queue; start it later", 2),
        ("back", "escape", "back", "Return without a comparison", 8),
    ),
    ("models", "Models"): (
        ("default", "enter", "make default", "Use the marked model in new studies", 1),
        ("load", "l", "load", "Load the model to measure its memory, or unload it", 2),
        ("measure", "b", "speed", "Measure how fast the model reads and writes", 3),
        ("context", "c", "context", "Set the model's context length", 4),
        ("layers", "v", "GPU layers", "Set how many layers go to the GPU"),
        ("threads", "t", "threads", "Set the model's threads"),
        ("turn", "space", "more", "Show what follows on the pages; at the end, their beginning", 5),
        ("refresh", "r", "refresh", "Search for models and check free memory again"),
        ("back", "escape", "back", "Stop loading or measuring, or return", 8),
    ),
    ("study", "Study"): (
        ("accept", "space", "approve", "Approve the proposal as it is", 1),
        ("edit", "e", "edit", "Edit the proposal, or queue an edited trial", 2),
        ("reject", "d", "reject", "Reject the proposal, with a reason", 2),
        ("another", "D", "another", "Reject the proposal without a reason", 2),
        ("pause", "p", "pause", "Pause after the trial under way, or continue", 1),
        ("step", "n", "one trial", "Run one trial, then pause", 3),
        ("stop", "s", "stop", "Stop after the trial under way; it can be resumed", 4),
        ("stop_now", "S", "stop now", "Stop at once; the trial under way is dropped"),
        ("queue", "a", "add trial", "Write a configuration of your own as the next trial", 5),
        ("hint", "t", "hint", "Write a hint for the model in plain words", 5),
        ("resume", "r", "resume", "Start the study's process again when it is gone", 1),
        ("more", "m", "budget", "Add trials or minutes to the budget, and continue", 6),
        ("jobs", "J", "jobs", "How many trials run side by side, from the next one on"),
        ("review", "v", "review", "Let each proposal wait for your approval, or not", 6),
        ("ranges", "w", "ranges", "Freeze a hyperparameter, narrow or widen its range", 6),
        ("proposer", "M", "model", "Another proposer or model from the next trial on"),
        ("rerun", "R", "rerun", "Score the selected trial, or the best, on other folds"),
        ("note", "N", "note", "Write a note on the selected trial"),
        ("baselines", "L", "baselines", "Run random search, TPE and the GP with the same budget"),
        ("verdict", "0", "verdict", "What the study has come to, or the panes again", 2),
        ("confirm", "K", "confirm", "Compare the default and the best trials on fresh folds again"),
        ("widen", "W", "widen", "Widen the ranges at whose ends the best values lie, and go on"),
        ("compare", "C", "compare", "Show this study side by side with another one"),
        ("undo", "u", "undo", "Undo the last change that can be undone"),
        ("maximise", "z", "full pane", "Show only the focused pane, or all again", 7),
        *((f"pane_{name}", str(key), name, about, 0, f"pane('{name}')")
          for key, (name, about) in enumerate(_PANES, 1)),
        ("record", "i", "prompt", "The prompt and the raw reply of the selected trial"),
        ("program", "I", "program", "The selected trial's program: compare, edit, keep a part"),
        ("text", "f4", "as text", "The study as plain lines of text, or as panes again"),
        ("report", "f6", "report", "Write the study as an HTML report with its pictures"),
        ("predict", "P", "predict", "Predict the rows of a file with the winner", 3),
        ("export", "E", "export", "Write the winner: model, scripts, configuration", 3),
        ("use", "U", "use this", "Use the selected trial: export it, predict with it; or not"),
        ("taller", "plus,equals_sign", "taller", "Give the pane more lines", 0, "size('tall', 1)"),
        ("shorter", "minus", "shorter", "Give the pane fewer lines", 0, "size('tall', -1)"),
        ("wider", "greater_than_sign", "wider", "Widen the left column", 0, "size('wide', 1)"),
        ("narrower", "less_than_sign", "narrower", "Narrow the left column", 0, "size('wide', -1)"),
        ("follow", "f", "follow", "Show the newest trial again and follow it"),
        ("best", "b", "best", "Go to the best trial"),
        ("beside", "B", "beside", "Show the selected trial side by side with another one"),
        ("sort", "o", "sort", "Sort the trials; again reverses the order"),
        ("filter", "slash", "filter", "Show only the trials that fit"),
        ("columns", "c", "columns", "Choose the columns of the history"),
        ("back", "escape", "home", "Back to the list; the study goes on", 8),
    ),
    ("history", "History of trials"): (
        ("copy", "y", "copy", "Copy the selected configuration"),
        ("details", "enter", "details", "Everything about the selected trial"),
        ("wider", "right,l", "scroll right", "See more of the configuration", 0, "shift(1)"),
        ("narrower", "left,h", "scroll left", "Scroll the configuration back", 0, "shift(-1)"),
    ),
    ("list", "Lists and tables"): (
        ("up", "up,k", "up", "The line above"),
        ("down", "down,j", "down", "The line below"),
        ("page_up", "pageup,ctrl+b", "page up", "A page up"),
        ("page_down", "pagedown,ctrl+f", "page down", "A page down"),
        ("first", "home,g", "first", "The first line"),
        ("last", "end,G", "last", "The last line; in the history: follow"),
    ),
    ("reasoning", "Reasoning"): (
        ("unfold", "x", "thinking", "Unfold or fold the model's thinking", 3),
    ),
    ("progress", "Progress"): (
        ("view", "x", "next view", "The next view: importance, hyperparameters", 3),
        ("picture", "V", "picture", "The same as a picture, where the terminal shows pictures"),
        ("next", "right,l", "next", "The next hyperparameter", 0, "choose(0, 1)"),
        ("previous", "left,h", "before", "The previous hyperparameter", 0, "choose(0, -1)"),
        ("up", "up,k", "second", "The next second hyperparameter", 0, "choose(1, 1)"),
        ("down", "down,j", "second back", "The previous second hyperparameter", 0, "choose(1, -1)"),
    ),
    ("talk", "Talk"): (
        ("take", "ctrl+t", "queue it", "Queue the configuration that was suggested", 1),
        ("leave", "escape", "end / back", "Stop the answer, or return to the history", 2),
        ("older", "pageup", "older", "Scroll back in the conversation"),
        ("newer", "pagedown", "newer", "Scroll forward in the conversation"),
    ),
}  # fmt: skip
"""By place and its title: name, keys, label, help, place in the footer, call."""
PLACES = dict(_TABLE.keys())
ACTIONS = tuple(
    Action(f"{where}.{row[0]}", *row[1:]) for (where, _), rows in _TABLE.items() for row in rows
)
BY_ID = {action.id: action for action in ACTIONS}


_ANYWHERE = ("app.palette", "app.screenshot")  # also while a dialog is shown


def of(where: str) -> tuple[Action, ...]:
    """The actions of one place, in the table's order."""
    return tuple(action for action in ACTIONS if action.where == where)


def bindings(where: str) -> list[Binding]:
    """Textual bindings for one place; ids let a keymap change their keys."""
    return [
        Binding(a.key, a.action, a.label, tooltip=a.help, id=a.id, priority=a.id in _ANYWHERE)
        for a in of(where)
    ]


def keys_of(action: Action, keymap: Mapping[str, str]) -> list[str]:
    """The keys of an action after the keymap."""
    return [k.strip() for k in keymap.get(action.id, action.key).split(",")]


_SHOWN = {
    "enter": "↵", "shift+tab": "⇧tab", "pageup": "PgUp", "pagedown": "PgDn",
    "home": "Home", "end": "End",
}  # fmt: skip
"""Keys that are shown otherwise than Textual would."""


def shown(key: str, plain: bool = False) -> str:
    """A key as a person knows it: "ctrl+p" -> "^p", "question_mark" -> "?"; `plain`: in ASCII."""
    control = key.startswith("ctrl+")
    key = key.removeprefix("ctrl+")
    text = _SHOWN.get(key) or format_key(key)
    if plain and not text.isascii():
        text = key
    if key[0] == "f" and key[1:].isdigit():
        text = key.upper()
    return f"^{text}" if control else text
