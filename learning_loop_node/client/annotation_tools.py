"""Annotation tools that run at nodes, driven through the loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..data_classes.codec import from_dict
from .place import Place, entries_of, part_of_path

ANSWER_S = 90.0
"""Longer than the loop waits for a tool, so that its error comes and not ours."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AnnotationTool:
    """A tool that is connected. `capabilities` are the kinds of category it is for, `user` whose login it has."""

    id: str
    name: str
    state: str | None = None
    errors: dict[str, str] = field(default_factory=dict)
    capabilities: list[str] = field(default_factory=list)
    connected_since: str | None = None
    user: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ToolAnswer:
    """What to draw over the image, and the ids of the annotations that the tool has made since the last answer."""

    svg: str
    annotations: list[str] = field(default_factory=list)


class AnnotationTools:
    """The annotation tools of the loop, for images of a project."""

    def __init__(self, place: Place) -> None:
        self._place = place

    async def list(self) -> Sequence[AnnotationTool]:
        """Those that are connected."""
        answer = await self._place.http.json("GET", "/annotation_tools")
        return [from_dict(AnnotationTool, entry) for entry in entries_of(answer, "annotation_tools")]

    def tool(self, tool_id: str, image_id: str, *, page: str | None = None) -> ToolOnImage:
        """A tool over an image. What several programs do with one login at a time is kept apart by their `page`."""
        return ToolOnImage(self._place, tool_id, image_id, page)


class ToolOnImage:
    """Mouse and keys of a tool over an image.

        tool = loop.annotation_tools.tool(tool_id, image_id)
        await tool.input("left_mouse_down", 10, 20, category="leaf")
        answer = await tool.input("left_mouse_up", 90, 80, category="leaf")

    Whatever the tool raises comes as `ToolFailedError` with its text; `UnavailableError` if it is not connected.
    """

    def __init__(self, place: Place, tool_id: str, image_id: str, page: str | None = None) -> None:
        self.place = place
        self._path = place.path(f"/images/{part_of_path(image_id)}/annotation_tools/{part_of_path(tool_id)}")
        self._page = page

    async def input(
        self,
        event_type: str,
        x: float = 0,
        y: float = 0,
        *,
        category: str | None = None,
        category_id: str | None = None,
        key_up: str | None = None,
        key_down: str | None = None,
        epsilon: float | None = None,
        is_shift_key_pressed: bool | None = None,
    ) -> ToolAnswer:
        """Do something at a place, in pixels of the image; the category is given by name or by id.

        `event_type` is one of `AnnotationEventType`; `epsilon` is how far the outline may be from what was found.
        """
        body: dict[str, Any] = {
            "event_type": event_type,
            "coordinate": {"x": x, "y": y},
            "category_name": category,
            "category_id": category_id,
            "key_up": key_up,
            "key_down": key_down,
            "epsilon": epsilon,
            "is_shift_key_pressed": is_shift_key_pressed,
            "page": self._page,
        }
        answer = await self.place.http.json("POST", f"{self._path}/input", json=body, timeout_s=ANSWER_S)
        return from_dict(ToolAnswer, answer)

    async def log_out(self) -> bool:
        """Let the tool forget what was done; what it says about it."""
        parameters = {"page": self._page} if self._page is not None else {}
        answer = await self.place.http.json("POST", f"{self._path}/logout", params=parameters)
        return bool(answer["success"])
