"""Constrained decoding: which tokens may come next, and which of them is drawn.

Pure functions over token texts and logits; nothing here knows llama.cpp.
"""
