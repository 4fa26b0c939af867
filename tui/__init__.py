"""The terminal interface: one client of `core`.

The app opens screens, made of dialogs and widgets. `content`, `processes`, `preferences` and
`text` have no widgets; `actions` is the table of all keys.
"""
