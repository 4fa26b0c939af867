"""The tuning library: tasks, data, search spaces, proposers, the trial runner, studies. No terminal."""
