"""Makes a whole project of drawn images, with categories and models: for tests and to try things out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from uuid import NAMESPACE_URL, uuid4, uuid5

from ...data_classes import Category
from ...enums import CategoryType
from ...runtime.threads import io_bound
from ..loop import Loop
from ..storage import categories as category_storage
from ..storage import images, projects
from ..storage.images import NewImage
from ..storage.tables import CategoryRow, ProjectRow
from ..wire.generator import GeneratorRequest
from ..wire.projects import NewCategory
from .images import DrawnImage, drawn_images
from .mocked_models import add_mocked_model, keep_mocked_model
from .palette import next_colors, next_hotkeys

PORTION = 20
"""Pictures that are in memory together."""


async def generate_project(
    loop: Loop, organization: str, request: GeneratorRequest, *, host: str, user: str | None
) -> tuple[ProjectRow, Sequence[CategoryRow], list[str], list[str]]:
    """Make the project: all of it or, with any error, nothing. `RefusedError` if there is one of this name.

    The result: the project, its categories, the ids of its images, the versions of its models.
    """
    name = request.project_name
    async with loop.database.reading() as session:
        await projects.refuse_taken(session, organization, name)
    categories = categories_of(request, organization)
    versions = [f"1.{number}" for number in range(request.trainings)]
    models = [
        await keep_mocked_model(
            loop,
            organization=organization,
            project=name,
            id=str(uuid4()),
            version=version,
            host=host,
            categories=categories,
        )
        for version in versions
    ]
    new = await keep_drawn_images(loop, drawn_images(request, categories, versions[-1] if versions else None))
    async with loop.database.writing() as session:
        project = await projects.add_project(session, organization, name)
        rows = await category_storage.add_categories(session, project, [as_new(category) for category in categories])
        for model in models:
            await add_mocked_model(session, project, model)
        stored = await images.add_images(session, project.id, new, user)
    return project, rows, [image.id for image in stored], versions


def categories_of(request: GeneratorRequest, organization: str) -> list[Category]:
    """The categories of a project, with the same ids each time."""
    entries = [
        (f"{kind.value} {number}", kind)
        for kind in CategoryType
        for number in range(1, (request.count_of(kind, "categories") or 0) + 1)
    ]
    colors, hotkeys = next_colors([], len(entries)), next_hotkeys([], len(entries))
    return [
        Category(
            id=str(uuid5(NAMESPACE_URL, f"{organization}/{request.project_name}/{name}")),
            name=name,
            description=name,
            hotkey=hotkey,
            color=color,
            point_size=20 if kind is CategoryType.Point else None,
            type=kind,
        )
        for (name, kind), color, hotkey in zip(entries, colors, hotkeys, strict=True)
    ]


async def keep_drawn_images(loop: Loop, drawn: Iterator[DrawnImage]) -> list[NewImage]:
    """Draw the pictures and keep them among the blobs, while others are served."""
    result: list[NewImage] = []
    while some := await io_bound(list, islice(drawn, PORTION)):
        blobs = await loop.blobs.write_all([image.content for image in some])
        result += [
            NewImage(
                label=image.metadata.name or "",
                key=None,
                sha256=blob.sha256,
                size_bytes=blob.size_bytes,
                format="jpeg",
                width=image.width,
                height=image.height,
                metadata=image.metadata,
            )
            for image, blob in zip(some, blobs, strict=True)
        ]
    return result


def as_new(category: Category) -> NewCategory:
    return NewCategory.model_validate(category, from_attributes=True)
