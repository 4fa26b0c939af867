"""The trial runner: a child process that holds the table and scores within limits.

`client.TrialRunner` is the parent's side and what others use; `messages` has what goes between
both.
"""
