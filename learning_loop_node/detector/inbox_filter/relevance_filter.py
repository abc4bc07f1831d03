"""Old path of `detector.relevance.filter`."""

from ..relevance.filter import RelevanceFilter

__all__ = ["RelevanceFilter"]
