"""An annotator in the style of 0.18 to 0.27: dragging the mouse draws a box, which becomes an outline at the end."""

import os
from pathlib import Path
from typing import Any
from uuid import uuid4

import uvicorn

from learning_loop_node import GLOBALS
from learning_loop_node.annotation.annotator_logic import AnnotatorLogic
from learning_loop_node.annotation.annotator_node import AnnotatorNode
from learning_loop_node.data_classes import Point, Shape, ToolOutput, UserInput
from learning_loop_node.data_classes.annotation_data import SegmentationAnnotation
from learning_loop_node.enums import AnnotationEventType


class BoxTool(AnnotatorLogic):
    def __init__(self) -> None:
        super().__init__()
        self.node: Any = None

    def init(self, node: Any) -> None:
        self.node = node

    def create_empty_history(self) -> dict[str, Any]:
        return {"corner": None}

    def logout_user(self, sid: str) -> bool:
        return bool(sid)

    async def handle_user_input(self, user_input: UserInput, history: dict[str, Any]) -> ToolOutput:
        data = user_input.data
        here = data.coordinate
        image = (
            Path(GLOBALS.data_folder) / data.context.organization / data.context.project / "images" / data.image_uuid
        )
        assert image.with_name(f"{image.name}.jpg").exists(), "the node has brought the image"
        if data.event_type == AnnotationEventType.RightMouseDown:
            raise ValueError("this tool knows no right button")
        if data.event_type == AnnotationEventType.LeftMouseDown:
            history["corner"] = here
            return ToolOutput(svg=f'<circle cx="{here.x}" cy="{here.y}" r="3"/>')
        corner = history["corner"] or here
        svg = f'<rect x="{corner.x}" y="{corner.y}" width="{here.x - corner.x}" height="{here.y - corner.y}"/>'
        if data.event_type != AnnotationEventType.LeftMouseUp:
            return ToolOutput(svg=svg)
        corners = [corner, Point(x=here.x, y=corner.y), here, Point(x=corner.x, y=here.y)]
        annotation = SegmentationAnnotation(
            id=str(uuid4()), shape=Shape(points=corners), image_id=data.image_uuid, category_id=data.category.id
        )
        return ToolOutput(svg=svg, annotation=annotation)


GLOBALS.data_folder = os.environ["DATA_FOLDER"]
node = AnnotatorNode(name=os.environ["NODE_NAME"], annotator_logic=BoxTool())

if __name__ == "__main__":
    uvicorn.run("main:node", host="127.0.0.1", port=int(os.environ.get("PORT", "80")), lifespan="on")
