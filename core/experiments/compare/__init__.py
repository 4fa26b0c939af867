"""Models and proposers side by side on real tasks: a queue of cells, worked off and summed up.

A comparison is a folder, `HYPERLLAMA_HOME/comparisons/NAME`. Reading and queueing load no
scikit-learn and no llama.cpp, so an interface may do both at any time:

    from hyperllama.core.experiments.compare.grid import make_grid, parse_contender, move, load_grid
    from hyperllama.core.experiments.compare.reading import all_comparisons, read_comparison
    from hyperllama.core.experiments.compare.report import text_report  # needs SciPy
    from hyperllama.core.experiments.compare.summary import summarise

    make_grid("sizes", [parse_contender("embedded-1m"), parse_contender("random")],
              [Path("task.toml")], seeds=range(3), budget=20)
    found = read_comparison("sizes")
    for cell in found.cells:          # in the order of the queue
        cell.state                    # waiting, running, broken off, done, failed, skipped
        cell.curve                    # best value after each trial, greater is better
        cell.mean("tokens.prompt"), cell.mean("ask_s"), cell.end.get("test_value")
    found.done_trials, found.trials, found.left_s, found.pid
    move("sizes", lambda c: c.task == "wine")            # these cells next
    reorder("sizes", [cell ids in the wanted order])     # drag and drop
    skip("sizes", lambda c: c.contender == "gp")
    summarise(found)                  # rows, verdicts ("within noise"), notes

`hyperllama compare NAME` (a process of its own) works the queue off: `run.run_comparison`. It holds
the folder's lock meanwhile, and ends politely on SIGINT and SIGTERM. Killed at any moment, it goes
on after the last trial of the cell it was at.
"""
