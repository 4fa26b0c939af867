"""The workshop where the embedded models are made: corpus, network, training, export.

`python -m workshop corpus|train|evaluate|export|portfolio`. Nothing else in the project imports it;
PyTorch is needed here and nowhere at run time.
"""
