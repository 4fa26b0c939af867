"""Commands that compare proposers: on tasks, on benchmark problems, beside a study."""
