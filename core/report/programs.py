"""The program of a stored trial."""

from __future__ import annotations

from hyperllama.core.errors import StudyError
from hyperllama.core.evaluate.rendered import program_text
from hyperllama.core.evaluate.steps import FitSetting
from hyperllama.core.programs.contract import with_values
from hyperllama.core.programs.facts import with_names
from hyperllama.core.programs.store import CHOICE, TRIES, ProgramStore
from hyperllama.core.storage.reading import StoredStudy
from hyperllama.core.storage.trial_rows import StoredTrial


def trial_program(stored: StoredStudy, trial: StoredTrial) -> str:
    """What a trial built, as a program with its values; reads the study's table.

    Raises:
        StudyError: the study's task file is not here.
        HyperLlamaError: its table cannot be read.
    """
    from hyperllama.core.data import load_table
    from hyperllama.core.task import load_task, resolve

    if stored.task_file is None:
        raise StudyError(
            f"the task file of {stored.name!r} is not on this machine",
            f"`hyperllama resume {stored.name} --storage URL` brings it here",
        )
    task = load_task(stored.task_file)
    if CHOICE in trial.config:
        program, values = ProgramStore(stored.task_file.parent).trial(dict(trial.config))
        text, neutral = with_values(program.text, values), task.programs.neutral_names
        return with_names(text, load_table(task).columns, True) if neutral else text
    problem = resolve(task, load_table(task))
    seed = int(stored.attrs.get("settings", {}).get("seed") or 0)
    line = str(trial.facts.get(TRIES, ""))
    return program_text(dict(trial.config), problem.space, FitSetting.of(problem, seed), line)
