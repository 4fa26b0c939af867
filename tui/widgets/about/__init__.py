"""Pages about one thing: a study, a task, a model, a comparison."""
