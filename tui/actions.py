"""Everything a person can do: one table from which footer, command palette, help and keys come.

An action `study.pause` calls `action_pause` of the study screen; those of "app" belong to the app.
Its key can be changed in the settings file, see `tui.keymap`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from textual.binding import Binding


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


PLACES = {
    "app": "Everywhere",
    "home": "Home",
    "preview": "Task",
    "new": "New study",
    "files": "Files",
    "columns": "Columns of a table",
    "space": "Search space",
    "settings": "Settings",
    "compare": "Side by side",
    "comparisons": "Comparisons",
    "queue": "Queue of a comparison",
    "new_comparison": "New comparison",
    "models": "Models",
    "study": "Study",
    "history": "History of trials",
    "reasoning": "Reasoning",
    "progress": "Progress",
    "talk": "Talk",
    "list": "Lists and tables",
}

ACTIONS: tuple[Action, ...] = (
    Action("app.help", "f1", "help", "Help for the focused pane, with the keys that apply"),
    Action("app.keys", "question_mark", "help", "All keys, those that apply here first", 9),
    Action("app.palette", "ctrl+p,colon", "commands", "Find and run any action by its name"),
    Action("app.theme", "f2", "theme", "Switch to the next theme"),
    Action("app.settings", "f3,comma", "settings", "Settings: theme, and the key of every action"),
    Action("app.dismiss", "f9,ctrl+d", "close messages", "Close the messages that are shown"),
    Action("app.screenshot", "f5", "save picture", "Save the screen as an SVG picture"),
    Action("app.log", "f12", "log", "Show what was reported: notes, warnings, errors"),
    Action("app.quit", "q,ctrl+q", "quit", "Leave; asks what becomes of a study that runs", 10),
    Action("home.open", "enter", "open", "Open the study, or run the sample task", 1),
    Action("home.preview", "space", "look at task", "The task file; choose model and budget", 2),
    Action("home.resume", "r", "resume", "Go on with a study whose process is gone", 3),
    Action("home.new", "n", "new study", "A new study: a form over a table of yours", 3),
    Action("home.edit", "e", "edit a copy", "Take up the marked task in the form", 5),
    Action("home.section", "tab,shift+tab", "lists", "Go to the next list", 7),
    Action("home.about", "i", "about", "Show or hide what the cursor stands on", 6),
    Action("home.models", "m", "models", "Models: memory, speed, settings, the default one", 6),
    Action("home.compare", "c", "compare", "Compare the marked studies, or all comparisons", 4),
    Action("home.sort", "o", "sort", "Sort the studies by time, name, gain, state, task in turn"),
    Action("home.filter", "slash", "filter", "Show only studies whose line has the words", 8),
    Action("home.mark", "space", "mark", "Mark the study for a comparison"),
    Action("home.rename", "R", "rename", "Give the study another title"),
    Action("home.archive", "A", "archive", "Take the study out of the list, or put it back"),
    Action("home.archived", "full_stop", "archived", "Show archived studies too, or no longer"),
    Action("home.delete", "d,delete", "delete", "Delete the study; it can be taken back", 5),
    Action("home.undo", "u", "undo", "Take back the last renaming, archiving or deleting", 3),
    Action("preview.run", "ctrl+r,f10", "run", "Start a study of this task as set here", 1),
    Action("preview.back", "escape", "back", "Return without starting anything", 2),
    Action("new.start", "ctrl+r,f10", "save and start", "Save the task file and start a study", 4),
    Action("new.save", "ctrl+s", "save only", "Save the task file without starting a study", 5),
    Action("new.next", "ctrl+n,f6", "next step", "The next step of the form", 1),
    Action("new.previous", "shift+f6,ctrl+o", "step before", "The step of the form before this"),
    Action("new.toml", "f4", "file", "Go to the task file, or back to the form", 6),
    Action("new.back", "escape", "back", "Leave the form; asks when something would be lost", 8),
    Action("files.open", "enter", "open", "Open the folder, or look at the table", 1),
    Action("files.parent", "backspace,left,h", "parent folder", "Go to the parent folder", 2),
    Action("columns.target", "t", "predict this", "Make the marked column the target", 2),
    Action("columns.drop", "d", "leave out", "Leave the marked column out, or use it again", 3),
    Action("space.edit", "enter", "change", "Change the range, the choices, or hold a value", 2),
    Action("space.hold", "v", "hold", "Hold the default, or let it vary again", 3),
    Action("space.reset", "backspace,delete", "default", "Back to the default range", 4),
    Action("study.accept", "space", "approve", "Approve the proposal as it is", 1),
    Action("study.edit", "e", "edit", "Edit the proposal, or queue an edited trial", 2),
    Action("study.reject", "d", "reject", "Reject the proposal, with a reason", 2),
    Action("study.another", "D", "another", "Reject the proposal without a reason", 2),
    Action("settings.change", "enter", "change", "Change the marked setting, or give a new key", 1),
    Action("settings.usual", "backspace,delete", "usual", "Back to the usual value or key", 2),
    Action("settings.filter", "slash", "filter", "Show only settings that have the words", 3),
    Action("settings.back", "escape", "back", "Return", 8),
    Action("compare.next", "right,l", "next task", "The next task of the comparison", 1),
    Action("compare.previous", "left,h", "task before", "The task of the comparison before this"),
    Action("compare.axis", "x", "over seconds", "Draw the curves over seconds, or over trials", 3),
    Action("compare.section", "tab", "panes", "Go to the next pane", 2),
    Action("compare.back", "escape", "back", "Return", 8),
    Action("comparisons.open", "enter", "figures", "Show the figures of the comparison", 1),
    Action("comparisons.start", "s", "start", "Work the queue off, or stop after this trial", 2),
    Action("comparisons.new", "n", "new", "Models, tasks and seeds for a new comparison", 3),
    Action("comparisons.section", "tab", "queue", "Go to the queue, or back to the list", 4),
    Action("comparisons.back", "escape", "back", "Return", 8),
    Action("queue.later", "J", "later", "Move the cell down the queue", 1),
    Action("queue.earlier", "K", "earlier", "Move the cell up the queue", 2),
    Action("queue.top", "f", "first", "Put the cell first", 3),
    Action("queue.skip", "x", "leave out", "Leave the cell out, or take it in again", 4),
    Action("new_comparison.start", "ctrl+r,f10", "start", "Write the queue and work it off", 1),
    Action("new_comparison.save", "ctrl+s", "only queue", "Write the queue; start it later", 2),
    Action("new_comparison.back", "escape", "back", "Return without a comparison", 8),
    Action("models.default", "enter", "make default", "Use the marked model in new studies", 1),
    Action("models.load", "l", "load", "Load the model to see what it takes, or unload it", 2),
    Action("models.measure", "b", "speed", "Measure how fast the model reads and writes", 3),
    Action("models.context", "c", "context", "Set the model's context length", 4),
    Action("models.layers", "v", "GPU layers", "Set how many layers go to the GPU"),
    Action("models.threads", "t", "threads", "Set the model's threads"),
    Action("models.refresh", "r", "look again", "Look for models and free memory again"),
    Action("models.back", "escape", "back", "Stop what is being done, or return", 8),
    Action("study.pause", "p", "pause", "Pause after the trial under way, or continue", 1),
    Action("study.step", "n", "one trial", "Run one trial, then pause", 3),
    Action("study.stop", "s", "stop", "Stop after the trial under way; it can be resumed", 4),
    Action("study.stop_now", "S", "stop now", "Stop at once; the trial under way is dropped"),
    Action(
        "study.queue", "a", "add trial", "Write a configuration of your own as the next trial", 5
    ),
    Action("study.hint", "t", "hint", "Write a hint for the model in plain words", 5),
    Action("study.resume", "r", "resume", "Start the study's process again when it is gone", 1),
    Action("study.more", "m", "budget", "Add trials or minutes to the budget, and continue", 6),
    Action("study.review", "v", "review", "Let each proposal wait for your approval, or not", 6),
    Action("study.ranges", "w", "ranges", "Freeze a hyperparameter, narrow or widen its range", 6),
    Action("study.proposer", "M", "model", "Another proposer or model from the next trial on"),
    Action("study.rerun", "R", "rerun", "Score the trial looked at, or the best, on other folds"),
    Action("study.note", "N", "note", "Write a note on the trial looked at"),
    Action("study.undo", "u", "undo", "Undo the last change that can be undone"),
    Action("study.maximise", "z", "full pane", "Show only the focused pane, or all again", 7),
    Action("study.pane_history", "1", "history", "Go to the history", call="pane('history')"),
    Action("study.pane_reasoning", "2", "reasoning", "Go to the text", call="pane('reasoning')"),
    Action("study.pane_progress", "3", "progress", "Go to the plot", call="pane('progress')"),
    Action("study.pane_context", "4", "context", "Go to the context gauge", call="pane('context')"),
    Action("study.pane_belief", "5", "belief", "Go to the model's belief", call="pane('belief')"),
    Action("study.pane_talk", "6", "talk", "Ask the model about the study", call="pane('talk')"),
    Action("study.record", "i", "prompt", "The prompt and the raw reply of the trial looked at"),
    Action("study.text", "f4", "as text", "The study as plain lines of text, or as panes again"),
    Action("study.report", "f6", "report", "Write the study as an HTML report with its pictures"),
    Action("study.export", "E", "export", "Write the winner: configuration, script, pipeline"),
    Action("study.taller", "plus,equals_sign", "taller", "Give the pane more lines",
           call="size('tall', 1)"),
    Action("study.shorter", "minus", "shorter", "Give the pane fewer lines",
           call="size('tall', -1)"),
    Action("study.wider", "greater_than_sign", "wider", "Give the left column more room",
           call="size('wide', 1)"),
    Action("study.narrower", "less_than_sign", "narrower", "Give the left column less room",
           call="size('wide', -1)"),
    Action("study.follow", "f", "follow", "Show the newest trial again and follow it"),
    Action("study.best", "b", "best", "Go to the best trial"),
    Action("study.back", "escape", "home", "Back to the list; the study goes on", 8),
    Action("history.sort", "o", "sort", "Sort the trials; once more turns the order round"),
    Action("history.filter", "slash", "filter", "Show only the trials that fit"),
    Action("history.columns", "c", "columns", "Choose the columns"),
    Action("history.copy", "y", "copy", "Copy the selected configuration"),
    Action("history.details", "enter", "details", "Everything about the selected trial"),
    Action("list.up", "up,k", "up", "The line above"),
    Action("list.down", "down,j", "down", "The line below"),
    Action("list.page_up", "pageup,ctrl+b", "page up", "A page up"),
    Action("list.page_down", "pagedown,ctrl+f", "page down", "A page down"),
    Action("list.first", "home,g", "first", "The first line"),
    Action("list.last", "end,G", "last", "The last line; in the history: follow"),
    Action("history.wider", "right,l", "scroll right", "See more of the configuration"),
    Action("progress.view", "x", "next view", "The next view: importance, hyperparameters", 3),
    Action("progress.next", "right,l", "next", "The next hyperparameter", call="choose(0, 1)"),
    Action("progress.previous", "left,h", "before", "The one before", call="choose(0, -1)"),
    Action("progress.up", "up,k", "second", "The next second hyperparameter", call="choose(1, 1)"),
    Action("progress.down", "down,j", "second before", "The second one before that",
           call="choose(1, -1)"),
    Action("talk.take", "ctrl+t", "queue it", "Queue the configuration that was suggested", 1),
    Action("talk.leave", "escape", "end / back", "End the answer, or return to the history", 2),
    Action("talk.older", "pageup", "older", "Scroll back in the conversation"),
    Action("talk.newer", "pagedown", "newer", "Scroll on in the conversation"),
    Action("reasoning.unfold", "x", "thinking", "Unfold or fold the model's thinking", 3),
    Action("history.narrower", "left,h", "scroll left", "Scroll the configuration back"),
)

BY_ID = {action.id: action for action in ACTIONS}


def of(where: str) -> tuple[Action, ...]:
    """The actions of one place, in the table's order."""
    return tuple(action for action in ACTIONS if action.where == where)


