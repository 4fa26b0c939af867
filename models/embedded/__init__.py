"""The embedded model: its weights, its card, and the language that it reads and writes."""
