"""Tables with a cursor: their base, and the lists of the screens."""
