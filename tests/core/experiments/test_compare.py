"""Comparisons: the queue, cells that go on where they were killed, trials trained once, figures."""

from __future__ import annotations

import csv
import html.parser
import io
import json
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hyperllama.core.data import load_table
from hyperllama.core.errors import EngineError, ModelFileError, SpaceError, StudyError
from hyperllama.core.evaluate.results import Result
from hyperllama.core.experiments.cache import KeptTrials, default_file
from hyperllama.core.experiments.contenders import parse_contender, parse_method, without_copies
from hyperllama.core.experiments.figures.report import (
    report_csv,
    report_html,
    report_json,
    report_text,
    write_report,
)
from hyperllama.core.experiments.figures.statistics import (
    gain,
    mean_with_other_seeds,
    over_units,
    ranks,
)
from hyperllama.core.experiments.figures.table import experiment_figures
from hyperllama.core.experiments.grid import (
    Cell,
    Contender,
    ExperimentGrid,
    comparison_folder,
    load_grid,
    make_grid,
    move,
    reorder,
    skip,
)
from hyperllama.core.experiments.reading import (
    CellFacts,
    Comparison,
    all_comparisons,
    cell_file,
    read_comparison,
)
from hyperllama.core.experiments.running.cell_end import scores_on_test_rows
from hyperllama.core.experiments.running.comparison import run_comparison
from hyperllama.core.experiments.running.play import CellFile, PlayRules, play, waste
from hyperllama.core.experiments.running.runner import OpenedParts, RunProgress
from hyperllama.core.experiments.running.study_task import KeptRunner
from hyperllama.core.experiments.turns import ProposerTurns
from hyperllama.core.space import Config
from hyperllama.core.task import load_task, resolve
from hyperllama.core.trials import Proposal, ProposerSetting
from hyperllama.tui.cli import run_command_line
from tests.core.fakes import SPACE, Drawn, FakeRunner
from tests.small import TASK, write_task


class Scored:
    """A task of cells, scored by a formula."""

    def __init__(self) -> None:
        self.space = SPACE
        self.fake = FakeRunner()

    def evaluate(
        self, config: Config, should_stop: Callable[[], bool] = lambda: False
    ) -> tuple[Result, bool]:
        return self.fake.evaluate(config, seed=0, should_stop=should_stop), False

    def judged(self, config: Config) -> None:
        pass

    def ended(self, trials: Any, should_stop: Callable[[], bool]) -> dict[str, Any]:
        return scores_on_test_rows(trials, lambda config: self.fake.test_score(config, seed=0))


def played(file: Path, budget: int, proposer: Any = None, stop_at: int | None = None) -> CellFile:
    cell = CellFile(file)

    def should_stop() -> bool:
        return stop_at is not None and len(cell.trials) >= stop_at

    rules = PlayRules(budget, should_stop=should_stop)
    over = play(cell, Scored(), lambda: proposer or Drawn(3), rules)  # type: ignore[arg-type]
    cell.close()
    assert over == (stop_at is None)
    return cell


# -- cells -------------------------------------------------------------------------------------


def test_a_cell_begins_with_the_default_and_ends_with_a_test_score(tmp_path: Path) -> None:
    cell = played(tmp_path / "cell.jsonl", 4)
    assert [t["number"] for t in cell.trials] == [0, 1, 2, 3]
    assert cell.trials[0]["proposer"] == "default"
    assert cell.trials[1]["tokens"]["prompt"] == 10
    last = json.loads((tmp_path / "cell.jsonl").read_text().splitlines()[-1])
    best = max(t["value"] for t in cell.trials)
    assert last["end"]["test_value"] == pytest.approx(best - 0.01)


def test_a_cell_goes_on_as_if_it_had_not_been_stopped(tmp_path: Path) -> None:
    whole = played(tmp_path / "whole.jsonl", 6)
    file = tmp_path / "cut.jsonl"
    played(file, 6, stop_at=3)
    with file.open("ab") as torn:
        torn.write(b'{"trial": {"number": 3, "conf')
    rest = played(file, 6)
    strip = ("ask_s",)
    assert [{k: v for k, v in t.items() if k not in strip} for t in rest.trials] == [
        {k: v for k, v in t.items() if k not in strip} for t in whole.trials
    ]


