"""The loop of a study: what comes next, trials side by side, other processes, what ends it."""
