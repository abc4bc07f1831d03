"""A tool without any intelligence: it draws a box while the mouse is dragged, and keeps it as an outline."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from learning_loop_node import AnnotatorLogic
from learning_loop_node.data_classes import Point, SegmentationAnnotation, Shape, ToolOutput, UserInput
from learning_loop_node.enums import AnnotationEventType


class BoxTool(AnnotatorLogic):
    """Press, drag, release. Beyond these, the tool does nothing."""

    async def handle_user_input(self, user_input: UserInput, history: dict[str, Any]) -> ToolOutput:
        data, here = user_input.data, user_input.data.coordinate
        if data.event_type == AnnotationEventType.LeftMouseDown:
            history["start"] = here
        if "start" not in history:
            return ToolOutput(svg="")
        left, right = sorted((history["start"].x, here.x))
        top, bottom = sorted((history["start"].y, here.y))
        svg = f'<rect x="{left}" y="{top}" width="{right - left}" height="{bottom - top}" fill="none" stroke="blue"/>'
        if data.event_type != AnnotationEventType.LeftMouseUp:
            return ToolOutput(svg=svg)
        history.clear()
        corners = [Point(x=x, y=y) for x, y in ((left, top), (right, top), (right, bottom), (left, bottom))]
        outline = SegmentationAnnotation(
            id=str(uuid4()), shape=Shape(points=corners), image_id=data.image_uuid, category_id=data.category.id
        )
        return ToolOutput(svg=svg, annotation=outline)