def test_a_proposer_that_breaks_ends_its_cell_with_a_message(tmp_path: Path) -> None:
    class Broken(Drawn):
        def ask(self, space: Any, context: Any) -> Proposal:
            if context.number == 2:
                raise EngineError("the engine died twice")
            return super().ask(space, context)

    proposer = Broken(0)
    cell = played(tmp_path / "cell.jsonl", 5, proposer)
    assert len(cell.trials) == 2 and proposer.closed
    end = json.loads((tmp_path / "cell.jsonl").read_text().splitlines()[-1])["end"]
    assert end["error"] == "the engine died twice"


def test_replies_that_were_in_vain_are_counted() -> None:
    record = {"attempts": [1, 2, 3], "rejections": ["it repeats trial 2 (score 1).", "x < 0"]}
    assert waste(Proposal({}, "llama", record=record)) == (3, 1, 1)
    assert waste(Proposal({}, "tpe")) == (1, 0, 0)
    again = {"note": "the sampler repeated itself; an untried configuration was drawn"}
    assert waste(Proposal({}, "tpe", record=again)) == (2, 1, 0)


# -- the queue ---------------------------------------------------------------------------------


def grid(tmp_path: Path, seeds: int = 2) -> ExperimentGrid:
    task = write_task(tmp_path / "work")
    contenders = [parse_contender("embedded-1m"), parse_contender("random")]
    return make_grid("one", contenders, [task], range(seeds), 4)


def test_contenders_by_their_names() -> None:
    assert parse_contender("tpe") == Contender("tpe", "tpe")
    asked = parse_contender("hybrid:embedded-1m?opening=2,blind=false")
    assert asked.proposer == "hybrid" and asked.options == {"opening": 2, "blind": False}
    assert asked.label == "hybrid:embedded?opening=2,blind=false"
    assert asked.model.endswith("hyperllama-1m.gguf")
    assert parse_contender("embedded-1m", "hybrid").label == "embedded"
    assert parse_method(f"hybrid:{asked.model}").label == "hybrid:embedded"
    assert parse_contender("portfolio") == Contender("portfolio", "portfolio")
    for wrong, error in (("tpe:x.gguf", SpaceError), ("queue", SpaceError),
                         ("nowhere.gguf", ModelFileError)):  # fmt: skip
        with pytest.raises(error):
            parse_contender(wrong)


def test_identical_model_files_run_once_and_names_that_repeat_show_their_folder(
    tmp_path: Path
) -> None:
    one, copy, other = (tmp_path / f / "small.gguf" for f in ("one", "copy", "other"))
    for file, content in ((one, b"same"), (copy, b"same"), (other, b"else")):
        file.parent.mkdir()
        file.write_bytes(content)
    kept, copies = without_copies([parse_contender(str(f)) for f in (one, copy, other)])
    assert [c.label for c in kept] == ["small", "small in other"]
    assert copies == [(str(copy), "small")]
    asked = [parse_contender(f"{p}:{one}") for p in ("llama", "hybrid")]
    assert len(without_copies(asked)[0]) == 2  # the same file in another part
    added, copies = without_copies([parse_contender(str(copy))], kept)
    assert added == [] and copies == [(str(copy), "small")]


def test_a_model_is_asked_as_the_task_and_the_command_line_say(tmp_path: Path) -> None:
    class Runner(FakeRunner):
        def open(self) -> Any:
            return problem

    settings: list[ProposerSetting] = []

    def make(setting: ProposerSetting) -> Drawn:
        settings.append(setting)
        return Drawn(0)

    text = TASK + "\n[prompt]\nreasoning = false\nrecent = 7\n"
    task = load_task(write_task(tmp_path / "work", text))
    problem = resolve(task, load_table(task))
    options = {"prompt": {"recent": 3}}
    model = parse_contender("embedded-1m")
    made = make_grid("asked", [model], [task.file or tmp_path], range(1), 2, options)
    with closing(KeptTrials(tmp_path / "kept.sqlite")) as kept:
        runner = KeptRunner(
            made.task_file("quick"), kept, log=tmp_path / "log",
            runner=Runner(lambda config: float(config["max_depth"] or 0)),
        )  # fmt: skip
        parts = OpenedParts(tasks={"quick": runner}, factories={model.label: make})
        found = run_comparison("asked", opened=parts)
    assert (settings[0].prompt.reasoning, settings[0].prompt.recent) == (False, 3)
    assert found.metric_of("quick") == "accuracy" and found.cells[0].end["metric"] == "accuracy"


