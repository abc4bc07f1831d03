"""Old path of `detector.relevance`."""
