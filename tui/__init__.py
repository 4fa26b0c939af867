"""The terminal interface: one client of `core`."""
