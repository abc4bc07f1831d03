"""Projects and their categories."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ...enums import CategoryType
from .ground import Asked, LongText, Properties, Version, Wire

CategoryName = Annotated[str, Field(min_length=1, max_length=256)]
CategoryId = Annotated[str, Field(min_length=1, max_length=256)]
Hotkey = Annotated[str, Field(max_length=32)]
Color = Annotated[str, Field(pattern=r"^#[0-9A-Fa-f]{6}$")]
PointSize = Annotated[int, Field(gt=0, le=10_000)]


class ModelCategory(Wire):
    """A category as models and nodes know it. `point_size` is a radius in pixels of the image."""

    name: CategoryName
    type: CategoryType | None = None
    id: CategoryId | None = None
    description: LongText | None = None
    hotkey: Hotkey | None = None
    color: Color | None = None
    point_size: PointSize | None = None


class NewCategory(ModelCategory):
    """A category to make.

    Without `id` it gets one, without `type` it marks boxes, without `color` it gets one unlike the others, without
    `hotkey` the next free key; an empty `hotkey` means none.
    """

    properties: Properties = {}


class NewProject(Asked):
    """A category may be given as its name alone; it then marks boxes."""

    project_id: str
    description: LongText | None = None
    categories: list[NewCategory | CategoryName] = Field(default=[], max_length=1000)


class NewCategories(Asked):
    """Categories to add; each may be given as its name alone."""

    categories: list[NewCategory | CategoryName] = Field(min_length=1, max_length=1000)


class ChangedCategory(Asked):
    """What is missing stays; null takes away. With `version`, only if the category still has this one."""

    version: Version | None = None
    name: CategoryName | None = None
    type: CategoryType | None = None
    description: LongText | None = None
    hotkey: Hotkey | None = None
    color: Color | None = None
    point_size: PointSize | None = None
    properties: Properties | None = None


class CategoryOrder(Asked):
    """The ids of all categories of a project in their new order. With `version`, only if the project has this one."""

    category_ids: list[CategoryId] = Field(max_length=10_000)
    version: Version | None = None


class ChangedProject(Asked):
    """What is missing stays; null takes away. With `version`, only if the project still has this one."""

    version: Version | None = None
    description: LongText | None = None


class CategoryRecord(Wire):
    id: str
    name: str
    description: str | None
    hotkey: str | None
    color: str | None
    point_size: int | None
    type: CategoryType
    properties: Properties
    version: int


class CategoryRecords(Wire):
    categories: list[CategoryRecord]


class DeletedCategory(Wire):
    """How many annotations were moved to another category, or deleted with this one."""

    moved: int = 0
    deleted: int = 0


class ProjectPlace(Wire):
    """`resource` is the project's address without `/api`."""

    organization_id: str
    project_id: str
    resource: str


class Projects(Wire):
    projects: list[ProjectPlace]


class ProjectRecord(ProjectPlace):
    """`version` counts the changes of the project and of its categories."""

    description: str | None
    created: str
    version: int
    categories: list[CategoryRecord]
    box_categories: list[CategoryRecord]


class DeletedProject(Wire):
    """A project in its grace period. `id` tells those apart that had the same name; `ends` is when it is lost."""

    id: str
    organization_id: str
    project_id: str
    deleted: str
    ends: str


class DeletedProjects(Wire):
    projects: list[DeletedProject]


class ProjectData(Wire):
    """The ids of images, and the categories of the project."""

    image_ids: list[str]
    categories: list[CategoryRecord]
    box_categories: list[CategoryRecord]
