"""The fixed test data that programs for nodes rely on: the project zauberzeug/demo with its models."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncSession

from ...data_classes import Category
from ...enums import CategoryType
from ..loop import Loop
from ..storage import categories, deployments, images, models, projects
from ..storage.tables import ModelRow, ProjectRow
from ..wire.generator import GeneratorRequest
from .images import drawn_images
from .mocked_models import add_mocked_model, keep_mocked_model
from .project import as_new, keep_drawn_images

ORGANIZATION = "zauberzeug"
PROJECT = "demo"
HOST = "localhost"
MODELS = {
    "1.0": "00000000-0000-0000-0000-000000000010",
    "1.1": "00000000-0000-0000-0000-000000000011",
    "1.2": "00000000-0000-0000-0000-000000000012",
}
TARGET = "1.1"
EVER = datetime.min.replace(tzinfo=UTC)
CATEGORIES = (
    Category(
        id="b85bbc35-0363-3beb-08e4-e0affb95b2bc",
        name="purple box",
        description="purple box",
        hotkey="1",
        color="#FF00FF",
        type=CategoryType.Box,
    ),
    Category(
        id="51e75488-103d-6661-53a2-ebc06feb5f3a",
        name="purple point",
        description="purple point",
        hotkey="2",
        color="#b914b9",
        point_size=20,
        type=CategoryType.Point,
    ),
    Category(
        id="8aaff331-ea09-1490-50e8-be2993f8c589",
        name="purple segmentation",
        description="purple segmentation",
        hotkey="3",
        color="#FF77FF",
        type=CategoryType.Segmentation,
    ),
)
IMAGES = GeneratorRequest.model_validate(
    {"project_name": PROJECT, "seed": 1, "image_style": "beautiful", "box_detections": 1}
    | {"inbox": 2, "annotate": 1, "review": 1, "complete": 4}
)


async def ensure_demo_data(loop: Loop) -> None:
    """Make what is missing; what is there stays as it is. A deleted project is brought back."""
    async with loop.database.writing() as session:
        project = await _project(session)
        present = set(await models.versions(session, project.id)) if project is not None else set()
    if project is None:
        project = await _make_project(loop)
    for version, id_ in MODELS.items():
        if version not in present:
            model = await keep_mocked_model(
                loop,
                organization=ORGANIZATION,
                project=PROJECT,
                id=id_,
                version=version,
                host=HOST,
                categories=CATEGORIES,
            )
            async with loop.database.writing() as session:
                await add_mocked_model(session, project, model)
    async with loop.database.writing() as session:
        if await deployments.deployed(session, project.id) is None:
            await deployments.deploy(session, await models.model_by_version(session, project.id, TARGET), None)


async def _project(session: AsyncSession) -> ProjectRow | None:
    """The project, if need be out of its grace period: the ids of its models can be there only once."""
    for row in await projects.all_projects(session):
        if (row.organization, row.name) == (ORGANIZATION, PROJECT):
            return row
    model = await session.get(ModelRow, MODELS[TARGET])
    if model is None:
        return None
    return await projects.bring_back(session, ORGANIZATION, PROJECT, since=EVER, project_id=model.project_id)


async def _make_project(loop: Loop) -> ProjectRow:
    new = await keep_drawn_images(loop, drawn_images(IMAGES, CATEGORIES, TARGET))
    async with loop.database.writing() as session:
        project = await projects.add_project(session, ORGANIZATION, PROJECT, "Test data for programs of nodes")
        await categories.add_categories(session, project, [as_new(category) for category in CATEGORIES])
        await images.add_images(session, project.id, new)
    return project