def bindings(where: str) -> list[Binding]:
    """Textual bindings for one place; ids let a keymap change their keys."""
    return [
        Binding(a.key, a.action, a.label, tooltip=a.help, id=a.id, priority=a.id == "app.palette")
        for a in of(where)
    ]


def keys_of(action: Action, keymap: Mapping[str, str]) -> list[str]:
    """The keys of an action after the keymap."""
    return [k.strip() for k in keymap.get(action.id, action.key).split(",")]


_SHOWN = {
    "question_mark": "?",
    "colon": ":",
    "enter": "↵",
    "escape": "esc",
    "space": "space",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "home": "Home",
    "end": "End",
    "tab": "tab",
    "shift+tab": "⇧tab",
    "slash": "/",
    "comma": ",",
    "plus": "+",
    "minus": "-",
    "greater_than_sign": ">",
    "less_than_sign": "<",
    "full_stop": ".",
    "delete": "del",
    "backspace": "⌫",
}


def shown(key: str, plain: bool = False) -> str:
    """A key as a person knows it: "ctrl+p" -> "^p", "question_mark" -> "?"; `plain`: in ASCII."""
    if key in _SHOWN and not (plain and not _SHOWN[key].isascii()):
        return _SHOWN[key]
    if key.startswith("ctrl+"):
        return "^" + shown(key[5:])
    if len(key) > 1 and key[0] == "f" and key[1:].isdigit():
        return key.upper()
    return key
