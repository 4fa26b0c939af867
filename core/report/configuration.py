"""The best configuration, with its scores, as JSON and as TOML."""

from __future__ import annotations

import json
from typing import Any

from hyperllama.core.estimators import split
from hyperllama.core.evaluate.saving import versions
from hyperllama.core.programs.store import CHOICE
from hyperllama.core.report.record import ReportedStudy
from hyperllama.core.study import TrialState
from hyperllama.core.text import plain


def best_facts(study: ReportedStudy, best: TrialState) -> dict[str, Any]:
    """What is worth keeping of the winner, JSON-able."""
    config = dict(best.config)
    if CHOICE in config:
        name, params = CHOICE, {k: v for k, v in config.items() if k != CHOICE}
    else:
        name, params = split(config, study.problem.estimators)
    default, confirmed = study.state.default, study.state.confirmation
    return {
        "study": study.name,
        "task": study.task.name,
        "trial": best.number,
        "proposer": best.proposer,
        "estimator": name,
        "kind": study.problem.kind,
        "metric": study.problem.metric,
        "value": best.value,
        "std": best.std,
        "fold_scores": list(best.fold_scores),
        "train_value": best.train_value,
        "measures": best.measures,
        "constraints": [c.text for c in study.opened.constraints],
        "chosen": study.state.chosen is not None,
        "test_value": study.state.test_value,
        "default_value": default.value if default else None,
        "default_test_value": study.state.default_test_value,
        "test_rows_used_before": study.state.test_rows_used,
        "claimed_gain": study.state.gain,
        "confirmed_gain": confirmed.gain if confirmed else None,
        "confirmed_gain_low": confirmed.gain_low if confirmed else None,
        "confirmed_gain_high": confirmed.gain_high if confirmed else None,
        "seed": study.seed,
        "study_seed": study.seed,
        "split_seed": study.task.seed,
        "config": dict(best.config),
        "params": dict(params),
        "target": study.problem.target,
        "classes": list(study.problem.classes),
        "data_sha256": study.problem.fingerprint,
        "versions": versions(),
    }


def best_json(study: ReportedStudy, best: TrialState) -> str:
    """`best.json`: UTF-8, indented, floats in full precision."""
    return json.dumps(best_facts(study, best), indent=2, ensure_ascii=False) + "\n"


_HOW_TO_COPY = (
    "Copied under [space] in a task file, lines of [config] freeze these values there; at least",
    "one has to stay free. `estimator` does not belong there: it is the key `estimators`.",
)


def best_toml(study: ReportedStudy, best: TrialState) -> str:
    """`best.toml`: what people need of it. None is written "none", as in task files."""
    import tomlkit

    facts = best_facts(study, best)
    document = tomlkit.document()
    document.add(tomlkit.comment(f"The best configuration of the study {plain(study.name)!r}."))
    for line in _HOW_TO_COPY:
        document.add(tomlkit.comment(line))
    for key in ("study", "task", "trial", "proposer", "estimator", "metric", "seed", "split_seed"):
        document.add(key, facts[key])
    config = tomlkit.table()
    for key, value in facts["config"].items():
        config.add(key, "none" if value is None else value)
    document.add("config", config)
    scores = tomlkit.table()
    wanted = (
        "value", "std", "train_value", "test_value", "default_value", "default_test_value",
        "claimed_gain", "confirmed_gain", "confirmed_gain_low", "confirmed_gain_high",
    )  # fmt: skip
    for key in wanted:
        if facts[key] is not None:
            scores.add(key, facts[key])
    scores.add("fold_scores", facts["fold_scores"])
    document.add("scores", scores)
    document.add("versions", facts["versions"])
    return tomlkit.dumps(document)
