"""A task file in the making: its text, what is wrong with it, and what it comes to with its table.

`edit` changes single keys of the text; `server` is the child process that looks at tables and
checks the text, so that the process with the form needs neither polars nor pydantic.
"""
