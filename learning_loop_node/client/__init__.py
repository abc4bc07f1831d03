"""Talking to a loop, and to a detector."""
