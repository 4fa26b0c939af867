"""What screens show and edit, as values: studies, histories, comparisons, tasks. No widgets."""
