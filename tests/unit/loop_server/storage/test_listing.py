"""Every filter and order gives what a plain look at all images gives, however little is looked at for one page."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from learning_loop_node.loop_server.storage import facets, image_changes, projects
from learning_loop_node.loop_server.storage.database import Database, sqlite_url
from learning_loop_node.loop_server.storage.images import NewImage, add_images
from learning_loop_node.loop_server.storage.listing import ImageFilter, Page, Position, Span, page_of, position_of
from learning_loop_node.loop_server.storage.tables import FacetRow, ImageFacetRow, ImageRow
from learning_loop_node.loop_server.wire.image_changes import ImageChange, Versioned
from learning_loop_node.loop_server.wire.images import Metadata
from learning_loop_node.loop_server.wire.listing import Deleted, Sort

pytestmark = pytest.mark.asyncio(loop_scope="module")

COUNT = 60
START = datetime(2026, 1, 1, tzinfo=UTC)
Known = dict[str, Any]

FILTERS = [
    pytest.param(ImageFilter(), id="everything"),
    pytest.param(ImageFilter(states=["review"]), id="state"),
    pytest.param(ImageFilter(states=["review", "inbox", "trash"]), id="several states"),
    pytest.param(ImageFilter(sets=["val", "test"]), id="sets"),
    pytest.param(ImageFilter(states=["inbox", "review"], sets=["train", "test"], tags=["t0"]), id="all of these"),
    pytest.param(ImageFilter(tags=["t1"]), id="tag"),
    pytest.param(ImageFilter(tags=["t0", "t1", "t0"]), id="two tags"),
    pytest.param(ImageFilter(tags=["rare"]), id="rare tag"),
    pytest.param(ImageFilter(tags=["unknown"]), id="unknown tag"),
    pytest.param(ImageFilter(source="cam 1"), id="source"),
    pytest.param(ImageFilter(model="1.1"), id="model"),
    pytest.param(ImageFilter(category="face"), id="category"),
    pytest.param(ImageFilter(annotated=True), id="annotated"),
    pytest.param(ImageFilter(annotated=False, tags=["t0"]), id="not annotated"),
    pytest.param(ImageFilter(name="a"), id="name"),
    pytest.param(ImageFilter(name="a%"), id="no pattern"),
    pytest.param(ImageFilter(id="image-1"), id="id"),
    pytest.param(ImageFilter(created=Span(since=START + timedelta(days=20))), id="created since"),
    pytest.param(
        ImageFilter(created=Span(since=START + timedelta(days=5), until=START + timedelta(days=9))), id="created"
    ),
    pytest.param(ImageFilter(confidence=(0.5, 0.8)), id="confidence"),
    pytest.param(ImageFilter(confidence=(0.5, 0.6), model="1.1", category="face"), id="confidence of a model"),
    pytest.param(ImageFilter(deleted=Deleted.Also), id="deleted also"),
    pytest.param(ImageFilter(deleted=Deleted.Only), id="deleted only"),
    pytest.param(ImageFilter(deleted=Deleted.Only, tags=["t1"]), id="deleted with a tag"),
]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def session(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[AsyncSession]:
    database = Database(sqlite_url(tmp_path_factory.mktemp("listing")))
    await database.open()
    async with database.writing() as session:
        project = await projects.add_project(session, "zauberzeug", "demo")
        await fill(session, project.id)
        yield session
    await database.aclose()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def known(session: AsyncSession) -> list[Known]:
    """All images, as they can be compared with a filter."""
    metadata = {f"image-{number}": entry for number, entry in enumerate(random_metadata())}
    rows = (await session.scalars(select(ImageRow))).all()
    return [row.__dict__ | {"metadata": metadata[row.id]} for row in rows]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def project_id(session: AsyncSession) -> str:
    return (await session.scalars(select(ImageRow.project_id))).first() or ""


@pytest.mark.parametrize("wanted", FILTERS)
@pytest.mark.parametrize(
    ("sort", "candidates", "limit"),
    [
        *((sort, 9, 7) for sort in (Sort.Arrival, Sort.LastArrival, Sort.Changed, Sort.LastCreated)),
        (Sort.LastChanged, 25, 50),
        (Sort.Created, 1000, 50),
    ],
)
async def test_pages(
    session: AsyncSession,
    project_id: str,
    known: Sequence[Known],
    wanted: ImageFilter,
    sort: Sort,
    candidates: int,
    limit: int,
):
    """With few candidates most pages end early, with more of them a group is sorted as a whole."""
    expected = sorted((image for image in known if fits(image, wanted)), key=order(sort), reverse=sort.is_descending)
    found = await all_pages(session, project_id, wanted, sort, limit, candidates)
    assert [number for page in found for number in page.numbers] == [image["number"] for image in expected]
    assert all(len(page.numbers) <= limit for page in found)


@pytest.mark.parametrize("sort", [Sort.Arrival, Sort.LastArrival, Sort.LastChanged])
async def test_ranges_of_arrival_and_change(session: AsyncSession, project_id: str, known: Sequence[Known], sort: Sort):
    moments = sorted(image["received"] for image in known)
    span = Span(since=moments[15], until=moments[45])
    for wanted in (ImageFilter(received=span), ImageFilter(changed=span), ImageFilter(received=span, tags=["t0"])):
        expected = {image["number"] for image in known if fits(image, wanted)}
        assert 5 < len(expected) < 31
        found = await all_pages(session, project_id, wanted, sort, 10, 7)
        assert {number for page in found for number in page.numbers} == expected
    for span in (Span(since=moments[-1] + timedelta(days=1)), Span(until=moments[0])):
        assert await numbers_of(session, project_id, ImageFilter(received=span)) == []


async def test_a_cursor_is_that_of_its_page(session: AsyncSession, project_id: str):
    for sort in Sort:
        page = await page_of(session, project_id, ImageFilter(), sort, 3, None)
        assert page.next is not None
        assert position_of(page.next.cursor(), sort) == page.next


async def test_what_comes_and_goes_meanwhile_disturbs_no_listing(session: AsyncSession, project_id: str):
    first = await page_of(session, project_id, ImageFilter(), Sort.Arrival, 20, None)
    rest = await numbers_of(session, project_id, ImageFilter(), first.next)
    gone = await session.get_one(ImageRow, first.numbers[10])
    async with session.begin_nested() as later:
        await image_changes.set_aside(session, project_id, [Versioned(id=gone.id, version=gone.version)], None)
        [new] = await add_images(session, project_id, [new_image("new", Metadata())])
        after = await numbers_of(session, project_id, ImageFilter(), first.next)
        added = (await session.scalars(select(ImageRow.number).where(ImageRow.id == new.id))).one()
        assert after == [*rest, added]
        await later.rollback()


async def test_facets_and_their_counts_are_kept_through_all_changes(session: AsyncSession, project_id: str):
    before = await facets.counts(session, project_id)
    assert before["tag"]["rare"] == 2
    assert sum(before["state"].values()) == sum(before["set"].values()) == sum(before["annotated"].values())
    held = select(ImageFacetRow.facet_id, func.count()).join(ImageRow, ImageRow.number == ImageFacetRow.image_number)
    query = held.where(ImageRow.deleted.is_(None)).group_by(ImageFacetRow.facet_id)
    counted = {facet_id: count for facet_id, count in await session.execute(query)}  # noqa: C416
    kept = {row.id: row.count for row in await session.scalars(select(FacetRow)) if row.count}
    assert kept == counted
    numbers = (await session.scalars(select(ImageRow.number))).all()
    await facets.refresh(session, project_id, numbers)
    assert await facets.counts(session, project_id) == before, "nothing was left to do"


async def all_pages(
    session: AsyncSession,
    project_id: str,
    wanted: ImageFilter,
    sort: Sort = Sort.Arrival,
    limit: int = 100,
    candidates: int | None = None,
    after: Position | None = None,
) -> list[Page]:
    pages = [await page_of(session, project_id, wanted, sort, limit, after, candidates=candidates)]
    while (after := pages[-1].next) is not None:
        pages.append(await page_of(session, project_id, wanted, sort, limit, after, candidates=candidates))
        assert len(pages) < 3 * COUNT, "the cursor does not move on"
    return pages


async def numbers_of(
    session: AsyncSession, project_id: str, wanted: ImageFilter, after: Position | None = None
) -> list[int]:
    return [number for page in await all_pages(session, project_id, wanted, after=after) for number in page.numbers]


def fits(image: Known, wanted: ImageFilter) -> bool:
    metadata: Metadata = image["metadata"]
    found = metadata.box_detections
    categories = {entry.category_id for entry in found} | {entry.category_id for entry in metadata.box_annotations}
    is_annotated = bool(metadata.box_annotations)
    low, high = wanted.confidence or (0, 0)
    return (
        (not wanted.states or image["state"] in wanted.states)
        and (not wanted.sets or image["set"] in wanted.sets)
        and set(wanted.tags) <= set(image["tags"])
        and wanted.source in (None, image["source"])
        and (wanted.model is None or wanted.model in {entry.model_name for entry in found})
        and (wanted.category is None or wanted.category in categories)
        and wanted.annotated in (None, is_annotated)
        and (wanted.name is None or (image["name"] or "").startswith(wanted.name))
        and (wanted.id is None or image["id"].startswith(wanted.id))
        and is_within(image["received"], wanted.received)
        and is_within(image["taken"], wanted.created)
        and is_within(image["changed"], wanted.changed)
        and {
            Deleted.No: image["deleted"] is None,
            Deleted.Also: True,
            Deleted.Only: image["deleted"] is not None,
        }[wanted.deleted]
        and (
            wanted.confidence is None
            or any(
                low <= entry.confidence <= high
                and wanted.model in (None, entry.model_name)
                and wanted.category in (None, entry.category_id)
                for entry in found
            )
        )
    )


def is_within(moment: datetime, span: Span) -> bool:
    return (span.since is None or span.since <= moment) and (span.until is None or moment < span.until)


def order(sort: Sort) -> Any:
    return lambda image: (image[sort.column] if sort.column else 0, image["number"])


def random_metadata() -> list[Metadata]:
    rng = random.Random(1)
    return [one_of(rng, number) for number in range(COUNT)]


def one_of(rng: random.Random, number: int) -> Metadata:
    box = {"category_name": "x", "x": 1, "y": 1, "width": 1, "height": 1}
    moment = START + timedelta(days=rng.randrange(30))
    return Metadata.model_validate(
        {
            "id": f"image-{number}",
            "state": rng.choice(["inbox", "inbox", "inbox", "review", "complete", "trash"]),
            "set": rng.choice([None, "val"]),
            "tags": [tag for tag in ("t0", "t1") if rng.random() < 0.5] + (["rare"] if number in (17, 50) else []),
            "source": rng.choice([None, "cam 1", "cam 2"]),
            "name": rng.choice([None, "a1", "a%", "b"]),
            "created": rng.choice([moment.strftime("%Y-%m-%d_%H:%M:%S.123"), moment.isoformat(), None, "some day"]),
            "box_annotations": [box | {"category_id": rng.choice(["face", "eye"])} for _ in range(rng.randrange(2))],
            "box_detections": [
                box
                | {
                    "category_id": rng.choice(["face", "eye"]),
                    "model_name": rng.choice(["1.0", "1.1"]),
                    "confidence": rng.randrange(10) / 10,
                }
                for _ in range(rng.randrange(3))
            ],
        }
    )


async def fill(session: AsyncSession, project_id: str) -> None:
    rng = random.Random(2)
    new = [new_image(f"image-{number}", metadata) for number, metadata in enumerate(random_metadata())]
    for start in range(0, COUNT, 20):
        await add_images(session, project_id, new[start : start + 20])
    rows = (await session.scalars(select(ImageRow))).all()
    for _ in range(25):
        chosen = rng.sample(rows, 5)
        living = [row for row in chosen if row.deleted is None]
        match rng.randrange(4):
            case 0:
                changes = [
                    ImageChange(id=row.id, version=row.version, add_tags=[rng.choice(["t0", "t1"])]) for row in living
                ]
                await image_changes.change(session, project_id, changes, "somebody")
            case 1:
                state: Any = rng.choice(["review", "trash"])
                changes = [ImageChange(id=row.id, version=row.version, state=state, tags=row.tags) for row in living]
                await image_changes.change(session, project_id, changes, "somebody")
            case 2:
                named = [Versioned(id=row.id, version=row.version) for row in chosen[:2] if "rare" not in row.tags]
                await image_changes.set_aside(session, project_id, named, "somebody")
            case 3:
                named = [Versioned(id=row.id, version=row.version) for row in chosen[:3]]
                await image_changes.bring_back(session, project_id, named, "somebody")


def new_image(label: str, metadata: Metadata) -> NewImage:
    return NewImage(
        label=label,
        key=None,
        sha256=f"{random.Random(label).getrandbits(256):064x}",
        size_bytes=1,
        format="jpeg",
        width=1,
        height=1,
        metadata=metadata,
    )
