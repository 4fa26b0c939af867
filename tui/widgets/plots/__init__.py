"""Drawing plots with characters."""