def test_the_queue_is_kept_reordered_and_added_to(tmp_path: Path) -> None:
    made = grid(tmp_path)
    assert load_grid("one") == made and len(made.cells) == 4
    assert [c.contender for c in made.cells] == ["random"] * 2 + ["embedded"] * 2
    assert [c.contender for c in move("one", lambda c: c.contender != "random").cells] == (
        ["embedded"] * 2 + ["random"] * 2
    )
    last = load_grid("one").cells[-1]
    assert reorder("one", [last.id]).cells[0] == last
    assert move("one", lambda c: c == last, first=False).cells[-1] == last
    skip("one", lambda c: c.seed == 1)
    states = [c.state for c in read_comparison("one").cells]
    assert sorted(states) == ["skipped", "skipped", "waiting", "waiting"]
    skip("one", lambda c: True, skipped=False)
    before = load_grid("one").cells
    more = make_grid("one", [parse_contender("tpe")], [], range(3), 4)
    assert more.cells[:4] == before and len(more.cells) == 9
    assert [c.grid.name for c in all_comparisons()] == ["one"]
    with pytest.raises(StudyError, match="budget of 4"):
        make_grid("one", [], [], range(1), 5)
    for seeds, budget in ((101, 4), (0, 4)):
        with pytest.raises(SpaceError) as caught:
            make_grid("one", [], [], range(seeds), budget)
        assert caught.value.hint == "allowed: 1 to 100"
    assert run_command_line(["compare", "one", "--skip", "zzz"]) == 2
    assert all(c.state == "waiting" for c in read_comparison("one").cells)
    with pytest.raises(StudyError, match="no comparison 'two'"):
        load_grid("two")
    (comparison_folder("one") / "grid.json").write_text("{")
    with pytest.raises(StudyError, match="cannot be read"):
        read_comparison("one")


# -- the whole ---------------------------------------------------------------------------------


def test_a_comparison_is_stopped_goes_on_and_trains_nothing_twice(tmp_path: Path) -> None:
    grid(tmp_path)
    told: list[RunProgress] = []
    found = run_comparison(
        "one", on_progress=told.append, should_stop=lambda: bool(told) and told[-1].done >= 6
    )
    assert 6 <= found.done_trials < 16 and not found.finished and found.left_s is not None
    assert any(c.state == "broken off" for c in found.cells) or found.done_trials % 4 == 0

    def second(progress: RunProgress) -> None:
        told.append(progress)
        with pytest.raises(StudyError, match="works on the comparison 'one' already"):
            run_comparison("one")

    found = run_comparison("one", on_progress=second)
    assert found.finished and found.done_trials == found.trials == 16 and found.pid is None
    assert told[-1].cell is None and told[-1].left_s == 0.0
    keys = [
        (c.cell.task, json.dumps(SPACE.key(t["config"])), t["known"])
        for c in found.cells for t in c.trials
    ]  # fmt: skip
    trained = [k[:2] for k in keys if not k[2]]
    assert len(trained) == len(set(trained)) < len(keys)  # the default of every cell but one
    model = next(c for c in found.cells if c.cell.contender == "embedded")
    assert (model.mean("tokens.prompt") or 0) > 10 and model.trials[1]["engine_mb"] > 10
    figures = experiment_figures(found)
    write_report(found, figures, found.grid.folder)
    text = report_text(figures)
    assert "embedded" in text and "hyperllama-1m" not in text and "note: 2 seeds" in text
    folder = comparison_folder("one")
    assert {f.name for f in folder.iterdir()} >= {"report.html", "summary.csv", "summary.json"}
    kept = KeptTrials(default_file())
    assert kept.get("nothing", "of this") is None


def test_cells_that_are_skipped_are_not_run(tmp_path: Path) -> None:
    kept = next(c for c in grid(tmp_path).cells if c.contender == "random")
    skip("one", lambda cell: cell.id != kept.id)
    found = run_comparison("one")
    assert [c.cell.id for c in found.cells if c.trials] == [kept.id]


# -- figures -----------------------------------------------------------------------------------


