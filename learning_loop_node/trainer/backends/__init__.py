"""Trainers that come along, each with its own libraries."""
