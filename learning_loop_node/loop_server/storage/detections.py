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
from .tables import DetectionRow, ImageRow
from .versions import refuse_missing


async def refuse_unknown(session: AsyncSession, project_id: str, entries: Sequence[DetectionsOf]) -> None:
    """Raise `NotFoundError` or `RefusedError` (for deleted ones) with the images that cannot get detections."""
    await _images_of(session, project_id, entries)


async def replace(session: AsyncSession, project_id: str, entries: Sequence[DetectionsOf]) -> Sequence[str]:
    """Keep what models found, in place of what these had found in the same image before; the ids of the images.

    This is no change of the image: a person who labels it meanwhile is not disturbed. Raises what `refuse_unknown`
    raises.
    """
    images = await _images_of(session, project_id, entries)
    former = {
        (images[entry.image_id].number, finding.model_name)
        for entry in entries
        for kind in KINDS
        for finding in getattr(entry, f"{kind}_detections")
    }
    for number, model in sorted(former):
        await session.execute(
            delete(DetectionRow).where(DetectionRow.image_number == number, DetectionRow.model_name == model)
        )
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