def cells_of(
    contender: str, task: str, values: Mapping[int, list[float]], metric: str = "roc_auc",
    test: float = 0.0,
) -> list[CellFacts]:  # fmt: skip
    """Whole cells with these values by seed, the default's first; `test`: added on test rows."""
    return [
        CellFacts(
            Cell(f"{contender}{task}{seed}", contender, task, seed),
            "done",
            [
                {"number": i, "config": {}, "value": v, "proposer": contender, "fallback": "",
                 "seconds": 1.0, "known": False, "ask_s": 0.1, "tokens": {"prompt": 50.0},
                 "replies": 1, "repeated": 0, "invalid": 0, "joules": None, "engine_mb": 40.0}
                for i, v in enumerate(scores)
            ],
            {"test_value": scores[-1] + test, "default_test_value": scores[0], "metric": metric},
        )
        for seed, scores in values.items()
    ]  # fmt: skip


def comparison(*cells: list[CellFacts]) -> Comparison:
    flat = [c for part in cells for c in part]
    labels = dict.fromkeys(c.cell.contender for c in flat)
    tasks = {c.cell.task: "" for c in flat}
    made = ExperimentGrid("made", 3, tuple(
        Contender(m, "llama", "m.gguf") if m.startswith("model") else Contender(m, m)
        for m in labels
    ), tasks, {}, tuple(c.cell for c in flat), 0.0)  # fmt: skip
    return Comparison(made, tuple(flat), None)


def test_gains_ranks_and_noise() -> None:
    random = {0: [0.5, 0.6, 0.5], 1: [0.5, 0.5, 0.6], 2: [0.5, 0.6, 0.6]}
    found = experiment_figures(comparison(
        cells_of("random", "t", random),
        cells_of("model-a", "t", {s: [0.5, 0.7, 0.8 + s / 100] for s in range(3)}),
        cells_of("model-b", "t", {0: [0.5, 0.8, 0.7], 1: [0.5, 0.8, 0.9], 2: [0.5, 0.7, 0.7]}),
    ))  # fmt: skip
    rows = {r.contender: r for r in found.rows}
    assert [r.contender for r in found.rows] == ["model-a", "model-b", "random"]
    assert [r.rank and r.rank.value for r in found.rows] == [1.0, 2.0, 3.0]
    # two draws of {0.6 four times, 0.5 twice}: both are 0.5 in one case of fifteen
    expected = 0.4 + 0.1 * (1 / 15)
    gain = rows["model-a"].over_random
    assert gain is not None and gain.value == pytest.approx((expected - 0.19) / expected)
    assert gain.low is not None and gain.high is not None and gain.low < gain.value < gain.high
    assert rows["random"].over_random is None
    over_default = rows["model-a"].over_default
    assert over_default is not None and over_default.value == pytest.approx((0.5 - 0.19) / 0.5)
    verdicts = {v.b: v for v in found.pairs}
    assert verdicts["model-b"].claim.verdict == "open"
    assert "within noise, they cannot be told apart" in verdicts["model-b"].words()
    assert "seeds would tell" in verdicts["model-b"].words()
    assert verdicts["random"].claim.verdict == "better"
    assert "beyond noise" in verdicts["random"].words()


def test_two_contenders_are_paired_by_seed() -> None:
    """Seeds differ much more than the contenders, but each seed says the same of the two."""
    scores = {s: 0.5 + 0.1 * s for s in range(5)}
    found = experiment_figures(comparison(
        cells_of("model-a", "t", {s: [0.5, v, v + 0.02 + s / 1e3] for s, v in scores.items()}),
        cells_of("model-b", "t", {s: [0.5, v, v + 0.01] for s, v in scores.items()}),
    ))  # fmt: skip
    assert found.pairs[0].claim.verdict == "better" and "beyond noise" in found.pairs[0].words()


def test_the_test_rows_stand_beside_and_a_disagreement_is_said() -> None:
    def sentence(test: float) -> str:
        found = experiment_figures(comparison(
            cells_of("model-a", "t", {s: [0.5, 0.8 + s / 100] for s in range(4)}, test=test),
            cells_of("model-b", "t", {s: [0.5, 0.6 + s / 90] for s in range(4)}),
        ))  # fmt: skip
        return found.pairs[0].words()

    assert ": beyond noise; on test rows +" in sentence(-0.02)
    assert "beyond noise. The test rows say the opposite: -" in sentence(-0.4)


def test_two_tasks_say_nothing_of_others_where_they_disagree_with_each_other() -> None:
    found = experiment_figures(comparison(*(
        cells_of(m, t, {s: [0.5, 0.6 + gap * (m == "model-a") + s / 50 + s * s * gap / 99]
                        for s in range(5)})
        for m in ("model-a", "model-b") for t, gap in (("t", 0.2), ("u", 0.02))
    )))  # fmt: skip
    assert found.pairs[0].claim.verdict == "better" and not found.pairs[0].claim.elsewhere
    assert "beyond noise for these tasks" in found.pairs[0].words()


