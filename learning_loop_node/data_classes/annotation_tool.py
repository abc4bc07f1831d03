"""What goes between a person who annotates and the tool that helps."""

from __future__ import annotations

from dataclasses import dataclass

from ..enums import AnnotationEventType
from .categories import Category
from .context import Context
from .detections import Point, Shape


@dataclass(kw_only=True, slots=True)
class AnnotationData:
    """One input: what happened, where, in which image, for which category."""

    coordinate: Point
    event_type: AnnotationEventType | str
    context: Context
    image_uuid: str
    category: Category
    key_up: str | None = None
    key_down: str | None = None
    epsilon: float | None = None
    is_shift_key_pressed: bool | None = None


@dataclass(kw_only=True, slots=True)
class SegmentationAnnotation:
    """A finished outline."""

    id: str
    shape: Shape
    image_id: str
    category_id: str


@dataclass(kw_only=True, slots=True)
class UserInput:
    """One input, with the id of the page it comes from."""

    frontend_id: str
    data: AnnotationData


@dataclass(kw_only=True, slots=True)
class ToolOutput:
    """What the tool draws, and the annotation once there is one."""

    svg: str
    annotation: SegmentationAnnotation | None = None
