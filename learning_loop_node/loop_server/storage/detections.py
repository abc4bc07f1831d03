"""Detections that come after their image."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from ...runtime.threads import io_bound
from ..wire.detections import DetectionsOf
from . import facets
from .facets import FacetKind
from .image_changes import images_named, refuse_deleted
from .images import KINDS, category_ids, detections_of, insert_rows
from .tables import BlankRow, DetectionRow, ImageRow
from .versions import refuse_missing


async def refuse_unknown(session: AsyncSession, project_id: str, entries: Sequence[DetectionsOf]) -> None:
    """Raise `NotFoundError` or `RefusedError` (for deleted ones) with the images that cannot get detections."""
    await _images_of(session, project_id, entries)


def models_in(entry: DetectionsOf) -> set[str]:
    """The models that found something."""
    return {finding.model_name for kind in KINDS for finding in getattr(entry, f"{kind}_detections")}


async def replace(
    session: AsyncSession, project_id: str, entries: Sequence[DetectionsOf], model: str | None = None
) -> Sequence[str]:
    """Keep what models found, in place of what these had found in the same image before; the ids of the images.

    Where an entry has nothing of `model`, that model looked and found nothing. This is no change of the image: a person
    who labels it meanwhile is not disturbed. Raises what `refuse_unknown` raises.
    """
    images = await _images_of(session, project_id, entries)
    named = [(images[entry.image_id].number, models_in(entry)) for entry in entries]
    found = {(number, name) for number, names in named for name in names}
    blank = {(number, model) for number, _ in named if model is not None} - found
    for table in (DetectionRow, BlankRow):
        for number, name in sorted(found | blank):
            await session.execute(delete(table).where(table.image_number == number, table.model_name == name))
    await insert_rows(session, BlankRow, [{"image_number": number, "model_name": name} for number, name in blank])
    names = await category_ids(session, project_id)
    rows = await io_bound(
        lambda: [row for entry in entries for row in detections_of(images[entry.image_id], entry, names)]
    )
    await insert_rows(session, DetectionRow, rows)
    kinds = (FacetKind.MODEL, FacetKind.CATEGORY)
    await facets.refresh(session, project_id, [image.number for image in images.values()], kinds)
    return list(images)


async def _images_of(session: AsyncSession, project_id: str, entries: Sequence[DetectionsOf]) -> dict[str, ImageRow]:
    ids = list(dict.fromkeys(entry.image_id for entry in entries))
    images = await images_named(session, project_id, ids)
    refuse_missing("image", ids, images)
    refuse_deleted([image for image in images.values() if image.deleted is not None])
    return images
