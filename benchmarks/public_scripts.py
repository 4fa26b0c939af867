"""Other people's training scripts through `LlamaSampler`: thirty spaces, really trained.

    python benchmarks/public_scripts.py TABLES -o F [--targets FILE] [--seeds 2] [--trials 20]

Each of the spaces of `script_spaces` (LightGBM, CatBoost, PyTorch) has a target of its own among
those that nothing was learnt from (workshop/corpus_data/second/targets.jsonl; TABLES has them as
NAME.csv.gz). A trial is scored by the mean log loss (or root mean squared error) of three folds
of at most 400 rows. `llama` is LlamaSampler as the documentation shows it; `gp` the same class with
the Gaussian process in place of the hybrid; `random` and `tpe` are Optuna's. F keeps one JSON line
a run; a call goes on from there and prints, for each library, LlamaSampler against the others: the
difference of the losses in % of random search's, with a 90 % interval over the spaces.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import optuna
from script_spaces import NET, SPACES, ScriptSpace

from hyperllama import LlamaSampler
from workshop import targets
from workshop.nets import NetClassifier, NetRegressor
from workshop.survey import FOLDS, METRICS, Trainer

METHODS = ("random", "tpe", "gp", "llama")
_AT = (5, 10, 20)
_TARGETS = Path("workshop/corpus_data/second/targets.jsonl")


class ScriptTrainer(Trainer):
    """Fits a library's estimator with a script's own arguments."""

    def _model(self, name: str, config: Mapping[str, Any], rows: int) -> Any:
        seed, classes = self._seed, bool(self.data.classes)
        if name == "lightgbm":
            import lightgbm

            made = lightgbm.LGBMClassifier if classes else lightgbm.LGBMRegressor
            return made(**config, random_state=seed, n_jobs=1, verbose=-1)
        if name == "catboost":
            import catboost

            made = catboost.CatBoostClassifier if classes else catboost.CatBoostRegressor
            return made(**config, random_seed=seed, thread_count=1, logging_level="Silent",
                        allow_writing_files=False)  # fmt: skip
        known = {NET[n]: v for n, v in config.items()}
        known["batch_size"] = min(known.get("batch_size", 32), rows)
        return (NetClassifier if classes else NetRegressor)(**known, random_state=seed)


class GPSampler(LlamaSampler):
    """The Gaussian process alone, through the same class."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._strategy = "gp"


def sampler(method: str, script: ScriptSpace, trainer: Trainer, seed: int) -> Any:
    """A sampler for a script; what LlamaSampler is told of the data is what a user would say."""
    if method == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    if method == "tpe":
        return optuna.samplers.TPESampler(seed=seed, multivariate=True, n_startup_trials=3)
    facts = trainer.facts
    task = {"kind": trainer.data.kind, "rows": facts.rows, "features": facts.features,
            "classes": facts.classes}  # fmt: skip
    made = LlamaSampler if method == "llama" else GPSampler
    return made(script.space, task=task, seed=seed)


def play(script: ScriptSpace, trainer: Trainer, method: str, seed: int, trials: int) -> list[Any]:
    """The losses of a study's trials; None where the training failed."""
    metric = METRICS[trainer.kind].index("rmse" if trainer.kind == "regression" else "log_loss")
    found: list[float | None] = []

    proposer = sampler(method, script, trainer, seed)
    study = optuna.create_study(sampler=proposer)
    for _ in range(trials):
        trial = study.ask(dict(script.space))
        table, _ = trainer.scores(script.library, {**script.fixed, **trial.params})
        found.append(float(np.mean(table[metric][:FOLDS])) / 1e4 if table else None)
        if found[-1] is None:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            study.tell(trial, found[-1])
    if isinstance(proposer, LlamaSampler):
        proposer.close()
    return found


def work(options: argparse.Namespace) -> None:
    """Play every run that is not in the file."""
    done = {(r["space"], r["method"], r["seed"]) for r in _rows(options.output)}
    held = [t for t in targets.load(options.targets) if t.reserved]
    usable = iter(held[options.first :])
    for i, script in enumerate(SPACES):
        trainer = None
        while trainer is None or not trainer.usable:
            target = next(usable)
            data = targets.read(options.tables / f"{target.table}.csv.gz", target.column)
            if data is not None:
                trainer = ScriptTrainer(data, 0, targets.number_of(target.name))
        for seed in range(options.seeds):
            for method in METHODS:
                if (i, method, seed) in done:
                    continue
                losses = play(script, trainer, method, seed, options.trials)
                row = {"space": i, "library": script.library, "target": target.name,
                       "method": method, "seed": seed, "losses": losses}  # fmt: skip
                with options.output.open("a", encoding="utf8") as out:
                    out.write(json.dumps(row) + "\n")


def show(rows: list[dict[str, Any]]) -> None:
    """Per library and number of trials, LlamaSampler against the others."""
    for n in _AT:
        for library in ("lightgbm", "catboost", "net", "all"):
            mine = [r for r in rows if library in ("all", r["library"]) and len(r["losses"]) >= n]
            best: dict[str, dict[int, float]] = {}
            for method in METHODS:
                for i in {r["space"] for r in mine}:
                    runs = [min((v for v in r["losses"][:n] if v is not None), default=10.0)
                            for r in mine if (r["method"], r["space"]) == (method, i)]
                    if runs:
                        best.setdefault(method, {})[i] = float(np.mean(runs))
            whole = set.intersection(*(set(b) for b in best.values())) if best else set()
            if len(best) < len(METHODS) or not whole:
                continue
            loss = {m: np.array([best[m][i] for i in sorted(whole)]) for m in METHODS}
            words = []
            for m in METHODS[:-1]:
                gap = 100 * (loss["llama"] - loss[m]) / np.maximum(loss["random"], 1e-4)
                half = 1.645 * gap.std() / np.sqrt(len(gap))
                words.append(f"{m} {gap.mean():+.1f} ± {half:.1f} % ({np.mean(gap < 0):.0%} better,"
                             f" {np.mean(gap > 0):.0%} worse)")
            print(f"{n:3} trials, {library:8} {len(whole):2} spaces: LlamaSampler against "
                  + "; ".join(words))


def _rows(path: Path) -> list[dict[str, Any]]:
    lines = path.read_text(encoding="utf8").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--targets", type=Path, default=_TARGETS)
    parser.add_argument("--first", type=int, default=60,
                        help="reserved targets to leave out; `workshop measure` takes the first")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--trials", type=int, default=20)
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    work(options)
    show(_rows(options.output))


if __name__ == "__main__":
    main()
