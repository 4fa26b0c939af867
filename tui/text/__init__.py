"""Texts that screens and commands share: numbers and ranges in words, glyphs, Markdown.

No widgets.
"""
