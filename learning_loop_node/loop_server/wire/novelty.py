"""How new images are compared with those known already, as programs of users reckon it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .ground import Number, Wire

NoveltyScores = Annotated[dict[str, Number], Field(max_length=10_000)]
"""A number by the id of its image."""


class ScoredImages(Wire):
    """How many images have a new score."""

    count: int
