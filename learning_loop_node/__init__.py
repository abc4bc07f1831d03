"""Nodes of a learning loop for computer vision: derive from a logic class, hand it to a node, and run."""
