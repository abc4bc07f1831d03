"""Projects and their categories."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ...enums import CategoryType
from .ground import LongText, Wire


class NewCategory(Wire):
    """A category to make; without `id` it gets one, without `type` it marks boxes."""

    name: str = Field(min_length=1, max_length=256)
    type: CategoryType | None = None
    id: str | None = Field(default=None, min_length=1, max_length=256)
    description: LongText | None = None
    hotkey: str | None = Field(default=None, max_length=32)
    color: str | None = Field(default=None, pattern=r"^#[0-9A-Fa-f]{6}$")
    point_size: int | None = Field(default=None, gt=0, le=10_000)


class NewProject(Wire):
    """A category may be given as its name alone; it then marks boxes."""

    project_id: str
    categories: list[NewCategory | Annotated[str, Field(min_length=1, max_length=256)]] = Field(
        default=[], max_length=1000
    )


class CategoryRecord(Wire):
    id: str
    name: str
    description: str | None
    hotkey: str | None
    color: str | None
    point_size: int | None
    type: CategoryType


class ProjectPlace(Wire):
    """`resource` is the project's address without `/api`."""

    organization_id: str
    project_id: str
    resource: str


class Projects(Wire):
    projects: list[ProjectPlace]


class ProjectRecord(ProjectPlace):
    created: str
    categories: list[CategoryRecord]
    box_categories: list[CategoryRecord]


class ProjectData(Wire):
    """The ids of images, and the categories of the project."""

    image_ids: list[str]
    categories: list[CategoryRecord]
    box_categories: list[CategoryRecord]
