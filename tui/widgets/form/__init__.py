"""Parts of the form for a new study: its lines, tables, and the task file as text."""