def test_direction_and_scale_come_from_the_metric() -> None:
    """R2 below zero is no error: its loss is 1 - R2."""
    found = experiment_figures(comparison(
        cells_of("model-a", "t", {0: [-0.2, -0.1]}, "r2"),
        cells_of("model-b", "t", {0: [-0.2, -0.2]}, "r2"),
    ))  # fmt: skip
    assert found.rows[0].over_default is not None
    assert found.rows[0].over_default.value == pytest.approx((1.2 - 1.1) / 1.2)
    assert found.metrics == {"t": "r2"} and "scored by r2" in report_text(found)


def test_the_statistics_are_what_their_docstrings_say() -> None:
    assert gain(0.3, 0.4) == pytest.approx(0.25) and gain(-1.0, -2.0) == pytest.approx(-0.5)
    assert gain(0.0, 0.0) == 0.0 and gain(0.2, 0.0) == -1.0
    many = gain(np.array([0.3, 0.0, 0.2]), np.array([0.4, 0.0, 0.0]))
    assert many == pytest.approx([0.25, 0.0, -1.0])
    resampled = mean_with_other_seeds(np.array([1.0, 3.0]), np.array([[0, 0], [0, 1]]))
    assert resampled == pytest.approx([2 - 2**0.5, 2.0])
    table = ranks(np.array([[0.1, 0.5, 0.3], [0.2, 0.5, 0.1], [0.3, 0.4, 0.2]]))
    assert table.tolist() == [[1, 2.5, 3], [2, 2.5, 1], [3, 1, 2]]
    values = np.array([0.0, 1.0, 2.0, 3.0, 4.0])
    found = over_units(values, np.mean)
    assert found.value == 2.0 and found.low is not None and found.high is not None
    assert found.low == pytest.approx(0.8, abs=0.21) and found.high == pytest.approx(3.2, abs=0.21)


def test_turns_of_the_model_and_of_the_gp_are_told_apart() -> None:
    made = comparison(cells_of("model-a", "t", {0: [0.5, 0.6, 0.55, 0.7], 1: [0.5, 0.4, 0.5, 0.6]}))
    for cell in made.cells:
        turns = (("default", 0.0), ("llama", 2.0), ("gp", 0.1), ("gp", 0.1))
        for trial, (by, took) in zip(cell.trials, turns, strict=True):
            trial.update(proposer=by, ask_s=took)  # type: ignore[attr-defined]
    found = experiment_figures(made)
    assert found.turns["model-a"] == (
        ProposerTurns("gp", 4, 2, 0.1), ProposerTurns("llama", 2, 1, 2.0)
    )  # fmt: skip
    said = "model-a: gp 4 proposals, 2 new bests, 0.1 s each; llama 2 proposals, 1 new best, 2 s"
    assert said in report_text(found) and not any("none of these" in n for n in found.notes)
    asked = replace(made.grid.contenders[0], proposer="hybrid")
    none = replace(made, grid=replace(made.grid, contenders=(asked,)))
    for cell in none.cells:
        for trial in cell.trials:
            if trial["proposer"] == "llama":
                trial["proposer"] = "embedded"  # type: ignore[index]
    text = report_text(experiment_figures(none))
    assert "note: model-a: none of these proposals are this model's" in text
    assert "in brackets 95 % intervals" in text


def test_what_is_confirmed_is_a_mean_of_all_cells_or_is_left_out() -> None:
    values = {0: [0.5, 0.4], 1: [0.5, 0.7]}
    made = comparison(cells_of("gp", "t", values), cells_of("tpe", "t", {0: [0.5, 0.7]}))
    found = experiment_figures(made)
    assert all(row.over_default_confirmed is None for row in found.rows)  # --no-confirm
    first, second, other = made.cells
    confirmed = replace(second, end={**second.end, "confirmed_gain": 0.1})
    found = experiment_figures(replace(made, cells=(first, confirmed, other)))
    rows = {r.contender: r.over_default_confirmed for r in found.rows}
    assert rows["tpe"] is None and rows["gp"] is not None
    assert rows["gp"].value == pytest.approx(0.1)  # 0 of the first, 0.1 of 0.5 of the second
    assert [n for n in found.notes if "confirmed" in n] == [
        "tpe: no confirmed gain, since 1 of its 1 cells ended too soon for one"
    ]


