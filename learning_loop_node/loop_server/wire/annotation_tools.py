"""Annotation tools: which there are, what people do with them, and what comes of it."""

from __future__ import annotations

from pydantic import Field

from .ground import Asked, Number, ShortText, Wire
from .images import Corner, Outline, PublicId
from .nodes import NodeId


class ToolInput(Asked):
    """Something that a person did with mouse or keys over an image.

    `event_type` is `left_mouse_down`, `right_mouse_down`, `mouse_move`, `left_mouse_up`, `right_mouse_up`, `key_down`
    or `key_up`; for keys, `key_down` or `key_up` says which. `coordinate` is in pixels of the upright image. `epsilon`
    is how far, in pixels, the outline may be from what the tool has found. A login that is used by several pages or
    programs at a time gives each of them a `page`, with a history of its own.
    """

    event_type: ShortText
    coordinate: Corner
    category_id: ShortText | None = None
    category_name: ShortText | None = None
    key_up: ShortText | None = None
    key_down: ShortText | None = None
    epsilon: Number | None = Field(default=None, ge=0)
    is_shift_key_pressed: bool | None = None
    page: PublicId | None = None


class ToolInputAt(ToolInput):
    """The same as an event, with the place that the address names otherwise."""

    organization: ShortText
    project: ShortText
    image_id: ShortText
    tool_id: NodeId


class ToolLogout(Asked):
    """Which page has done with a tool, as in its inputs."""

    page: PublicId | None = None


class ToolAnswer(Wire):
    """What to draw over the image, and the ids of the annotations that the tool has made since the last answer."""

    svg: str
    annotations: list[str]


class ToolRecord(Wire):
    """An annotation tool that is connected; `capabilities` are the kinds of category that it works for."""

    id: str
    name: str
    state: str | None
    errors: dict[str, str]
    capabilities: list[str]
    connected_since: str
    user: str | None = Field(description="With whose login it is connected.")


class AnnotationTools(Wire):
    annotation_tools: list[ToolRecord]


class LoggedOut(Wire):
    """Whether the tool says that it has forgotten the person."""

    success: bool


class ToolAnnotation(Wire):
    """What a tool has drawn. With the id of an annotation that is there it takes its place."""

    id: PublicId
    shape: Outline
    image_id: ShortText
    category_id: ShortText
