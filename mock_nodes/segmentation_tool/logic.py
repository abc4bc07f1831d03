"""A tool that cuts things out of images: a box around the thing, strokes that correct it, Enter."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from html import escape
from typing import Any
from uuid import uuid4

from learning_loop_node import AnnotatorLogic
from learning_loop_node.data_classes import (
    AnnotationData,
    Point,
    SegmentationAnnotation,
    Shape,
    ToolOutput,
    UserInput,
)
from learning_loop_node.enums import AnnotationEventType
from learning_loop_node.runtime.threads import io_bound

DOWN = (AnnotationEventType.LeftMouseDown, AnnotationEventType.RightMouseDown)
UP = (AnnotationEventType.LeftMouseUp, AnnotationEventType.RightMouseUp)
KEYS = (AnnotationEventType.KeyDown, AnnotationEventType.KeyUp)

SMALLEST_BOX = 4
LONGEST_STROKE = 2000
TOLERANCE = 2.0
AT_ONCE = 2
"""So many people's outlines are worked out at a time."""


class SegmentationTool(AnnotatorLogic):
    """The first drag is the box. Drags after it are strokes: what belongs to the thing with the left button, what does
    not with the right one, or with the left one and shift. Enter finishes, Escape begins anew.

    `cut_out(image, box, strokes, tolerance=…)` finds the outline; see `grab_cut.py`.
    """

    def __init__(self, cut_out: Callable[..., Any]) -> None:
        self._cut_out = cut_out
        self._places = asyncio.Semaphore(AT_ONCE)

    def create_empty_history(self) -> dict[str, Any]:
        return {"id": str(uuid4()), "image": None, "is_done": False, "drag": None, "box": None} | {
            "strokes": [],
            "outline": [],
        }

    async def handle_user_input(self, user_input: UserInput, history: dict[str, Any]) -> ToolOutput:
        data = user_input.data
        here = (data.coordinate.x, data.coordinate.y)
        if history["image"] != data.image_uuid or (history["is_done"] and data.event_type in DOWN):
            history.update(self.create_empty_history() | {"image": data.image_uuid})
        if data.event_type in DOWN:
            is_thing = data.event_type == AnnotationEventType.LeftMouseDown and not data.is_shift_key_pressed
            history["drag"] = (is_thing, [here])
        elif history["drag"] is not None and data.event_type == AnnotationEventType.MouseMove:
            history["drag"][1].append(here)
            del history["drag"][1][LONGEST_STROKE:]
        elif history["drag"] is not None and data.event_type in UP:
            await self._finish_drag(data, history, here)
        elif data.event_type in KEYS and "Enter" in (data.key_down, data.key_up) and history["outline"]:
            history["is_done"] = True
            return ToolOutput(svg=_svg(history, data), annotation=_annotation(history, data))
        return ToolOutput(svg=_svg(history, data))

    async def _finish_drag(self, data: AnnotationData, history: dict[str, Any], here: tuple[int, int]) -> None:
        is_thing, line = history["drag"]
        history["drag"] = None
        if history["box"] is None:
            (x, y), (to_x, to_y) = line[0], here
            if min(abs(to_x - x), abs(to_y - y)) < SMALLEST_BOX:
                return
            history["box"] = (x, y, to_x, to_y)
        else:
            history["strokes"].append((is_thing, [*line, here]))
        history["outline"] = await self._outline(data, history)

    async def _outline(self, data: AnnotationData, history: dict[str, Any]) -> list[Point]:
        file = self._node.image_file(data.context, data.image_uuid)
        tolerance = TOLERANCE if data.epsilon is None else data.epsilon
        async with self._places:
            image = await io_bound(file.read_bytes)
            found = await io_bound(self._cut_out, image, history["box"], list(history["strokes"]), tolerance=tolerance)
        return [Point(x=round(x), y=round(y)) for x, y in found.tolist()]


def _annotation(history: dict[str, Any], data: AnnotationData) -> SegmentationAnnotation:
    """The same one, as often as it is asked for; the next box is another one."""
    shape = Shape(points=history["outline"])
    return SegmentationAnnotation(id=history["id"], shape=shape, image_id=data.image_uuid, category_id=data.category.id)


def _svg(history: dict[str, Any], data: AnnotationData) -> str:
    """The outline, or the box as long as there is none, and the stroke that is being drawn."""
    color = escape(data.category.color or "#00A0FF")
    parts = []
    box = history["box"]
    if history["drag"] is not None:
        is_thing, line = history["drag"]
        if box is None:
            box = (*line[0], *line[-1])
        else:
            stroke = "lime" if is_thing else "red"
            parts.append(f'<polyline points="{_numbers(line)}" fill="none" stroke="{stroke}" stroke-width="3"/>')
    if history["outline"]:
        points = _numbers([(point.x, point.y) for point in history["outline"]])
        parts.insert(0, f'<polygon points="{points}" fill="{color}" fill-opacity="0.3" stroke="{color}"/>')
    elif box is not None:
        left, top, width, height = min(box[0], box[2]), min(box[1], box[3]), abs(box[2] - box[0]), abs(box[3] - box[1])
        parts.insert(0, f'<rect x="{left}" y="{top}" width="{width}" height="{height}" fill="none" stroke="{color}"/>')
    return "".join(parts)


def _numbers(points: Sequence[tuple[int, int]]) -> str:
    return " ".join(f"{x},{y}" for x, y in points)
