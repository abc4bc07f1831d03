"""Decides which images are worth a human's look."""
