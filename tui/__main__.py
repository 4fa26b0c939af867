"""`python -m tui`: the interface alone."""

from tui.app import run

raise SystemExit(run())
