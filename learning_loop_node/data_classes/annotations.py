"""What a person (or a program in a person's place) says is in an image."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(kw_only=True, slots=True)
class BoxAnnotation:
    """A box in pixels; `x` and `y` are its top-left corner."""

    category_name: str
    x: int
    y: int
    width: int
    height: int
    category_id: str | None = None


@dataclass(kw_only=True, slots=True)
class PointAnnotation:
    """A point in pixels."""

    category_name: str
    x: float
    y: float
    category_id: str | None = None


@dataclass(kw_only=True, slots=True)
class ClassificationAnnotation:
    """A statement about the whole image."""

    category_name: str
    category_id: str | None = None
