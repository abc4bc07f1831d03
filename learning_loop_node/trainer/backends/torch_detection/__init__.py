"""A trainer of small detectors in plain PyTorch, for boxes and points (extra `[torch]`).

`logic.py` is what the node knows; `training.py` is the program that it starts. Only the latter needs PyTorch at once.
"""