def test_errors_are_losses_as_they_are() -> None:
    found = experiment_figures(comparison(
        cells_of("random", "t", {0: [-2.0, -1.5, -3.0]}, "neg_mean_squared_error"),
        cells_of("model-a", "t", {0: [-2.0, -1.0, -4.0]}, "neg_mean_squared_error"),
    ))  # fmt: skip
    row = found.rows[0]
    assert row.contender == "model-a" and row.over_default is not None
    assert row.over_default.value == pytest.approx(0.5) and row.over_default.low is None
    assert found.pairs[0].claim.low is None and "with one seed" in found.pairs[0].words()


def test_cells_that_are_missing_or_failed_are_told_of() -> None:
    whole = comparison(
        cells_of("random", "t", {0: [0.5, 0.6, 0.7], 1: [0.5, 0.6, 0.7]}),
        cells_of("tpe", "t", {0: [0.5, 0.6, 0.7], 1: [0.5, 0.6, 0.7]}),
    )
    *kept, last = whole.cells
    failed = replace(last, state="failed", end={"error": "it broke"})
    found = experiment_figures(replace(whole, cells=(*kept, failed)))
    assert found.failed == (("tpe", "t", 1, "it broke"),)
    assert "are equal" in found.pairs[0].words()
    waiting = replace(whole, cells=(*kept, CellFacts(last.cell, "waiting")))
    assert "1 of 4 cells are not finished" in experiment_figures(waiting).notes
    assert waiting.left_s == pytest.approx(3 * 1.1)


def test_reports_hold_the_figures_and_escape_names(tmp_path: Path) -> None:
    name = "=model<b>\x1b[31m"
    whole = comparison(
        cells_of("random", "t", {s: [0.5, 0.6, 0.7] for s in range(3)}),
        cells_of(name, "t", {s: [0.5, 0.6, 0.9 + s / 100] for s in range(3)}),
    )
    summary = experiment_figures(whole)
    text = report_text(summary)
    assert "\x1b" not in text and "=model<b>" in text
    narrow = report_text(summary, 60)
    assert max(map(len, narrow.split("\n\n")[1].splitlines())) <= 60
    rows = list(csv.DictReader(io.StringIO(report_csv(summary))))
    assert rows[0]["contender"].startswith("'=") and float(rows[0]["rank"]) == 1.0
    told = json.loads(report_json(summary))
    assert told["rows"][0]["over_default"]["value"] == pytest.approx(0.82)
    assert "beyond noise" in told["pairs"][0]["words"]

    tags: list[str] = []
    parser = html.parser.HTMLParser()
    parser.handle_starttag = lambda tag, attrs: tags.append(tag)  # type: ignore[method-assign]
    parser.feed(report_html(whole, summary))
    assert "b" not in tags and tags.count("svg") == 1 and tags.count("table") == 2


def test_a_torn_line_is_left_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    made = grid(tmp_path)
    file = cell_file(made.folder, made.cells[0])
    file.parent.mkdir()
    file.write_text('{"trial": {"number": 0, "value": 0.5}}\n{"tri')
    state = read_comparison("one").cells[0]
    assert state.state == "broken off" and state.default_value == 0.5
    file.write_text("{]\n")
    with pytest.raises(StudyError, match="line 1"):
        read_comparison("one")


def test_what_failed_is_kept_for_its_limits_alone(tmp_path: Path) -> None:
    class Runner(FakeRunner):
        def open(self) -> Any:
            return problem

    kept = KeptTrials(tmp_path / "trials.sqlite")
    runs = []
    for seconds in (10, 10, 20):
        text = TASK + f"\n[limits]\ntrial_seconds = {seconds}\n"
        task = load_task(write_task(tmp_path / str(len(runs)), text))
        problem = resolve(task, load_table(task))
        fake = Runner()
        fake.before = lambda count, config: Result("failed", reason="took longer than the limit")
        runner = KeptRunner(task._file or tmp_path, kept, log=tmp_path / "log", runner=fake)
        runs.append(runner.evaluate(problem.space.default()))
        assert len(fake.evaluated) == (not runs[-1][1])
    assert [known for _, known in runs] == [False, True, False]
    assert {result.state for result, _ in runs} == {"failed"}
