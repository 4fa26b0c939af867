"""The tuning library: tasks, tables, search spaces, proposers, trials, studies. No terminal."""
