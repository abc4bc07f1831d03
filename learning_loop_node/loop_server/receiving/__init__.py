"""Requests with bodies, as they come in: bounded, and streamed where they are large."""
