"""The panes of the study screen: each draws the study's state and the selected trial.

A pane owns nothing and sends nothing: it posts messages to its screen. Import each from its module.
"""
